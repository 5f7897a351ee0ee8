//! An experiment: a Chaos Mesh object, and what a laptop makes of it.
//!
//! The same file is applied to a cluster with `kubectl apply -f`. Fields that Chaos Mesh does not have are refused, and so is,
//! by its name, what cannot be honoured here: a drill never runs something else than its file says.

mod kinds;
mod refused;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::DrillError;
use crate::span::{Offset, Span};
use kinds::{IoChaos, NetworkChaos, PodChaos, StressChaos, TimeChaos};

/// The annotation that says how long a killed pod stays away here: a scheduler takes seconds, a process does not.
const RESTART_AFTER: &str = "orrery.dev/restart-after";
/// The annotation that says how large the disk is made here that is to be filled.
const DISK_SIZE: &str = "orrery.dev/disk-size";
const DISK_MIB_DEFAULT: u32 = 64;
/// It stands in memory.
const DISK_MIB_MAX: u32 = 1_024;
/// The label by which parts of the platform are chosen.
const NAME_LABEL: &str = "app.kubernetes.io/name";

/// One experiment, ready to be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experiment {
    /// Its name (`metadata.name`).
    pub name: String,
    /// The part of the platform that it strikes: a role or an engine.
    pub target: String,
    /// Whether it strikes every copy of it, or one.
    pub all: bool,
    /// What it does.
    pub fault: Fault,
    /// How long; zero for a kill, which is over at once.
    pub duration: Duration,
}

/// What happens to the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Its process ends and is started again after a while.
    Kill {
        /// How long it may drain (SIGTERM) before SIGKILL; zero: SIGKILL at once.
        grace: Duration,
        /// How long it stays away.
        restart_after: Duration,
    },
    /// Its process stands still (SIGSTOP) and goes on.
    Freeze,
    /// Nothing passes between it and those that call it; connections break.
    Cut,
    /// Everything between it and those that call it is late, each way.
    Slow(Duration),
    /// At most so many bytes a second each way on each connection.
    Throttle(u64),
    /// The machine's processors are kept busy.
    BurnCpu {
        /// How many threads.
        workers: u32,
        /// How much of one processor each takes, in percent.
        load_percent: u32,
    },
    /// The machine's memory is filled.
    FillMemory {
        /// How much in all.
        bytes: u64,
    },
    /// Its wall clock is set; its monotonic one goes on.
    StepClock(Offset),
    /// Nothing more fits on the disk below its data.
    FillDisk {
        /// How large that disk is made.
        mib: u32,
    },
}

impl Fault {
    /// What it does, in words.
    pub fn told(&self) -> String {
        match self {
            Self::Kill { grace, restart_after } if grace.is_zero() => {
                format!("killed (SIGKILL), started again after {restart_after:?}")
            }
            Self::Kill { grace, restart_after } => {
                format!("asked to drain (SIGTERM, {grace:?} at most), started again after {restart_after:?}")
            }
            Self::Freeze => "frozen (SIGSTOP), then let go on".to_owned(),
            Self::Cut => "cut off".to_owned(),
            Self::Slow(delay) => format!("{delay:?} later each way"),
            Self::Throttle(bytes_per_s) => format!("at most {bytes_per_s} bytes/s each way"),
            Self::BurnCpu {
                workers,
                load_percent,
            } => format!("{workers} threads at {load_percent} % of a processor"),
            Self::FillMemory { bytes } => format!("{bytes} bytes of memory filled"),
            Self::StepClock(offset) => format!("its wall clock stepped by {offset}"),
            Self::FillDisk { mib } => {
                format!("its disk (a tmpfs of {mib} MiB) filled to the last byte, then freed")
            }
        }
    }

    /// Whether a proxy has to stand before the target.
    pub fn needs_proxy(&self) -> bool {
        matches!(self, Self::Cut | Self::Slow(_) | Self::Throttle(_))
    }
}

/// What every object has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Object<Spec> {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Metadata,
    spec: Spec,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Metadata {
    name: String,
    #[serde(default, rename = "namespace")]
    _namespace: Option<String>,
    #[serde(default, rename = "labels")]
    _labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Enough to know what an object is.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    api_version: String,
    kind: String,
}

impl Experiment {
    /// Reads one object; `file` is named in errors.
    pub fn parse(file: &str, yaml: &str) -> Result<Self, DrillError> {
        let head: Kind = read(file, yaml)?;
        if head.api_version != "chaos-mesh.org/v1alpha1" {
            return Err(malformed(
                file,
                &format!("apiVersion is {}, not chaos-mesh.org/v1alpha1", head.api_version),
            ));
        }
        let name_of = |metadata: &Metadata| metadata.name.clone();
        match head.kind.as_str() {
            "PodChaos" => {
                let object: Object<PodChaos> = read(file, yaml)?;
                let restart_after = restart_after(file, &object.metadata)?;
                object
                    .spec
                    .experiment(file, name_of(&object.metadata), restart_after)
            }
            "NetworkChaos" => {
                let object: Object<NetworkChaos> = read(file, yaml)?;
                object.spec.experiment(file, name_of(&object.metadata))
            }
            "StressChaos" => {
                let object: Object<StressChaos> = read(file, yaml)?;
                object.spec.experiment(file, name_of(&object.metadata))
            }
            "IOChaos" => {
                let object: Object<IoChaos> = read(file, yaml)?;
                let mib = disk_mib(file, &object.metadata)?;
                object.spec.experiment(file, name_of(&object.metadata), mib)
            }
            "TimeChaos" => {
                let object: Object<TimeChaos> = read(file, yaml)?;
                object.spec.experiment(file, name_of(&object.metadata))
            }
            other => Err(refused::kind(file, other)),
        }
    }
}

fn restart_after(file: &str, metadata: &Metadata) -> Result<Duration, DrillError> {
    let Some(text) = metadata.annotations.get(RESTART_AFTER) else {
        return Ok(Duration::ZERO);
    };
    let quoted = format!("'{text}'");
    let span: Span = serde_saphyr::from_str(&quoted)
        .map_err(|error| malformed(file, &format!("annotation {RESTART_AFTER}: {error}")))?;
    Ok(span.0)
}

/// How large the disk is made that an experiment fills.
fn disk_mib(file: &str, metadata: &Metadata) -> Result<u32, DrillError> {
    let Some(text) = metadata.annotations.get(DISK_SIZE) else {
        return Ok(DISK_MIB_DEFAULT);
    };
    let mib = text.strip_suffix("Mi").and_then(|number| number.parse().ok());
    mib.filter(|mib| (8..=DISK_MIB_MAX).contains(mib))
        .ok_or_else(|| malformed(file, &format!("annotation {DISK_SIZE}: 8Mi to {DISK_MIB_MAX}Mi")))
}

fn read<T: serde::de::DeserializeOwned>(file: &str, yaml: &str) -> Result<T, DrillError> {
    serde_saphyr::from_str(yaml).map_err(|error| malformed(file, &error.to_string()))
}

fn malformed(file: &str, reason: &str) -> DrillError {
    DrillError::Malformed {
        file: file.to_owned(),
        reason: reason.to_owned(),
    }
}

#[cfg(test)]
mod tests;
