//! What each role brings to the binary. A new role says it here; everything that lists roles asks.

use std::fmt::Display;

use clock::SharedClock;
use config::Secret;
use lab::Lab;
use server::Role;
use telemetry::Telemetry;
use utoipa::openapi::OpenApi;

use super::{ROLES, RoleName};
use crate::settings::Settings;

/// A store that was migrated, or the reason why not.
pub(crate) type Migrated = Result<(), String>;

impl RoleName {
    /// What it promises, in OpenSLO.
    pub(crate) const fn objectives(self) -> Option<&'static str> {
        match self {
            RoleName::Gateway => Some(gateway::OBJECTIVES),
            RoleName::Issuer => Some(issuer::OBJECTIVES),
            RoleName::Shortener => Some(shortener::OBJECTIVES),
            RoleName::Payment => Some(payment::OBJECTIVES),
            RoleName::Processor => Some(processor::OBJECTIVES),
            RoleName::Console => None,
        }
    }

    /// What its API is.
    pub(crate) fn openapi(self) -> Option<OpenApi> {
        match self {
            RoleName::Gateway => None,
            RoleName::Issuer => Some(issuer::openapi()),
            RoleName::Shortener => Some(shortener::openapi()),
            RoleName::Payment => Some(payment::openapi()),
            RoleName::Processor => Some(processor::openapi()),
            RoleName::Console => Some(console::openapi()),
        }
    }

    /// Registers every metric that it can emit: the same registration that its assembly makes.
    pub(crate) fn describe(self, telemetry: &Telemetry) {
        match self {
            RoleName::Gateway => gateway::describe_metrics(telemetry),
            RoleName::Issuer => issuer::describe_metrics(telemetry),
            RoleName::Shortener => shortener::describe_metrics(telemetry),
            RoleName::Payment => payment::describe_metrics(telemetry),
            RoleName::Processor => processor::describe_metrics(telemetry),
            RoleName::Console => console::describe_metrics(telemetry),
        }
    }

    /// Whether it takes its settings; nothing is opened.
    pub(crate) fn check(self, settings: &Settings) -> Result<(), String> {
        match self {
            RoleName::Gateway => said(gateway::check(&settings.gateway)),
            RoleName::Issuer => said(issuer::check(&settings.issuer)),
            RoleName::Shortener => said(shortener::check(&settings.shortener)),
            RoleName::Payment => said(payment::check(&settings.payment)),
            RoleName::Processor => said(processor::check(&settings.processor)),
            RoleName::Console => said(console::check(&settings.console)),
        }
    }

    /// Brings its stores to this version's schema; `None` where it has none.
    pub(crate) async fn migrate(
        self,
        settings: &Settings,
        telemetry: &Telemetry,
        clock: &SharedClock,
    ) -> Option<Migrated> {
        Some(match self {
            RoleName::Gateway | RoleName::Console => return None,
            RoleName::Issuer => said(issuer::migrate(&settings.issuer, telemetry, clock).await),
            RoleName::Shortener => said(shortener::migrate(&settings.shortener, telemetry, clock).await),
            RoleName::Payment => said(payment::migrate(&settings.payment, telemetry, clock).await),
            RoleName::Processor => said(processor::migrate(&settings.processor, telemetry, clock).await),
        })
    }

    /// Takes away what only older versions need.
    pub(crate) async fn contract(
        self,
        settings: &Settings,
        telemetry: &Telemetry,
        clock: &SharedClock,
    ) -> Option<Migrated> {
        Some(match self {
            RoleName::Gateway | RoleName::Console => return None,
            RoleName::Issuer => said(issuer::contract(&settings.issuer, telemetry, clock).await),
            RoleName::Shortener => said(shortener::contract(&settings.shortener, telemetry, clock).await),
            RoleName::Payment => said(payment::contract(&settings.payment, telemetry, clock).await),
            RoleName::Processor => said(processor::contract(&settings.processor, telemetry, clock).await),
        })
    }

    /// Serves until it is drained.
    pub(crate) async fn serve(self, role: Role, settings: &Settings) -> Result<(), String> {
        match self {
            RoleName::Gateway => {
                said(Box::pin(gateway::run(role, settings.gateway.clone(), documents()?)).await)
            }
            RoleName::Issuer => said(Box::pin(issuer::run(role, settings.issuer.clone())).await),
            RoleName::Shortener => said(Box::pin(shortener::run(role, settings.shortener.clone())).await),
            RoleName::Payment => said(Box::pin(payment::run(role, payment_settings(settings)?)).await),
            RoleName::Processor => said(Box::pin(processor::run(role, settings.processor.clone())).await),
            RoleName::Console => {
                let watched = crate::catalogue::services().map_err(|error| error.to_string())?;
                said(Box::pin(console::run(role, settings.console.clone(), watched)).await)
            }
        }
    }
}

/// Payment's settings. Where nobody says what the processor knows it by, they share the files of one data folder: then whoever is
/// first makes them.
fn payment_settings(settings: &Settings) -> Result<payment::Settings, String> {
    let mut payment = settings.payment.clone();
    let of_processor = &mut payment.processor;
    if of_processor.api_key.is_empty() {
        let secrets = said(processor::Secrets::open(&settings.processor))?;
        of_processor.api_key = Secret::new(secrets.api_secret());
        if of_processor.webhook_secret.is_empty() {
            of_processor.webhook_secret = Secret::new(secrets.webhook_secret());
        }
    }
    Ok(payment)
}

/// Every lab there is.
pub(crate) fn labs() -> Vec<Box<dyn Lab>> {
    shortener::labs().into_iter().chain(payment::labs()).collect()
}

/// What the gateway shows of every role's API. Here they meet: no service knows another.
fn documents() -> Result<Vec<gateway::Document>, String> {
    let of = |role: RoleName| role.openapi().map(|document| (role.name(), document));
    let documents = ROLES.into_iter().filter_map(of).map(|(role, document)| {
        let json = document
            .to_pretty_json()
            .map_err(|error| format!("the API document of {role}: {error}"))?;
        Ok(gateway::Document { role, json })
    });
    documents.collect()
}

fn said<T, E: Display>(outcome: Result<T, E>) -> Result<T, String> {
    outcome.map_err(|error| error.to_string())
}
