//! `POST /v1/transfers/batch`: many transfers in one commit.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use identity::LEDGER_WRITE;
use problem::{Document, Problem};
use serde::{Deserialize, Serialize};
use server::{Authenticated, Json, NoQuery};
use utoipa::ToSchema;

use super::documented::{BodyRefusals, ManagedRefusals};
use super::wire::{BatchTransferBody, TransferBody};
use super::{App, asked, shown};
use crate::error::LedgerError;
use crate::ledger::CommandOutcome;

/// Many transfers to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTransferBatch, example = json!({"transfers": [
    {"debit_account_id": "1001", "credit_account_id": "1002", "amount": "700", "currency": "EUR"},
    {"debit_account_id": "1002", "credit_account_id": "1003", "amount": "70", "currency": "EUR", "idempotency_key": "fee-1"}
]}))]
pub(super) struct BatchBody {
    /// The transfers, in the order in which they are decided.
    #[schema(min_items = 1, max_items = 8190)]
    transfers: Vec<BatchTransferBody>,
    /// Whether one refusal refuses them all.
    #[serde(default)]
    #[schema(default = false)]
    all_or_nothing: bool,
}

/// What became of many transfers, in their order.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = TransferBatch)]
pub(super) struct BatchAnswer {
    /// One for each transfer that was asked for.
    results: Vec<BatchRow>,
}

/// What became of one of many transfers: a transfer, or a problem.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = TransferBatchRow)]
pub(super) struct BatchRow {
    /// The status that it would have been answered with by itself.
    #[schema(minimum = 200, maximum = 599)]
    status: u16,
    /// Whether this is the answer to an earlier request with the same key.
    replayed: bool,
    /// The transfer, if it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    transfer: Option<TransferBody>,
    /// Why it was not made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Document>)]
    problem: Option<Document>,
}

/// Make many transfers
///
/// In one commit. Each is made or refused by itself and has an idempotency of its own, unless `all_or_nothing` is asked for: then one
/// refusal refuses them all. A repeat under the same keys gets the first answers.
#[utoipa::path(
    post,
    path = "/v1/transfers/batch",
    operation_id = "create_transfers",
    tag = "transfers",
    security(("token" = ["ledger:write"])),
    params(
        ("Idempotency-Key" = String, Header, description = "Names this request among the user's own, 1 to 255 visible ASCII characters: a repeat gets the first answer", min_length = 1, max_length = 255, pattern = "^[!-~]+$")
    ),
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
    caller.require(LEDGER_WRITE)?;
    let asked = asked(caller, &headers)?;
    let made = server::owned(async move {
        let items: Vec<_> = body
            .transfers
            .into_iter()
            .map(BatchTransferBody::into_item)
            .collect();
        app.books
            .create_transfers(asked, &items, body.all_or_nothing)
            .await
    })
    .await?;
    let results = made.into_iter().map(BatchRow::of).collect();
    Ok(shown(BatchAnswer { results }))
}

impl BatchRow {
    fn of(outcome: Result<CommandOutcome, LedgerError>) -> Self {
        match outcome {
            Ok(made) => Self {
                status: StatusCode::CREATED.as_u16(),
                replayed: made.is_replay(),
                transfer: Some(TransferBody::of(&made.get().journal)),
                problem: None,
            },
            Err(error) => {
                let replayed = matches!(&error, LedgerError::Refused(refusal) if refusal.is_repeat());
                let problem = Problem::from(error);
                Self {
                    status: problem.status().as_u16(),
                    replayed,
                    transfer: None,
                    problem: Some(problem.document()),
                }
            }
        }
    }
}
