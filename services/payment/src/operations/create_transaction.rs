//! Posting any number of balanced lines as one.

use std::collections::{BTreeMap, HashMap};

use idempotency::Fingerprint;
use serde::Serialize;

use super::{Asked, Books, Details, fields};
use crate::error::{Invalid, LedgerError, Wrong};
use crate::ledger::{
    Action, Command, CommandOutcome, Currency, Direction, JournalKind, NewTransaction, POSTINGS_MAX, Posting,
};

/// A line, as asked for.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AskedPosting {
    pub account_id: String,
    pub direction: Direction,
    pub amount: String,
    pub currency: String,
}

/// A transaction to be posted, as asked for. An exchange is told in its details.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CreateTransaction {
    pub id: Option<String>,
    pub postings: Vec<AskedPosting>,
    #[serde(flatten)]
    pub details: Details,
}

impl Books {
    /// Posts it whole or not at all.
    pub(crate) async fn create_transaction(
        &self,
        asked: Asked,
        new: &CreateTransaction,
    ) -> Result<CommandOutcome, LedgerError> {
        let asked = asked.needs_key()?;
        if new.postings.len() < 2 {
            return Err(Wrong::at("/postings", Invalid::TooFewPostings).into());
        }
        if new.postings.len() > POSTINGS_MAX {
            let invalid = Invalid::TooManyPostings { max: POSTINGS_MAX };
            return Err(Wrong::at("/postings", invalid).into());
        }
        let mut postings = Vec::with_capacity(new.postings.len());
        for (index, line) in new.postings.iter().enumerate() {
            let posting = self.posting(line);
            postings.push(posting.map_err(|wrong| wrong.below(&format!("/postings/{index}")))?);
        }
        balanced(&postings)?;
        two_sided(&postings)?;
        match &new.details.exchange {
            Some(exchange) => exchange.check(&postings)?,
            // Its rate would be known to nobody.
            None if is_mixed(&postings) => {
                return Err(Wrong::at("/exchange", Invalid::ExchangeMissing).into());
            }
            None => {}
        }
        let body = serde_json::to_vec(new).expect("texts are always JSON");
        let fingerprint = Fingerprint::of("POST", "/v1/transactions", &body);
        let command = Command {
            tenant: asked.tenant().clone(),
            id: self.id_or_next(new.id.as_deref())?,
            claim: asked.claim(fingerprint, self.keep_until_ms()),
            details: new.details.checked(&self.rules)?,
            action: Action::Transact(NewTransaction {
                kind: JournalKind::Transaction,
                postings,
            }),
        };
        self.commits.command(command).await
    }

    fn posting(&self, line: &AskedPosting) -> Result<Posting, Wrong> {
        Ok(Posting {
            account_id: fields::id(&line.account_id, "/account_id")?,
            direction: line.direction,
            amount: fields::amount(&self.rules, &line.amount, "/amount")?,
            currency: fields::currency(&self.rules, &line.currency, "/currency")?,
        })
    }
}

/// Per currency, debits equal credits.
fn balanced(postings: &[Posting]) -> Result<(), Wrong> {
    let mut sums: BTreeMap<Currency, i128> = BTreeMap::new();
    for posting in postings {
        *sums.entry(posting.currency).or_default() += i128::from(posting.direction.signed(posting.amount));
    }
    match sums.into_iter().find(|(_, sum)| *sum != 0) {
        Some((currency, _)) => Err(Wrong::at("/postings", Invalid::Unbalanced { currency })),
        None => Ok(()),
    }
}

/// Whether there is more than one currency in it.
fn is_mixed(postings: &[Posting]) -> bool {
    postings
        .windows(2)
        .any(|pair| pair[0].currency != pair[1].currency)
}

/// An account stands on one side only: what it gives itself does not move.
fn two_sided(postings: &[Posting]) -> Result<(), Wrong> {
    let mut sides = HashMap::new();
    for (index, posting) in postings.iter().enumerate() {
        let side = *sides.entry(posting.account_id).or_insert(posting.direction);
        if side != posting.direction {
            let pointer = format!("/postings/{index}/account_id");
            return Err(Wrong::at(pointer, Invalid::SameAccount));
        }
    }
    Ok(())
}
