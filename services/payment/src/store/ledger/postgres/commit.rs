//! One batch: arrays in, answers out.

use std::collections::{HashMap, HashSet};

use idempotency::Outcome;
use sql::{Postgres, SqlError};

use super::plan::{self, Arrays, Known, Planned};
use super::{read, settle};
use crate::ledger::{Action, Command, CommandOutcome, Refusal};
use crate::store::StoreError;
use crate::store::ledger::Batch;

/// How often a batch is planned again because an id that it names came into being meanwhile. Each time another writer was first, so more
/// than once takes a race over another id.
const PLANS_MAX: u32 = 16;

type Answers = Vec<Result<CommandOutcome, Refusal>>;

pub(super) async fn commit(sql: &Postgres, batch: &Batch) -> Result<Answers, StoreError> {
    let copies = Copies::among(&batch.commands);
    let mut answers = Vec::with_capacity(copies.first.len());
    // What a later piece comes to says nothing of the earlier ones, which stand.
    let mut stands = false;
    for piece in pieces(&copies.first, batch.together) {
        let settled = settled(sql, batch, piece, copies.differ).await;
        answers.extend(settled.map_err(|error| if stands { after_a_commit(error) } else { error })?);
        stands = true;
    }
    let mut all = copies.spread(&batch.commands, answers);
    // A copy of a command whose key was another request's may be that other request.
    for (place, answer) in all.iter_mut().enumerate() {
        if answer.is_none() {
            let alone = settled(sql, batch, &[&batch.commands[place]], false).await;
            *answer = alone.map_err(after_a_commit)?.into_iter().next();
        }
    }
    Ok(all.into_iter().flatten().collect())
}

/// Commands of one batch with the same claim: the first is decided, the others are its replays.
struct Copies<'a> {
    first: Vec<&'a Command>,
    /// Of each command of the batch the place of the first with its claim.
    of: Vec<usize>,
    /// Whether two of them ask for different things.
    differ: bool,
}

impl<'a> Copies<'a> {
    fn among(commands: &'a [Command]) -> Self {
        let mut seen: HashMap<&[u8; 32], usize> = HashMap::with_capacity(commands.len());
        let mut copies = Self {
            first: Vec::with_capacity(commands.len()),
            of: Vec::with_capacity(commands.len()),
            differ: false,
        };
        for command in commands {
            let fresh = copies.first.len();
            let place = match &command.claim {
                Some(claim) => *seen.entry(&claim.key).or_insert(fresh),
                None => fresh,
            };
            if place == fresh {
                copies.first.push(command);
            } else {
                copies.differ |= !is_same_request(copies.first[place], command);
            }
            copies.of.push(place);
        }
        copies
    }

    /// One answer each; `None` where it does not follow from the first one's.
    fn spread(&self, commands: &[Command], answers: Answers) -> Vec<Option<Result<CommandOutcome, Refusal>>> {
        let mut answered = vec![false; answers.len()];
        let mut all = Vec::with_capacity(commands.len());
        let mut own: Vec<Option<Result<CommandOutcome, Refusal>>> = answers.into_iter().map(Some).collect();
        let copied: HashSet<usize> = self.copied();
        for (command, place) in commands.iter().zip(&self.of) {
            if !answered[*place] {
                answered[*place] = true;
                let answer = if copied.contains(place) {
                    own[*place].clone()
                } else {
                    own[*place].take()
                };
                all.push(answer);
                continue;
            }
            let same = is_same_request(self.first[*place], command);
            all.push(match (own[*place].as_ref(), same) {
                (Some(Err(Refusal::KeyReused)), false) => None,
                (Some(Ok(outcome)), true) => Some(Ok(Outcome::Replayed(outcome.get().clone()))),
                (Some(Err(refusal)), true) => Some(Err(refusal.clone().repeated())),
                _ => Some(Err(Refusal::KeyReused)),
            });
        }
        all
    }

    fn copied(&self) -> HashSet<usize> {
        let mut once = HashSet::with_capacity(self.of.len());
        self.of
            .iter()
            .copied()
            .filter(|place| !once.insert(*place))
            .collect()
    }
}

fn is_same_request(one: &Command, other: &Command) -> bool {
    let fingerprint = |command: &Command| command.claim.as_ref().map(|claim| claim.fingerprint);
    fingerprint(one) == fingerprint(other)
}

