//! Bodies, in which no card number may stand: looked for before anything that could repeat one reads them.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http_body_util::BodyExt as _;
use problem::Problem;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::App;

/// A JSON body without a card number.
#[derive(Debug)]
pub(super) struct CardFree<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<App> for CardFree<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let bytes = match body.collect().await {
            Ok(body) => body.to_bytes(),
            // Said better by the edge, which knows why: too large, too slow or badly framed.
            Err(error) => {
                return Err(Problem::malformed("incomplete_body", "the body broke off").cause(error));
            }
        };
        let found = match serde_json::from_slice::<Value>(&bytes) {
            Ok(value) => card_numbers::pointer_in_json(&value, "/reference"),
            Err(_) => card_numbers::is_in(&String::from_utf8_lossy(&bytes)).then(String::new),
        };
        if let Some(pointer) = found {
            return Err(card_number_refused(app, &pointer));
        }
        let request = Request::from_parts(parts, Body::from(bytes));
        server::Json::from_request(request, app)
            .await
            .map(|body| Self(body.0))
    }
}

/// 422, without the number.
pub(super) fn card_number_refused(app: &App, pointer: &str) -> Problem {
    app.metrics.card_refused();
    let detail = "this looks like a card number: none may be sent here, only tokens (`tok_...`)";
    Problem::new(
        problem::StatusCode::UNPROCESSABLE_ENTITY,
        "card_number_refused",
        detail,
    )
    .field(pointer, "looks like a card number")
}
