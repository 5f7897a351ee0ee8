//! Settlements held against the ledger: the days that were judged, and where the two differ.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use identity::{LEDGER_READ, Tenant};
use pages::{Column, Markup, Tone, badge, card, empty, html, link_button, table};
use problem::Problem;
use serde::Deserialize;
use server::{Path, Query};

use super::{HOME, SignedIn, drawn, moment, money};
use crate::error::LedgerError;
use crate::http::{App, cursor};
use crate::ledger::Currency;
use crate::operations::reconcile::parse_day;
use crate::reconciliation::BreakKind;
use crate::store::reconciliation::{Break, BreakState, Reconciliation};

/// Where the days are listed.
pub(super) const HERE: &str = "/ui/payment/books/reconciliation";

/// The page that it belongs to.
const BOOKS: &str = "/ui/payment/books";

/// Days of a page, each with a look at its breaks.
const DAYS: u32 = 20;

/// Breaks of a page.
const ROWS: u32 = 50;

/// Breaks of a day that are counted; of more it is said that there are more.
const COUNTED_MAX: u32 = 200;

/// What the list's address says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    before: Option<String>,
    cursor: Option<String>,
}

/// What a day's address says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DayQuery {
    cursor: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>,
    who: SignedIn,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    who.require(LEDGER_READ)?;
    let tenant = &who.0.tenant;
    let before = query.before.as_deref().filter(|day| parse_day(day).is_some());
    let days = days(&app, tenant, before).await?;
    let (found, next) = page(&app, tenant, None, query.cursor.as_deref()).await?;
    let body = html! {
        p.back { a href=(BOOKS) { "Books" } }
        p { "Each day that is over, the processor's settlement is held against what the ledger moved. Where the two differ is a break: it is \
             resolved with a note, or with an adjustment that is posted to the ledger (" code { "POST /v1/reconciliation-breaks/{id}/resolve" } ")." }
        @if let Some((rows, older)) = &days {
            (card("days", "Days", &html! {
                (day_list(rows))
                div.pager {
                    @if before.is_some() { (link_button(HERE, "Newest")) }
                    @if let Some(day) = older { (link_button(&format!("{HERE}?before={day}"), "Older")) }
                }
            }))
        }
        (card("breaks", &format!("Breaks of {tenant}"), &html! {
            (break_list(&found, true))
            div.pager {
                @if query.cursor.is_some() { (link_button(&format!("{HERE}#breaks"), "First")) }
                @if let Some(next) = next { (link_button(&format!("{HERE}?cursor={next}#breaks"), "More")) }
            }
        }))
    };
    Ok(drawn(&who, BOOKS, "Reconciliation", None, &body).into_response())
}

pub(super) async fn show(
    State(app): State<App>,
    who: SignedIn,
    Path(day): Path<String>,
    Query(query): Query<DayQuery>,
) -> Result<Response, Problem> {
    who.require(LEDGER_READ)?;
    let after = parse_day(&day).and_then(time::Date::next_day);
    let after =
        after.ok_or_else(|| Problem::not_found("there is no such day: one is written as 2026-11-22"))?;
    let tenant = &who.0.tenant;
    let judged = if app.reconciler.trusts(tenant) {
        let newest = app.reconciler.store.list(Some(&after.to_string()), 1).await;
        let newest = newest.map_err(LedgerError::from)?;
        Some(newest.into_iter().find(|found| found.day == day))
    } else {
        None
    };
    let (found, next) = page(&app, tenant, Some(&day), query.cursor.as_deref()).await?;
    let at = format!("{HERE}/{day}");
    let body = html! {
        p.back { a href=(HERE) { "All days" } }
        @if let Some(judged) = &judged { (card("day", "The day", &about(judged.as_ref()))) }
        (card("breaks", &format!("Breaks of {tenant}"), &html! {
            (break_list(&found, false))
            div.pager {
                @if query.cursor.is_some() { (link_button(&at, "First")) }
                @if let Some(next) = next { (link_button(&format!("{at}?cursor={next}"), "More")) }
            }
        }))
    };
    let title = format!("Reconciliation of {day}");
    Ok(drawn(&who, BOOKS, &title, None, &body).into_response())
}

/// A judged day with what is open of it, and whether that is all that could be counted.
struct DayRow {
    of: Reconciliation,
    open: usize,
    all: usize,
    is_more: bool,
}

/// The days, and before which the next page begins. They are of all tenants together: `None` for whoever may not see them.
async fn days(
    app: &App,
    tenant: &Tenant,
    before: Option<&str>,
) -> Result<Option<(Vec<DayRow>, Option<String>)>, LedgerError> {
    if !app.reconciler.trusts(tenant) {
        return Ok(None);
    }
    let store = &app.reconciler.store;
    let mut found = store.list(before, DAYS + 1).await?;
    let is_more = found.len() > DAYS as usize;
    found.truncate(DAYS as usize);
    let mut rows = Vec::with_capacity(found.len());
    for of in found {
        let breaks = store.breaks(tenant, Some(&of.day), None, COUNTED_MAX).await?;
        let open = breaks.iter().filter(|found| found.state == BreakState::Open);
        rows.push(DayRow {
            open: open.count(),
            all: breaks.len(),
            is_more: breaks.len() >= COUNTED_MAX as usize,
            of,
        });
    }
    let older = rows.last().filter(|_| is_more).map(|row| row.of.day.clone());
    Ok(Some((rows, older)))
}

