//! `orrery migrate`: every store brought to this version's schema, and with `--contract` what only older versions need taken
//! away. Twice is harmless.

use std::path::Path;

use super::{Workbench, on_workbench};
use crate::Outcome;
use crate::data_folder::DataFolder;
use crate::roles::ROLES;
use crate::settings::Settings;

/// Needs the data folder for itself: a running platform has migrated its stores already, when it started.
pub(crate) fn migrate(settings: &Settings, contract: bool) -> Outcome {
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
        if contract {
            issuer::contract(&settings.issuer, &bench.telemetry, &bench.clock)
                .await
                .map_err(|error| error.to_string())?;
            println!("issuer     contracted: older versions are refused from now on");
            shortener::contract(&settings.shortener, &bench.telemetry, &bench.clock)
                .await
                .map_err(|error| error.to_string())?;
            println!("shortener  contracted: older versions are refused from now on");
        }
        Ok::<(), String>(())
    })
}
