//! Calls to the processor over HTTP, each with a deadline.

use std::time::Duration;

use bytes::Bytes;
use client::{Client, ClientError};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, Request as HttpRequest, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use resilience::Deadline;
use serde_json::json;

use super::answer::{of_act, of_look_up};
use super::{Request, SettlementError, SettlementRow, read_settlement};
use crate::protocol::saga::Answer;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The largest answer to a call.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// The largest settlement of one day.
const SETTLEMENT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How long fetching a settlement may take, as a multiple of a call.
const SETTLEMENT_PATIENCE: u32 = 15;

/// The processor's address or key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not an address.
    #[error("payment.processor.url must be http://host:port")]
    Url,
    /// Not a key.
    #[error("payment.processor.api_key must be visible ASCII characters")]
    Key,
}

/// The processor over HTTP. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ProcessorClient {
    client: Client,
    base: String,
    authorization: HeaderValue,
    timeout: Duration,
}

impl ProcessorClient {
    /// At `url`, known by `api_key`.
    pub fn new(client: Client, url: &str, api_key: &str, timeout: Duration) -> Result<Self, AddressError> {
        let base = url.trim_end_matches('/').to_owned();
        let uri: Uri = base.parse().map_err(|_| AddressError::Url)?;
        if uri.scheme_str() != Some("http") || uri.authority().is_none() {
            return Err(AddressError::Url);
        }
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {api_key}")).map_err(|_| AddressError::Key)?;
        authorization.set_sensitive(true);
        Ok(Self {
            client,
            base,
            authorization,
            timeout,
        })
    }

    /// Has something done under a key that is the same on every attempt.
    pub async fn act(&self, reference: &str, key: &str, request: &Request) -> Answer {
        let (path, body) = match request {
            Request::Authorize {
                amount,
                currency,
                method,
            } => {
                let body = json!({
                    "amount": amount, "currency": currency, "method": method, "capture": false, "reference": reference,
                });
                ("/v1/processor/charges".to_owned(), body)
            }
            Request::Capture { charge_id, amount } => (
                format!("/v1/processor/charges/{charge_id}/capture"),
                json!({"amount": amount}),
            ),
            Request::Void { charge_id } => (format!("/v1/processor/charges/{charge_id}/void"), json!({})),
            Request::Refund { charge_id, amount } => (
                format!("/v1/processor/charges/{charge_id}/refunds"),
                json!({"amount": amount, "reference": key}),
            ),
        };
        let Ok(key) = HeaderValue::try_from(key) else {
            return Answer::Unavailable;
        };
        let request = HttpRequest::builder()
            .method(Method::POST)
            .uri(format!("{}{path}", self.base))
            .header(AUTHORIZATION, self.authorization.clone())
            .header(IDEMPOTENCY_KEY, key)
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(body.to_string())));
        let Ok(request) = request else {
            return Answer::Unavailable;
        };
        match self.send(request, ANSWER_BYTES_MAX, self.timeout).await {
            Ok((status, body)) => of_act(status, &body),
            Err(error) => unanswered(&error),
        }
    }

    /// What stands under a reference.
    pub async fn look_up(&self, reference: &str) -> Answer {
        let query: String = url::form_urlencoded::byte_serialize(reference.as_bytes()).collect();
        let path = format!("/v1/processor/charges?reference={query}");
        match self.get(&path, ANSWER_BYTES_MAX, self.timeout).await {
            Ok((status, body)) => of_look_up(status, &body, reference),
            Err(error) => unanswered(&error),
        }
    }

    /// The settlement of a day, `2026-11-22`; `None` where the processor has not published it yet.
    pub async fn settlement(
        &self,
        day: &str,
        rows_max: usize,
    ) -> Result<Option<Vec<SettlementRow>>, SettlementError> {
        let path = format!("/v1/processor/settlements/{day}");
        let patience = self.timeout * SETTLEMENT_PATIENCE;
        let (status, body) = self
            .get(&path, SETTLEMENT_BYTES_MAX, patience)
            .await
            .map_err(|error| SettlementError::Away(error.to_string()))?;
        match status {
            StatusCode::OK => read_settlement(&body, rows_max).map(Some),
            StatusCode::NOT_FOUND => Ok(None),
            other => Err(SettlementError::Away(format!("the answer was {other}"))),
        }
    }

    async fn get(
        &self,
        path: &str,
        bytes_max: usize,
        patience: Duration,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let request = HttpRequest::builder()
            .uri(format!("{}{path}", self.base))
            .header(AUTHORIZATION, self.authorization.clone())
            .header(ACCEPT, "application/json, text/csv")
            .body(Full::new(Bytes::new()))
            .map_err(|_| ClientError::Address)?;
        self.send(request, bytes_max, patience).await
    }

    async fn send(
        &self,
        request: HttpRequest<Full<Bytes>>,
        bytes_max: usize,
        patience: Duration,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let deadline = Deadline::after(&**self.client.clock(), patience);
        deadline
            .scope(async {
                let response = self.client.send(request).await?;
                let status = response.status();
                let body = Limited::new(response.into_body(), bytes_max)
                    .collect()
                    .await
                    .map_err(|error| match error.downcast::<ClientError>() {
                        Ok(error) => *error,
                        Err(_) => ClientError::TooLarge { bytes_max },
                    })?;
                Ok((status, body.to_bytes()))
            })
            .await
    }
}

/// Only what certainly was not sent may be called undone.
fn unanswered(error: &ClientError) -> Answer {
    match error {
        ClientError::Unavailable { .. } | ClientError::Saturated | ClientError::Address => {
            Answer::Unavailable
        }
        _ => Answer::Unknown,
    }
}
