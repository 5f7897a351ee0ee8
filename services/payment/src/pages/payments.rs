//! Payments, and one payment's saga: its steps and compensations as they happened.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use identity::{LEDGER_READ, PAYMENTS_READ};
use ids::Id;
use pages::{Column, Markup, Tone, badge, card, empty, html, link_button, table};
use problem::Problem;
use serde::Deserialize;
use server::{Path, Query};

use super::home::name;
use super::timeline::{Followed, timeline};
use super::{SignedIn, drawn, moment, money};
use crate::error::LedgerError;
use crate::http::{App, cursor, known};
use crate::ledger::Account;
use crate::payment::{Payment, PaymentHistory, RefundState};
use crate::protocol::saga::State as SagaState;
use crate::store::payments::PaymentFilter;

const HERE: &str = "/ui/payment/payments";

/// Rows of a page.
const ROWS: u32 = 50;

/// What the page's address says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ListQuery {
    cursor: Option<String>,
}

pub(super) async fn list(
    State(app): State<App>,
    who: SignedIn,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    who.require(PAYMENTS_READ)?;
    let before = query.cursor.as_deref().map(cursor::parse).transpose()?;
    let mut found = app
        .saga_log
        .list(&who.0.tenant, &PaymentFilter::default(), before, ROWS + 1)
        .await
        .map_err(LedgerError::from)?;
    let more = found.len() > ROWS as usize;
    found.truncate(ROWS as usize);
    let next = found.last().filter(|_| more).map(|last| cursor::show(last.id));
    let body = card(
        "payments",
        &format!("Payments of {}", who.0.tenant),
        &html! {
            (rows(&found))
            div.pager {
                @if before.is_some() { (link_button(HERE, "Newest")) }
                @if let Some(next) = next { (link_button(&format!("{HERE}?cursor={next}"), "Older")) }
            }
        },
    );
    Ok(drawn(&who, HERE, "Payments", None, &body).into_response())
}

fn rows(payments: &[Payment]) -> Markup {
    if payments.is_empty() {
        return empty("No payments yet.");
    }
    let column = |name, number| Column { name, number };
    let columns = [
        column("Payment", false),
        column("Amount", true),
        column("State", false),
        column("Made", false),
    ];
    let row = |payment: &Payment| {
        vec![
            html! {
                a href=(format!("{HERE}/{}", payment.id)) { (payment.id) }
                @if let Some(text) = &payment.description { p.hint { (text) } }
            },
            html! { (money::show(payment.amount.minor().into(), payment.currency)) },
            state(payment.saga.state),
            moment(payment.created_at_ms),
        ]
    };
    let rows: Vec<Vec<Markup>> = payments.iter().map(row).collect();
    table("Payments, newest first", &columns, &rows)
}

fn state(state: SagaState) -> Markup {
    let tone = match state {
        SagaState::Captured | SagaState::Refunded | SagaState::PartiallyRefunded => Tone::Good,
        SagaState::Failed | SagaState::Compensating => Tone::Bad,
        _ => Tone::Plain,
    };
    badge(tone, &state.name().replace('_', " "))
}

pub(super) async fn show(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    who.require(PAYMENTS_READ)?;
    let id = known(&id, "payment")?;
    let found = app
        .saga_log
        .load(&who.0.tenant, id)
        .await
        .map_err(LedgerError::from)?;
    let history = found.ok_or(LedgerError::NotFound("payment"))?;
    let followed = followed(&app, &who, id).await?;
    let parties = parties(&app, &who, &history.payment).await?;
    let now_ms = app.books.clock.unix_ms();
    let body = html! {
        p.back { a href=(HERE) { "All payments" } }
        (card("payment", "The payment", &about(&history, &parties)))
        (card("saga", "What was done", &timeline(&history, &followed, now_ms)))
        @if !history.refunds.is_empty() { (card("refunds", "Refunds", &refunds(&history))) }
    };
    let title = format!("Payment {id}");
    Ok(drawn(&who, HERE, &title, None, &body).into_response())
}

async fn followed(app: &App, who: &SignedIn, id: Id) -> Result<Followed, LedgerError> {
    let tenant = &who.0.tenant;
    Ok(Followed {
        receipt: app.receipts.receipt(tenant, id).await?,
        told: app.receipts.told(tenant, id).await?,
    })
}

/// The accounts of payer and merchant, for whoever may see accounts. A payment may have failed for want of one.
async fn parties(app: &App, who: &SignedIn, payment: &Payment) -> Result<Vec<Account>, LedgerError> {
    let mut found = Vec::new();
    if who.require(LEDGER_READ).is_err() {
        return Ok(found);
    }
    for id in [payment.payer_account_id, payment.merchant_account_id] {
        match app.books.account(&who.0.tenant, id).await {
            Ok(account) => found.push(account),
            Err(LedgerError::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn about(history: &PaymentHistory, parties: &[Account]) -> Markup {
    let payment = &history.payment;
    let account = |id: Id| {
        let known = parties.iter().find(|account| account.id == id);
        html! {
            @match known {
                Some(known) => {
                    a href=(format!("{}/accounts/{id}", super::HOME)) { (name(known)) }
                    @if known.name.is_some() { " · " (id) }
                }
                None => (id),
            }
        }
    };
    html! {
        dl {
            dt { "State" } dd { (state(payment.saga.state)) @if let Some(code) = &payment.saga.failure { ": " code { (code) } } }
            dt { "Amount" } dd { (money::show(payment.amount.minor().into(), payment.currency)) }
            dt { "Payer" } dd { (account(payment.payer_account_id)) }
            dt { "Merchant" } dd { (account(payment.merchant_account_id)) }
            dt { "Method" } dd { (payment.method) }
            @if let Some(text) = &payment.description { dt { "Description" } dd { (text) } }
            dt { "Made" } dd { (moment(payment.created_at_ms)) }
            dt { "Changed" } dd { (moment(payment.updated_at_ms)) }
        }
    }
}

fn refunds(history: &PaymentHistory) -> Markup {
    let column = |name, number| Column { name, number };
    let columns = [
        column("Refund", false),
        column("Amount", true),
        column("State", false),
        column("Asked for", false),
    ];
    let currency = history.payment.currency;
    let rows: Vec<Vec<Markup>> = history
        .refunds
        .iter()
        .map(|refund| {
            let state = match refund.state {
                RefundState::Pending => badge(Tone::Plain, "pending"),
                RefundState::Done => badge(Tone::Good, "done"),
                RefundState::Refused => badge(Tone::Bad, "refused"),
            };
            vec![
                html! { (refund.id) },
                html! { (money::show(refund.amount.minor().into(), currency)) },
                html! { (state) @if let Some(code) = &refund.refused { p.hint { (code) } } },
                moment(refund.created_at_ms),
            ]
        })
        .collect();
    table("Refunds of this payment", &columns, &rows)
}
