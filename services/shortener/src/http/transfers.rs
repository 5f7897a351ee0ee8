//! `POST /v1/link-transfers`: links from one user of a tenant to another.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use identity::{LINKS_WRITE, User};
use ids::Id;
use problem::{Document, Problem};
use serde::{Deserialize, Serialize};
use server::{Authenticated, Json, NoQuery};
use utoipa::ToSchema;

use super::documented::{BodyRefusals, ManagedRefusals};
use super::{App, PRIVATE, cursor};
use crate::error::LinkError;
use crate::link::{Code, Link};
use crate::operations::{Transfer, Transferred};

/// Links that are to change hands.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewLinkTransfer, example = json!({"from": "ada", "to": "grace"}))]
pub(super) struct TransferBody {
    /// Whose they are; `null` for links without an owner.
    #[schema(required, max_length = 64, example = "ada")]
    #[serde(deserialize_with = "Option::deserialize")]
    from: Option<String>,
    /// Whose they become.
    #[schema(max_length = 64, example = "grace")]
    to: String,
    /// Which ones; all of them, a part a request, if none are named.
    #[schema(min_items = 1, max_items = 1000)]
    codes: Option<Vec<String>>,
    /// `next_cursor` of the part before; not together with `codes`.
    #[schema(pattern = "^[A-Za-z0-9_-]{11}$")]
    cursor: Option<String>,
}

/// What became of links that were to change hands.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = LinkTransfer)]
pub(super) struct TransferAnswer {
    /// One for each link.
    items: Vec<TransferRow>,
    /// Hand it in as `cursor` for the next part; `null` on the last. A part may be empty and others follow.
    #[schema(required)]
    next_cursor: Option<String>,
}

/// What became of one of them.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = LinkTransferRow)]
pub(super) struct TransferRow {
    /// The link's code.
    code: String,
    /// 200 if it is the new owner's now.
    #[schema(minimum = 200, maximum = 599)]
    status: u16,
    /// Why it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Document>)]
    problem: Option<Document>,
}

/// Transfer links
///
/// Between users of the tenant. Each link is handed over or refused by itself; one that is the new owner's already is left alone.
#[utoipa::path(
    post,
    path = "/v1/link-transfers",
    operation_id = "transfer_links",
    tag = "many links",
    security(("token" = ["links:write"])),
    request_body(content = TransferBody, content_type = "application/json"),
    responses(
        (status = 200, description = "What became of each", body = TransferAnswer, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn transfer(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    Json(body): Json<TransferBody>,
) -> Result<Response, Problem> {
    caller.require(LINKS_WRITE)?;
    let user = |pointer, text: &str| {
        User::parse(text).map_err(|error| LinkError::field(pointer, &error.to_string()))
    };
    let transfer = Transfer {
        from: body.from.as_deref().map(|from| user("/from", from)).transpose()?,
        to: user("/to", &body.to)?,
    };
    let (owned, tenant) = (app.clone(), caller.0.tenant);
    let done = match body.codes {
        None => {
            let before = body.cursor.as_deref().map(begin_at).transpose()?;
            let all = async move { owned.links.transfer_all(&tenant, before, &transfer).await };
            server::owned(all).await?
        }
        Some(_) if body.cursor.is_some() => {
            let why = "a cursor goes on through all links, not through some";
            return Err(LinkError::field("/cursor", why).into());
        }
        Some(codes) => {
            let (known, unknown) = codes_of(&app, codes)?;
            let some = async move { owned.links.transfer_links(&tenant, known, &transfer).await };
            let done = server::owned(some).await;
            return Ok(answer(&done, unknown));
        }
    };
    Ok(answer(&done, Vec::new()))
}

/// Here it is a field of the body, and no parameter.
fn begin_at(cursor: &str) -> Result<Id, LinkError> {
    cursor::parse(cursor).map_err(|_| LinkError::field("/cursor", "this is no `next_cursor` of a transfer"))
}

/// Those that a link can have, and the others.
fn codes_of(app: &App, codes: Vec<String>) -> Result<(Vec<Code>, Vec<String>), LinkError> {
    let most = app.links.limits.bulk.rows_max;
    if codes.is_empty() || codes.len() > most {
        return Err(LinkError::field("/codes", &format!("between 1 and {most} codes")));
    }
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for text in codes {
        match Code::parse(&text) {
            Some(code) if known.contains(&code) => {}
            Some(code) => known.push(code),
            None => unknown.push(text),
        }
    }
    Ok((known, unknown))
}

fn answer(done: &Transferred, unknown: Vec<String>) -> Response {
    let known = done
        .links
        .iter()
        .map(|(code, outcome)| TransferRow::of(code.to_string(), outcome));
    // A code that no link can have leads nowhere, like any other that none has.
    let unknown = unknown
        .into_iter()
        .map(|code| TransferRow::of(code, &Err(LinkError::NotFound)));
    let answer = TransferAnswer {
        items: known.chain(unknown).collect(),
        next_cursor: done.next_before.map(cursor::show),
    };
    ([PRIVATE], Json(answer)).into_response()
}

impl TransferRow {
    fn of(code: String, outcome: &Result<Link, LinkError>) -> Self {
        let problem = outcome.as_ref().err().map(|error| Problem::from(error.clone()));
        Self {
            code,
            status: problem.as_ref().map_or(StatusCode::OK, Problem::status).as_u16(),
            problem: problem.map(|problem| problem.document()),
        }
    }
}
