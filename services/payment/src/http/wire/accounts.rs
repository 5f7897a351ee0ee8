//! Accounts and what they hold, on the wire.

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::http::{cursor, show_moment};
use crate::ledger::{Account, AccountKind, Balance, Direction, JournalKind};
use crate::operations::{
    ChangeAccount, CreateAccount, DescribedEntry, ListedAccounts, ListedEntries, Metadata, ShownBalance,
    Statement,
};

/// An account to be opened.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewAccount, example = json!({"currency": "EUR", "kind": "liability", "name": "Ada's wallet", "not_below_zero": true}))]
pub(in crate::http) struct NewAccountBody {
    /// The client's own id; without one it is given one.
    #[schema(pattern = "^[1-9][0-9]{0,18}$", nullable = false)]
    id: Option<String>,
    /// Of all that is posted to it, ISO 4217.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: String,
    /// On which side it grows: assets and expenses by debits, the others by credits.
    kind: AccountKind,
    /// What people call it.
    #[schema(max_length = 200, nullable = false)]
    name: Option<String>,
    /// Whether its balance, less what is held of it, stays at zero or above.
    #[serde(default)]
    #[schema(default = false)]
    not_below_zero: bool,
    /// Whether its balance, with what is held for it, stays at zero or below.
    #[serde(default)]
    #[schema(default = false)]
    not_above_zero: bool,
    /// Into how many parts a hot account is split that sum; more than one only without limits.
    #[serde(default = "one")]
    #[schema(default = 1, minimum = 1, maximum = 64)]
    parts: u16,
    /// Names and values of the client's own.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, String>, required = false)]
    metadata: Metadata,
}

fn one() -> u16 {
    1
}

impl NewAccountBody {
    pub(in crate::http) fn into_request(self) -> CreateAccount {
        CreateAccount {
            id: self.id,
            currency: self.currency,
            kind: self.kind,
            name: self.name,
            not_below_zero: self.not_below_zero,
            not_above_zero: self.not_above_zero,
            parts: self.parts,
            metadata: self.metadata,
        }
    }
}

/// What should change about an account; what is left out stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = AccountPatch, example = json!({"name": "Ada's other wallet"}))]
#[expect(
    clippy::option_option,
    reason = "left out, taken away and set are three things"
)]
pub(in crate::http) struct AccountPatchBody {
    /// What people call it; `null` takes it away.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = Option<String>, max_length = 200)]
    name: Option<Option<String>>,
    /// All its metadata.
    #[serde(default, deserialize_with = "present")]
    #[schema(value_type = std::collections::HashMap<String, String>, required = false)]
    metadata: Option<Metadata>,
    /// `true` closes it for ever: nothing is posted to it any more. Only where its balance is zero and nothing is held.
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    closed: Option<bool>,
}

/// What is there, `null` included.
fn present<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl AccountPatchBody {
    pub(in crate::http) fn into_change(self) -> ChangeAccount {
        ChangeAccount {
            name: self.name,
            metadata: self.metadata,
            closed: self.closed,
        }
    }
}

/// An account.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Account)]
pub(in crate::http) struct AccountBody {
    /// Unique in the tenant.
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    id: String,
    /// Of all that is posted to it.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: &'static str,
    /// On which side it grows.
    kind: AccountKind,
    /// What people call it.
    #[schema(required)]
    name: Option<String>,
    /// Whether it stays at zero or above.
    not_below_zero: bool,
    /// Whether it stays at zero or below.
    not_above_zero: bool,
    /// Into how many parts it is split.
    #[schema(minimum = 1, maximum = 64)]
    parts: u16,
    /// The client's own.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    metadata: Metadata,
    /// When it was opened, in UTC.
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was closed, in UTC; `null` while it is open.
    #[schema(required, format = DateTime)]
    closed_at: Option<String>,
}

impl AccountBody {
    pub(in crate::http) fn of(account: &Account) -> Self {
        Self {
            id: account.id.to_string(),
            currency: account.currency.code(),
            kind: account.kind,
            name: account.name.clone(),
            not_below_zero: account.limits.not_below_zero,
            not_above_zero: account.limits.not_above_zero,
            parts: account.parts,
            metadata: serde_json::from_str(&account.metadata).unwrap_or_default(),
            created_at: show_moment(account.created_at_ms),
            closed_at: account.closed_at_ms.map(show_moment),
        }
    }
}

