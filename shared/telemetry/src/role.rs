//! The telemetry of one role: everything that carries its name.

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::SharedClock;
use http::{Method, Uri};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use tracing::Dispatch;

use crate::context::TraceContext;
use crate::error::TelemetryError;
use crate::export::{Export, Priority, Record};
use crate::logs;
use crate::metrics::{self, MetricDescription, Registry};
use crate::redact::redacted;
use crate::request::RequestSpan;
use crate::sampling::Sampler;
use crate::settings::TelemetrySettings;
use crate::span::{Span, SpanKind};

/// Traces, metrics and logs of one role. A process has one for each role it runs; nothing here is global, so that
/// each keeps its own `service.name`. Cloning is cheap.
#[derive(Clone)]
pub struct Telemetry(Arc<Inner>);

/// Metrics that were registered, by type and name.
type Families = HashMap<(TypeId, &'static str), Box<dyn Any + Send + Sync>>;

struct Inner {
    service_name: &'static str,
    instance_id: String,
    clock: SharedClock,
    dispatch: Dispatch,
    settings: TelemetrySettings,
    slow_request: Duration,
    sampler: Sampler,
    scope: InstrumentationScope,
    registry: Mutex<Registry>,
    families: Mutex<Families>,
    export: Option<Export>,
}

impl std::fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Telemetry")
            .field("service_name", &self.0.service_name)
            .finish_non_exhaustive()
    }
}

impl Telemetry {
    /// Sets up one role. Needs no runtime. Fails on settings that cannot work, each named; a collector that does not
    /// answer is no error.
    pub fn new(
        service_name: &'static str,
        instance_id: impl Into<String>,
        settings: &TelemetrySettings,
        clock: SharedClock,
    ) -> Result<Self, TelemetryError> {
        check(settings)?;
        let instance_id = instance_id.into();
        let export = match &settings.otlp_endpoint {
            None => None,
            Some(endpoint) => {
                let endpoint = checked_endpoint(endpoint)?;
                Some(Export::start(
                    &endpoint,
                    settings,
                    &resource(service_name, &instance_id),
                )?)
            }
        };
        // Without an exporter nothing is recorded here, and a caller's own decision is passed on as it is.
        let sampler = Sampler::new(if export.is_some() {
            settings.sample_ratio
        } else {
            0.0
        });
        let mut registry = Registry::default();
        metrics::register_process(&mut registry, service_name, &instance_id);
        if let Some(export) = &export {
            metrics::register_export(&mut registry, export.counters());
        }
        Ok(Self(Arc::new(Inner {
            service_name,
            dispatch: logs::dispatch(service_name, settings, Arc::clone(&clock), std::io::stderr())?,
            instance_id,
            clock,
            settings: settings.clone(),
            slow_request: Duration::from_millis(settings.slow_request_ms),
            sampler,
            scope: InstrumentationScope::builder("orrery")
                .with_version(env!("CARGO_PKG_VERSION"))
                .build(),
            registry: Mutex::new(registry),
            families: Mutex::default(),
            export,
        })))
    }