/// A page of a tenant's breaks, and the cursor of the next.
async fn page(
    app: &App,
    tenant: &Tenant,
    day: Option<&str>,
    after: Option<&str>,
) -> Result<(Vec<Break>, Option<String>), LedgerError> {
    let after = after.map(cursor::parse).transpose()?;
    let rows = app.books.rows(ROWS).unwrap_or(ROWS);
    let mut found = app.reconciler.store.breaks(tenant, day, after, rows + 1).await?;
    let is_more = found.len() > rows as usize;
    found.truncate(rows as usize);
    let next = found.last().filter(|_| is_more).map(|last| cursor::show(last.id));
    Ok((found, next))
}

fn day_list(rows: &[DayRow]) -> Markup {
    if rows.is_empty() {
        return empty(
            "No day was judged yet. Here stands each day that is over, with how much of its settlement fits the ledger. The first is the day of the \
             first payment that was captured.",
        );
    }
    let column = |name, number| Column { name, number };
    let columns = [
        column("Day", false),
        column("State", false),
        column("Lines", true),
        column("Fit", true),
        column("Judged", false),
    ];
    let row = |row: &DayRow| {
        vec![
            html! { a href=(format!("{HERE}/{}", row.of.day)) { (row.of.day) } },
            day_state(row),
            html! { (row.of.lines) },
            html! { (row.of.fits) },
            moment(row.of.at_ms),
        ]
    };
    let rows: Vec<Vec<Markup>> = rows.iter().map(row).collect();
    table("Days, newest first", &columns, &rows)
}

fn day_state(row: &DayRow) -> Markup {
    let more = if row.is_more { " or more" } else { "" };
    match (row.open, row.all) {
        // Others may have some, also where each line of the settlement fits: one may lack.
        (0, 0) => badge(Tone::Plain, "no breaks of this tenant"),
        // One that was not looked at may be open.
        (0, all) if row.is_more => badge(Tone::Plain, &format!("{all} resolved, and more")),
        (0, all) => badge(Tone::Good, &format!("{all} resolved")),
        (open, all) => badge(Tone::Bad, &format!("{open}{more} open, of {all}{more}")),
    }
}

fn about(judged: Option<&Reconciliation>) -> Markup {
    let Some(day) = judged else {
        return html! { p { (badge(Tone::Plain, "not judged yet")) ": a day is judged when it is over and its settlement is published." } };
    };
    html! {
        dl {
            dt { "Lines of the settlement" } dd { (day.lines) ", of all tenants" }
            dt { "Those that fit" } dd { (day.fits) }
            dt { "Judged" } dd { (moment(day.at_ms)) }
        }
    }
}

fn break_list(breaks: &[Break], with_day: bool) -> Markup {
    if breaks.is_empty() {
        return empty(
            "None. Here stands each movement that settlement and ledger have differently, or that only one of them has: with both amounts, and what was \
             done about it.",
        );
    }
    let column = |name, number| Column { name, number };
    let columns = [
        column("Break", false),
        column("Ledger", true),
        column("Settlement", true),
        column("Resolution", false),
    ];
    let rows: Vec<Vec<Markup>> = breaks.iter().map(|found| break_row(found, with_day)).collect();
    table("Breaks, by id", &columns, &rows)
}

fn break_row(of: &Break, with_day: bool) -> Vec<Markup> {
    let side = |side: Option<(i64, Currency)>| match side {
        Some((minor, currency)) => money::show(minor.into(), currency),
        None => "does not have it".to_owned(),
    };
    vec![
        html! {
            (kind(of.kind))
            p.hint { "Break " (of.id) @if with_day { ", " a href=(format!("{HERE}/{}", of.day)) { (of.day) } } }
            p.hint {
                @if let Some(id) = of.payment_id { a href=(format!("{HOME}/payments/{id}")) { (of.reference) } } @else { (of.reference) }
                @if let Some(charge) = &of.charge_id { " · " (charge) }
            }
        },
        html! { (side(of.expected)) },
        html! { (side(of.found)) },
        resolution(of),
    ]
}

fn kind(kind: BreakKind) -> &'static str {
    match kind {
        BreakKind::MissingInSettlement => "Missing in the settlement",
        BreakKind::MissingInLedger => "Missing in the ledger",
        BreakKind::AmountDiffers => "Amounts differ",
        BreakKind::CurrencyDiffers => "Currencies differ",
        BreakKind::Duplicate => "Settled more than once",
    }
}

fn resolution(of: &Break) -> Markup {
    html! {
        @match of.state {
            BreakState::Open => (badge(Tone::Bad, "open")),
            BreakState::Noted => (badge(Tone::Good, "noted")),
            BreakState::Adjusted => {
                (badge(Tone::Good, "adjusted"))
                @if let Some(row) = of.adjustment_id { p.hint { "by transfer " (row) } }
            }
        }
        @if let Some(note) = &of.note { p.hint { "“" (note) "”" } }
        @if let Some(at_ms) = of.resolved_at_ms { p.hint { (moment(at_ms)) } }
    }
}
