//! The API: routes and wire types. A handler parses, calls one operation, answers.

mod accounts;
mod balances;
mod batches;
mod card_free;
mod chain;
pub(crate) mod cursor;
mod documented;
mod holds;
mod or_empty;
mod payers;
mod payments;
mod processor_webhooks;
mod receipts;
mod reconciliations;
mod refunds;
mod statements;
mod transactions;
mod transfers;
mod webhook_deliveries;
mod webhooks;
mod wire;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, HeaderName};
use http::{HeaderMap, HeaderValue, StatusCode};
use idempotency::{IdempotencyKey, Outcome};
use identity::Verifier;
use ids::Id;
use problem::Problem;
use serde::Serialize;
use server::{Authenticated, Json};
use utoipa::OpenApi as _;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::error::{Invalid, LedgerError, Wrong};
use crate::ledger::REPLAYED;
use crate::metrics::{AuditMetrics, Metrics};
use crate::operations::payments::Cashier;
use crate::operations::reconcile::Reconciler;
use crate::operations::{Asked, Books, Hooks};
use crate::pages::ProcessorFaults;
use crate::store::payments::SharedPayments;
use crate::store::receipts::SharedReceipts;

pub(crate) use reconciliations::operator_only;
pub(crate) use server::{parse_moment, show_moment};

/// Paths whose requests carry many lines.
pub(crate) const LARGE_BODIES: &[&str] = &["/v1/transfers/batch", "/v1/transactions"];

/// What is one tenant's is nobody else's, and balances change all the time.
pub(crate) const PRIVATE: (HeaderName, HeaderValue) =
    (CACHE_CONTROL, HeaderValue::from_static("private, no-store"));

/// What handlers stand on. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<AppParts>);

/// The parts of [`App`].
pub(crate) struct AppParts {
    /// The ledger's use cases.
    pub books: Books,
    /// What pages show of payments.
    pub saga_log: SharedPayments,
    /// What follows captured payments.
    pub receipts: SharedReceipts,
    /// Payments' use cases.
    pub cashier: Cashier,
    /// Settlements against the ledger.
    pub reconciler: Reconciler,
    /// What the processor signs its webhooks with.
    pub processor_secrets: Vec<::webhooks::Secret>,
    /// The processor's faults, for its page.
    pub faults: ProcessorFaults,
    /// The use cases of webhooks and the vault.
    pub hooks: Hooks,
    /// What is counted.
    pub metrics: Metrics,
    /// What is counted of audits, and how the last one ended.
    pub audits: AuditMetrics,
    /// Checks tokens.
    pub verifier: Verifier,
}

impl App {
    /// Puts the parts together.
    pub(crate) fn new(parts: AppParts) -> Self {
        Self(Arc::new(parts))
    }
}

impl std::ops::Deref for App {
    type Target = AppParts;

    fn deref(&self) -> &AppParts {
        &self.0
    }
}

impl FromRef<App> for Verifier {
    fn from_ref(app: &App) -> Self {
        app.verifier.clone()
    }
}

fn documented_routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(documented::Document::openapi())
        .routes(routes!(accounts::create, accounts::list))
        .routes(routes!(accounts::show, accounts::update))
        .routes(routes!(balances::balance))
        .routes(routes!(balances::entries))
        .routes(routes!(statements::statement))
        .routes(routes!(transfers::create))
        .routes(routes!(batches::create))
        .routes(routes!(transfers::show))
        .routes(routes!(transfers::reverse))
        .routes(routes!(transactions::create))
        .routes(routes!(holds::create, holds::list))
        .routes(routes!(holds::show))
        .routes(routes!(holds::capture))
        .routes(routes!(holds::void))
        .routes(routes!(chain::trial_balance))
        .routes(routes!(chain::heads))
        .routes(routes!(payments::create, payments::list))
        .routes(routes!(payments::show))
        .routes(routes!(refunds::create))
        .routes(routes!(receipts::show))
        .routes(routes!(processor_webhooks::hear))
        .routes(routes!(reconciliations::list))
        .routes(routes!(reconciliations::show))
        .routes(routes!(reconciliations::breaks))
        .routes(routes!(reconciliations::resolve))
        .routes(routes!(webhooks::create, webhooks::list))
        .routes(routes!(webhooks::show, webhooks::update, webhooks::delete))
        .routes(routes!(webhooks::rotate))
        .routes(routes!(webhooks::ping))
        .routes(routes!(webhook_deliveries::list_of_endpoint))
        .routes(routes!(webhook_deliveries::list))
        .routes(routes!(webhook_deliveries::replay))
        .routes(routes!(payers::erase))
}

/// All routes of the API.
pub(crate) fn router(app: App) -> Router {
    let pages = crate::pages::router(app.clone());
    documented_routes()
        .split_for_parts()
        .0
        .with_state(app)
        .merge(pages)
}

/// What the API promises, as OpenAPI 3.1.
pub fn openapi() -> OpenApi {
    documented_routes().split_for_parts().1
}

/// Who asks, and under which key, which is kept: a card number is none.
fn asked(caller: Authenticated, headers: &HeaderMap) -> Result<Asked, Problem> {
    let key = IdempotencyKey::from_headers(headers)?;
    if key
        .as_ref()
        .is_some_and(|key| card_numbers::is_in_key(key.as_str()))
    {
        return Err(Wrong::at("Idempotency-Key", Invalid::CardNumber).into());
    }
    Ok(Asked {
        principal: caller.0,
        key,
    })
}

/// An id in a path. What cannot be one names nothing, like one that nobody has.
pub(crate) fn known(text: &str, what: &'static str) -> Result<Id, LedgerError> {
    let id = text.parse().ok().filter(|id: &Id| id.as_u64() > 0);
    id.ok_or(LedgerError::NotFound(what))
}

/// A moment in the query.
fn moment(text: Option<&str>, name: &'static str) -> Result<Option<u64>, LedgerError> {
    let read = |text| parse_moment(text).ok_or_else(|| Wrong::at(name, Invalid::Moment).into());
    text.map(read).transpose()
}

fn shown(body: impl Serialize) -> Response {
    ([PRIVATE], Json(body)).into_response()
}

/// The answer of a request that may be a repeat: the same each time, and it says so.
fn settled<T, B: Serialize>(
    status: StatusCode,
    outcome: &Outcome<T>,
    body: impl FnOnce(&T) -> B,
) -> Response {
    marked(
        (status, [PRIVATE], Json(body(outcome.get()))).into_response(),
        outcome,
    )
}

/// Says of an answer whether an earlier request with the same key got it.
pub(crate) fn marked<T>(mut response: Response, outcome: &Outcome<T>) -> Response {
    if outcome.is_replay() {
        let headers = response.headers_mut();
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}