/// A page of accounts, by id.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = AccountList)]
pub(in crate::http) struct AccountListBody {
    /// The accounts.
    items: Vec<AccountBody>,
    /// Hand it in as `cursor` for the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

impl AccountListBody {
    pub(in crate::http) fn of(listed: &ListedAccounts) -> Self {
        Self {
            items: listed.accounts.iter().map(AccountBody::of).collect(),
            next_cursor: listed.next_after.map(cursor::show),
        }
    }
}

/// What an account holds, on the side on which it grows.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Balance)]
pub(in crate::http) struct BalanceBody {
    /// Whose.
    account_id: String,
    /// Of what.
    currency: &'static str,
    /// All that was posted, in minor units.
    #[schema(pattern = "^-?[0-9]+$", example = "700")]
    posted: String,
    /// What is held, in minor units; `null` as of a moment that has been, for holds of then are not remembered.
    #[schema(required)]
    pending: Option<PendingBody>,
    /// What may still be taken: posted, less what is held of it; `null` as of a moment that has been.
    #[schema(required, pattern = "^-?[0-9]+$", example = "700")]
    available: Option<String>,
    /// How many entries it is made of; of an account of one part the `seq` of the last. As of a moment that has been, both are for ever:
    /// the moment is sealed.
    #[schema(minimum = 0)]
    sequence: i64,
    /// Which moment this is the balance of, in UTC.
    #[schema(format = DateTime)]
    as_of: String,
}

/// What is held.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Pending)]
pub(in crate::http) struct PendingBody {
    /// To make the balance larger.
    #[schema(pattern = "^[0-9]+$")]
    r#in: String,
    /// To make it smaller.
    #[schema(pattern = "^[0-9]+$")]
    out: String,
}

impl BalanceBody {
    pub(in crate::http) fn of(shown: &ShownBalance) -> Self {
        let balance = &shown.balance;
        let now = !shown.is_past;
        Self {
            account_id: shown.account.id.to_string(),
            currency: shown.account.currency.code(),
            posted: balance.posted.to_string(),
            pending: now.then(|| PendingBody {
                r#in: balance.pending_in.to_string(),
                out: balance.pending_out.to_string(),
            }),
            available: now.then(|| balance.available().to_string()),
            sequence: balance.sequence,
            as_of: show_moment(balance.as_of_ms),
        }
    }
}

/// One line on an account.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Entry)]
pub(in crate::http) struct EntryBody {
    /// The transfer it belongs to.
    transfer_id: String,
    /// Its place among the postings of that.
    #[schema(minimum = 0)]
    line: u32,
    /// Which part of the account.
    #[schema(minimum = 0, maximum = 63)]
    part: u16,
    /// 1, 2, 3... within the part, without a gap.
    #[schema(minimum = 1)]
    seq: i64,
    /// Which side.
    direction: Direction,
    /// How much, in minor units.
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    amount: String,
    /// What the part held after it, on the side on which the account grows.
    #[schema(pattern = "^-?[0-9]+$")]
    balance_after: String,
    /// When, in UTC.
    #[schema(format = DateTime)]
    at: String,
    /// What the transfer is.
    kind: JournalKind,
    /// For people, as the transfer has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<String>,
    /// The other account, where the transfer has two postings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[1-9][0-9]{0,18}$", nullable = false)]
    counter_account_id: Option<String>,
}

impl EntryBody {
    fn of(account: &Account, described: &DescribedEntry) -> Self {
        let entry = &described.entry;
        Self {
            kind: described.kind,
            description: described.description.clone(),
            counter_account_id: described.counter_account_id.map(|id| id.to_string()),
            transfer_id: entry.journal_id.to_string(),
            line: entry.line,
            part: entry.part,
            seq: entry.seq,
            direction: entry.direction,
            amount: entry.amount.to_string(),
            balance_after: normal(account, entry.balance_after).to_string(),
            at: show_moment(entry.at_ms),
        }
    }
}

/// Debits minus credits, as the account shows it.
fn normal(account: &Account, debits_less_credits: i64) -> i128 {
    let balance = i128::from(debits_less_credits);
    if account.kind.is_debit_normal() {
        balance
    } else {
        -balance
    }
}

/// A page of an account's entries, in the order in which they happened.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = EntryList)]
pub(in crate::http) struct EntryListBody {
    /// The entries.
    items: Vec<EntryBody>,
    /// Hand it in as `cursor` for the next page; `null` on the last.
    #[schema(required)]
    next_cursor: Option<String>,
}

impl EntryListBody {
    pub(in crate::http) fn of(listed: &ListedEntries) -> Self {
        let entries = listed.entries.iter();
        Self {
            items: entries
                .map(|entry| EntryBody::of(&listed.account, entry))
                .collect(),
            next_cursor: listed.next_after.map(cursor::show_entry),
        }
    }
}

/// What an account held, what happened, what it held then. It never changes afterwards.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Statement)]
pub(in crate::http) struct StatementBody {
    /// Whose.
    account_id: String,
    /// Of what.
    currency: &'static str,
    /// From when.
    #[schema(format = DateTime)]
    from: String,
    /// Until before when.
    #[schema(format = DateTime)]
    to: String,
    /// Before `from`.
    #[schema(pattern = "^-?[0-9]+$")]
    opening_balance: String,
    /// Before `to`.
    #[schema(pattern = "^-?[0-9]+$")]
    closing_balance: String,
    /// What happened, a page of it.
    entries: EntryListBody,
}

impl StatementBody {
    pub(in crate::http) fn of(statement: &Statement, page: &ListedEntries) -> Self {
        let shown = |balance: &Balance| balance.posted.to_string();
        Self {
            account_id: statement.account.id.to_string(),
            currency: statement.account.currency.code(),
            from: show_moment(statement.range.start),
            to: show_moment(statement.range.end),
            opening_balance: shown(&statement.opening),
            closing_balance: shown(&statement.closing),
            entries: EntryListBody::of(page),
        }
    }
}
