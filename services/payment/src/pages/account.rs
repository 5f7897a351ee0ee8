//! One account: what it holds, its entries, and what is held of it.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use identity::LEDGER_READ;
use pages::{Column, Markup, Tone, badge, card, empty, html, link_button, table};
use problem::Problem;
use serde::Deserialize;
use server::{Path, Query};

use super::home::kind_name;
use super::{HOME, Said, SignedIn, drawn, moment, money};
use crate::error::LedgerError;
use crate::http::{App, cursor, known};
use crate::ledger::{Account, Balance, Direction, Hold, HoldState, JournalKind};
use crate::operations::DescribedEntry;

/// Rows of a page.
const ROWS: u32 = 50;

/// Open holds that stand above the entries.
const OPEN_MAX: usize = 10;

/// Pages of holds that are looked through for open ones.
const PAGES_MAX: usize = 4;

/// What the page's address says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ShowQuery {
    cursor: Option<String>,
    holds: Option<String>,
    moved: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    Query(query): Query<ShowQuery>,
) -> Result<Response, Problem> {
    who.require(LEDGER_READ)?;
    let (id, tenant) = (known(&id, "account")?, &who.0.tenant);
    let shown = app.books.read_balance(tenant, id, None).await?;
    let account = &shown.account;
    let balance = &shown.balance;
    let rows = app.books.rows(ROWS);
    let before = query.cursor.as_deref().map(cursor::parse_entry).transpose()?;
    let (posted, older) = app.books.latest_entries(account, before, rows).await?;
    let holds_before = query.holds.as_deref().map(cursor::parse).transpose()?;
    let (holds, older_holds) = app.books.latest_holds(tenant, id, holds_before, rows).await?;
    let open = open_holds(&app, account, balance).await?;
    let at = format!("{HOME}/accounts/{id}");
    let body = html! {
        p.hint { "Account " code { (account.id) } }
        (card("balance", "Balance", &about(account, balance)))
        @if let Some(open) = &open { (card("open-holds", "Open holds", &held_now(account, balance, open))) }
        (card("entries", "Entries", &html! {
            (entries(account, &posted))
            div.pager {
                @if before.is_some() { (link_button(&format!("{at}#entries"), "Newest")) }
                @if let Some(next) = older { (link_button(&format!("{at}?cursor={}#entries", cursor::show_entry(next)), "Older")) }
            }
        }))
        (card("holds", if open.is_some() { "All holds" } else { "Holds" }, &html! {
            (held("Holds, newest first", account, &holds))
            div.pager {
                @if holds_before.is_some() { (link_button(&format!("{at}#holds"), "Newest")) }
                @if let Some(next) = older_holds { (link_button(&format!("{at}?holds={}#holds", cursor::show(next)), "Older")) }
            }
        }))
    };
    let said = query
        .moved
        .as_ref()
        .map(|id| Said::Done(format!("moved, as transfer {id}")));
    Ok(drawn(&who, HOME, &title(account), said.as_ref(), &body).into_response())
}

/// What it is, and what people call it.
fn title(account: &Account) -> String {
    let (kind, code) = (kind_name(account.kind), account.currency.code());
    if let Some(name) = &account.name {
        return format!("{name}, {kind} account in {code}");
    }
    let mut letters = kind.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{} account in {code}", letters.as_str())
}

fn about(account: &Account, balance: &Balance) -> Markup {
    let amount = |minor| money::show(minor, account.currency);
    let id = account.id;
    let limits = match (account.limits.not_below_zero, account.limits.not_above_zero) {
        (false, false) => "none",
        (true, false) => "not below zero",
        (false, true) => "not above zero",
        (true, true) => "neither below nor above zero",
    };
    html! {
        dl {
            dt { "Posted" } dd { strong { (amount(balance.posted)) } }
            dt { "Held, going out" } dd { (amount(balance.pending_out)) }
            dt { "Held, coming in" } dd { (amount(balance.pending_in)) }
            dt { "Available" } dd { (amount(balance.available())) }
            dt { "As of" } dd { (moment(balance.as_of_ms)) }
            dt { "Kind" } dd { (kind_name(account.kind)) ", grows by " (if account.kind.is_debit_normal() { "debits" } else { "credits" }) }
            dt { "Limits" } dd { (limits) }
            @if account.parts > 1 { dt { "Parts" } dd { (account.parts) } }
            @if let Some(at_ms) = account.closed_at_ms { dt { "Closed" } dd { (moment(at_ms)) } }
        }
        @if account.closed_at_ms.is_none() {
            div.actions {
                (link_button(&format!("{HOME}?debit={id}#transfer"), "Debit it"))
                (link_button(&format!("{HOME}?credit={id}#transfer"), "Credit it"))
            }
        }
        p.hint { a href=(format!("/v1/accounts/{id}/statement?format=csv")) download=(format!("{id}.csv")) { "Statement as CSV" } }
    }
}

