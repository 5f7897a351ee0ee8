//! Many transfers in one call and one commit: each with its own outcome, or all or nothing.

use std::collections::HashSet;

use idempotency::IdempotencyKey;

use super::{Answer, Asked, Books, CreateTransfer};
use crate::error::{Invalid, LedgerError, Wrong};
use crate::ledger::{Command, CommandOutcome, Refusal};

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct BatchItem {
    /// A key of its own; without one it is made of the request's key and its place.
    pub idempotency_key: Option<String>,
    /// What.
    pub transfer: CreateTransfer,
}

impl Books {
    /// What became of each, in their order. What fails as a whole (the engine is away) moved nothing, or is found by a repeat.
    pub(crate) async fn create_transfers(
        &self,
        asked: Asked,
        items: &[BatchItem],
        all_or_nothing: bool,
    ) -> Result<Vec<Result<CommandOutcome, LedgerError>>, LedgerError> {
        let asked = asked.needs_key()?;
        let max = self.rules.books.batch_transfers_max;
        if items.is_empty() || items.len() > max {
            return Err(Wrong::at("/transfers", Invalid::BatchSize { max }).into());
        }
        let commands = self.commands(&asked, items)?;
        let any_wrong = commands.iter().any(Result::is_err);
        if all_or_nothing && any_wrong {
            let refused = |command: Result<Command, LedgerError>| match command {
                Ok(_) => Err(Refusal::NotAlone.into()),
                Err(error) => Err(error),
            };
            return Ok(commands.into_iter().map(refused).collect());
        }
        let (good, places) = split(commands);
        let answers = self.commits.batch(good, all_or_nothing).await?;
        Ok(joined(answers, places))
    }

    /// Each judged by itself; a key that stands twice is wrong with the whole.
    fn commands(
        &self,
        asked: &Asked,
        items: &[BatchItem],
    ) -> Result<Vec<Result<Command, LedgerError>>, LedgerError> {
        let keep_until_ms = self.keep_until_ms();
        let mut keys = HashSet::new();
        let mut commands = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            let pointer = || format!("/transfers/{index}/idempotency_key");
            let print = item.transfer.fingerprint();
            let claim = match &item.idempotency_key {
                None => asked.claim_of_part(index, print, keep_until_ms),
                Some(text) => {
                    let key = IdempotencyKey::parse(text)
                        .map_err(|_| Wrong::at(pointer(), Invalid::KeyMalformed))?;
                    if card_numbers::is_in_key(text) {
                        return Err(Wrong::at(pointer(), Invalid::CardNumber).into());
                    }
                    if !keys.insert(text) {
                        return Err(Wrong::at(pointer(), Invalid::KeyRepeated).into());
                    }
                    Some(asked.claim_under(&key, print, keep_until_ms))
                }
            };
            let prefix = format!("/transfers/{index}");
            let command = self.transfer(asked, &item.transfer, claim);
            commands.push(command.map_err(|error| match error {
                LedgerError::Invalid(wrong) => wrong.below(&prefix).into(),
                other => other,
            }));
        }
        Ok(commands)
    }
}

/// The commands, and for each place either that it has one or why it has none.
fn split(commands: Vec<Result<Command, LedgerError>>) -> (Vec<Command>, Vec<Result<(), LedgerError>>) {
    let mut good = Vec::with_capacity(commands.len());
    let mut places = Vec::with_capacity(commands.len());
    for command in commands {
        places.push(command.map(|command| good.push(command)));
    }
    (good, places)
}

fn joined(
    answers: Vec<Answer>,
    places: Vec<Result<(), LedgerError>>,
) -> Vec<Result<CommandOutcome, LedgerError>> {
    let mut answers = answers.into_iter();
    let mut next = || {
        let answer = answers.next().expect("an answer a command");
        answer.map_err(LedgerError::from)
    };
    places
        .into_iter()
        .map(|place| place.and_then(|()| next()))
        .collect()
}
