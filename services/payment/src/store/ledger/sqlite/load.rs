//! Reads all that a batch may touch, in a number of statements that does not grow with it.

use std::collections::{BTreeSet, HashMap, HashSet};

use idempotency::Fingerprint;
use sql::SqliteConnection;

use super::rows::{self, grouped};
use super::{StoreError, statements};
use crate::ledger::decide::{AccountFacts, Earlier, Key, Recorded, State};
use crate::ledger::{Action, Command, Hold, Journal, Limits, Settled};
use crate::store::ledger::recorded::{RecordedOutcome, as_made};

type RecordRow = (Vec<u8>, Vec<u8>, String);
type FactsRow = (String, i64, String, i64, bool, bool, i64, bool);
type BalanceRow = (String, i64, i64, i64, i64, i64, i64, i64);

/// What the ledger holds of all that `commands` may touch.
pub(super) async fn state(
    tx: &mut SqliteConnection,
    commands: &[Command],
    now_ms: u64,
) -> Result<State, StoreError> {
    let records = records(tx, commands, now_ms).await?;
    let mut wanted = Wanted::of(commands);
    wanted.recorded(commands, &records);
    let holds = holds(tx, &wanted.holds).await?;
    let journals = journals(tx, &wanted.journals).await?;
    let mut state = State {
        taken: taken(tx, commands).await?,
        ..State::default()
    };
    wanted.accounts_of(&holds, &journals);
    let accounts = grouped(&wanted.accounts);
    facts(tx, &accounts, &mut state).await?;
    balances(tx, &accounts, &mut state).await?;
    state.claims = claims(commands, records, &holds, &journals)?;
    state.earlier = journals
        .into_iter()
        .map(|(key, journal)| {
            let earlier = Earlier {
                kind: journal.kind,
                postings: journal.postings,
                reversed: journal.reversed,
            };
            (key, earlier)
        })
        .collect();
    state.holds = holds;
    Ok(state)
}

/// Keys of rows, before they are read.
#[derive(Default)]
struct Wanted {
    accounts: BTreeSet<Key>,
    holds: BTreeSet<Key>,
    journals: BTreeSet<Key>,
}

impl Wanted {
    fn of(commands: &[Command]) -> Self {
        let mut wanted = Self::default();
        for command in commands {
            let key = |id| (command.tenant.clone(), id);
            match &command.action {
                Action::Transact(transaction) => {
                    let accounts = transaction.postings.iter().map(|posting| key(posting.account_id));
                    wanted.accounts.extend(accounts);
                }
                Action::Hold(new) => {
                    wanted
                        .accounts
                        .extend([key(new.debit_account_id), key(new.credit_account_id)]);
                }
                Action::Capture { hold_id, .. } | Action::Void { hold_id } | Action::Expire { hold_id } => {
                    wanted.holds.insert(key(*hold_id));
                }
                Action::Reverse { journal_id, .. } => {
                    wanted.journals.insert(key(*journal_id));
                }
            }
        }
        wanted
    }

    /// What a replay shows is read like the rest.
    fn recorded(
        &mut self,
        commands: &[Command],
        records: &HashMap<[u8; 32], (Fingerprint, RecordedOutcome)>,
    ) {
        for command in commands {
            let record = command.claim.as_ref().and_then(|claim| records.get(&claim.key));
            if let Some((_, RecordedOutcome::Settled { journal_id, hold })) = record {
                self.journals.insert((command.tenant.clone(), *journal_id));
                // A hold that a command placed has its id; others name theirs.
                if hold.is_some() {
                    self.holds.insert((command.tenant.clone(), *journal_id));
                }
            }
        }
    }

    fn accounts_of(&mut self, holds: &HashMap<Key, Hold>, journals: &HashMap<Key, Journal>) {
        for ((tenant, _), hold) in holds {
            for id in [hold.debit_account_id, hold.credit_account_id] {
                self.accounts.insert((tenant.clone(), id));
            }
        }
        for ((tenant, _), journal) in journals {
            let ids = journal.postings.iter().map(|posting| posting.account_id);
            self.accounts.extend(ids.map(|id| (tenant.clone(), id)));
        }
    }
}

async fn records(
    tx: &mut SqliteConnection,
    commands: &[Command],
    now_ms: u64,
) -> Result<HashMap<[u8; 32], (Fingerprint, RecordedOutcome)>, StoreError> {
    let keys: Vec<String> = commands
        .iter()
        .filter_map(|command| command.claim.as_ref())
        .map(|claim| hex(&claim.key))
        .collect();
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let found: Vec<RecordRow> = sqlx::query_as(statements::CLAIMS)
        .bind(rows::json(&keys))
        .bind(sql::int(now_ms)?)
        .fetch_all(tx)
        .await?;
    found.into_iter().map(record).collect()
}

pub(super) fn record(row: RecordRow) -> Result<([u8; 32], (Fingerprint, RecordedOutcome)), StoreError> {
    let (key, fingerprint, outcome) = row;
    let fingerprint = Fingerprint::from_bytes(&fingerprint)
        .ok_or(StoreError::Damaged("a fingerprint of another length"))?;
    Ok((
        rows::hash(key)?,
        (fingerprint, RecordedOutcome::from_json(&outcome)?),
    ))
}

/// Lowercase, as the statements take keys.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from_digit(u32::from(digit), 16).unwrap_or('0'))
        .collect()
}

