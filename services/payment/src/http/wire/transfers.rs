//! Transfers and transactions, on the wire.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::show_moment;
use crate::ledger::{Direction, Journal, JournalKind, Posting};
use crate::operations::{
    AskedPosting, BatchItem, CreateTransaction, CreateTransfer, Details, Exchange, Metadata,
};

/// A transfer to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTransfer, example = json!({"debit_account_id": "1001", "credit_account_id": "1002", "amount": "700", "currency": "EUR", "description": "Lunch"}))]
pub(in crate::http) struct NewTransferBody {
    /// The client's own id; without one it is given one.
    #[schema(pattern = "^[1-9][0-9]{0,18}$", nullable = false)]
    id: Option<String>,
    /// Which account is debited.
    #[schema(pattern = "^[1-9][0-9]{0,18}$", example = "1001")]
    debit_account_id: String,
    /// Which account is credited.
    #[schema(pattern = "^[1-9][0-9]{0,18}$", example = "1002")]
    credit_account_id: String,
    /// How much, in minor units.
    #[schema(pattern = "^[1-9][0-9]{0,18}$", example = "700")]
    amount: String,
    /// That of both accounts.
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: String,
    /// For people.
    #[schema(max_length = 500, nullable = false)]
    description: Option<String>,
    /// Names and values of the client's own.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, String>, required = false)]
    metadata: Metadata,
}

impl NewTransferBody {
    pub(in crate::http) fn into_request(self) -> CreateTransfer {
        CreateTransfer {
            id: self.id,
            debit_account_id: self.debit_account_id,
            credit_account_id: self.credit_account_id,
            amount: self.amount,
            currency: self.currency,
            details: Details {
                description: self.description,
                metadata: self.metadata,
                exchange: None,
            },
        }
    }
}

/// One of many transfers to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BatchTransfer)]
pub(in crate::http) struct BatchTransferBody {
    /// Names this transfer among the user's own requests; without it the name is made of the request's key and its place.
    #[schema(min_length = 1, max_length = 255, pattern = "^[!-~]+$", nullable = false)]
    idempotency_key: Option<String>,
    /// The client's own id; without one it is given one.
    #[schema(pattern = "^[1-9][0-9]{0,18}$", nullable = false)]
    id: Option<String>,
    /// Which account is debited.
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    debit_account_id: String,
    /// Which account is credited.
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    credit_account_id: String,
    /// How much, in minor units.
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    amount: String,
    /// That of both accounts.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
    /// For people.
    #[schema(max_length = 500, nullable = false)]
    description: Option<String>,
    /// Names and values of the client's own.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, String>, required = false)]
    metadata: Metadata,
}

impl BatchTransferBody {
    pub(in crate::http) fn into_item(self) -> BatchItem {
        let transfer = NewTransferBody {
            id: self.id,
            debit_account_id: self.debit_account_id,
            credit_account_id: self.credit_account_id,
            amount: self.amount,
            currency: self.currency,
            description: self.description,
            metadata: self.metadata,
        };
        BatchItem {
            idempotency_key: self.idempotency_key,
            transfer: transfer.into_request(),
        }
    }
}

/// A line of a transaction to be posted.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewPosting)]
pub(in crate::http) struct NewPostingBody {
    /// Which account.
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    account_id: String,
    /// Which side of it.
    direction: Direction,
    /// How much, in minor units.
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    amount: String,
    /// The account's own.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: String,
}

/// A transaction to be posted: in each currency, debits equal credits.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewTransaction, example = json!({"postings": [
    {"account_id": "1001", "direction": "debit", "amount": "1000", "currency": "EUR"},
    {"account_id": "1002", "direction": "credit", "amount": "950", "currency": "EUR"},
    {"account_id": "1003", "direction": "credit", "amount": "50", "currency": "EUR"}
], "description": "A sale and its fee"}))]
pub(in crate::http) struct NewTransactionBody {
    /// The client's own id; without one it is given one.
    #[schema(pattern = "^[1-9][0-9]{0,18}$", nullable = false)]
    id: Option<String>,
    /// Its lines. An account stands on one side only.
    #[schema(min_items = 2, max_items = 1000)]
    postings: Vec<NewPostingBody>,
    /// The rate, which is recorded: there has to be one where the lines are of two currencies, and the sums have to agree with it.
    #[schema(nullable = false)]
    exchange: Option<Exchange>,
    /// For people.
    #[schema(max_length = 500, nullable = false)]
    description: Option<String>,
    /// Names and values of the client's own.
    #[serde(default)]
    #[schema(value_type = std::collections::HashMap<String, String>, required = false)]
    metadata: Metadata,
}

