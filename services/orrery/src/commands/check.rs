//! `orrery check`: what would stand in the way of a start, told before it does. It starts nothing and changes no data.

use std::net::IpAddr;
use std::path::Path;

use clock::SystemClock;
use nats::Nats;
use redis_engine::{Redis, RedisSettings};
use sql::{Postgres, Sqlite, SqliteSettings};
use telemetry::Telemetry;
use wide::Wide;

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
        println!("{verdict:<7} {what:<26} {detail}");
    };
    // Settings that could not be read never come this far; here it is asked whether the roles take them.
    line("telemetry", telemetry_takes(settings));
    for role in ROLES {
        line(role.name(), taken(role.check(settings)));
    }
    let folder = Path::new(&settings.data);
    line("data folder", folder_is_usable(folder));
    line("ports", ports_are_free(settings));
    for (setting, url) in engines(settings) {
        line(setting, engine_is_fit(settings, setting, url));
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
    ports::bind(host, settings.port_base, &settings.roles_of_up()).map_err(|error| error.to_string())?;
    let grpc = &settings.console.grpc_address;
    if settings.console.enabled && !grpc.is_empty() {
        let bound = std::net::TcpListener::bind(grpc.as_str());
        bound.map_err(|error| format!("{grpc} (console, OTLP over gRPC) cannot be bound: {error}"))?;
    }
    Ok(format!("those of base {} are free", settings.port_base))
}

/// Each engine by the setting that names it.
fn engines(settings: &Settings) -> [(&'static str, &str); 11] {
    let (shortener, payment) = (&settings.shortener, &settings.payment);
    [
        (
            "issuer.database_url",
            settings.issuer.database_url.as_deref().unwrap_or_default(),
        ),
        ("shortener.database_url", &shortener.database_url),
        ("shortener.streams_url", &shortener.streams_url),
        ("shortener.leases_url", &shortener.leases_url),
        ("shortener.cache_url", &shortener.cache_url),
        ("shortener.clicks.spool_url", &shortener.clicks.spool_url),
        ("payment.database_url", &payment.database_url),
        ("payment.streams_url", &payment.streams_url),
        ("payment.leases_url", &payment.leases_url),
        (
            "processor.database_url",
            settings.processor.database_url.as_deref().unwrap_or_default(),
        ),
        ("gateway.rate_limit_url", &settings.gateway.rate_limit_url),
    ]
}

fn engine_is_fit(settings: &Settings, setting: &str, url: &str) -> Result<String, String> {
    let (scheme, rest) = url.split_once(':').unwrap_or_default();
    match scheme {
        "memory" => Ok("in the process itself".to_owned()),
        "sqlite" => file_is_sound(Path::new(rest)),
        "postgres" | "postgresql" | "scylla" | "nats" | "redis" => on_workbench(async |bench: &Workbench| {
            let redis = if setting == "gateway.rate_limit_url" {
                &settings.gateway.redis
            } else {
                &settings.shortener.redis
            };
            let reached = reach(settings, redis, scheme, url, bench).await;
            reached.map_err(|error| format!("{setting}: {error}"))
        })
        .map(|()| "answers".to_owned())
        .map_err(|error| error.to_string()),
        _ => Err(format!("{setting} names an engine that is not compiled in")),
    }
}

/// Whether the engine answers. Nothing is made or changed there.
async fn reach(
    settings: &Settings,
    redis: &RedisSettings,
    scheme: &str,
    url: &str,
    bench: &Workbench,
) -> Result<(), String> {
    let (telemetry, clock) = (bench.telemetry.clone(), bench.clock.clone());
    let shortener = &settings.shortener;
    match scheme {
        "scylla" => {
            let reached = Wide::connect(url, shortener.cql.clone(), telemetry, clock).await;
            reached.map_err(|error| error.to_string())?.close().await;
        }
        "nats" => {
            let reached = Nats::connect(url, shortener.nats.clone(), telemetry, clock).await;
            reached.map_err(|error| error.to_string())?.close().await;
        }
        "redis" => {
            let reached = Redis::connect(url, redis.clone(), telemetry, clock).await;
            reached.map_err(|error| error.to_string())?.close().await;
        }
        _ => {
            let pool = settings.issuer.postgres.clone();
            let reached = Postgres::connect(url, pool, telemetry, clock).await;
            reached.map_err(|error| error.to_string())?.close().await;
        }
    }
    Ok(())
}

fn file_is_sound(path: &Path) -> Result<String, String> {
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
