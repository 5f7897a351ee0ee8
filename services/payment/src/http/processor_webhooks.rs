//! `/v1/processor-webhooks`: the processor says that something happened.

use axum::extract::State;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use problem::Problem;
use server::NoQuery;
use webhooks::{Headers, ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, TOLERANCE_S};

use super::App;
use super::documented::BodyRefusals;
use crate::payment::referred;

/// Hear from the processor
///
/// For the processor alone, which signs what it sends (Standard Webhooks). What it says is not believed: the payment it names looks for itself. So
/// deliveries may come twice, late and in any order.
#[utoipa::path(
    post,
    path = "/v1/processor-webhooks",
    operation_id = "processor_webhook",
    tag = "payments",
    params(
        ("webhook-id" = String, Header, description = "The delivery's id"),
        ("webhook-timestamp" = String, Header, description = "When it was signed, unix seconds"),
        ("webhook-signature" = String, Header, description = "`v1,` and the base64 of the HMAC-SHA256")
    ),
    request_body(content = Object, content_type = "application/json"),
    responses(
        (status = 204, description = "Heard; also where it names no payment of ours"),
        (status = 401, description = "`webhook_unsigned`: not signed by the processor, or not now", body = Problem, content_type = "application/problem+json"),

        BodyRefusals
    )
)]
pub(super) async fn hear(
    State(app): State<App>,
    _: NoQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    let said = Headers {
        id: text(ID_HEADER),
        timestamp: text(TIMESTAMP_HEADER),
        signature: text(SIGNATURE_HEADER),
    };
    let now_s = app.cashier.clock.unix_ms() / 1_000;
    webhooks::verify(&app.processor_secrets, said, &body, now_s, TOLERANCE_S).map_err(|error| {
        Problem::new(
            StatusCode::UNAUTHORIZED,
            "webhook_unsigned",
            "this is not signed by the processor",
        )
        .cause(error)
    })?;
    if let Some(payment) = named(&body) {
        app.cashier.wake(payment).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The payment that a delivery is about.
fn named(body: &Bytes) -> Option<ids::Id> {
    let value: serde_json::Value = serde_json::from_slice(body).ok()?;
    let reference = ["/data/reference", "/data/charge/reference", "/reference"]
        .into_iter()
        .find_map(|pointer| value.pointer(pointer)?.as_str().map(str::to_owned))?;
    referred(&reference)
}
