//! The accounts with their balances, a form to move money, and one to open an account.

use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Response};
use identity::{LEDGER_READ, LEDGER_WRITE};
use pages::{
    Column, Field, Input, Markup, badge, button, card, disclosure, empty, field, html, link_button, table,
};
use problem::Problem;
use serde::Deserialize;
use server::Query;

use super::transfer::TransferForm;
use super::{HOME, Said, SignedIn, answered, drawn, form_key, money, see_other};
use crate::http::{App, cursor, marked};
use crate::ledger::{Account, AccountKind, Balance};
use crate::operations::CreateAccount;
use crate::store::ledger::AccountFilter;

/// Accounts of a page, each with a look at its balance.
const ACCOUNTS: u32 = 20;

/// Accounts that the form offers; of those beyond, the id is typed.
const OFFERED: u32 = 100;

/// The kinds as people choose them.
const KINDS: [(&str, AccountKind); 5] = [
    ("asset", AccountKind::Asset),
    ("liability", AccountKind::Liability),
    ("income", AccountKind::Income),
    ("expense", AccountKind::Expense),
    ("equity", AccountKind::Equity),
];

/// What the page's address says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ShowQuery {
    cursor: Option<String>,
    opened: Option<String>,
    debit: Option<String>,
    credit: Option<String>,
}

/// An account to be opened, as the form sends it.
#[derive(Debug, Deserialize)]
pub(super) struct AccountForm {
    key: String,
    kind: String,
    currency: String,
    name: String,
    not_below_zero: Option<String>,
}

impl Default for AccountForm {
    fn default() -> Self {
        Self {
            key: form_key(),
            kind: String::new(),
            currency: "EUR".to_owned(),
            name: String::new(),
            not_below_zero: None,
        }
    }
}

impl AccountForm {
    /// As it is shown again: what was refused is another request next time, what is unknown is the same, and what looked like a card number is not
    /// shown.
    fn after(self, problem: &Problem) -> Self {
        if problem.status().is_server_error() {
            return self;
        }
        Self {
            key: form_key(),
            currency: without_card(self.currency),
            name: without_card(self.name),
            ..self
        }
    }
}

/// What was typed, or nothing where a card number is in it.
fn without_card(typed: String) -> String {
    if card_numbers::is_in(&typed) {
        String::new()
    } else {
        typed
    }
}

pub(super) async fn show(
    State(app): State<App>,
    who: SignedIn,
    Query(query): Query<ShowQuery>,
) -> Result<Response, Problem> {
    who.require(LEDGER_READ)?;
    let said = query
        .opened
        .as_ref()
        .map(|id| Said::Done(format!("opened account {id}")));
    let form = TransferForm::between(query.debit, query.credit);
    draw(
        &app,
        &who,
        query.cursor.as_deref(),
        (&form, &AccountForm::default()),
        said,
    )
    .await
}

pub(super) async fn create(
    State(app): State<App>,
    who: SignedIn,
    Form(form): Form<AccountForm>,
) -> Result<Response, Problem> {
    who.require(LEDGER_WRITE)?;
    let kind = KINDS
        .iter()
        .find(|(name, _)| *name == form.kind)
        .map(|(_, kind)| *kind);
    let new = CreateAccount {
        id: None,
        currency: form.currency.trim().to_owned(),
        kind: kind.unwrap_or(AccountKind::Asset),
        name: Some(form.name.trim().to_owned()).filter(|name| !name.is_empty()),
        not_below_zero: form.not_below_zero.is_some(),
        not_above_zero: false,
        parts: 1,
        metadata: std::collections::BTreeMap::default(),
    };
    let (asked, owned) = (who.asks(&form.key)?, app.clone());
    let made = server::owned(async move { owned.books.create_account(&asked, &new).await }).await;
    match made {
        Ok(made) => {
            let there = see_other(&format!("{HOME}?opened={}", made.get().id));
            Ok(marked(there, &made))
        }
        Err(error) => {
            let problem = Problem::from(error);
            let typed = form.after(&problem);
            again(&app, &who, (&TransferForm::empty(), &typed), problem).await
        }
    }
}

/// The page again, with what was typed and why nothing was done.
pub(super) async fn refused(
    app: &App,
    who: &SignedIn,
    form: &TransferForm,
    problem: Problem,
) -> Result<Response, Problem> {
    again(app, who, (form, &AccountForm::default()), problem).await
}

async fn again(
    app: &App,
    who: &SignedIn,
    typed: (&TransferForm, &AccountForm),
    problem: Problem,
) -> Result<Response, Problem> {
    let said = Said::refused(&problem);
    let page = draw(app, who, None, typed, Some(said)).await?;
    Ok(answered(&problem, page))
}

