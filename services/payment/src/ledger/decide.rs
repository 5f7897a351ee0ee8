//! What becomes of commands, decided without I/O: the rules of the ledger as code.
//!
//! Commands are decided strictly in order; a later one sees what an earlier one of its batch did. The order of the checks is part of the
//! contract: of several things that are wrong, every engine names the same.

mod rules;
mod working;

use std::collections::{BTreeMap, HashMap, HashSet};

use idempotency::{Fingerprint, Outcome};
use identity::Tenant;
use ids::Id;

use self::working::{Made, Working};
use super::{
    AccountKind, Claim, Command, CommandOutcome, Currency, Entry, Hold, Journal, JournalKind, Limits,
    PartBalance, Posting, Refusal, Settled,
};

/// A row's key within all tenants.
pub type Key = (Tenant, Id);
/// A part of an account.
pub type PartKey = (Tenant, Id, u16);

/// What of an account the rules ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountFacts {
    /// Of all its postings.
    pub currency: Currency,
    /// On which side it grows.
    pub kind: AccountKind,
    /// Where it may not go.
    pub limits: Limits,
    /// Into how many parts it is split.
    pub parts: u16,
    /// Whether nothing is posted to it any more.
    pub closed: bool,
}

/// An earlier row that a command refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// What it is.
    pub kind: JournalKind,
    /// Its postings, by line.
    pub postings: Vec<Posting>,
    /// How much of it was reversed so far; 0 where there is no record of that.
    pub reversed: i64,
}

/// An idempotency record that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// What was asked for under the key.
    pub fingerprint: Fingerprint,
    /// What became of it.
    pub outcome: Result<Settled, Refusal>,
}

/// What the ledger holds of all that a batch may touch. What is not in it does not exist.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// The accounts.
    pub accounts: HashMap<Key, AccountFacts>,
    /// All parts of them.
    pub balances: HashMap<PartKey, PartBalance>,
    /// The holds that commands name.
    pub holds: HashMap<Key, Hold>,
    /// The rows that commands reverse.
    pub earlier: HashMap<Key, Earlier>,
    /// Ids that rows of the journal have.
    pub taken: HashSet<Key>,
    /// The records of the commands' keys that have not expired.
    pub claims: HashMap<[u8; 32], Recorded>,
}

/// When a batch is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The caller's clock: by it holds expire.
    pub now_ms: u64,
    /// No row may carry an earlier time: the head's own, one past what is sealed, and the caller's clock.
    pub floor_ms: u64,
}

/// A row of the journal to be written, with what else it makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The row.
    pub journal: Journal,
    /// Its entries, by line.
    pub entries: Vec<Entry>,
}

/// A record of a key to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// The key, and how long it counts.
    pub claim: Claim,
    /// What became of the command.
    pub outcome: Result<Settled, Refusal>,
}

/// What becomes of a batch.
#[derive(Debug, Clone, Default)]
pub struct Decision {
    /// One a command, in order.
    pub outcomes: Vec<Result<CommandOutcome, Refusal>>,
    /// The time of all rows.
    pub at_ms: u64,
    /// New rows, in order: one link.
    pub rows: Vec<Row>,
    /// Parts that changed, as they are now.
    pub balances: BTreeMap<PartKey, PartBalance>,
    /// Holds that are new or changed, as they are now; `true` where it is new.
    pub holds: BTreeMap<Key, (Hold, bool)>,
    /// How much of a row is reversed now; `true` where there was no record of it.
    pub reversed: BTreeMap<Key, (i64, bool)>,
    /// Records of keys.
    pub records: Vec<NewRecord>,
}

/// How one command was taken before the batch as a whole is known.
enum Verdict {
    /// It made rows: the index of its [`Row`], and the hold as it stood then.
    Accepted(usize, Option<Box<Hold>>),
    Refused(Refusal),
    /// An earlier batch decided it.
    Known(Result<Settled, Refusal>),
    /// An earlier command of this batch has the same claim.
    Copy(usize),
    /// The key is another request's. Not recorded: the record is that request's.
    KeyReused,
}

