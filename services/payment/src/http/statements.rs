//! `/v1/accounts/{id}/statement`: as JSON page by page, as CSV whole, as it is read.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use identity::LEDGER_READ;
use problem::Problem;
use serde::Deserialize;
use server::{Authenticated, Path, Query};

use super::documented::ManagedRefusals;
use super::wire::StatementBody;
use super::{App, PRIVATE, cursor, known, moment, show_moment, shown};
use crate::error::LedgerError;
use crate::ledger::{Balance, Direction};
use crate::operations::{DescribedEntry, Statement};
use crate::store::ledger::EntryCursor;

/// The columns; the first three say of every row what it is of, so that statements may be laid together. `balance` is the account's in the first and last row, and its part's after the entry in between.
const HEADER: &str = "row,account_id,currency,at,transfer_id,line,part,direction,amount,balance,kind,counter_account_id,description\r\n";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StatementQuery {
    from: Option<String>,
    to: Option<String>,
    format: Option<String>,
    cursor: Option<String>,
    limit: Option<u32>,
}

/// Show a statement
///
/// What an account held before `from`, what happened, and what it held before `to`. It is sealed first: the same statement is the same
/// for ever. As CSV (`Accept: text/csv` or `format=csv`) it has no pages; an answer that breaks off is not whole, and lacks the row `closing`.
#[utoipa::path(
    get,
    path = "/v1/accounts/{id}/statement",
    operation_id = "show_statement",
    tag = "accounts",
    security(("token" = ["ledger:read"])),
    params(
        ("id" = String, Path, description = "Which account", max_length = 19, pattern = "^[1-9][0-9]{0,18}$"),
        ("from" = Option<String>, Query, description = "From when; since the account was opened unless said", format = DateTime, nullable = false),
        ("to" = Option<String>, Query, description = "Until before when; now unless said, and not later", format = DateTime, nullable = false),
        ("format" = Option<String>, Query, description = "`json` or `csv`; goes before `Accept`", pattern = "^(json|csv)$", nullable = false),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before", pattern = "^[A-Za-z0-9_-]+$", nullable = false),
        ("limit" = Option<u32>, Query, description = "Most rows on the page", minimum = 1, maximum = 200, nullable = false)
    ),
    responses(
        (status = 200, description = "The statement", content((StatementBody = "application/json"), (String = "text/csv")), headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such account, or another tenant's", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is not acceptable", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn statement(
    State(app): State<App>,
    caller: Authenticated,
    Path(id): Path<String>,
    Query(query): Query<StatementQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.require(LEDGER_READ)?;
    let as_csv = wants_csv(query.format.as_deref(), &headers)?;
    let (from, to) = (
        moment(query.from.as_deref(), "from")?,
        moment(query.to.as_deref(), "to")?,
    );
    let after = query.cursor.as_deref().map(cursor::parse_entry).transpose()?;
    let id = known(&id, "account")?;
    let statement = app.books.statement(&caller.0.tenant, id, from, to).await?;
    if as_csv {
        return csv(app, statement).await.map_err(Problem::from);
    }
    let page = app
        .books
        .entries_of_statement(&statement, after, query.limit)
        .await?;
    Ok(shown(StatementBody::of(&statement, &page)))
}

fn wants_csv(format: Option<&str>, headers: &HeaderMap) -> Result<bool, LedgerError> {
    match format {
        Some("csv") => Ok(true),
        Some("json") => Ok(false),
        Some(_) => Err(LedgerError::Parameter {
            name: "format",
            detail: "must be json or csv".to_owned(),
        }),
        None => {
            let accept = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
            Ok(accept.is_some_and(|accept| accept.trim_start().starts_with("text/csv")))
        }
    }
}

/// A statement on its way.
struct Export {
    app: App,
    statement: Statement,
    next: Next,
}

enum Next {
    /// Read already.
    Page(Vec<DescribedEntry>, Option<EntryCursor>),
    After(EntryCursor),
    Done,
}

async fn csv(app: App, statement: Statement) -> Result<Response, LedgerError> {
    // Read before anything is answered: what fails here is a problem, and later a broken answer.
    let (entries, after) = app.books.next_of_statement(&statement, None).await?;
    let first = format!(
        "{HEADER}{}",
        edge(&statement, "opening", statement.range.start, &statement.opening)
    );
    let export = Export {
        app,
        statement,
        next: Next::Page(entries, after),
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8")),
        (
            CONTENT_DISPOSITION,
            HeaderValue::from_static("attachment; filename=\"statement.csv\""),
        ),
        PRIVATE,
    ];
    let first = Some(Bytes::from(first));
    let parts = stream::try_unfold((first, export), |(first, mut export)| async move {
        match first {
            Some(first) => Ok(Some((first, (None, export)))),
            None => Ok::<_, LedgerError>(export.part().await?.map(|part| (part, (None, export)))),
        }
    });
    Ok((headers, Body::from_stream(parts)).into_response())
}

impl Export {
    /// The lines of the next page.
    async fn part(&mut self) -> Result<Option<Bytes>, LedgerError> {
        let (entries, after) = match std::mem::replace(&mut self.next, Next::Done) {
            Next::Page(entries, after) => (entries, after),
            Next::After(after) => {
                let books = &self.app.books;
                books.next_of_statement(&self.statement, Some(after)).await?
            }
            Next::Done => return Ok(None),
        };
        let mut lines: String = entries.iter().map(|entry| self.line(entry)).collect();
        match after {
            Some(after) => self.next = Next::After(after),
            None => lines.push_str(&edge(
                &self.statement,
                "closing",
                self.statement.range.end,
                &self.statement.closing,
            )),
        }
        Ok(Some(lines.into()))
    }

    /// Numbers, moments and words of ours, and last what people wrote: see [`quoted`].
    fn line(&self, described: &DescribedEntry) -> String {
        let entry = &described.entry;
        let after = i128::from(entry.balance_after);
        let normal = if self.statement.account.kind.is_debit_normal() {
            after
        } else {
            -after
        };
        let direction = match entry.direction {
            Direction::Debit => "debit",
            Direction::Credit => "credit",
        };
        format!(
            "entry,{},{},{},{},{},{},{direction},{},{normal},{},{},{}\r\n",
            self.statement.account.id,
            self.statement.account.currency,
            show_moment(entry.at_ms),
            entry.journal_id,
            entry.line,
            entry.part,
            entry.amount,
            described.kind.name(),
            described
                .counter_account_id
                .map(|id| id.to_string())
                .unwrap_or_default(),
            quoted(described.description.as_deref().unwrap_or_default()),
        )
    }
}

/// What begins a formula in a spreadsheet, in either width.
const FORMULA: [char; 8] = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// A text of others as a field: in quotes, and with an apostrophe before what a spreadsheet would take for a formula, also where it passes over blanks
/// before that.
fn quoted(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let guard = if text.starts_with(['\t', '\r', '\n']) || text.trim_start().starts_with(FORMULA) {
        "'"
    } else {
        ""
    };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

fn edge(statement: &Statement, row: &str, at_ms: u64, balance: &Balance) -> String {
    let account = &statement.account;
    let at = show_moment(at_ms);
    format!(
        "{row},{},{},{at},,,,,,{},,,\r\n",
        account.id, account.currency, balance.posted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_a_spreadsheet_would_take_for_a_formula_has_an_apostrophe_before_it() {
        for begins in ["=", "+", "-", "@", "\u{ff1d}", "\u{ff0b}", "\u{ff0d}", "\u{ff20}"] {
            for blank in ["", " ", "   ", "\u{a0}", "\u{3000}", "\t", "\r\n "] {
                let text = format!("{blank}{begins}cmd|' /C calc'!A0");
                assert_eq!(quoted(&text), format!("\"'{text}\""));
            }
        }
        for text in ["\tx", "\nx", "\rx"] {
            assert_eq!(quoted(text), format!("\"'{text}\""));
        }
        for text in ["rent = 7", " rent", "a@b", "7+1"] {
            assert_eq!(quoted(text), format!("\"{text}\""));
        }
        assert_eq!(quoted(r#"say "hi""#), r#""say ""hi""""#);
        assert_eq!(quoted(""), "");
    }
}
