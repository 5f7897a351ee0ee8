//! Money moved by hand: typed, asked about once, done once.

mod foreseen;

use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use identity::LEDGER_WRITE;
use pages::{Field, Markup, button, card, field, html};
use problem::Problem;
use serde::Deserialize;

use super::home::{name, refused};
use super::{HOME, Said, SignedIn, answered, drawn, form_key, money, see_other, told};
use crate::error::{Invalid, LedgerError};
use crate::http::{App, known, marked};
use crate::ledger::Account;
use crate::operations::{CreateTransfer, Details};

/// Names of fields.
const DEBIT: &str = "debit_account_id";
const CREDIT: &str = "credit_account_id";
const AMOUNT: &str = "amount";
const DESCRIPTION: &str = "description";

/// What is sent, typed first and confirmed then.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct TransferForm {
    /// Made with the form.
    key: String,
    debit_account_id: String,
    credit_account_id: String,
    /// As people write it: `7.50`.
    amount: String,
    description: String,
    /// Which field is wrong, and why.
    #[serde(skip)]
    wrong: Option<(&'static str, String)>,
}

impl TransferForm {
    pub(super) fn empty() -> Self {
        Self {
            key: form_key(),
            debit_account_id: String::new(),
            credit_account_id: String::new(),
            amount: String::new(),
            description: String::new(),
            wrong: None,
        }
    }

    /// Nothing typed yet but for what an address says.
    pub(super) fn between(debit: Option<String>, credit: Option<String>) -> Self {
        Self {
            debit_account_id: debit.unwrap_or_default(),
            credit_account_id: credit.unwrap_or_default(),
            ..Self::empty()
        }
        .without_card()
    }
}

impl TransferForm {
    /// What looks like a card number is not shown again, in whichever field it was typed.
    fn without_card(self) -> Self {
        let shown = |typed: String| if hides_card(&typed) { String::new() } else { typed };
        Self {
            debit_account_id: shown(self.debit_account_id),
            credit_account_id: shown(self.credit_account_id),
            amount: shown(self.amount),
            description: shown(self.description),
            ..self
        }
    }

    fn details(&self) -> Details {
        Details {
            description: Some(self.description.clone()).filter(|text| !text.is_empty()),
            ..Details::default()
        }
    }
}

/// Whether what was typed may be a card number. Digits alone that are longer than nearly all cards are an id.
fn hides_card(typed: &str) -> bool {
    let is_long_id =
        typed.len() > card_numbers::DIGITS_USUAL_MAX && typed.bytes().all(|byte| byte.is_ascii_digit());
    !is_long_id && card_numbers::is_in(typed)
}

/// The form, as it is typed.
pub(super) fn form(form: &TransferForm, accounts: &[Account]) -> Markup {
    let open = accounts.iter().filter(|account| account.closed_at_ms.is_none());
    let offered: Vec<(String, String)> = open
        .map(|account| (account.id.to_string(), title(account)))
        .collect();
    let wrong = |name: &str| match &form.wrong {
        Some((at, why)) if *at == name => why.as_str(),
        _ => "",
    };
    let account = |label, name, value: &str| {
        field(&Field {
            label,
            name,
            value,
            hint: "Its id; begin to type an id or a name, and choose",
            error: wrong(name),
            required: true,
            length_max: 19,
            offered: &offered,
            ..Field::default()
        })
    };
    html! {
        form method="post" action=(format!("{HOME}/transfers/confirm")) {
            input type="hidden" name="key" value=(form.key);
            div.columns {
                (account("Account to debit", DEBIT, &form.debit_account_id))
                (account("Account to credit", CREDIT, &form.credit_account_id))
                (field(&Field {
                    label: "Amount",
                    name: AMOUNT,
                    value: &form.amount,
                    hint: "With a point, as 7.50",
                    error: wrong(AMOUNT),
                    required: true,
                    length_max: 24,
                    ..Field::default()
                }))
            }
            (field(&Field {
                label: "Description",
                name: DESCRIPTION,
                value: &form.description,
                error: wrong(DESCRIPTION),
                length_max: 500,
                ..Field::default()
            }))
            (button("Go on"))
        }
    }
}

/// A name with its currency, as accounts are offered and asked about.
fn title(account: &Account) -> String {
    format!("{} ({})", name(account), account.currency.code())
}

/// Its name where it has one, and its id.
fn known_as(account: &Account) -> Markup {
    html! { @if let Some(name) = &account.name { (name) " · " } (account.id) }
}

/// Both accounts, and the amount in minor units.
struct Read {
    debit: Account,
    credit: Account,
    minor: i128,
}

/// Why the form cannot be read.
enum Unread {
    /// This field is wrong, and why.
    Field(&'static str, Problem),
    /// The books could not be asked.
    Books(LedgerError),
}

impl Unread {
    fn at(field: &'static str, code: &'static str, why: String) -> Self {
        Self::Field(field, Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, why))
    }
}

