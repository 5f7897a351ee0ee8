//! What every scrape says about the process and about telemetry itself.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::export::ExportCounters;

pub(crate) fn register_process(registry: &mut Registry, service_name: &'static str, instance_id: &str) {
    let build = Info::new(vec![
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("service_name", service_name.to_owned()),
        ("service_instance_id", instance_id.to_owned()),
    ]);
    registry.register("orrery_build", "What runs here", build);
    registry.register_collector(Box::new(Process));
}

pub(crate) fn register_export(registry: &mut Registry, counters: Arc<ExportCounters>) {
    registry.register_collector(Box::new(Spans(counters)));
}

/// The standard process metrics, under the names that every dashboard knows. On a system without `/proc` there are none.
#[derive(Debug)]
struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let Some(stat) = Stat::read() else { return Ok(()) };
        counter(
            &mut encoder,
            "process_cpu",
            "CPU time, user and system",
            Some(&Unit::Seconds),
            stat.cpu_seconds,
        )?;
        let gauges = [
            (
                "process_resident_memory",
                "Memory in RAM",
                Some(&Unit::Bytes),
                stat.resident_bytes,
            ),
            (
                "process_virtual_memory",
                "Memory mapped",
                Some(&Unit::Bytes),
                stat.virtual_bytes,
            ),
            (
                "process_start_time",
                "When it started, since 1970",
                Some(&Unit::Seconds),
                stat.started_unix_seconds,
            ),
            (
                "process_threads",
                "Threads of the operating system",
                None,
                stat.threads,
            ),
            ("process_open_fds", "Open file descriptors", None, stat.open_fds),
        ];
        for (name, help, unit, value) in gauges {
            gauge(&mut encoder, name, help, unit, value)?;
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
}

/// `/proc` counts in ticks of 1/100 s on every architecture that this is built for.
const TICKS_PER_SECOND: f64 = 100.0;

impl Stat {
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
        })
    }
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
        let mut family =
            encoder.encode_descriptor("telemetry_spans", "Spans by what became of them", None, kind)?;
        for (result, count) in results {
            let metric = ConstCounter::new(count.load(Ordering::Relaxed));
            metric.encode(family.encode_family(&[("result", result)])?)?;
        }
        #[expect(clippy::cast_precision_loss, reason = "the queue is bounded far below 2^52")]
        let waiting = self.0.waiting.load(Ordering::Relaxed) as f64;
        gauge(
            &mut encoder,
            "telemetry_spans_waiting",
            "Spans that wait for export",
            None,
            waiting,
        )
    }
}