/// Decides a batch. With `together`, one refusal refuses them all: who was not refused itself hears [`Refusal::NotAlone`].
pub fn decide(mut state: State, commands: &[Command], together: bool, moment: Moment) -> Decision {
    let claims = std::mem::take(&mut state.claims);
    let mut working = Working::new(state, moment);
    let mut first_with: HashMap<[u8; 32], usize> = HashMap::new();
    let mut wanted: HashSet<Key> = HashSet::new();
    let mut verdicts = Vec::with_capacity(commands.len());
    for (place, command) in commands.iter().enumerate() {
        let known = command.claim.as_ref().and_then(|claim| {
            let first = first_with.get(&claim.key).copied();
            let mine = |other: &Fingerprint| *other == claim.fingerprint;
            match (claims.get(&claim.key), first) {
                (Some(recorded), _) if mine(&recorded.fingerprint) => {
                    Some(Verdict::Known(recorded.outcome.clone()))
                }
                (None, Some(first))
                    if commands[first]
                        .claim
                        .as_ref()
                        .is_some_and(|c| mine(&c.fingerprint)) =>
                {
                    Some(Verdict::Copy(first))
                }
                (None, None) => None,
                _ => Some(Verdict::KeyReused),
            }
        });
        let verdict = known.unwrap_or_else(|| {
            if let Some(claim) = &command.claim {
                first_with.insert(claim.key, place);
            }
            // All or nothing, an id is the first one's that wants it, whatever becomes of that one: so every command that names the id
            // means the same, before anything is decided.
            if together && !wanted.insert((command.tenant.clone(), command.id)) {
                return Verdict::Refused(Refusal::IdTaken { id: command.id });
            }
            match working.apply(command) {
                Ok(Made { row, hold }) => Verdict::Accepted(row, hold.map(Box::new)),
                Err(refusal) => Verdict::Refused(refusal),
            }
        });
        verdicts.push(verdict);
    }
    let refused = |verdict: &Verdict| {
        matches!(
            verdict,
            Verdict::Refused(_) | Verdict::KeyReused | Verdict::Known(Err(_))
        )
    };
    let dropped = together && verdicts.iter().any(refused);
    let mut decision = if dropped {
        Decision::default()
    } else {
        working.finish()
    };
    settle(&mut decision, commands, verdicts, dropped);
    decision
}

/// Answers, and the records of those that were decided here.
fn settle(decision: &mut Decision, commands: &[Command], verdicts: Vec<Verdict>, dropped: bool) {
    let mut outcomes: Vec<Result<CommandOutcome, Refusal>> = Vec::with_capacity(commands.len());
    for (command, verdict) in commands.iter().zip(verdicts) {
        let decided = match verdict {
            Verdict::Accepted(..) if dropped => Err(Refusal::NotAlone),
            Verdict::Accepted(row, hold) => {
                let journal = decision.rows[row].journal.clone();
                let hold = hold.map(|hold| timed(*hold, decision));
                Ok(Settled { journal, hold })
            }
            Verdict::Refused(refusal) => Err(refusal),
            Verdict::Known(outcome) => {
                outcomes.push(outcome.map(Outcome::Replayed).map_err(Refusal::repeated));
                continue;
            }
            Verdict::Copy(first) => {
                let first = outcomes[first].clone();
                let replayed = first.map(|outcome| Outcome::Replayed(outcome.get().clone()));
                outcomes.push(replayed.map_err(Refusal::repeated));
                continue;
            }
            Verdict::KeyReused => {
                outcomes.push(Err(Refusal::KeyReused));
                continue;
            }
        };
        if let Some(claim) = &command.claim {
            decision.records.push(NewRecord {
                claim: claim.clone(),
                outcome: decided.clone(),
            });
        }
        outcomes.push(decided.map(Outcome::Fresh));
    }
    decision.outcomes = outcomes;
}

/// A hold that this batch placed has the batch's time.
fn timed(mut hold: Hold, decision: &Decision) -> Hold {
    let key = (hold.tenant.clone(), hold.id);
    if decision.holds.get(&key).is_some_and(|(_, is_new)| *is_new) {
        hold.created_at_ms = decision.at_ms;
    }
    hold
}

#[cfg(test)]
mod tests;
