//! What every scrape says about the process and about telemetry itself.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Unit;

use super::registry::{MetricDescription, MetricKind, Registry};
use crate::export::ExportCounters;

pub(crate) fn register_process(registry: &mut Registry, service_name: &'static str, instance_id: &str) {
    let build = Info::new(vec![
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service_name", service_name.to_owned()),
        ("service_instance_id", instance_id.to_owned()),
    ]);
    let labels = ["version", "service_name", "service_instance_id"];
    registry.register("orrery_build", "What runs here", &labels, build);
    let (name, help) = CPU;
    let cpu = MetricDescription::new(name, help, MetricKind::Counter, Some(&Unit::Seconds), &[]);
    let gauges = GAUGES
        .iter()
        .map(|(name, help, unit)| MetricDescription::new(name, help, MetricKind::Gauge, unit.as_ref(), &[]));
    registry.register_collector(std::iter::once(cpu).chain(gauges), Process);
}

pub(crate) fn register_export(registry: &mut Registry, counters: Arc<ExportCounters>) {
    let (name, help) = SPANS;
    let spans = MetricDescription::new(name, help, MetricKind::Counter, None, &["result"]);
    let (name, help) = SPANS_WAITING;
    let waiting = MetricDescription::new(name, help, MetricKind::Gauge, None, &[]);
    registry.register_collector([spans, waiting], Spans(counters));
}

const CPU: (&str, &str) = ("process_cpu", "CPU time, user and system");

/// In the order of [`Stat::gauges`].
const GAUGES: [(&str, &str, Option<Unit>); 6] = [
    ("process_resident_memory", "Memory in RAM", Some(Unit::Bytes)),
    ("process_virtual_memory", "Memory mapped", Some(Unit::Bytes)),
    (
        "process_start_time",
        "When it started, since 1970",
        Some(Unit::Seconds),
    ),
    ("process_threads", "Threads of the operating system", None),
    ("process_open_fds", "Open file descriptors", None),
    ("process_max_fds", "How many file descriptors may be open", None),
];

const SPANS: (&str, &str) = ("telemetry_spans", "Spans by what became of them");
const SPANS_WAITING: (&str, &str) = ("telemetry_spans_waiting", "Spans that wait for export");

/// The standard process metrics, under the names that every dashboard knows. On a system without `/proc` there are none.
#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let Some(stat) = Stat::read() else { return Ok(()) };
        let (name, help) = CPU;
        counter(&mut encoder, name, help, Some(&Unit::Seconds), stat.cpu_seconds)?;
        for ((name, help, unit), value) in GAUGES.iter().zip(stat.gauges()) {
            gauge(&mut encoder, name, help, unit.as_ref(), value)?;
        }
        Ok(())
    }
}

fn counter(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: f64,
) -> Result<(), std::fmt::Error> {
    let metric = ConstCounter::new(value);
    metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
}

fn gauge(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    value: f64,
) -> Result<(), std::fmt::Error> {
    let metric = ConstGauge::new(value);
    metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
}

struct Stat {
    cpu_seconds: f64,
    resident_bytes: f64,
    virtual_bytes: f64,
    started_unix_seconds: f64,
    threads: f64,
    open_fds: f64,
    max_fds: f64,
}

/// `/proc` counts in ticks of 1/100 s on every architecture that this is built for.
const TICKS_PER_SECOND: f64 = 100.0;

impl Stat {
    fn gauges(&self) -> [f64; GAUGES.len()] {
        [
            self.resident_bytes,
            self.virtual_bytes,
            self.started_unix_seconds,
            self.threads,
            self.open_fds,
            self.max_fds,
        ]
    }

    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The second field is the program's name and may hold anything, so the fields are counted from its end.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let kilobytes = |name| named_number(&status, name).map(|value| value * 1_024.0);
        let booted = named_number(&fs::read_to_string("/proc/stat").ok()?, "btime")?;
        #[expect(clippy::cast_precision_loss, reason = "file descriptors are few")]
        let open_fds = fs::read_dir("/proc/self/fd").ok()?.count() as f64;
        Some(Self {
            cpu_seconds: (number(14)? + number(15)?) / TICKS_PER_SECOND,
            resident_bytes: kilobytes("VmRSS:")?,
            virtual_bytes: kilobytes("VmSize:")?,
            started_unix_seconds: booted + number(22)? / TICKS_PER_SECOND,
            threads: number(20)?,
            open_fds,
            max_fds: max_fds().unwrap_or(f64::INFINITY),
        })
    }
}

/// The soft limit; none is infinity.
fn max_fds() -> Option<f64> {
    fs::read_to_string("/proc/self/limits")
        .ok()?
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

fn named_number(text: &str, name: &str) -> Option<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// What became of the role's spans: a trace that cannot be found has a reason here.
#[derive(Debug)]
struct Spans(Arc<ExportCounters>);

impl Collector for Spans {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let results = [
            ("exported", &self.0.exported),
            ("failed", &self.0.failed),
            ("dropped", &self.0.dropped),
        ];
        let kind = ConstCounter::new(0_u64).metric_type();
        let mut family = encoder.encode_descriptor(SPANS.0, SPANS.1, None, kind)?;
        for (result, count) in results {
            let metric = ConstCounter::new(count.load(Ordering::Relaxed));
            metric.encode(family.encode_family(&[("result", result)])?)?;
        }
        #[expect(clippy::cast_precision_loss, reason = "the queue is bounded far below 2^52")]
        let waiting = self.0.waiting.load(Ordering::Relaxed) as f64;
        gauge(&mut encoder, SPANS_WAITING.0, SPANS_WAITING.1, None, waiting)
    }
}
