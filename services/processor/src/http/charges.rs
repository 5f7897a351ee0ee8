//! `/v1/processor/charges`.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, StatusCode};
use idempotency::{Fingerprint, IdempotencyKey, Outcome};
use problem::Problem;
use serde::{Deserialize, Serialize};
use server::{Json, NoQuery, Path, Query};

use super::body::{CardFree, card_number_refused};
use super::caller::Caller;
use super::{App, PRIVATE};
use crate::charge::{Change, Charge};
use crate::error::ProcessorError;
use crate::event::ChargeBody;
use crate::operations::look_up;
use crate::operations::perform::{Asked, NewCharge, perform};

/// Says that an answer is the one the first request with its key got.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// The longest reference and token.
const NAME_BYTES_MAX: usize = 128;

/// A charge to make.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCharge)]
pub(super) struct NewChargeBody {
    /// Minor units.
    #[schema(pattern = "^[1-9][0-9]{0,18}$", example = "700")]
    amount: String,
    /// ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: String,
    /// A token; which there are stands in the processor's README.
    #[schema(max_length = 128, example = "tok_visa")]
    method: String,
    /// Whether it is taken at once; else it is only set aside.
    #[serde(default)]
    capture: bool,
    /// The caller's own name for it, to find it by.
    #[schema(
        pattern = "^[A-Za-z0-9][A-Za-z0-9/_.:-]{0,127}$",
        example = "payment/117093590311632896"
    )]
    reference: String,
}

/// How much to capture.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCapture)]
pub(super) struct CaptureBody {
    /// Minor units; without it, all.
    #[schema(pattern = "^[1-9][0-9]{0,18}$", nullable = false)]
    amount: Option<String>,
}

/// Nothing is to be said.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewVoid)]
pub(super) struct VoidBody {}

/// How much to send back.
#[derive(Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewRefund)]
pub(super) struct NewRefundBody {
    /// Minor units; without it, what is left.
    #[schema(pattern = "^[1-9][0-9]{0,18}$", nullable = false)]
    amount: Option<String>,
    /// The caller's own name for it; without one, the charge's.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9/_.:-]{0,127}$", nullable = false)]
    reference: Option<String>,
}

/// Charges.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = ChargeList)]
pub(super) struct ChargeListBody {
    /// Newest first.
    charges: Vec<ChargeBody>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LookUpQuery {
    reference: Option<String>,
    idempotency_key: Option<String>,
    limit: Option<u32>,
}

fn wrong(pointer: &'static str, detail: impl Into<String>) -> ProcessorError {
    ProcessorError::Field {
        pointer,
        detail: detail.into(),
    }
}

fn amount(app: &App, text: &str) -> Result<u64, ProcessorError> {
    let amount = text
        .parse()
        .ok()
        .filter(|amount: &u64| amount.to_string() == text);
    let most = app.rules.amount_max;
    amount
        .filter(|amount| (1..=most).contains(amount))
        .ok_or_else(|| {
            wrong(
                "/amount",
                format!("must be minor units in digits, 1 to {most}, as text"),
            )
        })
}

fn reference(text: String) -> Result<String, ProcessorError> {
    let letters = |byte: u8| byte.is_ascii_alphanumeric();
    let rest = |byte: u8| letters(byte) || b"/_.:-".contains(&byte);
    if text.len() <= NAME_BYTES_MAX && text.bytes().next().is_some_and(letters) && text.bytes().all(rest) {
        return Ok(text);
    }
    let detail = "must be 1 to 128 of A-Z a-z 0-9 / _ . : -, beginning with a letter or digit";
    Err(wrong("/reference", detail))
}

impl NewChargeBody {
    fn into_asked(self, app: &App) -> Result<Asked, ProcessorError> {
        let amount = amount(app, &self.amount)?;
        if self.currency.len() != 3 || !self.currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Err(wrong("/currency", "must be three capital letters (ISO 4217)"));
        }
        if self.method.len() > NAME_BYTES_MAX || !self.method.starts_with("tok_") {
            return Err(wrong(
                "/method",
                "must be a token, `tok_...`, of at most 128 characters",
            ));
        }
        Ok(Asked::Charge(NewCharge {
            reference: reference(self.reference)?,
            amount,
            currency: self.currency,
            method: self.method,
            capture: self.capture,
        }))
    }
}

fn key_of(headers: &HeaderMap) -> Result<IdempotencyKey, ProcessorError> {
    IdempotencyKey::from_headers(headers)?.ok_or(ProcessorError::KeyMissing)
}

