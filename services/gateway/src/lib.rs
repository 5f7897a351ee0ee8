#![doc = include_str!("../README.md")]

mod access;
mod config;
mod error;
mod gateway;
mod headers;
mod metrics;
mod pages;
mod path;
mod proxy;
mod rate_limit;
mod routes;
mod sign_in;

pub use config::{AdminPorts, SettingError, Settings, Upstreams};
pub use pages::docs::Document;

use std::sync::Arc;

use server::{Readiness, Role, ServeError};

/// What this service promises, in OpenSLO: everything that watches it is made of this.
pub const OBJECTIVES: &str = include_str!("../slo.yaml");

/// Why the gateway could not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A setting that cannot be used.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The listeners could not be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

impl RunError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setting(error) => error.code(),
            Self::Serve(error) => error.code(),
        }
    }

    /// Never: both need an operator.
    pub fn retryable(&self) -> bool {
        false
    }
}

/// Whether the settings by themselves are fit to run on.
pub fn check(settings: &Settings) -> Result<(), RunError> {
    config::Origin::parse("public_url", &settings.public_url)?;
    config::PerUpstream::apis(&settings.upstreams)?;
    config::PerUpstream::admins(&settings.admin)?;
    settings.admin.processor()?;
    rate_limit::Buckets::named(settings)?;
    Ok(())
}

/// Registers every metric that this role can emit, whatever engines stand behind it: for `docs/metrics.md`.
pub fn describe_metrics(telemetry: &telemetry::Telemetry) {
    server::describe_metrics(telemetry);
    client::describe_metrics(telemetry);
    limits::describe_metrics(telemetry);
    redis_engine::describe_metrics(telemetry);
    metrics::Metrics::register(telemetry, 0);
}

/// Serves the gateway until the role is drained. `documents` are what `/docs` shows.
pub async fn run(mut role: Role, settings: Settings, documents: Vec<Document>) -> Result<(), RunError> {
    let gateway = gateway::Gateway::new(&role, &settings, documents).await?;
    role.settings.body_bytes_max = settings.body_bytes_max;
    // Nothing is required: what the gateway can do by itself it can do as long as it lives (see the README).
    let readiness = gateway.limits.watched_by(Readiness::new(role.clock.clone()));
    Ok(role.serve(gateway::router(Arc::new(gateway)), readiness).await?)
}