/// A batch in which two commands want the same id is committed in two: whether the second gets it hangs on the first, and so does what a
/// third means by that id. All or nothing, the id is the first one's, whatever becomes of it.
fn pieces<'b, 'a>(commands: &'b [&'a Command], together: bool) -> Vec<&'b [&'a Command]> {
    let mut pieces = Vec::with_capacity(1);
    let mut begin = 0;
    if !together {
        let mut ids = HashSet::with_capacity(commands.len());
        for (place, command) in commands.iter().enumerate() {
            if !ids.insert((&command.tenant, command.id)) {
                pieces.push(&commands[begin..place]);
                begin = place;
                ids.clear();
                ids.insert((&command.tenant, command.id));
            }
        }
    }
    pieces.push(&commands[begin..]);
    pieces
}

async fn settled(
    sql: &Postgres,
    batch: &Batch,
    commands: &[&Command],
    doomed: bool,
) -> Result<Answers, StoreError> {
    if commands.is_empty() {
        return Ok(Vec::new());
    }
    for _ in 0..PLANS_MAX {
        let known = look_up(sql, batch, commands).await?;
        let planned = plan::planned(commands, &known);
        let arrays = plan::arrays(&planned, &known)?;
        match call(sql, batch, &arrays, doomed).await {
            Ok(answer) => {
                return settle::answers(sql, &planned, answer)
                    .await
                    .map_err(after_a_commit);
            }
            Err(error) if error.is_unique_violation() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(SqlError::Busy.into())
}

/// Something of the batch stands by now, so no error may say that nothing was done: the same commands under the same claims settle it.
fn after_a_commit(error: StoreError) -> StoreError {
    match error {
        StoreError::Unknown(_) => error,
        other => StoreError::Unknown(format!("it was committed, and then: {other}")),
    }
}

/// What never changes of the holds and rows that commands name; and, where two want one id, whose keys are on record.
async fn look_up(sql: &Postgres, batch: &Batch, commands: &[&Command]) -> Result<Known, StoreError> {
    let mut holds = Vec::new();
    let mut rows = Vec::new();
    for command in commands {
        match &command.action {
            Action::Capture { hold_id, .. } | Action::Void { hold_id } | Action::Expire { hold_id } => {
                holds.push((&command.tenant, *hold_id));
            }
            Action::Reverse { journal_id, .. } => rows.push((&command.tenant, *journal_id)),
            Action::Transact(_) | Action::Hold(_) => {}
        }
    }
    let holds = if holds.is_empty() {
        Vec::new()
    } else {
        read::holds_by_id(sql, &holds).await?
    };
    let rows = if rows.is_empty() {
        Vec::new()
    } else {
        read::journals(sql, &rows).await?
    };
    let keys = if batch.together && pieces(commands, false).len() > 1 {
        read::recorded_keys(sql, commands, batch.now_ms).await?
    } else {
        Vec::new()
    };
    Ok(Known::of(&holds, rows, keys))
}

/// What `ledger_commit` answers: by command where it is not empty.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) at_ms: i64,
    pub(super) status: Vec<i16>,
    pub(super) ids: Vec<i64>,
    pub(super) notes: Vec<Option<String>>,
    pub(super) amounts: Vec<i64>,
}

type AnswerRow = (
    i64,
    Vec<i16>,
    Option<Vec<i64>>,
    Option<Vec<Option<String>>>,
    Option<Vec<i64>>,
);

const COMMIT: &str = "SELECT settled_ms, status, ids, notes, amounts FROM ledger_commit(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27,
    $28, $29, $30, $31, $32, $33, $34, $35, $36, $37, $38, $39, $40, $41, $42)";

