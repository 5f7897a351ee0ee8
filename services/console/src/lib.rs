#![doc = include_str!("../README.md")]

mod config;
mod console;
mod error;
mod http;
mod map;
mod metrics;
mod model;
mod objectives;
mod otlp;
mod pages;
mod red;
mod scraped;
mod scraper;
mod traces;

use std::sync::Arc;
use std::time::Duration;

use client::{Client, HttpKeys};
use identity::Verifier;
use server::{Drain, LargeBodies, Readiness, Role, Serving};
use slo::ServiceObjectives;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

pub use config::{LiveSettings, SettingError, Settings};
pub use console::{Console, Limits};
pub use error::ConsoleError;
pub use http::openapi;
pub use metrics::describe_metrics;
pub use model::{
    AlertView, Attribute, Holdings, Load, MapEdge, MapNode, NodeKind, ObjectivePoint, ObjectiveState,
    ObjectiveView, RedPoint, RedSeries, RouteView, ServiceMap, ServiceSummary, ServiceView, Source, SpanLink,
    SpanView, StatusFilter, TraceLookup, TracePage, TraceQuery, TraceSummary, TraceView, WindowView,
};

/// Traces on a page unless another number is asked for.
pub const TRACES_LISTED_DEFAULT: usize = 50;

/// A trace's id as people have it: 32 hexadecimal digits, not all 0.
pub fn parse_trace_id(text: &str) -> Option<u128> {
    let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = digits.then(|| u128::from_str_radix(text, 16).ok()).flatten();
    id.filter(|id| *id != 0)
}

/// Whether the settings by themselves are fit to run on.
pub fn check(settings: &Settings) -> Result<(), ConsoleError> {
    settings.limits()?;
    settings.scraped()?;
    settings.grpc()?;
    Ok(())
}

/// Serves until the role is asked to drain. `objectives` are what the platform promises; the console knows no service.
pub async fn run(
    role: Role,
    settings: Settings,
    objectives: Vec<ServiceObjectives>,
) -> Result<(), ConsoleError> {
    let (limits, targets, grpc) = (settings.limits()?, settings.scraped()?, settings.grpc()?);
    let grpc = match grpc {
        Some(address) => Some(otlp::grpc::bind(address).map_err(|cause| ConsoleError::GrpcPort {
            address: address.to_string(),
            cause,
        })?),
        None => None,
    };
    let metrics = metrics::Metrics::of(&role.telemetry);
    let console = Console::new(role.clock.clone(), limits, objectives, metrics.clone());
    let client = Client::new(
        role.telemetry.clone(),
        role.clock.clone(),
        settings.client.clone(),
    );
    let app = http::App::new(http::AppParts {
        verifier: verifier(&role, &settings, &client)?,
        console: console.clone(),
        live: pages::LiveParts::new(&settings.live, role.drain.clone(), role.clock.clone()),
        body_bytes_max: settings.body_bytes_max,
        ingest: Semaphore::new(otlp::PLACES),
    });
    let scraper = scraper::Scraper {
        console,
        client,
        metrics,
        targets,
        interval: Duration::from_millis(settings.scrape_interval_ms),
    };
    let drain = role.drain.clone();
    let mut scraping = tokio::spawn(scraper.run(drain.clone()));
    let mut receiving = match grpc {
        Some(listener) => tokio::spawn(receive(listener, app.clone(), drain.clone())),
        None => tokio::spawn(idle(drain.clone())),
    };
    let router = http::router(app.clone())
        .merge(otlp::http::router(app.clone()))
        .merge(pages::router(app));
    let readiness = Readiness::new(role.clock.clone());
    let serving = Serving {
        large: LargeBodies {
            paths: otlp::http::PATHS,
            bytes_max: settings.body_bytes_max,
        },
        unrecorded: otlp::http::PATHS,
        ..Serving::default()
    };
    let served = role.serve_with(router, readiness, serving);
    let ended = beside(served, &drain, &mut scraping, &mut receiving).await;
    scraping.abort();
    receiving.abort();
    ended
}

fn verifier(role: &Role, settings: &Settings, client: &Client) -> Result<Verifier, SettingError> {
    let keys = HttpKeys::new(client.clone(), &settings.jwks_url).map_err(|error| SettingError {
        setting: "jwks_url",
        detail: error.to_string(),
    })?;
    Ok(Verifier::new(
        settings.tokens.clone(),
        Arc::new(keys),
        role.clock.clone(),
    ))
}

async fn receive(listener: tokio::net::TcpListener, app: http::App, drain: Drain) -> Result<(), String> {
    let served = otlp::grpc::serve(listener, app, drain).await;
    served.map_err(|error| error.to_string())
}

async fn idle(drain: Drain) -> Result<(), String> {
    drain.begun().await;
    Ok(())
}

/// Serves for as long as all parts live: before the drain none of them ends by itself.
async fn beside(
    serving: impl Future<Output = Result<(), server::ServeError>>,
    drain: &Drain,
    scraping: &mut JoinHandle<()>,
    receiving: &mut JoinHandle<Result<(), String>>,
) -> Result<(), ConsoleError> {
    let part_ended = async {
        let (part, cause) = tokio::select! {
            ended = scraping => ("scraper", ended.err().map(|error| error.to_string())),
            ended = receiving => match ended {
                Ok(ended) => ("gRPC receiver", ended.err()),
                Err(error) => ("gRPC receiver", Some(error.to_string())),
            },
        };
        if drain.is_draining() && cause.is_none() {
            // In order: the role ends when its requests have ended.
            std::future::pending::<()>().await;
        }
        ConsoleError::PartEnded {
            part,
            cause: cause.unwrap_or_else(|| "unasked".to_owned()),
        }
    };
    tokio::select! {
        served = serving => Ok(served?),
        error = part_ended => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_part_that_panics_ends_the_role_with_its_name() {
        let drain = Drain::new();
        let mut scraping = tokio::spawn(async { panic!("planted") });
        let mut receiving = tokio::spawn(idle(drain.clone()));
        let ended = beside(std::future::pending(), &drain, &mut scraping, &mut receiving).await;
        let error = ended.unwrap_err();
        assert!(
            error.code() == "part_ended" && error.to_string().contains("scraper"),
            "{error}"
        );
    }

    #[test]
    fn a_trace_id_is_32_digits_and_not_zero() {
        assert_eq!(parse_trace_id(&format!("{:032x}", 255)), Some(255));
        for bad in [
            "",
            "0",
            &"0".repeat(32),
            &"g".repeat(32),
            &"+1".repeat(16),
            &"1".repeat(33),
        ] {
            assert_eq!(parse_trace_id(bad), None, "{bad}");
        }
    }
}
