//! The queue and its thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry_otlp::{Protocol, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SpanData, SpanExporter, SpanProcessor,
};
use tokio::runtime::Runtime;

use super::Priority;
use crate::error::TelemetryError;
use crate::settings::{OtlpProtocol, TelemetrySettings};

/// What became of the spans.
#[derive(Debug, Default)]
pub(crate) struct ExportCounters {
    /// Delivered to the collector.
    pub(crate) exported: AtomicU64,
    /// Given up after a failed export.
    pub(crate) failed: AtomicU64,
    /// Not even queued: the queue was full, or telemetry was shut down.
    pub(crate) dropped: AtomicU64,
    /// Waiting for export.
    pub(crate) waiting: AtomicUsize,
}

/// The way out of one role.
pub(crate) struct Export {
    processor: BatchSpanProcessor,
    counters: Arc<ExportCounters>,
    queue_spans_max: usize,
    closed: AtomicBool,
    /// Drives the gRPC connection: the batch thread polls an export, but tonic's channel lives in a Tokio runtime.
    runtime: Option<Runtime>,
}

impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export")
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl Export {
    /// Starts the batch thread. The connection is made by the first export: a collector that is not there yet stops
    /// nothing.
    pub(crate) fn start(
        endpoint: &str,
        settings: &TelemetrySettings,
        resource: &Resource,
    ) -> Result<Self, TelemetryError> {
        let counters = Arc::new(ExportCounters::default());
        let timeout = Duration::from_millis(settings.otlp_timeout_ms);
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(settings.otlp_queue_spans_max)
            .with_max_export_batch_size(settings.otlp_batch_spans_max)
            .with_scheduled_delay(Duration::from_millis(settings.otlp_flush_interval_ms))
            .build();
        let failed =
            |error: opentelemetry_otlp::ExporterBuildError| TelemetryError::Exporter(error.to_string());
        let (exporter, runtime) = match settings.otlp_protocol {
            OtlpProtocol::Grpc => {
                let runtime = grpc_runtime()?;
                let entered = runtime.enter();
                let exporter = opentelemetry_otlp::SpanExporter::builder()
                    .with_tonic()
                    .with_endpoint(endpoint)
                    .with_timeout(timeout)
                    .build()
                    .map_err(failed)?;
                drop(entered);
                (exporter, Some(runtime))
            }
            OtlpProtocol::Http => {
                let exporter = opentelemetry_otlp::SpanExporter::builder()
                    .with_http()
                    .with_protocol(Protocol::HttpBinary)
                    .with_endpoint(http_traces_url(endpoint))
                    .with_timeout(timeout)
                    .build()
                    .map_err(failed)?;
                (exporter, None)
            }
        };
        let exporter = Counted {
            exporter,
            counters: Arc::clone(&counters),
        };
        let mut processor = BatchSpanProcessor::new(exporter, config);
        processor.set_resource(resource);
        Ok(Self {
            processor,
            counters,
            queue_spans_max: settings.otlp_queue_spans_max,
            closed: AtomicBool::new(false),
            runtime,
        })
    }

    /// Queues a span if there is room. Never waits.
    pub(crate) fn push(&self, priority: Priority, span: impl FnOnce() -> SpanData) -> bool {
        let room = match priority {
            Priority::Ordinary => self.queue_spans_max,
            Priority::Refusal => self.queue_spans_max / 2,
        };
        let waiting = self.counters.waiting.fetch_add(1, Ordering::Relaxed);
        if waiting >= room || self.closed.load(Ordering::Relaxed) {
            self.counters.waiting.fetch_sub(1, Ordering::Relaxed);
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        self.processor.on_end(span());
        true
    }

    pub(crate) fn counters(&self) -> Arc<ExportCounters> {
        Arc::clone(&self.counters)
    }

    /// Sends what waits and ends the thread. Blocks for at most `timeout`.
    pub(crate) fn shutdown(&self, timeout: Duration) -> Result<(), TelemetryError> {
        if self.closed.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let failed_before = self.counters.failed.load(Ordering::Relaxed);
        self.processor
            .shutdown_with_timeout(timeout)
            .map_err(|error| TelemetryError::Flush(error.to_string()))?;
        match self.counters.failed.load(Ordering::Relaxed) - failed_before {
            0 => Ok(()),
            lost => Err(TelemetryError::Flush(format!(
                "the collector did not take the last {lost}"
            ))),
        }
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        // A runtime must not be dropped, with a wait, inside another one.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn grpc_runtime() -> Result<Runtime, TelemetryError> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("otlp-grpc")
        .enable_all()
        .build()
        .map_err(|error| TelemetryError::Exporter(error.to_string()))
}

/// The setting is the collector's base address for both protocols; OTLP over HTTP has one path a signal below it.
fn http_traces_url(endpoint: &str) -> String {
    let base = endpoint.trim_end_matches('/');
    if base.ends_with("/v1/traces") {
        base.to_owned()
    } else {
        format!("{base}/v1/traces")
    }
}

/// Counts what an exporter does, for the SDK's own count of dropped spans is not to be read.
#[derive(Debug)]
struct Counted<E> {
    exporter: E,
    counters: Arc<ExportCounters>,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.counters.waiting.fetch_sub(spans, Ordering::Relaxed);
        let result = self.exporter.export(batch).await;
        let counter = if result.is_ok() {
            &self.counters.exported
        } else {
            &self.counters.failed
        };
        counter.fetch_add(spans as u64, Ordering::Relaxed);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
