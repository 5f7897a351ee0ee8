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
        for role in ROLES {
            if let Some(migrated) = role.migrate(settings, &bench.telemetry, &bench.clock).await {
                migrated?;
                println!("{:<10} up to date", role.name());
            }
        }
        if !contract {
            return Ok(());
        }
        for role in ROLES {
            if let Some(contracted) = role.contract(settings, &bench.telemetry, &bench.clock).await {
                contracted?;
                println!(
                    "{:<10} contracted: older versions are refused from now on",
                    role.name()
                );
            }
        }
        Ok::<(), String>(())
    })
}
