//! What a call answered, in the words of the port.

use idempotency::Outcome;
use identity::Tenant;
use ids::Id;
use serde::Deserialize;
use sql::Postgres;

use super::commit::{Answer, Settling};
use super::plan::{Planned, status};
use super::{read, rows};
use crate::ledger::{CommandOutcome, Hold, Journal, Posting, Refusal, Settled};
use crate::store::StoreError;

const DAMAGED: StoreError = StoreError::Damaged("a claim whose outcome cannot be read");

/// A hold as it stood after a command: what is remembered of it beside its terms.
#[derive(Deserialize)]
struct Stood {
    captured: String,
    released: String,
    state: i16,
}

pub(super) async fn answers(
    sql: &Postgres,
    planned: &[Planned<'_>],
    answer: Answer,
) -> Result<Vec<Result<CommandOutcome, Refusal>>, StoreError> {
    let at_ms = sql::uint(answer.at_ms)?;
    let note = |place: usize| answer.notes.get(place).and_then(Option::as_deref);
    let mut answers = Vec::with_capacity(planned.len());
    let mut replays = Vec::new();
    for (place, planned) in planned.iter().enumerate() {
        let decided = answer.status.get(place).copied().ok_or(DAMAGED)?;
        answers.push(match decided {
            status::ACCEPTED => {
                let settling = Settling {
                    planned,
                    amount: answer.amounts.get(place).copied(),
                    note: note(place),
                    at_ms,
                };
                Ok(Outcome::Fresh(fresh(&settling)?))
            }
            status::REPLAYED => {
                let id = rows::id(answer.ids.get(place).copied().ok_or(DAMAGED)?)?;
                replays.push((place, &planned.command.tenant, id));
                // Until its rows were read.
                Err(Refusal::KeyReused)
            }
            status::KEY_REUSED => Err(Refusal::KeyReused),
            decided => {
                let refusal: Refusal =
                    serde_json::from_str(note(place).unwrap_or_default()).map_err(|_| DAMAGED)?;
                Err(match decided {
                    status::REFUSED_BEFORE => refusal.repeated(),
                    _ => refusal,
                })
            }
        });
    }
    if !replays.is_empty() {
        let keys: Vec<(&Tenant, Id)> = replays.iter().map(|(_, tenant, id)| (*tenant, *id)).collect();
        let settled = recorded(sql, &keys).await?;
        if settled.len() != replays.len() {
            return Err(DAMAGED);
        }
        for ((place, ..), (journal, hold)) in replays.into_iter().zip(settled) {
            let hold = match (hold, note(place)) {
                (Some(hold), Some(note)) => Some(stood(hold, note)?),
                _ => None,
            };
            answers[place] = Ok(Outcome::Replayed(Settled { journal, hold }));
        }
    }
    Ok(answers)
}

/// Rows as they were made, with the holds they are about as those stand now.
async fn recorded(
    sql: &Postgres,
    keys: &[(&Tenant, Id)],
) -> Result<Vec<(Journal, Option<Hold>)>, StoreError> {
    let journals = read::journals(sql, keys).await?;
    let wanted: Vec<(&Tenant, Id)> = journals
        .iter()
        .filter_map(|row| row.hold_id.map(|id| (&row.tenant, id)))
        .collect();
    let holds = if wanted.is_empty() {
        Vec::new()
    } else {
        read::holds_by_id(sql, &wanted).await?
    };
    let mut holds = holds.into_iter();
    journals
        .into_iter()
        .map(|mut row| {
            // What was reversed of it later is no part of the answer then.
            row.reversed = 0;
            let hold = match row.hold_id {
                Some(_) => Some(holds.next().ok_or(DAMAGED)?),
                None => None,
            };
            Ok((row, hold))
        })
        .collect()
}

fn stood(hold: Hold, note: &str) -> Result<Hold, StoreError> {
    let then: Stood = serde_json::from_str(note).map_err(|_| DAMAGED)?;
    let number = |text: &str| text.parse::<i64>().map_err(|_| DAMAGED);
    Ok(Hold {
        captured: number(&then.captured)?,
        released: number(&then.released)?,
        state: rows::hold_state(then.state)?,
        ..hold
    })
}

fn fresh(settling: &Settling<'_, '_>) -> Result<Settled, StoreError> {
    let Settling {
        planned,
        amount,
        note,
        at_ms,
    } = settling;
    let command = planned.command;
    let mut postings = planned.postings.clone();
    if !planned.has_fixed_amounts {
        let amount = rows::amount(amount.ok_or(DAMAGED)?)?;
        postings = postings
            .into_iter()
            .map(|posting| Posting { amount, ..posting })
            .collect();
    }
    let hold = match (&planned.terms, planned.hold_id) {
        (Some(terms), Some(id)) => {
            let hold = Hold {
                tenant: command.tenant.clone(),
                id,
                debit_account_id: terms.debit_account_id,
                credit_account_id: terms.credit_account_id,
                amount: terms.amount,
                currency: terms.currency,
                captured: 0,
                released: 0,
                state: crate::ledger::HoldState::Open,
                expires_at_ms: terms.expires_at_ms,
                created_at_ms: terms.created_at_ms.unwrap_or(*at_ms),
            };
            Some(stood(hold, note.ok_or(DAMAGED)?)?)
        }
        _ => None,
    };
    let journal = Journal {
        tenant: command.tenant.clone(),
        id: command.id,
        kind: planned.kind,
        at_ms: *at_ms,
        hold_id: planned.hold_id,
        refers_to: planned.refers_to,
        details: command.chained_details().into_owned(),
        postings,
        reversed: 0,
    };
    Ok(Settled { journal, hold })
}
