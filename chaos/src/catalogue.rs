//! The drills, experiments, loads and observers of this checkout, in the binary; a path takes others.

use std::path::Path;

use load::profile::Profile;

use crate::observer::Observing;
use crate::{Drill, DrillError, Experiment};

macro_rules! files {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../", $folder, "/", $name, ".yaml")))),+]
    };
}

type Files = &'static [(&'static str, &'static str)];

const DRILLS: Files = files!("drills":
    "shortener-killed",
    "shortener-frozen",
    "cache-wiped",
    "cql-cut-off",
    "nats-down",
    "clock-stepped",
    "gateway-restarted",
    "payment-killed",
    "postgres-killed",
    "postgres-frozen",
    "disk-full",
    "postgres-disk-full",
    "processor-lies",
    "webhook-receiver-hostile",
    "leader-paused",
);
const EXPERIMENTS: Files = files!("experiments":
    "shortener-killed",
    "shortener-frozen",
    "cache-wiped",
    "cql-cut-off",
    "nats-down",
    "clock-ahead",
    "clock-behind",
    "gateway-restarted",
    "payment-killed",
    "postgres-killed",
    "postgres-frozen",
    "disk-full",
    "postgres-disk-full",
    "leader-paused",
);
const LOADS: Files = files!("loads": "links", "payments", "payments-told");
const OBSERVERS: Files = files!("observers": "links", "payments", "payments-reconciled");

/// Every drill, in the order of `docs/drills.md`.
pub fn drills() -> Result<Vec<Drill>, DrillError> {
    DRILLS
        .iter()
        .map(|(name, yaml)| Drill::parse(&format!("chaos/drills/{name}.yaml"), yaml))
        .collect()
}

/// The drill of a name, or of a file.
pub fn drill(name: &str) -> Result<Drill, DrillError> {
    if let Some(yaml) = embedded(DRILLS, name) {
        return Drill::parse(&format!("chaos/drills/{name}.yaml"), yaml);
    }
    if !name.contains(['/', '.']) {
        return Err(DrillError::Unknown {
            name: name.to_owned(),
            known: DRILLS
                .iter()
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
                .join(", "),
        });
    }
    Drill::parse(name, &read(Path::new(name))?)
}

/// The YAML of a drill and of its experiments, as they stand in the checkout.
pub fn text(name: &str) -> Result<String, DrillError> {
    let drill = drill(name)?;
    let mut text = match embedded(DRILLS, name) {
        Some(yaml) => yaml.to_owned(),
        None => read(Path::new(name))?,
    };
    for experiment in drill.faults.iter().filter_map(|fault| fault.experiment.as_ref()) {
        text.push_str("---\n");
        text.push_str(&of(EXPERIMENTS, experiment)?);
    }
    Ok(text)
}

pub(crate) fn experiment(name: &str) -> Result<Experiment, DrillError> {
    Experiment::parse(&format!("chaos/experiments/{name}.yaml"), &of(EXPERIMENTS, name)?)
}

/// The load of a name, or of a file.
pub fn load(name: &str) -> Result<Profile, DrillError> {
    Profile::parse(&of(LOADS, name)?).map_err(|error| DrillError::Malformed {
        file: format!("chaos/loads/{name}.yaml"),
        reason: error.to_string(),
    })
}

pub(crate) fn observer(name: &str) -> Result<Observing, DrillError> {
    serde_saphyr::from_str(&of(OBSERVERS, name)?).map_err(|error| DrillError::Malformed {
        file: format!("chaos/observers/{name}.yaml"),
        reason: error.to_string(),
    })
}

fn embedded(files: Files, name: &str) -> Option<&'static str> {
    files
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, yaml)| *yaml)
}

/// One of ours by its name, else a file.
fn of(files: Files, name: &str) -> Result<String, DrillError> {
    match embedded(files, name) {
        Some(yaml) => Ok(yaml.to_owned()),
        None => read(Path::new(name)),
    }
}

fn read(path: &Path) -> Result<String, DrillError> {
    std::fs::read_to_string(path).map_err(DrillError::file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_disk(folder: &str) -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .filter_map(|entry| {
                Some(
                    entry
                        .unwrap()
                        .file_name()
                        .to_str()?
                        .strip_suffix(".yaml")?
                        .to_owned(),
                )
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn every_file_of_the_checkout_is_in_the_binary() {
        for (folder, files) in [
            ("drills", DRILLS),
            ("experiments", EXPERIMENTS),
            ("loads", LOADS),
            ("observers", OBSERVERS),
        ] {
            let mut names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
            names.sort_unstable();
            assert_eq!(
                names,
                on_disk(folder),
                "{folder}: list it in chaos/src/catalogue.rs"
            );
        }
    }

    #[test]
    fn every_drill_is_whole_and_bears_its_files_name() {
        for (name, drill) in DRILLS.iter().map(|(name, _)| name).zip(drills().unwrap()) {
            assert_eq!(drill.name, *name);
            load(&drill.load.profile).unwrap();
            observer(&drill.observer).unwrap();
            for name in drill.faults.iter().filter_map(|fault| fault.experiment.as_ref()) {
                experiment(name).unwrap();
            }
        }
    }

    #[test]
    fn every_experiment_is_used_by_a_drill_and_bears_its_files_name() {
        let used: Vec<String> = drills()
            .unwrap()
            .into_iter()
            .flat_map(|drill| drill.faults)
            .filter_map(|fault| fault.experiment)
            .collect();
        for (name, _) in EXPERIMENTS {
            assert!(used.iter().any(|used| used == name), "{name}");
            assert_eq!(experiment(name).unwrap().name, *name);
        }
    }

    #[test]
    fn a_drill_that_is_not_there_is_answered_with_those_that_are() {
        let error = drill("shortener-kiled").unwrap_err();
        assert!(error.to_string().contains("shortener-killed, "), "{error}");
    }
}
