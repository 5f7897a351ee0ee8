//! `orrery token`: a token from the local issuer, alone on its line, so that a shell can take it.

use std::path::Path;

use issuer::TokenRequest;

use super::{Workbench, on_workbench};
use crate::Outcome;
use crate::data_folder;
use crate::settings::Settings;

/// Works whether the platform runs or not: whoever may read the issuer's file may sign.
pub(crate) fn token(settings: &Settings, tenant: &str, user: &str, scopes: &[String]) -> Outcome {
    data_folder::create(Path::new(&settings.data))?;
    let request = TokenRequest {
        tenant,
        user,
        scopes,
        lifetime_s: None,
    };
    let token = on_workbench(async |bench: &Workbench| {
        issuer::mint(&settings.issuer, &request, &bench.telemetry, &bench.clock).await
    })?;
    println!("{token}");
    Ok(())
}
