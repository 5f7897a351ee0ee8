//! The four kinds that a laptop knows, with the fields of Chaos Mesh's own definitions.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::{Experiment, Fault, NAME_LABEL, malformed, refused};
use crate::DrillError;
use crate::span::{Offset, Span};

/// `ENOSPC`: no space left on the device.
const NO_SPACE: i32 = 28;
/// More would make the drill about the machine instead of the platform.
const WORKERS_MAX: u32 = 8;
/// The most memory a drill fills.
const FILLED_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Whom an experiment strikes.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Selector {
    // On a cluster the namespace is chosen; here there is one platform.
    #[serde(default, rename = "namespaces")]
    _namespaces: Vec<String>,
    label_selectors: BTreeMap<String, String>,
}

impl Selector {
    fn name(&self, file: &str) -> Result<String, DrillError> {
        match (self.label_selectors.get(NAME_LABEL), self.label_selectors.len()) {
            (Some(name), 1) => Ok(name.clone()),
            _ => Err(malformed(
                file,
                &format!(
                    "labelSelectors must be `{NAME_LABEL}` alone: parts of the platform are chosen by it"
                ),
            )),
        }
    }
}

/// How many of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Mode {
    One,
    All,
    Fixed,
    FixedPercent,
    RandomMaxPercent,
}

