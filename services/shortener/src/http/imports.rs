//! `POST /v1/link-imports`: links out of an export, or out of a table that people made.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use idempotency::IdempotencyKey;
use identity::{LINKS_WRITE, Principal};
use problem::{Document, Problem};
use serde::Serialize;
use server::{Authenticated, Json, NoQuery};
use utoipa::ToSchema;

use super::batches::key_of;
use super::documented::{BodyRefusals, ManagedRefusals};
use super::portable::{PortableLink, csv, ndjson};
use super::{App, PRIVATE, rows};
use crate::error::LinkError;
use crate::operations::{ImportItem, ImportedLink};

/// What became of an import.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = LinkImport)]
pub(super) struct ImportAnswer {
    /// Links that were made.
    #[schema(minimum = 0)]
    created: usize,
    /// Links that were there already, the very same.
    #[schema(minimum = 0)]
    unchanged: usize,
    /// Rows that were refused.
    #[schema(minimum = 0)]
    refused: usize,
    /// One for each row.
    items: Vec<ImportRow>,
}

/// What became of a row.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = LinkImportRow)]
pub(super) struct ImportRow {
    /// Its place among the rows, from 0; the header of a table is none.
    #[schema(minimum = 0)]
    index: usize,
    /// 201 if the link was made, 200 if it was there already, else why not.
    #[schema(minimum = 200, maximum = 599)]
    status: u16,
    /// What stands behind the slash.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Document>)]
    problem: Option<Document>,
}

/// Import links
///
/// Takes what an export gives, or a table of one's own: its first line names the columns, of which `url` must be there. Each row is taken
/// in or refused by itself. A row whose link is there already, and the same, is left alone, so an import may be repeated; rows without a
/// `code` need an `Idempotency-Key` for that. Counts of clicks are not imported.
///
/// At most 5,000 rows and 4 MiB a request, unless the settings say otherwise. A larger export is imported in parts, in any order: cut it between
/// rows, begin each part of a CSV with the header, and send one after the other. A part whose answer was lost is sent again as it was;
/// where rows have no `code`, each part has an `Idempotency-Key` of its own.
#[utoipa::path(
    post,
    path = "/v1/link-imports",
    operation_id = "import_links",
    tag = "many links",
    security(("token" = ["links:write"])),
    params(("Idempotency-Key" = Option<String>, Header, description = "Names this request among the user's own, 1 to 255 visible ASCII characters", min_length = 1, max_length = 255, pattern = "^[!-~]+$", nullable = false)),
    request_body(content((String = "text/csv"), (PortableLink = "application/x-ndjson"))),
    responses(
        (status = 200, description = "What became of each row", body = ImportAnswer, headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        ManagedRefusals, BodyRefusals
    )
)]
pub(super) async fn import(
    State(app): State<App>,
    _: NoQuery,
    caller: Authenticated,
    request: Request,
) -> Result<Response, Problem> {
    caller.require(LINKS_WRITE)?;
    let key = IdempotencyKey::from_headers(request.headers())?;
    let read = reader_of(request.headers())?;
    let bytes_max = app.links.limits.bulk.body_bytes_max();
    let body = axum::body::to_bytes(request.into_body(), bytes_max).await;
    // Said better by the edge, which knows why: too large, too slow or badly framed.
    let body =
        body.map_err(|error| Problem::malformed("incomplete_body", "the body broke off").cause(error))?;
    let text = std::str::from_utf8(&body).map_err(|error| {
        let at = error.valid_up_to();
        Problem::malformed("malformed_text", format!("the body is not UTF-8 from byte {at}"))
    })?;
    let rows = read(text)?;
    let most = app.links.limits.bulk.import_rows_max;
    if rows.is_empty() || rows.len() > most {
        let detail = format!(
            "between 1 and {most} rows, and there are {}; send a longer file in parts of at most {most}, each with the header if it is CSV",
            rows.len()
        );
        return Err(Problem::invalid_field("", detail));
    }
    let imported = take_in(&app, caller.0, key.as_ref(), rows).await;
    Ok(([PRIVATE], Json(ImportAnswer::of(&imported))).into_response())
}

type Rows = Vec<Result<PortableLink, LinkError>>;

/// Takes a whole body apart.
type Reader = fn(&str) -> Result<Rows, LinkError>;

fn reader_of(headers: &HeaderMap) -> Result<Reader, Problem> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default();
    match essence.trim().to_ascii_lowercase().as_str() {
        "text/csv" => Ok(csv::read),
        "application/x-ndjson" | "application/jsonl" => Ok(|text| Ok(ndjson::read(text))),
        _ => Err(Problem::unsupported_media_type(
            "text/csv or application/x-ndjson",
        )),
    }
}

/// In a task of its own: a client that goes away leaves no half-done import.
async fn take_in(
    app: &App,
    principal: Principal,
    key: Option<&IdempotencyKey>,
    rows: Rows,
) -> Vec<Result<ImportedLink, LinkError>> {
    let items = rows
        .into_iter()
        .enumerate()
        .map(|(index, row)| item_of(index, row, key, &principal))
        .collect();
    let owned = app.clone();
    server::owned(async move {
        let imported = owned.links.import_links(&principal, items).await;
        let made = imported.iter().flatten().filter(|imported| !imported.was_there);
        owned
            .metrics
            .links_created
            .inc_by(u64::try_from(made.count()).unwrap_or_default());
        imported
    })
    .await
}

fn item_of(
    index: usize,
    row: Result<PortableLink, LinkError>,
    key: Option<&IdempotencyKey>,
    principal: &Principal,
) -> Result<ImportItem, LinkError> {
    let row = row?;
    let idempotent = key
        .map(|key| key_of(key, index, &ndjson::line(&row)))
        .transpose()?;
    let asked = row.into_import(&principal.tenant, &principal.user)?;
    Ok((asked, idempotent))
}

impl ImportAnswer {
    fn of(imported: &[Result<ImportedLink, LinkError>]) -> Self {
        let count = |wanted: &dyn Fn(&Result<ImportedLink, LinkError>) -> bool| {
            imported.iter().filter(|outcome| wanted(outcome)).count()
        };
        let items = imported.iter().enumerate();
        Self {
            created: count(&|outcome| outcome.as_ref().is_ok_and(|imported| !imported.was_there)),
            unchanged: count(&|outcome| outcome.as_ref().is_ok_and(|imported| imported.was_there)),
            refused: count(&|outcome| outcome.is_err()),
            items: items
                .map(|(index, outcome)| ImportRow::of(index, outcome))
                .collect(),
        }
    }
}

impl ImportRow {
    fn of(index: usize, outcome: &Result<ImportedLink, LinkError>) -> Self {
        match outcome {
            Ok(imported) => Self {
                index,
                status: if imported.was_there {
                    StatusCode::OK.as_u16()
                } else {
                    StatusCode::CREATED.as_u16()
                },
                code: Some(imported.link.code.to_string()),
                problem: None,
            },
            Err(error) => {
                let problem = Problem::from(error.clone());
                Self {
                    index,
                    status: problem.status().as_u16(),
                    code: None,
                    problem: Some(rows::told(index, &problem)),
                }
            }
        }
    }
}