fn claims(
    commands: &[Command],
    mut records: HashMap<[u8; 32], (Fingerprint, RecordedOutcome)>,
    holds: &HashMap<Key, Hold>,
    journals: &HashMap<Key, Journal>,
) -> Result<HashMap<[u8; 32], Recorded>, StoreError> {
    let mut claims = HashMap::new();
    for command in commands {
        let Some(claim) = &command.claim else { continue };
        let Some((fingerprint, outcome)) = records.remove(&claim.key) else {
            continue;
        };
        // Another request's: it is not shown, so it need not be put together.
        let other = || Err(crate::ledger::Refusal::KeyReused);
        if fingerprint != claim.fingerprint && matches!(outcome, RecordedOutcome::Settled { .. }) {
            let refused = Recorded {
                fingerprint,
                outcome: other(),
            };
            claims.insert(claim.key, refused);
            // A later command of the batch may be the recorded request itself.
            records.insert(claim.key, (fingerprint, outcome));
            continue;
        }
        let outcome = match outcome {
            RecordedOutcome::Refused(refusal) => Err(refusal),
            RecordedOutcome::Account { .. } => other(),
            RecordedOutcome::Settled { journal_id, hold } => {
                let key = |id| (command.tenant.clone(), id);
                let lost = StoreError::Damaged("an idempotency record of a row that is not there");
                let journal = journals.get(&key(journal_id)).ok_or(lost.clone())?;
                let hold = hold.map(|then| {
                    let now = journal.hold_id.and_then(|id| holds.get(&key(id))).ok_or(lost)?;
                    Ok::<_, StoreError>(then.over(now))
                });
                Ok(Settled {
                    journal: as_made(journal),
                    hold: hold.transpose()?,
                })
            }
        };
        claims.insert(claim.key, Recorded { fingerprint, outcome });
    }
    Ok(claims)
}

async fn taken(tx: &mut SqliteConnection, commands: &[Command]) -> Result<HashSet<Key>, StoreError> {
    let keys: Vec<Key> = commands
        .iter()
        .map(|command| (command.tenant.clone(), command.id))
        .collect();
    let found: Vec<(String, i64)> = sqlx::query_as(statements::TAKEN)
        .bind(grouped(&keys))
        .fetch_all(tx)
        .await?;
    let key = |(tenant, id): (String, i64)| Ok((rows::tenant(&tenant)?, rows::id(id)?));
    found.into_iter().map(key).collect()
}

async fn holds(tx: &mut SqliteConnection, keys: &BTreeSet<Key>) -> Result<HashMap<Key, Hold>, StoreError> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let found: Vec<rows::HoldRow> = sqlx::query_as(statements::HOLDS)
        .bind(grouped(keys))
        .fetch_all(tx)
        .await?;
    let keyed = |row| rows::hold(row).map(|hold| ((hold.tenant.clone(), hold.id), hold));
    found.into_iter().map(keyed).collect()
}

/// With their postings.
pub(super) async fn journals(
    tx: &mut SqliteConnection,
    keys: &BTreeSet<Key>,
) -> Result<HashMap<Key, Journal>, StoreError> {
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let keys = grouped(keys);
    let found: Vec<rows::JournalRow> = sqlx::query_as(statements::JOURNALS)
        .bind(keys.as_str())
        .fetch_all(&mut *tx)
        .await?;
    let keyed = |row| rows::journal(row).map(|journal| ((journal.tenant.clone(), journal.id), journal));
    let mut journals: HashMap<Key, Journal> = found.into_iter().map(keyed).collect::<Result<_, _>>()?;
    let postings: Vec<rows::PostingRow> = sqlx::query_as(statements::POSTINGS)
        .bind(keys.as_str())
        .fetch_all(tx)
        .await?;
    for row in &postings {
        let (key, posting) = rows::posting(row)?;
        if let Some(journal) = journals.get_mut(&key) {
            journal.postings.push(posting);
        }
    }
    Ok(journals)
}

async fn facts(tx: &mut SqliteConnection, accounts: &str, state: &mut State) -> Result<(), StoreError> {
    let found: Vec<FactsRow> = sqlx::query_as(statements::FACTS)
        .bind(accounts)
        .fetch_all(tx)
        .await?;
    for (tenant, id, currency, kind, not_below_zero, not_above_zero, parts, closed) in found {
        let facts = AccountFacts {
            currency: rows::currency(&currency)?,
            kind: rows::kind(kind)?,
            limits: Limits {
                not_below_zero,
                not_above_zero,
            },
            parts: rows::part(parts)?,
            closed,
        };
        state
            .accounts
            .insert((rows::tenant(&tenant)?, rows::id(id)?), facts);
    }
    Ok(())
}

async fn balances(tx: &mut SqliteConnection, accounts: &str, state: &mut State) -> Result<(), StoreError> {
    let found: Vec<BalanceRow> = sqlx::query_as(statements::BALANCES)
        .bind(accounts)
        .fetch_all(tx)
        .await?;
    for (tenant, id, part, posted, hold_debits, hold_credits, entries, last_at_ms) in found {
        let part = (rows::tenant(&tenant)?, rows::id(id)?, rows::part(part)?);
        let balance = rows::balance((posted, hold_debits, hold_credits, entries, last_at_ms))?;
        state.balances.insert(part, balance);
    }
    Ok(())
}
