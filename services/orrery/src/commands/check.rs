//! `orrery check`: what would stand in the way of a start, told before it does. It starts nothing and changes no data.

use std::net::IpAddr;
use std::path::Path;

use clock::SystemClock;
use sql::{Sqlite, SqliteSettings};
use telemetry::Telemetry;

use super::{Workbench, on_workbench};
use crate::Outcome;
use crate::data_folder::{self, DataFolder};
use crate::ports;
use crate::roles::ROLES;
use crate::settings::Settings;

/// Prints one line a check; an error when one of them failed.
pub(crate) fn check(settings: &Settings) -> Outcome {
    let mut failed = 0;
    let mut line = |what: &str, outcome: Result<String, String>| {
        let (verdict, detail) = match outcome {
            Ok(detail) => ("ok", detail),
            Err(detail) => {
                failed += 1;
                ("FAILED", detail)
            }
        };
        println!("{verdict:<7} {what:<23} {detail}");
    };
    // Settings that could not be read never come this far; here it is asked whether the roles take them.
    line("telemetry", telemetry_takes(settings));
    line("gateway", taken(gateway::check(&settings.gateway)));
    line("issuer", taken(issuer::check(&settings.issuer)));
    line("shortener", taken(shortener::check(&settings.shortener)));
    let folder = Path::new(&settings.data);
    line("data folder", folder_is_usable(folder));
    line("ports", ports_are_free(settings));
    for (setting, url) in stores(settings) {
        line(setting, store_is_sound(setting, url));
    }
    if failed == 0 {
        Ok(())
    } else {
        Err(format!("{failed} of the checks failed").into())
    }
}

fn telemetry_takes(settings: &Settings) -> Result<String, String> {
    let made = Telemetry::new("check", "check", &settings.telemetry, SystemClock::shared());
    taken(made.map(drop))
}

fn taken<E: std::fmt::Display>(checked: Result<(), E>) -> Result<String, String> {
    checked
        .map(|()| "its settings are good".to_owned())
        .map_err(|error| error.to_string())
}

fn folder_is_usable(folder: &Path) -> Result<String, String> {
    if !folder.exists() {
        // Only trying tells: rights, a file in the way, a file system that takes no folders.
        let made = data_folder::create(folder).map_err(|error| error.to_string());
        return made.map(|()| {
            // It was made here, so it is empty; if it cannot be removed it does no harm.
            let _ = std::fs::remove_dir(folder);
            format!("{} is not there yet: the first start makes it", folder.display())
        });
    }
    DataFolder::lock(folder, &ROLES).map_err(|error| error.to_string())?;
    Ok(format!("{} is free", folder.display()))
}

fn ports_are_free(settings: &Settings) -> Result<String, String> {
    let host: IpAddr = settings
        .host
        .parse()
        .map_err(|_| format!("host `{}` is not an IP address", settings.host))?;
    ports::bind(host, settings.port_base, &ROLES).map_err(|error| error.to_string())?;
    Ok(format!("those of base {} are free", settings.port_base))
}

/// Each store by the setting that names it.
fn stores(settings: &Settings) -> [(&'static str, &str); 4] {
    let shortener = &settings.shortener;
    [
        (
            "issuer.database_url",
            settings.issuer.database_url.as_deref().unwrap_or_default(),
        ),
        ("shortener.database_url", &shortener.database_url),
        ("shortener.streams_url", &shortener.streams_url),
        ("shortener.leases_url", &shortener.leases_url),
    ]
}

fn store_is_sound(setting: &str, url: &str) -> Result<String, String> {
    let path = url
        .strip_prefix("sqlite:")
        .ok_or_else(|| format!("{setting} names an engine that is not compiled in"))?;
    let path = Path::new(path);
    if !path.exists() {
        return Ok("not there yet: the first start makes it".to_owned());
    }
    let verified = on_workbench(async |bench: &Workbench| {
        let store = Sqlite::open(
            path,
            SqliteSettings::default(),
            bench.telemetry.clone(),
            bench.clock.clone(),
        )
        .await?;
        let verified = store.verify().await;
        store.close().await;
        verified
    });
    verified
        .map(|()| format!("{} is sound", path.display()))
        .map_err(|error| format!("{}: {error}", path.display()))
}