    /// The `service.name`.
    pub fn service_name(&self) -> &'static str {
        self.0.service_name
    }

    /// The `service.instance.id`.
    pub fn instance_id(&self) -> &str {
        &self.0.instance_id
    }

    /// The logs of this role, to standard error: install it on every thread of the role's runtime.
    pub fn dispatch(&self) -> Dispatch {
        self.0.dispatch.clone()
    }

    /// Makes this role's logs the present thread's, for as long as the thread lives: for a runtime's
    /// `on_thread_start`.
    pub fn adopt_thread(&self) {
        // The guard would restore the former dispatcher, and a worker thread has none.
        std::mem::forget(tracing::dispatcher::set_default(&self.0.dispatch));
    }

    /// Registers metrics.
    pub fn registry<T>(&self, register: impl FnOnce(&mut Registry) -> T) -> T {
        register(&mut self.locked_registry())
    }

    /// The metrics of type `T`, registered by whoever asks first. For what a role may have several of (databases,
    /// caches): registering a name twice would make the whole scrape invalid.
    pub fn registered<T: Clone + Send + Sync + 'static>(
        &self,
        register: impl FnOnce(&mut Registry) -> T,
    ) -> T {
        self.registered_as("", register)
    }

    /// The same for types that stand for many metrics, told apart by name.
    pub(crate) fn registered_as<T: Clone + Send + Sync + 'static>(
        &self,
        name: &'static str,
        register: impl FnOnce(&mut Registry) -> T,
    ) -> T {
        let mut families = self.0.families.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (TypeId::of::<T>(), name);
        if let Some(family) = families.get(&key).and_then(|family| family.downcast_ref::<T>()) {
            return family.clone();
        }
        let family = self.registry(register);
        families.insert(key, Box::new(family.clone()));
        family
    }

    /// Every metric that was registered, whether or not it has a series yet.
    pub fn catalogue(&self) -> Vec<MetricDescription> {
        self.locked_registry().described().to_vec()
    }

    /// A role that only registers its metrics, and sends nothing anywhere: for a catalogue. Those of the span export,
    /// which a role without a collector does not have, are among them.
    pub fn for_catalogue(service_name: &'static str, clock: SharedClock) -> Result<Self, TelemetryError> {
        let telemetry = Self::new(service_name, "catalogue", &TelemetrySettings::default(), clock)?;
        telemetry.registry(|registry| metrics::register_export(registry, Arc::default()));
        Ok(telemetry)
    }

    /// A scrape: content type and body. OpenMetrics with exemplars, unless `accept` asks for the older text only.
    pub fn encode(&self, accept: Option<&str>) -> Result<(String, Vec<u8>), TelemetryError> {
        metrics::encode(&self.locked_registry(), accept)
    }

    /// Sends the spans that wait. Blocks for at most `timeout`: call it off the async threads, once, at the end.
    pub fn shutdown(&self, timeout: Duration) -> Result<(), TelemetryError> {
        self.0
            .export
            .as_ref()
            .map_or(Ok(()), |export| export.shutdown(timeout))
    }

    /// A request that arrives: decides whether its trace is recorded before any span exists.
    pub fn request(&self, method: &Method, traceparent: Option<&str>) -> RequestSpan {
        RequestSpan::start(self, method, traceparent)
    }

    /// A request that never gets a span, not even when it fails: one that brings spans.
    pub fn unrecorded_request(&self, method: &Method) -> RequestSpan {
        RequestSpan::unrecorded(self, method)
    }

    /// A span below `parent`, or below the current context; not recorded when there is neither or it is not sampled.
    pub fn span(
        &self,
        name: impl Into<Cow<'static, str>>,
        kind: SpanKind,
        parent: Option<TraceContext>,
    ) -> Span {
        Span::start(self, name, kind, parent)
    }

    pub(crate) fn clock(&self) -> &SharedClock {
        &self.0.clock
    }

    pub(crate) fn sampler(&self) -> Sampler {
        self.0.sampler
    }

    pub(crate) fn slow_request(&self) -> Duration {
        self.0.slow_request
    }

    pub(crate) fn series_max(&self) -> usize {
        self.0.settings.metric_series_max
    }

    /// Whether spans go anywhere.
    pub(crate) fn exports(&self) -> bool {
        self.0.export.is_some()
    }

    pub(crate) fn write(&self, record: Record, elapsed: Duration) {
        self.write_with(record, elapsed, Priority::Ordinary);
    }

    /// Whether it was queued.
    pub(crate) fn write_with(&self, record: Record, elapsed: Duration, priority: Priority) -> bool {
        self.0.export.as_ref().is_some_and(|export| {
            export.push(priority, || {
                record.into_span_data(self.0.clock.unix_micros(), elapsed, self.0.scope.clone())
            })
        })
    }

    fn locked_registry(&self) -> MutexGuard<'_, Registry> {
        // A panic in somebody's collector must not take the scrapes after it.
        self.0.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn resource(service_name: &'static str, instance_id: &str) -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", service_name),
            KeyValue::new("service.namespace", "orrery"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance_id.to_owned()),
            KeyValue::new("process.pid", i64::from(std::process::id())),
        ])
        .build()
}

fn check(settings: &TelemetrySettings) -> Result<(), TelemetryError> {
    let out_of_range = |setting, value: String, expected| TelemetryError::OutOfRange {
        setting,
        value,
        expected,
    };
    if !(0.0..=1.0).contains(&settings.sample_ratio) {
        let value = settings.sample_ratio.to_string();
        return Err(out_of_range("sample_ratio", value, "expected 0 to 1"));
    }
    for (setting, value) in [
        ("otlp_timeout_ms", settings.otlp_timeout_ms),
        ("otlp_queue_spans_max", settings.otlp_queue_spans_max as u64),
        ("otlp_batch_spans_max", settings.otlp_batch_spans_max as u64),
        ("otlp_flush_interval_ms", settings.otlp_flush_interval_ms),
        ("metric_series_max", settings.metric_series_max as u64),
    ] {
        if value == 0 {
            return Err(out_of_range(setting, value.to_string(), "expected at least 1"));
        }
    }
    if settings.otlp_batch_spans_max > settings.otlp_queue_spans_max {
        let value = settings.otlp_batch_spans_max.to_string();
        return Err(out_of_range(
            "otlp_batch_spans_max",
            value,
            "expected at most otlp_queue_spans_max",
        ));
    }
    Ok(())
}

fn checked_endpoint(endpoint: &str) -> Result<String, TelemetryError> {
    let wrong = |reason: &str| TelemetryError::Endpoint {
        endpoint: redacted(endpoint).into_owned(),
        reason: reason.to_owned(),
    };
    let uri: Uri = endpoint
        .parse()
        .map_err(|_| wrong("expected a URL such as http://127.0.0.1:4317"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(host)) if !host.is_empty() => Ok(endpoint.to_owned()),
        (Some("https"), _) => Err(wrong(
            "this build has no TLS: use http, to a collector on the same host or network",
        )),
        _ => Err(wrong("expected a URL such as http://127.0.0.1:4317")),
    }
}