/// The newest open holds, and whether there may be more.
struct OpenHolds {
    newest: Vec<Hold>,
    has_more: bool,
}

/// `None` where nothing is held. One page after another is looked through for them: a bounded number.
async fn open_holds(
    app: &App,
    account: &Account,
    balance: &Balance,
) -> Result<Option<OpenHolds>, LedgerError> {
    if balance.pending_in == 0 && balance.pending_out == 0 {
        return Ok(None);
    }
    let (mut newest, mut before) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let rows = app.books.rows(u32::MAX);
        let (page, older) = app
            .books
            .latest_holds(&account.tenant, account.id, before, rows)
            .await?;
        newest.extend(page.into_iter().filter(|hold| hold.state == HoldState::Open));
        before = older;
        if before.is_none() || newest.len() > OPEN_MAX {
            break;
        }
    }
    let has_more = before.is_some() || newest.len() > OPEN_MAX;
    newest.truncate(OPEN_MAX);
    Ok(Some(OpenHolds { newest, has_more }))
}

fn held_now(account: &Account, balance: &Balance, open: &OpenHolds) -> Markup {
    let all = |minor| money::show(minor, account.currency);
    html! {
        @if !open.newest.is_empty() { (held("Open holds, newest first", account, &open.newest)) }
        p.hint {
            "Held in all: " (all(balance.pending_out)) " going out, " (all(balance.pending_in)) " coming in."
            @if open.has_more { " Older ones may stand among " a href="#holds" { "all holds" } "." }
        }
    }
}

fn columns(names: &[(&'static str, bool)]) -> Vec<Column<'static>> {
    let column = |(name, number): &(&'static str, bool)| Column {
        name,
        number: *number,
    };
    names.iter().map(column).collect()
}

fn entries(account: &Account, entries: &[DescribedEntry]) -> Markup {
    if entries.is_empty() {
        return empty("Nothing was posted here yet.");
    }
    let columns = columns(&[
        ("When", false),
        ("What", false),
        ("Other account", false),
        ("Debit", true),
        ("Credit", true),
        ("Balance after", true),
        ("Row of the journal", false),
    ]);
    let sign = if account.kind.is_debit_normal() { 1 } else { -1 };
    let row = |described: &DescribedEntry| {
        let entry = &described.entry;
        let shown = money::show(i128::from(entry.amount.minor()), entry.currency);
        let (debit, credit) = match entry.direction {
            Direction::Debit => (shown, String::new()),
            Direction::Credit => (String::new(), shown),
        };
        let after = sign * i128::from(entry.balance_after);
        vec![
            moment(entry.at_ms),
            html! {
                (row_kind(described.kind))
                @if let Some(text) = &described.description { p.hint { (text) } }
            },
            html! {
                @if let Some(id) = described.counter_account_id { a href=(format!("{HOME}/accounts/{id}")) { (id) } }
            },
            html! { (debit) },
            html! { (credit) },
            html! { (money::show(after, entry.currency)) },
            html! { (entry.journal_id) },
        ]
    };
    let rows: Vec<Vec<Markup>> = entries.iter().map(row).collect();
    table("Entries, newest first", &columns, &rows)
}

/// What a row is, as people read it.
fn row_kind(kind: JournalKind) -> String {
    kind.name().replace('_', " ")
}

fn held(caption: &str, account: &Account, holds: &[Hold]) -> Markup {
    if holds.is_empty() {
        return empty("Nothing is held, and nothing was.");
    }
    let columns = columns(&[
        ("Hold", false),
        ("Side", false),
        ("Amount", true),
        ("Left", true),
        ("State", false),
        ("Until", false),
    ]);
    let row = |hold: &Hold| {
        let side = if hold.debit_account_id == account.id {
            "debit"
        } else {
            "credit"
        };
        let amount = |minor: i64| money::show(minor.into(), hold.currency);
        vec![
            html! { (hold.id) },
            html! { (side) },
            html! { (amount(hold.amount.minor())) },
            html! { (amount(hold.remaining())) },
            state(hold.state),
            moment(hold.expires_at_ms),
        ]
    };
    let rows: Vec<Vec<Markup>> = holds.iter().map(row).collect();
    table(caption, &columns, &rows)
}

fn state(state: HoldState) -> Markup {
    match state {
        HoldState::Open => badge(Tone::Plain, "open"),
        HoldState::Captured => badge(Tone::Good, "captured"),
        HoldState::Voided => badge(Tone::Plain, "voided"),
        HoldState::Expired => badge(Tone::Bad, "expired"),
    }
}