async fn call(sql: &Postgres, batch: &Batch, arrays: &Arrays<'_>, doomed: bool) -> Result<Answer, SqlError> {
    let (at_ms, status, ids, notes, amounts): AnswerRow = sql
        .call("commit_ledger_batch", |conn| {
            sql::scoped(async move {
                sqlx::query_as(COMMIT)
                    .bind(super::time(batch.now_ms))
                    .bind(batch.shard)
                    .bind(batch.together)
                    .bind(batch.together && doomed)
                    .bind(arrays.plain)
                    .bind(&arrays.t_name)
                    .bind(&arrays.m_code)
                    .bind(&arrays.c_tenant)
                    .bind(&arrays.c_id)
                    .bind(&arrays.c_kind)
                    .bind(&arrays.c_details)
                    .bind(&arrays.c_pre)
                    .bind(&arrays.c_action)
                    .bind(&arrays.c_same)
                    .bind(&arrays.c_hold)
                    .bind(&arrays.c_refers)
                    .bind(&arrays.c_about)
                    .bind(&arrays.c_amount)
                    .bind(&arrays.c_last)
                    .bind(&arrays.c_first)
                    .bind(&arrays.k_command)
                    .bind(&arrays.k_key)
                    .bind(&arrays.k_fingerprint)
                    .bind(&arrays.k_expires)
                    .bind(&arrays.a_tenant)
                    .bind(&arrays.a_id)
                    .bind(&arrays.p_command)
                    .bind(&arrays.p_line)
                    .bind(&arrays.p_acct)
                    .bind(&arrays.p_signed)
                    .bind(&arrays.p_currency)
                    .bind(&arrays.h_tenant)
                    .bind(&arrays.h_id)
                    .bind(&arrays.h_debit)
                    .bind(&arrays.h_credit)
                    .bind(&arrays.h_currency)
                    .bind(&arrays.h_expires)
                    .bind(&arrays.r_tenant)
                    .bind(&arrays.r_id)
                    .bind(&arrays.r_total)
                    .bind(&arrays.r_command)
                    .bind(&arrays.r_two)
                    .fetch_one(conn)
                    .await
            })
        })
        .await?;
    Ok(Answer {
        at_ms,
        status,
        ids: ids.unwrap_or_default(),
        notes: notes.unwrap_or_default(),
        amounts: amounts.unwrap_or_default(),
    })
}

/// Of one planned command.
pub(super) struct Settling<'p, 'a> {
    pub(super) planned: &'p Planned<'a>,
    pub(super) amount: Option<i64>,
    pub(super) note: Option<&'p str>,
    pub(super) at_ms: u64,
}

#[cfg(test)]
mod tests {
    use idempotency::Fingerprint;
    use identity::Tenant;
    use ids::Id;

    use super::*;
    use crate::ledger::Claim;

    /// A command of which only id, key and request matter.
    fn command(number: u64, key: Option<u8>, asked: &str) -> Command {
        let id = Id::from_u64(number).unwrap();
        Command {
            tenant: Tenant::parse("acme").unwrap(),
            id,
            claim: key.map(|key| Claim {
                key: [key; 32],
                fingerprint: Fingerprint::of("POST", "/v1/transfers", asked.as_bytes()),
                expires_at_ms: 1,
            }),
            details: "{}".to_owned(),
            action: Action::Void { hold_id: id },
        }
    }

    fn refused(refusal: Refusal) -> Result<CommandOutcome, Refusal> {
        Err(refusal)
    }

    #[test]
    fn a_copy_hears_what_the_first_heard_and_another_request_does_not() {
        let commands = [
            command(1, Some(1), "a"),
            command(2, None, "a"),
            command(3, Some(1), "a"),
            command(4, Some(1), "b"),
        ];
        let copies = Copies::among(&commands);
        assert_eq!(copies.first.len(), 2);
        assert!(copies.differ);
        let answers = vec![refused(Refusal::Unbalanced), refused(Refusal::NotAlone)];
        let all = copies.spread(&commands, answers);
        assert_eq!(
            all,
            [
                Some(Err(Refusal::Unbalanced)),
                Some(Err(Refusal::NotAlone)),
                Some(Err(Refusal::Unbalanced.repeated())),
                Some(Err(Refusal::KeyReused)),
            ]
        );
    }

    #[test]
    fn a_copy_is_asked_for_by_itself_when_the_first_was_not_the_recorded_request() {
        let commands = [command(1, Some(1), "a"), command(2, Some(1), "b")];
        let copies = Copies::among(&commands);
        let all = copies.spread(&commands, vec![refused(Refusal::KeyReused)]);
        assert_eq!(all, [Some(Err(Refusal::KeyReused)), None]);
    }

    #[test]
    fn an_id_that_is_wanted_twice_parts_a_batch_unless_it_is_all_or_nothing() {
        let commands = [command(1, None, ""), command(2, None, ""), command(1, None, "")];
        let commands: Vec<&Command> = commands.iter().collect();
        let sizes = |together| {
            pieces(&commands, together)
                .iter()
                .map(|piece| piece.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(false), [2, 1]);
        assert_eq!(sizes(true), [3]);
    }
}