impl NewTransactionBody {
    pub(in crate::http) fn into_request(self) -> CreateTransaction {
        let postings = self.postings.into_iter().map(|line| AskedPosting {
            account_id: line.account_id,
            direction: line.direction,
            amount: line.amount,
            currency: line.currency,
        });
        CreateTransaction {
            id: self.id,
            postings: postings.collect(),
            details: Details {
                description: self.description,
                metadata: self.metadata,
                exchange: self.exchange,
            },
        }
    }
}

/// How much of a transfer is to be taken back.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewReversal, example = json!({"amount": "1"}))]
pub(in crate::http) struct ReversalBody {
    /// How much, in minor units; without it all that is left. A transaction of more than two lines is reversed whole, once.
    #[schema(pattern = "^[1-9][0-9]{0,18}$", nullable = false)]
    pub amount: Option<String>,
}

/// One line.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Posting)]
pub(in crate::http) struct PostingBody {
    /// Which account.
    account_id: String,
    /// Which side of it.
    direction: Direction,
    /// How much, in minor units.
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    amount: String,
    /// Of what.
    #[schema(pattern = "^[A-Z]{3}$")]
    currency: &'static str,
}

impl PostingBody {
    fn of(posting: &Posting) -> Self {
        Self {
            account_id: posting.account_id.to_string(),
            direction: posting.direction,
            amount: posting.amount.to_string(),
            currency: posting.currency.code(),
        }
    }
}

/// A row of the journal: what happened, never changed and never deleted.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Transfer)]
pub(in crate::http) struct TransferBody {
    /// Unique in the tenant.
    #[schema(pattern = "^[1-9][0-9]{0,18}$")]
    id: String,
    /// What it is.
    kind: JournalKind,
    /// When, in UTC, by the ledger's own order.
    #[schema(format = DateTime)]
    at: String,
    /// Its lines; none where nothing moved (holds, voids, expiries).
    postings: Vec<PostingBody>,
    /// Which account was debited, where there are two lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    debit_account_id: Option<String>,
    /// Which account was credited, where there are two lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    credit_account_id: Option<String>,
    /// How much, where there are two lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    amount: Option<String>,
    /// Of what, where there are two lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    currency: Option<&'static str>,
    /// The hold it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    hold_id: Option<String>,
    /// The transfer that it takes back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reverses: Option<String>,
    /// How much of it was taken back so far, in minor units.
    #[schema(pattern = "^[0-9]+$")]
    reversed: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    description: Option<String>,
    /// The client's own.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    metadata: Metadata,
    /// The rate of an exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    exchange: Option<Exchange>,
}

impl TransferBody {
    pub(in crate::http) fn of(journal: &Journal) -> Self {
        let details = Details::read(journal.told());
        let side = |side: Direction| {
            let mut lines = journal.postings.iter();
            let pair = journal.postings.len() == 2;
            lines.find(|posting| pair && posting.direction == side)
        };
        let (debited, credited) = (side(Direction::Debit), side(Direction::Credit));
        Self {
            id: journal.id.to_string(),
            kind: journal.kind,
            at: show_moment(journal.at_ms),
            postings: journal.postings.iter().map(PostingBody::of).collect(),
            debit_account_id: debited.map(|posting| posting.account_id.to_string()),
            credit_account_id: credited.map(|posting| posting.account_id.to_string()),
            amount: debited.map(|posting| posting.amount.to_string()),
            currency: debited.map(|posting| posting.currency.code()),
            hold_id: journal.hold_id.map(|id| id.to_string()),
            reverses: journal.refers_to.map(|id| id.to_string()),
            reversed: journal.reversed.to_string(),
            description: details.description,
            metadata: details.metadata,
            exchange: details.exchange,
        }
    }
}
