//! `POST /v1/link-batches`: many links at once, each with an outcome of its own.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use idempotency::{Fingerprint, IdempotencyKey, Idempotent, Outcome};
use identity::{LINKS_WRITE, Principal};
use problem::{Document, Problem};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use server::{Authenticated, Json, NoQuery};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::documented::{BodyRefusals, ManagedRefusals};
use super::wire::{LinkBody, NewLinkBody};
use super::{App, PRIVATE, rows};
use crate::error::LinkError;
use crate::link::{Clicks, Link};
use crate::operations::BatchItem;

/// Many links to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(
    as = NewLinkBatch,
    example = json!({"items": [{"url": "https://example.com/a"}, {"url": "https://example.com/b", "tags": ["campaign"]}]})
)]
pub(super) struct BatchBody {
    /// The links. Each is judged by itself, so each may be anything.
    #[schema(min_items = 1, max_items = 1000, value_type = Vec<NewLinkBody>)]
    items: Vec<Value>,
}

/// What became of many links, in their order.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = LinkBatch)]
pub(super) struct BatchAnswer {
    /// One for each link that was asked for.
    items: Vec<BatchRow>,
}

/// What became of one of many links: a link, or a problem.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = LinkBatchRow)]
pub(super) struct BatchRow {
    /// Its place in the request, from 0.
    #[schema(minimum = 0)]
    index: usize,
    /// The status that it would have been answered with by itself.
    #[schema(minimum = 200, maximum = 599)]
    status: u16,
    /// Whether this is the answer to an earlier request with the same key.
    replayed: bool,
    /// The link, if it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<LinkBody>,
    /// Why it was not made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Document>)]
    problem: Option<Document>,
}

/// Make many links
///
/// Each link is made or refused by itself, and the answer has a row for each. With an `Idempotency-Key` each link of the request has a
/// key of its own, made of that one and its place: a repeat makes what is missing, and answers the rest as the first time.
#[utoipa::path(
    post,
    path = "/v1/link-batches",
    operation_id = "create_links",
    tag = "many links",
    security(("token" = ["links:write"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this request among the user's own, 1 to 255 visible ASCII characters", min_length = 1, max_length = 255, pattern = "^[!-~]+$", nullable = false)),
    request_body(content = BatchBody, content_type = "application/json"),
    responses(
        (status = 200, description = "What became of each", body = BatchAnswer, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn create(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    headers: HeaderMap,
    Json(body): Json<BatchBody>,
) -> Result<Response, Problem> {
    caller.require(LINKS_WRITE)?;
    let key = IdempotencyKey::from_headers(&headers)?;
    let most = app.links.limits.bulk.rows_max;
    if body.items.is_empty() || body.items.len() > most {
        let detail = format!("between 1 and {most} links");
        return Err(Problem::invalid_field("/items", detail));
    }
    let made = make(&app, caller.0, key.as_ref(), body.items).await;
    let items = made
        .iter()
        .enumerate()
        .map(|(index, outcome)| BatchRow::of(&app, index, outcome))
        .collect();
    Ok(([PRIVATE], Json(BatchAnswer { items })).into_response())
}

/// In a task of its own: a client that goes away leaves no half-made batch.
async fn make(
    app: &App,
    principal: Principal,
    key: Option<&IdempotencyKey>,
    items: Vec<Value>,
) -> Vec<Result<Outcome<Link>, LinkError>> {
    let items = items
        .into_iter()
        .enumerate()
        .map(|(index, item)| item_of(index, item, key))
        .collect();
    let owned = app.clone();
    server::owned(async move {
        let made = owned.links.create_links(&principal, items).await;
        counted(&owned, &made);
        made
    })
    .await
}

/// What was made is counted, and what is our fault is said once.
pub(super) fn counted(app: &App, made: &[Result<Outcome<Link>, LinkError>]) {
    let mut faults = made.iter().filter_map(|outcome| match outcome {
        Ok(Outcome::Fresh(_)) => {
            app.metrics.links_created.inc();
            None
        }
        Ok(Outcome::Replayed(_)) => {
            app.metrics.links_replayed.inc();
            None
        }
        Err(error) => Problem::from(error.clone())
            .status()
            .is_server_error()
            .then_some(error),
    });
    if let Some(first) = faults.next() {
        let others = faults.count();
        tracing::warn!(error = %first, others, "some links of a request could not be made");
    }
}

fn item_of(index: usize, item: Value, key: Option<&IdempotencyKey>) -> Result<BatchItem, LinkError> {
    let body: NewLinkBody = rows::of_value(item)?;
    let idempotent = key.map(|key| key_of(key, index, &body.canonical())).transpose()?;
    Ok(BatchItem {
        asked: body.into_request()?,
        idempotent,
    })
}

/// The key of one row: nobody else's, whatever the request's key is.
pub(super) fn key_of(key: &IdempotencyKey, index: usize, canonical: &[u8]) -> Result<Idempotent, LinkError> {
    let digest = Sha256::digest(key.as_str().as_bytes());
    let half: [u8; 16] = std::array::from_fn(|index| digest[index]);
    let digest = format!("{:032x}", u128::from_be_bytes(half));
    let key = IdempotencyKey::parse(&format!("batch-{digest}-{index}"))?;
    let fingerprint = Fingerprint::of("POST", "/v1/link-batches", canonical);
    Ok(Idempotent::new(key, fingerprint))
}

impl BatchRow {
    fn of(app: &App, index: usize, outcome: &Result<Outcome<Link>, LinkError>) -> Self {
        match outcome {
            Ok(made) => Self {
                index,
                status: StatusCode::CREATED.as_u16(),
                replayed: made.is_replay(),
                // As it was made, whatever happened to it since.
                link: Some(LinkBody::of(app, made.get(), Clicks::default())),
                problem: None,
            },
            Err(error) => {
                let problem = Problem::from(error.clone());
                Self {
                    index,
                    status: problem.status().as_u16(),
                    replayed: false,
                    link: None,
                    problem: Some(rows::told(index, &problem)),
                }
            }
        }
    }
}