/// What was asked for under a key, whatever the spaces in the body.
fn fingerprint(route: &str, body: &impl Serialize) -> Fingerprint {
    let canonical = serde_json::to_vec(body).expect("texts and nothing else become JSON");
    Fingerprint::of("POST", route, &canonical)
}

/// In a task of its own: a client that goes away leaves nothing half-done.
async fn answer(
    app: App,
    key: IdempotencyKey,
    fingerprint: Fingerprint,
    asked: Asked,
    status: StatusCode,
) -> Result<Response, Problem> {
    let owned = app.clone();
    let outcome = server::owned(async move { perform(&owned, &key, fingerprint, &asked).await }).await?;
    if !outcome.is_replay() && app.faults.loses_answer() {
        app.metrics.fault("lost_answer");
        // Until the deadline: the caller learns nothing, and has to look it up.
        std::future::pending::<()>().await;
    }
    Ok(response(status, &outcome))
}

fn response(status: StatusCode, outcome: &Outcome<Charge>) -> Response {
    let mut response = (status, [PRIVATE], Json(ChargeBody::of(outcome.get()))).into_response();
    if outcome.is_replay() {
        response
            .headers_mut()
            .insert(REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

/// Make a charge
///
/// Authorizes the amount, and takes it where `capture` says so. A decline is an answer too: 201 with `status: declined`. With the same
/// `Idempotency-Key` a repeat gets the first answer, refusals included.
#[utoipa::path(post, path = "/v1/processor/charges", operation_id = "create_charge", tag = "charges",
    security(("secret" = [])),
    params(("Idempotency-Key" = String, Header, description = "Names this request, 1 to 255 visible ASCII characters")),
    request_body(content = NewChargeBody, content_type = "application/json"),
    responses(
        (status = 201, description = "The charge, declined or not", body = ChargeBody),
        (status = 400, description = "`idempotency_key_missing`, or no JSON", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "Not the API secret", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`idempotency_in_flight`: the first request with this key has no answer yet", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`card_number_refused`, `method_unknown`, `idempotency_key_reused`, or a field is not acceptable", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is out of reach", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn create(
    State(app): State<App>,
    _: NoQuery,
    _: Caller,
    headers: HeaderMap,
    CardFree(body): CardFree<NewChargeBody>,
) -> Result<Response, Problem> {
    let key = key_of(&headers)?;
    let fingerprint = fingerprint("/v1/processor/charges", &body);
    let asked = body.into_asked(&app)?;
    answer(app, key, fingerprint, asked, StatusCode::CREATED).await
}

/// Look a charge up
///
/// By the caller's reference, or by the `Idempotency-Key` that it was made under: how a request without an answer is settled. 409 means that
/// one is being worked on, so that neither "there is one" nor "there is none" would be true for long.
#[utoipa::path(get, path = "/v1/processor/charges", operation_id = "look_up_charges", tag = "charges",
    security(("secret" = [])),
    params(
        ("reference" = Option<String>, Query, description = "The caller's name for it", max_length = 128, nullable = false),
        ("idempotency_key" = Option<String>, Query, description = "The key of the request that made it", max_length = 255, nullable = false),
        ("limit" = Option<u32>, Query, description = "Most charges of a reference", minimum = 1, maximum = 100, nullable = false)
    ),
    responses(
        (status = 200, description = "Those that there are", body = ChargeListBody),
        (status = 401, description = "Not the API secret", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`charge_in_flight`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is not acceptable", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is out of reach", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn look_up(
    State(app): State<App>,
    _: Caller,
    Query(query): Query<LookUpQuery>,
) -> Result<Response, Problem> {
    let limit = query.limit.unwrap_or(app.rules.list_max);
    if !(1..=app.rules.list_max).contains(&limit) {
        let detail = format!("must be 1 to {}", app.rules.list_max);
        return Err(Problem::invalid_field("/limit", detail));
    }
    let charges = match (query.reference, query.idempotency_key) {
        (Some(text), None) => {
            if card_numbers::is_in_reference(&text) {
                return Err(card_number_refused(&app, "/reference"));
            }
            look_up::by_reference(&app, &reference(text)?, limit).await?
        }
        (None, Some(key)) => {
            let key = IdempotencyKey::parse(&key).map_err(ProcessorError::from)?;
            look_up::by_key(&app, &key).await?
        }
        _ => {
            let detail = "name either reference or idempotency_key";
            return Err(Problem::invalid_request(detail));
        }
    };
    let charges = charges.iter().map(ChargeBody::of).collect();
    Ok(([PRIVATE], Json(ChargeListBody { charges })).into_response())
}

/// Show a charge
///
/// With its refunds.
#[utoipa::path(get, path = "/v1/processor/charges/{id}", operation_id = "show_charge", tag = "charges",
    security(("secret" = [])),
    params(("id" = String, Path, description = "The charge")),
    responses(
        (status = 200, description = "The charge", body = ChargeBody),
        (status = 401, description = "Not the API secret", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is out of reach", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn show(
    State(app): State<App>,
    _: NoQuery,
    _: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (charge, refunds) = look_up::by_id(&app, &id).await?;
    Ok(([PRIVATE], Json(ChargeBody::of(&charge).with_refunds(&refunds))).into_response())
}

/// Capture a charge
///
/// Once; what is not captured is let go.
#[utoipa::path(post, path = "/v1/processor/charges/{id}/capture", operation_id = "capture_charge", tag = "charges",
    security(("secret" = [])),
    params(("id" = String, Path, description = "The charge"), ("Idempotency-Key" = String, Header, description = "Names this request")),
    request_body(content = CaptureBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The charge", body = ChargeBody),
        (status = 401, description = "Not the API secret", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`idempotency_in_flight`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`charge_not_capturable`, `amount_too_large`, `idempotency_key_reused`, or a field is not acceptable", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is out of reach", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn capture(
    State(app): State<App>,
    _: NoQuery,
    _: Caller,
    Path(charge_id): Path<String>,
    headers: HeaderMap,
    CardFree(body): CardFree<CaptureBody>,
) -> Result<Response, Problem> {
    let key = key_of(&headers)?;
    let fingerprint = fingerprint(&format!("/v1/processor/charges/{charge_id}/capture"), &body);
    let amount = body.amount.map(|text| amount(&app, &text)).transpose()?;
    let asked = Asked::Change(Change::Capture { charge_id, amount });
    answer(app, key, fingerprint, asked, StatusCode::OK).await
}

/// Void a charge
///
/// Gives an authorization up.
#[utoipa::path(post, path = "/v1/processor/charges/{id}/void", operation_id = "void_charge", tag = "charges",
    security(("secret" = [])),
    params(("id" = String, Path, description = "The charge"), ("Idempotency-Key" = String, Header, description = "Names this request")),
    request_body(content = VoidBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The charge", body = ChargeBody),
        (status = 401, description = "Not the API secret", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`idempotency_in_flight`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`charge_not_voidable` or `idempotency_key_reused`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is out of reach", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn void(
    State(app): State<App>,
    _: NoQuery,
    _: Caller,
    Path(charge_id): Path<String>,
    headers: HeaderMap,
    CardFree(body): CardFree<VoidBody>,
) -> Result<Response, Problem> {
    let key = key_of(&headers)?;
    let fingerprint = fingerprint(&format!("/v1/processor/charges/{charge_id}/void"), &body);
    let asked = Asked::Change(Change::Void { charge_id });
    answer(app, key, fingerprint, asked, StatusCode::OK).await
}

/// Refund a charge
///
/// Some or all of what was captured; as often as something is left.
#[utoipa::path(post, path = "/v1/processor/charges/{id}/refunds", operation_id = "refund_charge", tag = "charges",
    security(("secret" = [])),
    params(("id" = String, Path, description = "The charge"), ("Idempotency-Key" = String, Header, description = "Names this request")),
    request_body(content = NewRefundBody, content_type = "application/json"),
    responses(
        (status = 201, description = "The charge", body = ChargeBody),
        (status = 401, description = "Not the API secret", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "There is none", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`idempotency_in_flight`", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`charge_not_refundable`, `amount_too_large`, `refund_failed`, `idempotency_key_reused`, or a field is not acceptable", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "The database is out of reach", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn refund(
    State(app): State<App>,
    _: NoQuery,
    _: Caller,
    Path(charge_id): Path<String>,
    headers: HeaderMap,
    CardFree(body): CardFree<NewRefundBody>,
) -> Result<Response, Problem> {
    let key = key_of(&headers)?;
    let fingerprint = fingerprint(&format!("/v1/processor/charges/{charge_id}/refunds"), &body);
    let amount = body.amount.map(|text| amount(&app, &text)).transpose()?;
    let reference = body.reference.map(reference).transpose()?;
    let asked = Asked::Change(Change::Refund {
        charge_id,
        amount,
        reference,
    });
    answer(app, key, fingerprint, asked, StatusCode::CREATED).await
}
