//! Whether the books balance, and the chain over them.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use identity::LEDGER_READ;
use pages::{Column, Markup, Tone, badge, card, code_block, empty, html, table};
use problem::Problem;

use super::{SignedIn, breaks, drawn, moment, money};
use crate::http::App;
use crate::ledger::{ChainHead, Currency, TrialBalanceLine};
use crate::metrics::{AuditMetrics, Audited};

pub(super) async fn show(State(app): State<App>, who: SignedIn) -> Result<Response, Problem> {
    who.require(LEDGER_READ)?;
    let (lines, as_of_ms) = app.books.trial_balance(&who.0.tenant, None).await?;
    let heads = app.books.chain_heads().await?;
    let body = html! {
        (card("trial-balance", "Trial balance", &html! {
            (trial_balance(&lines))
            p.hint { "As of " (moment(as_of_ms)) "." }
        }))
        (card("chain", "Chain", &html! {
            p { "Every committed batch is a link over the digests of its rows; each link holds the hash of the one before. Whoever changes, drops or \
                 reorders a row is found by recomputing it, from outside:" }
            (code_block("Verify the chain", "orrery ledger verify"))
            (audits(&app.audits))
            (chain(&heads))
        }))
        (card("reconciliation", "Reconciliation", &html! {
            p { "Each day that is over, the processor's settlement is held against what the ledger moved." }
            p { a href=(breaks::HERE) { "Days and breaks" } }
        }))
    };
    Ok(drawn(&who, "/ui/payment/books", "Books", None, &body).into_response())
}

/// How the last audit of this process ended: each recomputes the links that are new, while the ledger is written.
fn audits(audits: &AuditMetrics) -> Markup {
    let (tone, word, said) = match audits.last() {
        Some(Audited::Sound) => (
            Tone::Good,
            "whole",
            "the last audit recomputed the new links, and they hold",
        ),
        Some(Audited::Broken) => (
            Tone::Bad,
            "does not verify",
            "the last audit found rows that are not what their chain says, or books that do not balance; the log names them",
        ),
        Some(Audited::Failed) => (
            Tone::Plain,
            "not known",
            "the last audit could not read to the end; the next goes on",
        ),
        None => (
            Tone::Plain,
            "not known",
            "nothing was audited since this process began",
        ),
    };
    html! { p { (badge(tone, word)) ": " (said) "." } }
}

fn trial_balance(lines: &[TrialBalanceLine]) -> Markup {
    if lines.is_empty() {
        return empty("No accounts yet.");
    }
    let column = |name, number| Column { name, number };
    let columns = [
        column("Currency", false),
        column("Kind", false),
        column("Accounts", true),
        column("Debit", true),
        column("Credit", true),
    ];
    let row = |line: &TrialBalanceLine| {
        vec![
            html! { (line.currency.code()) },
            html! { (format!("{:?}", line.kind).to_lowercase()) },
            html! { (line.accounts) },
            html! { (money::show(line.debits, line.currency)) },
            html! { (money::show(line.credits, line.currency)) },
        ]
    };
    let rows: Vec<Vec<Markup>> = lines.iter().map(row).collect();
    let mut currencies: Vec<Currency> = lines.iter().map(|line| line.currency).collect();
    currencies.dedup();
    html! {
        (table("All accounts, by currency and kind", &columns, &rows))
        @for currency in currencies {
            @let sum = |column: fn(&TrialBalanceLine) -> i128| -> i128 {
                lines.iter().filter(|line| line.currency == currency).map(column).sum()
            };
            @let (debits, credits) = (sum(|line| line.debits), sum(|line| line.credits));
            p {
                @if debits == credits { (badge(Tone::Good, "balanced")) } @else { (badge(Tone::Bad, "out of balance")) }
                ": " (money::show(debits, currency)) " debit, " (money::show(credits, currency)) " credit"
            }
        }
    }
}

#[expect(clippy::format_collect, reason = "8 bytes a row")]
fn chain(heads: &[ChainHead]) -> Markup {
    let column = |name, number| Column { name, number };
    let columns = [
        column("Shard", true),
        column("Links", true),
        column("Hash of the newest", false),
        column("Its time", false),
    ];
    let begun: Vec<&ChainHead> = heads.iter().filter(|head| head.link > 0).collect();
    if begun.is_empty() {
        return empty("No link yet: nothing was committed.");
    }
    let row = |head: &&ChainHead| {
        let hash: String = head
            .hash
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        vec![
            html! { (head.shard) },
            html! { (head.link) },
            html! { code { (hash) "…" } },
            moment(head.at_ms),
        ]
    };
    let rows: Vec<Vec<Markup>> = begun.iter().map(row).collect();
    table("The newest link of each shard", &columns, &rows)
}
