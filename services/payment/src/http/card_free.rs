//! Bodies that are searched for card numbers before anything else is done with them.

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{BodyExt as _, Full};
use problem::Problem;
use serde::de::DeserializeOwned;
use server::Json;

use crate::operations::payments::PaymentError;

/// Headers whose values are kept or logged. A request's id is another one on each repeat, made of random digits by the gateway or the client: those of
/// the gateway are never like a card's, and of others a name that a program made is none.
const KEPT_HEADERS: [&str; 2] = ["idempotency-key", "x-request-id"];

/// Fields whose digits are ids and amounts.
const NUMBERS: [&str; 5] = [
    "payer_account_id",
    "merchant_account_id",
    "debit_account_id",
    "credit_account_id",
    "amount",
];

/// A JSON body without a card number in it, of a request without one in the headers that are kept. Else 422 `card_number_refused`, which repeats nothing of it; what is
/// wrong with the body otherwise is judged after, for such a refusal may quote it.
pub(super) struct CardFree<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for CardFree<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                return Err(Problem::malformed("incomplete_body", "the body broke off").cause(error));
            }
        };
        if has_card(&parts.headers, &body) {
            return Err(PaymentError::CardNumber.into());
        }
        let request = Request::from_parts(parts, axum::body::Body::new(Full::new(body)));
        Json::from_request(request, state)
            .await
            .map(|Json(body)| Self(body))
    }
}

fn has_card(headers: &HeaderMap, body: &Bytes) -> bool {
    let in_header = KEPT_HEADERS.iter().any(|name| {
        let mut values = headers.get_all(*name).iter();
        values.any(|value| card_numbers::is_in_key(&String::from_utf8_lossy(value.as_bytes())))
    });
    in_header
        || match serde_json::from_slice(body) {
            Ok(value) => card_numbers::is_in_json(&value, &NUMBERS),
            Err(_) => card_numbers::is_in(&String::from_utf8_lossy(body)),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 19 and 16 digits that pass Luhn's formula, as one id in ten does.
    const IDS: [&str; 2] = ["4242424242424242428", "4242424242424242"];

    #[test]
    fn ids_that_pass_for_cards_are_refused_nowhere() {
        for id in IDS {
            assert!(card_numbers::is_in(id), "{id} would be refused in a text");
            let headers = HeaderMap::from_iter(
                [
                    ("x-request-id", "a424242424242424"),
                    ("idempotency-key", "42424242-4242-4242-8aaa-aaaaaaaaaaaa"),
                ]
                .map(|(name, value)| {
                    (
                        http::HeaderName::from_static(name),
                        http::HeaderValue::from_str(value).unwrap(),
                    )
                }),
            );
            let adjustment = serde_json::json!({"adjustment": {"debit_account_id": id, "credit_account_id": id, "amount": id}});
            let payment =
                serde_json::json!({"payer_account_id": id, "merchant_account_id": id, "amount": id});
            for body in [adjustment, payment] {
                assert!(!has_card(&headers, &Bytes::from(body.to_string())), "{body}");
            }
            let note = serde_json::json!({"note": id});
            assert!(has_card(&HeaderMap::new(), &Bytes::from(note.to_string())));
        }
    }
}