async fn read(app: &App, who: &SignedIn, form: &TransferForm) -> Result<Read, Unread> {
    let account = async |field: &'static str, typed: &str| {
        let found = match known(typed.trim(), "account") {
            Ok(id) => app.books.account(&who.0.tenant, id).await,
            Err(error) => Err(error),
        };
        found.map_err(|error| match error {
            LedgerError::NotFound(_) => {
                let why = if card_numbers::is_in(typed) {
                    "there is no such account: choose one that is offered, or type an id".to_owned()
                } else {
                    let typed = typed.trim();
                    format!("there is no account “{typed}”: choose one that is offered, or type an id")
                };
                Unread::at(field, "account_not_found", why)
            }
            error => Unread::Books(error),
        })
    };
    let debit = account(DEBIT, &form.debit_account_id).await?;
    let credit = account(CREDIT, &form.credit_account_id).await?;
    if debit.id == credit.id {
        let why = Invalid::SameAccount;
        return Err(Unread::at(CREDIT, why.code(), why.to_string()));
    }
    if debit.currency != credit.currency {
        let why = format!(
            "money moves within one currency, not from {} to {}",
            title(&debit),
            title(&credit)
        );
        return Err(Unread::at(CREDIT, "currency_mismatch", why));
    }
    let minor = money::minor(&form.amount, debit.currency).and_then(|minor| minor.parse().ok());
    let Some(minor) = minor else {
        let why = money::unreadable(&form.amount, debit.currency);
        return Err(Unread::at(AMOUNT, Invalid::Amount.code(), why));
    };
    Ok(Read { debit, credit, minor })
}

/// What was typed, where nothing is known that would be in its way.
async fn foreseeable(app: &App, who: &SignedIn, form: &TransferForm) -> Result<Read, Unread> {
    if let Err(wrong) = form.details().checked(&app.books.rules) {
        return Err(Unread::Field(DESCRIPTION, Problem::from(wrong)));
    }
    let read = read(app, who, form).await?;
    foreseen::check(app, &who.0.tenant, &read).await?;
    Ok(read)
}

/// The form again, with what is wrong where it is wrong.
async fn unread(app: &App, who: &SignedIn, form: TransferForm, error: Unread) -> Result<Response, Problem> {
    match error {
        Unread::Field(field, problem) => {
            let wrong = Some((field, told(&problem).to_owned()));
            refused(app, who, &TransferForm { wrong, ..form }.without_card(), problem).await
        }
        Unread::Books(error) => refused(app, who, &form.without_card(), error.into()).await,
    }
}

/// Asks once, with everything that will happen; nothing has. What would be refused as things are is said instead.
pub(super) async fn confirm(
    State(app): State<App>,
    who: SignedIn,
    Form(form): Form<TransferForm>,
) -> Result<Response, Problem> {
    who.require(LEDGER_WRITE)?;
    let read = match foreseeable(&app, &who, &form).await {
        Ok(read) => read,
        Err(error) => return unread(&app, &who, form, error).await,
    };
    let body = question(&form, &read);
    Ok(drawn(&who, HOME, "Move money", None, &body).into_response())
}

/// What will happen, and the button that does it.
fn question(form: &TransferForm, read: &Read) -> Markup {
    let shown = money::show(read.minor, read.debit.currency);
    let sure = html! {
        dl {
            dt { "Amount" } dd { strong { (shown) } }
            dt { "Debit" } dd { (known_as(&read.debit)) }
            dt { "Credit" } dd { (known_as(&read.credit)) }
            @if !form.description.is_empty() { dt { "Description" } dd { (form.description) } }
        }
        form method="post" action=(format!("{HOME}/transfers")) {
            @for (name, value) in [
                ("key", &form.key),
                ("debit_account_id", &form.debit_account_id),
                ("credit_account_id", &form.credit_account_id),
                ("amount", &form.amount),
                ("description", &form.description),
            ] {
                input type="hidden" name=(name) value=(value);
            }
            (button(&format!("Move {shown}")))
            " " a.button.quiet href=(HOME) { "Do not" }
        }
        p.hint {
            "What was moved is never changed. It can be reversed, whole or in part, which is an entry of its own that points at it: "
            code { "POST /v1/transfers/{id}/reversal" } ". Sent twice, this form moves once."
        }
    };
    html! { div.narrow { (card("sure", "Move this?", &sure)) } }
}

/// Does it, once however often the form is sent.
pub(super) async fn make(
    State(app): State<App>,
    who: SignedIn,
    Form(form): Form<TransferForm>,
) -> Result<Response, Problem> {
    who.require(LEDGER_WRITE)?;
    let read = match read(&app, &who, &form).await {
        Ok(read) => read,
        Err(error) => return unread(&app, &who, form, error).await,
    };
    let question = question(&form, &read);
    let new = CreateTransfer {
        id: None,
        debit_account_id: read.debit.id.to_string(),
        credit_account_id: read.credit.id.to_string(),
        amount: read.minor.to_string(),
        currency: read.debit.currency.code().to_owned(),
        details: form.details(),
    };
    let (asked, owned) = (who.asks(&form.key)?, app.clone());
    let made = server::owned(async move { owned.books.create_transfer(asked, &new).await }).await;
    match made {
        Ok(made) => {
            let place = format!(
                "{HOME}/accounts/{}?moved={}",
                read.debit.id,
                made.get().journal.id
            );
            Ok(marked(see_other(&place), &made))
        }
        Err(error) => {
            let problem = Problem::from(error);
            // What is not known to have been done is asked again as it was, under its key, and not judged by balances that it may have changed.
            if problem.status().is_server_error() {
                let said = Said::refused(&problem);
                let again = drawn(&who, HOME, "Move money", Some(&said), &question);
                return Ok(answered(&problem, again.into_response()));
            }
            // What was refused is remembered under its key; another try is another request.
            let form = TransferForm {
                key: form_key(),
                ..form.without_card()
            };
            refused(&app, &who, &form, problem).await
        }
    }
}
