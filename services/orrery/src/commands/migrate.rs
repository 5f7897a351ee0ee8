//! `orrery migrate`: every embedded store brought to this version's schema. Twice is harmless.

use std::path::Path;

use super::{Workbench, on_workbench};
use crate::Outcome;
use crate::data_folder::DataFolder;
use crate::roles::ROLES;
use crate::settings::Settings;

/// Needs the data folder for itself: a running platform has migrated its stores already, when it started.
pub(crate) fn migrate(settings: &Settings) -> Outcome {
    let _locked = DataFolder::lock(Path::new(&settings.data), &ROLES)?;
    on_workbench(async |bench: &Workbench| {
        issuer::migrate(&settings.issuer, &bench.telemetry, &bench.clock)
            .await
            .map_err(|error| error.to_string())?;
        println!("issuer     up to date");
        shortener::migrate(&settings.shortener, &bench.telemetry, &bench.clock)
            .await
            .map_err(|error| error.to_string())?;
        println!("shortener  up to date");
        Ok::<(), String>(())
    })
}
