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

/// Where no issuer ran there is none whose token anybody would accept. An issuer on a server has no folder.
pub(super) fn issuer_is_there(settings: &Settings) -> Outcome {
    let url = settings.issuer.database_url.as_deref().unwrap_or_default();
    if url
        .strip_prefix("sqlite:")
        .is_some_and(|file| !Path::new(file).is_file())
    {
        return Err(format!(
            "there is no issuer's database at {url}: start the platform first, or name its folder with --data DIR (or its settings with --config FILE)"
        )
        .into());
    }
    Ok(())
}
