//! What is wrong with a request, judged before anything is asked of the ledger.

use crate::ledger::Currency;

/// A field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {invalid}")]
pub(crate) struct Wrong {
    /// A JSON pointer into the body, or the name of a parameter or header.
    pub pointer: String,
    /// What.
    pub invalid: Invalid,
}

impl Wrong {
    /// At this field.
    pub(crate) fn at(pointer: impl Into<String>, invalid: Invalid) -> Self {
        Self {
            pointer: pointer.into(),
            invalid,
        }
    }

    /// The same below another field.
    pub(crate) fn below(self, prefix: &str) -> Self {
        Self {
            pointer: format!("{prefix}{}", self.pointer),
            invalid: self.invalid,
        }
    }
}

/// What can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Invalid {
    #[error(
        "an amount is a string of digits, 1 to 9223372036854775807 minor units, without sign, point or leading zeros"
    )]
    Amount,
    #[error("at most {max} minor units move at once here")]
    AmountOverLimit { max: u64 },
    #[error("a currency is an ISO 4217 code in capitals, like EUR, that has minor units")]
    Currency,
    #[error("{currency} is not among the currencies of this ledger")]
    CurrencyNotAllowed { currency: Currency },
    #[error("an id is a string of digits, 1 to 9223372036854775807, without leading zeros")]
    Id,
    #[error("money moves between two accounts, and this is the same one on both sides")]
    SameAccount,
    #[error("a transaction has at least two postings")]
    TooFewPostings,
    #[error("a transaction has at most {max} postings")]
    TooManyPostings { max: usize },
    #[error("debits and credits of {currency} differ")]
    Unbalanced { currency: Currency },
    #[error("must be at most {chars_max} characters, without control characters")]
    Text { chars_max: usize },
    #[error("at most {entries_max} entries and {bytes_max} bytes of JSON")]
    MetadataTooLarge { entries_max: usize, bytes_max: usize },
    #[error("names have 1 to 64 characters, and neither they nor their values have control characters")]
    Metadata,
    #[error("an account has 1 to {max} parts")]
    Parts { max: u16 },
    #[error("an account with limits has one part: they are judged over all of it")]
    PartsWithLimits,
    #[error("a hold lasts 1 to {max_s} seconds")]
    Expiry { max_s: u64 },
    #[error("{0}")]
    Exchange(&'static str),
    #[error("at this rate {given} minor units of {from} come to {}", come_to(*.expected, *.to))]
    ExchangeAmount {
        given: i128,
        from: Currency,
        to: Currency,
        /// `None` where it is no amount.
        expected: Option<i128>,
    },
    #[error(
        "money of more than one currency moves by an exchange: say `from`, `to` and the `rate`, which is recorded"
    )]
    ExchangeMissing,
    #[error("must be a moment of RFC 3339 since 1970, as 2026-11-22T10:20:30Z")]
    Moment,
    #[error("is in the future: only what has been is known")]
    AsOfInFuture,
    #[error("this looks like a card number, and what is written here stays for ever; never send card data")]
    CardNumber,
    #[error("must be before `to`")]
    Range,
    #[error("between 1 and {max} transfers")]
    BatchSize { max: usize },
    #[error(
        "each POST that moves money needs this header, so that it can be repeated: 1 to 255 visible ASCII characters"
    )]
    KeyMissing,
    #[error("must be 1 to 255 visible ASCII characters")]
    KeyMalformed,
    #[error("is the key of an earlier transfer of this batch")]
    KeyRepeated,
    #[error("an account that is closed stays closed: only true can be set")]
    Reopen,
}

impl Invalid {
    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Amount => "amount_invalid",
            Self::AmountOverLimit { .. } => "amount_over_limit",
            Self::Currency => "currency_unknown",
            Self::CurrencyNotAllowed { .. } => "currency_not_allowed",
            Self::Id => "id_invalid",
            Self::SameAccount => "same_account",
            Self::TooFewPostings => "too_few_postings",
            Self::TooManyPostings { .. } => "too_many_postings",
            Self::Unbalanced { .. } => "unbalanced",
            Self::Text { .. } => "text_invalid",
            Self::MetadataTooLarge { .. } => "metadata_too_large",
            Self::Metadata => "metadata_invalid",
            Self::Parts { .. } | Self::PartsWithLimits => "parts_invalid",
            Self::Expiry { .. } => "expiry_invalid",
            Self::Exchange(_) | Self::ExchangeAmount { .. } => "exchange_invalid",
            Self::ExchangeMissing => "exchange_missing",
            Self::Moment => "moment_invalid",
            Self::AsOfInFuture => "as_of_in_future",
            Self::CardNumber => "card_number_refused",
            Self::Range => "range_invalid",
            Self::BatchSize { .. } => "batch_size_invalid",
            Self::KeyMissing => "idempotency_key_missing",
            Self::KeyMalformed => "idempotency_key_malformed",
            Self::KeyRepeated => "idempotency_key_repeated",
            Self::Reopen => "account_closed",
        }
    }
}

fn come_to(expected: Option<i128>, to: Currency) -> String {
    expected.map_or_else(
        || format!("no amount of {to} that could move"),
        |expected| format!("{expected} of {to}, rounded half to even"),
    )
}
