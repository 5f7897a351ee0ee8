//! `orrery token`: a token from the local issuer, alone on its line, so that a shell can take it.

use std::path::Path;

use issuer::TokenRequest;

use super::{Workbench, on_workbench};
use crate::Outcome;
use crate::settings::Settings;

/// Works whether the platform runs or not: whoever may read the issuer's file may sign.
pub(crate) fn token(settings: &Settings, tenant: &str, user: &str, scopes: &[String]) -> Outcome {
    issuer_is_there(settings)?;
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

/// A folder that no platform was started on has no issuer whose token anybody would accept. An issuer on a server has no folder.
pub(super) fn issuer_is_there(settings: &Settings) -> Outcome {
    let url = settings.issuer.database_url.as_deref().unwrap_or_default();
    if url.starts_with("sqlite:") && !Path::new(&settings.data).is_dir() {
        return Err(format!(
            "there is no data folder {}: start the platform first, or name its folder with --data DIR",
            settings.data
        )
        .into());
    }
    Ok(())
}