async fn draw(
    app: &App,
    who: &SignedIn,
    after: Option<&str>,
    (form, account): (&TransferForm, &AccountForm),
    said: Option<Said>,
) -> Result<Response, Problem> {
    let after = after.map(cursor::parse).transpose()?;
    let tenant = &who.0.tenant;
    let listed = app
        .books
        .list_accounts(tenant, &AccountFilter::default(), after, app.books.rows(ACCOUNTS))
        .await?;
    let mut rows = Vec::with_capacity(listed.accounts.len());
    for account in &listed.accounts {
        let shown = app.books.read_balance(tenant, account.id, None).await?;
        rows.push(row(account, &shown.balance));
    }
    let offered = app
        .books
        .list_accounts(tenant, &AccountFilter::default(), None, app.books.rows(OFFERED))
        .await?;
    let next = listed
        .next_after
        .map(|id| format!("{HOME}?cursor={}", cursor::show(id)));
    let body = html! {
        (card("accounts", &format!("Accounts of {tenant}"), &list(&rows, after.is_none(), next.as_deref())))
        (card("transfer", "Move money", &super::transfer::form(form, &offered.accounts)))
        (disclosure("open", "Open an account", rows.is_empty() || is_asked_again(account), &new_account(account)))
    };
    Ok(drawn(who, HOME, "Accounts", said.as_ref(), &body).into_response())
}

fn list(rows: &[Vec<Markup>], first: bool, next: Option<&str>) -> Markup {
    let column = |name, number| Column { name, number };
    let columns = [
        column("Account", false),
        column("Kind", false),
        column("Balance", true),
        column("Available", true),
        column("State", false),
    ];
    html! {
        @if rows.is_empty() {
            (empty("No accounts yet. Open two, and money can move."))
        } @else {
            (table("Accounts, by id", &columns, rows))
        }
        div.pager {
            @if !first { (link_button(HOME, "First")) }
            @if let Some(next) = next { (link_button(next, "More")) }
        }
    }
}

fn row(account: &Account, balance: &Balance) -> Vec<Markup> {
    let limits = account.limits;
    vec![
        html! {
            a href=(format!("{HOME}/accounts/{}", account.id)) { (name(account)) }
            @if account.name.is_some() { p.hint { (account.id) } }
        },
        html! { (kind_name(account.kind)) },
        html! { (money::show(balance.posted, account.currency)) },
        html! { (money::show(balance.available(), account.currency)) },
        html! {
            @if account.closed_at_ms.is_some() { (badge(pages::Tone::Plain, "closed")) } @else { (badge(pages::Tone::Good, "open")) }
            @if limits.not_below_zero { p.hint { "not below zero" } }
            @if limits.not_above_zero { p.hint { "not above zero" } }
        },
    ]
}

/// A kind as people read it.
pub(super) fn kind_name(kind: AccountKind) -> &'static str {
    let known = KINDS.iter().find(|(_, known)| *known == kind);
    known.map_or("", |(name, _)| name)
}

/// What people call it.
pub(super) fn name(account: &Account) -> String {
    account.name.clone().unwrap_or_else(|| account.id.to_string())
}

/// Whether something was typed already: then it is not hidden.
fn is_asked_again(account: &AccountForm) -> bool {
    !account.kind.is_empty()
}

fn new_account(typed: &AccountForm) -> Markup {
    let text = |label, name, value, length_max, required| {
        field(&Field {
            label,
            name,
            input: Input::Text,
            value,
            length_max,
            required,
            ..Field::default()
        })
    };
    html! {
        form method="post" action=(format!("{HOME}/accounts")) {
            input type="hidden" name="key" value=(typed.key);
            div.columns {
                div.field {
                    label for="kind" { "Kind" }
                    select id="kind" name="kind" { @for (name, _) in KINDS { option value=(name) selected[name == typed.kind] { (name) } } }
                }
                (text("Currency", "currency", &typed.currency, 3, true))
                (text("Name", "name", &typed.name, 200, false))
            }
            (pages::checkbox("Not below zero", "not_below_zero", "yes", typed.not_below_zero.is_some()))
            (button("Open the account"))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;

    fn typed(name: &str) -> AccountForm {
        AccountForm {
            key: "typed".to_owned(),
            kind: "asset".to_owned(),
            currency: "EUR".to_owned(),
            name: name.to_owned(),
            not_below_zero: Some("yes".to_owned()),
        }
    }

    #[test]
    fn an_account_that_may_have_been_opened_is_asked_for_again_under_its_key_and_one_that_was_refused_is_not()
    {
        let unknown = Problem::unavailable("not known yet", Duration::from_secs(1));
        let again = typed("till").after(&unknown);
        assert_eq!((again.key.as_str(), again.name.as_str()), ("typed", "till"));
        let refused = Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "currency_unknown",
            "no such currency",
        );
        let again = typed("till").after(&refused);
        assert_ne!(again.key, "typed");
        assert_eq!(
            (again.name.as_str(), again.not_below_zero.is_some()),
            ("till", true)
        );
        assert_eq!(typed("4242 4242 4242 4242").after(&refused).name, "");
    }
}