impl Mode {
    fn all(self, file: &str) -> Result<bool, DrillError> {
        match self {
            Self::One => Ok(false),
            Self::All => Ok(true),
            Self::Fixed => Err(refused::mode(file, "fixed")),
            Self::FixedPercent => Err(refused::mode(file, "fixed-percent")),
            Self::RandomMaxPercent => Err(refused::mode(file, "random-max-percent")),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct PodChaos {
    action: String,
    mode: Mode,
    #[serde(default, rename = "value")]
    _value: Option<String>,
    selector: Selector,
    #[serde(default)]
    duration: Span,
    /// Seconds a pod may take to end.
    #[serde(default)]
    grace_period: u32,
    #[serde(default, rename = "containerNames")]
    _container_names: Vec<String>,
}

impl PodChaos {
    pub(super) fn experiment(
        self,
        file: &str,
        name: String,
        restart_after: Duration,
    ) -> Result<Experiment, DrillError> {
        let fault = match self.action.as_str() {
            "pod-kill" => Fault::Kill {
                grace: Duration::from_secs(u64::from(self.grace_period)),
                restart_after,
            },
            "container-kill" => Fault::Kill {
                grace: Duration::ZERO,
                restart_after,
            },
            "pod-failure" if self.duration.0.is_zero() => {
                return Err(malformed(file, "pod-failure needs a duration"));
            }
            "pod-failure" => Fault::Freeze,
            other => return Err(malformed(file, &format!("PodChaos has no action `{other}`"))),
        };
        let lasts = matches!(fault, Fault::Freeze);
        Ok(Experiment {
            name,
            target: self.selector.name(file)?,
            all: self.mode.all(file)?,
            fault,
            duration: if lasts { self.duration.0 } else { Duration::ZERO },
        })
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Delay {
    latency: Span,
    #[serde(default)]
    jitter: Option<Span>,
    #[serde(default)]
    correlation: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bandwidth {
    rate: String,
    // The queue of a real interface; the proxy has none.
    #[serde(rename = "limit")]
    _limit: u32,
    #[serde(rename = "buffer")]
    _buffer: u32,
}

/// The other end of the line.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Peer {
    mode: Mode,
    selector: Selector,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct NetworkChaos {
    action: String,
    mode: Mode,
    selector: Selector,
    #[serde(default)]
    direction: Option<String>,
    #[serde(default)]
    target: Option<Peer>,
    duration: Span,
    #[serde(default)]
    delay: Option<Delay>,
    #[serde(default)]
    bandwidth: Option<Bandwidth>,
    #[serde(default)]
    loss: Option<serde_json::Value>,
    #[serde(default)]
    corrupt: Option<serde_json::Value>,
    #[serde(default)]
    duplicate: Option<serde_json::Value>,
    #[serde(default)]
    external_targets: Option<Vec<String>>,
    #[serde(default)]
    device: Option<String>,
}

impl NetworkChaos {
    /// A proxy stands before whoever is called: with a `target` that is the target (`direction: to` or `both`), without one the
    /// selected part itself.
    pub(super) fn experiment(self, file: &str, name: String) -> Result<Experiment, DrillError> {
        self.refuse_what_only_tc_can(file)?;
        let fault = match (self.action.as_str(), &self.delay, &self.bandwidth) {
            ("partition", None, None) => Fault::Cut,
            ("delay", Some(delay), None) => {
                if delay.jitter.is_some() || delay.correlation.is_some() {
                    return Err(refused::feature(
                        file,
                        "jitter and correlation",
                        refused::ONE_DELAY,
                    ));
                }
                Fault::Slow(delay.latency.0)
            }
            ("bandwidth", None, Some(bandwidth)) => Fault::Throttle(bytes_per_s(file, &bandwidth.rate)?),
            (action @ ("partition" | "delay" | "bandwidth"), ..) => {
                return Err(malformed(
                    file,
                    &format!("action `{action}` needs its own parameters and no others"),
                ));
            }
            (action @ ("loss" | "corrupt" | "duplicate" | "netem"), ..) => {
                return Err(refused::feature(file, &format!("`{action}`"), refused::PACKETS));
            }
            (other, ..) => return Err(malformed(file, &format!("NetworkChaos has no action `{other}`"))),
        };
        let (struck, all) = match (&self.target, self.direction.as_deref()) {
            (Some(peer), Some("to" | "both")) => (&peer.selector, peer.mode.all(file)?),
            (None, None | Some("to" | "both")) => (&self.selector, self.mode.all(file)?),
            (_, direction) => {
                return Err(refused::feature(
                    file,
                    &format!("direction {}", direction.unwrap_or("(none) with a target")),
                    refused::DIRECTION,
                ));
            }
        };
        Ok(Experiment {
            name,
            target: struck.name(file)?,
            all,
            fault,
            duration: self.duration.0,
        })
    }

    fn refuse_what_only_tc_can(&self, file: &str) -> Result<(), DrillError> {
        let asked = [
            ("loss", self.loss.is_some()),
            ("corrupt", self.corrupt.is_some()),
            ("duplicate", self.duplicate.is_some()),
        ];
        if let Some((what, _)) = asked.iter().find(|(_, asked)| *asked) {
            return Err(refused::feature(file, &format!("`{what}`"), refused::PACKETS));
        }
        if self.external_targets.is_some() || self.device.is_some() {
            let what = "externalTargets and device";
            return Err(refused::feature(file, what, refused::LOOPBACK));
        }
        Ok(())
    }
}

/// `tc`'s rates: `kbps` and `mbps` are bytes, `kbit` and `mbit` bits.
fn bytes_per_s(file: &str, rate: &str) -> Result<u64, DrillError> {
    let units = [
        ("kbps", 1_000),
        ("mbps", 1_000_000),
        ("gbps", 1_000_000_000),
        ("kbit", 125),
        ("mbit", 125_000),
        ("gbit", 125_000_000),
        ("bps", 1),
    ];
    units
        .iter()
        .find_map(|(unit, bytes)| {
            let number: u64 = rate.strip_suffix(unit)?.trim().parse().ok()?;
            number.checked_mul(*bytes).filter(|bytes| *bytes > 0)
        })
        .ok_or_else(|| {
            malformed(
                file,
                &format!("`{rate}` is no rate: write it like 1mbps or 500kbit"),
            )
        })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cpu {
    workers: u32,
    #[serde(default = "whole")]
    load: u32,
}

fn whole() -> u32 {
    100
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Memory {
    workers: u32,
    size: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stressors {
    #[serde(default)]
    cpu: Option<Cpu>,
    #[serde(default)]
    memory: Option<Memory>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct StressChaos {
    mode: Mode,
    selector: Selector,
    stressors: Stressors,
    duration: Span,
    #[serde(default)]
    stressng_stressors: Option<String>,
}

impl StressChaos {
    pub(super) fn experiment(self, file: &str, name: String) -> Result<Experiment, DrillError> {
        if self.stressng_stressors.is_some() {
            return Err(refused::feature(file, "stressngStressors", refused::STRESS_NG));
        }
        let fault = match (&self.stressors.cpu, &self.stressors.memory) {
            (Some(cpu), None)
                if (1..=WORKERS_MAX).contains(&cpu.workers) && (1..=100).contains(&cpu.load) =>
            {
                Fault::BurnCpu {
                    workers: cpu.workers,
                    load_percent: cpu.load,
                }
            }
            (None, Some(memory)) => Fault::FillMemory {
                bytes: filled_bytes(file, memory)?,
            },
            _ => {
                let reason =
                    format!("stressors: either cpu (1 to {WORKERS_MAX} workers, load 1 to 100) or memory");
                return Err(malformed(file, &reason));
            }
        };
        Ok(Experiment {
            name,
            target: self.selector.name(file)?,
            all: self.mode.all(file)?,
            fault,
            duration: self.duration.0,
        })
    }
}

fn filled_bytes(file: &str, memory: &Memory) -> Result<u64, DrillError> {
    let units = [
        ("MiB", 1 << 20),
        ("MB", 1 << 20),
        ("KB", 1 << 10),
        ("GB", 1 << 30),
    ];
    let one: Option<u64> = units.iter().find_map(|(unit, bytes)| {
        let number: u64 = memory.size.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*bytes)
    });
    one.and_then(|bytes| bytes.checked_mul(u64::from(memory.workers)))
        .filter(|bytes| (1..=FILLED_BYTES_MAX).contains(bytes))
        .ok_or_else(|| {
            let size = &memory.size;
            malformed(
                file,
                &format!("memory: `{size}` for each worker, written like 64MB; 1 GB at most in all"),
            )
        })
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct TimeChaos {
    mode: Mode,
    selector: Selector,
    time_offset: Offset,
    #[serde(default)]
    clock_ids: Vec<String>,
    duration: Span,
}

impl TimeChaos {
    pub(super) fn experiment(self, file: &str, name: String) -> Result<Experiment, DrillError> {
        if self.clock_ids.iter().any(|id| id != "CLOCK_REALTIME") {
            return Err(refused::feature(
                file,
                "clockIds other than CLOCK_REALTIME",
                refused::CLOCKS,
            ));
        }
        Ok(Experiment {
            name,
            target: self.selector.name(file)?,
            all: self.mode.all(file)?,
            fault: Fault::StepClock(self.time_offset),
            duration: self.duration.0,
        })
    }
}

/// Chaos Mesh answers system calls with an error; here the disk below the data folder is small, and filled.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct IoChaos {
    action: String,
    mode: Mode,
    selector: Selector,
    #[serde(default)]
    errno: Option<i32>,
    // Here it is the data folder, whatever a pod calls it.
    #[serde(rename = "volumePath")]
    _volume_path: String,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    methods: Vec<String>,
    #[serde(default)]
    percent: Option<u32>,
    duration: Span,
    #[serde(default, rename = "containerNames")]
    _container_names: Vec<String>,
    // Of the actions that are refused.
    #[serde(default, rename = "delay")]
    _delay: Option<serde_json::Value>,
    #[serde(default, rename = "attr")]
    _attr: Option<serde_json::Value>,
    #[serde(default, rename = "mistake")]
    _mistake: Option<serde_json::Value>,
}

impl IoChaos {
    pub(super) fn experiment(
        self,
        file: &str,
        name: String,
        disk_mib: u32,
    ) -> Result<Experiment, DrillError> {
        let is_write = |method: &String| {
            matches!(
                method.as_str(),
                "write" | "create" | "mknod" | "mkdir" | "fallocate"
            )
        };
        if self.action != "fault" || self.errno != Some(NO_SPACE) {
            let what = format!("IOChaos `{}` with errno {:?}", self.action, self.errno);
            return Err(refused::feature(file, &what, refused::ONLY_FULL));
        }
        if self.path.is_some()
            || self.percent.is_some_and(|percent| percent != 100)
            || !self.methods.iter().all(is_write)
        {
            return Err(refused::feature(
                file,
                "path, a percentage, methods that do not write",
                refused::WHOLE_DISK,
            ));
        }
        Ok(Experiment {
            name,
            target: self.selector.name(file)?,
            all: self.mode.all(file)?,
            fault: Fault::FillDisk { mib: disk_mib },
            duration: self.duration.0,
        })
    }
}
