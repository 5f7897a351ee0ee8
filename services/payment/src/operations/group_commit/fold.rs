//! Which commands go together, and who hears what of them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use idempotency::{Fingerprint, Outcome};
use identity::Tenant;
use ids::Id;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Answer;
use crate::error::LedgerError;
use crate::ledger::{Action, Command};

const QUEUED: u8 = 0;
const TAKEN: u8 = 1;
const TAKEN_BACK: u8 = 2;

/// Where a job stands: whoever waits for it may take it back as long as no commit has it.
#[derive(Clone)]
pub(super) struct Stage(Arc<AtomicU8>);

impl Stage {
    /// Whether it was still waiting, and will now never be committed.
    pub(super) fn take_back(&self) -> bool {
        self.moved(TAKEN_BACK)
    }

    fn take(&self) -> bool {
        self.moved(TAKEN)
    }

    fn moved(&self, to: u8) -> bool {
        self.0
            .compare_exchange(QUEUED, to, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }
}

type Tell = oneshot::Sender<Result<Vec<Answer>, LedgerError>>;

/// What a reversal of all of a row weighs: how many lines that row has is not known before the commit.
const WHOLE_REVERSAL_WEIGHT: usize = 16;

/// How much of a commit a command takes: a transfer, and whatever has no more than its two lines, is one.
fn weight(command: &Command) -> usize {
    match &command.action {
        Action::Transact(transaction) => transaction.postings.len().div_ceil(2).max(1),
        Action::Reverse { amount: None, .. } => WHOLE_REVERSAL_WEIGHT,
        Action::Reverse { .. }
        | Action::Hold(_)
        | Action::Capture { .. }
        | Action::Void { .. }
        | Action::Expire { .. } => 1,
    }
}

/// What one caller asks for.
pub(super) struct Job {
    commands: Vec<Command>,
    weight: usize,
    together: bool,
    tell: Tell,
    deadline: Instant,
    stage: Stage,
}

impl Job {
    pub(super) fn new(commands: Vec<Command>, together: bool, tell: Tell, deadline: Instant) -> Self {
        Self {
            weight: commands.iter().map(weight).sum(),
            commands,
            together,
            tell,
            deadline,
            stage: Stage(Arc::new(AtomicU8::new(QUEUED))),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.commands.len()
    }

    /// In transfers.
    pub(super) const fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage.clone()
    }
}

/// A job in a commit: whom to tell, and which of the commit's answers are its own.
struct Seat {
    tell: Tell,
    from: usize,
    count: usize,
    /// A copy of a command that stands in the commit already: it hears the same, as a replay.
    is_copy: bool,
}

/// Jobs that go in one commit.
pub(super) struct Folded {
    commands: Vec<Command>,
    weight: usize,
    seats: Vec<Seat>,
    together: bool,
    deadline: Instant,
}

impl Folded {
    pub(super) fn together(&self) -> bool {
        self.together
    }

    /// The latest of its jobs' deadlines: each of them is told by its own.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    pub(super) fn take_commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    pub(super) fn tell(self, outcome: &Result<Vec<Answer>, LedgerError>) {
        for seat in self.seats {
            let told = match outcome {
                Ok(answers) => Ok(seat.answers(&answers[seat.from..seat.from + seat.count])),
                Err(error) => Err(error.clone()),
            };
            // Who does not wait any more asks again under the same key.
            let _ = seat.tell.send(told);
        }
    }
}

impl Seat {
    fn answers(&self, own: &[Answer]) -> Vec<Answer> {
        if !self.is_copy {
            return own.to_vec();
        }
        let replayed = |answer: &Answer| match answer {
            Ok(outcome) => Ok(Outcome::Replayed(outcome.get().clone())),
            Err(refusal) => Err(refusal.clone().repeated()),
        };
        own.iter().map(replayed).collect()
    }
}

/// What stands in a commit.
#[derive(Default)]
struct Standing {
    claims: HashMap<[u8; 32], (usize, Fingerprint)>,
    /// That its commands want for their rows.
    ids: HashSet<(Tenant, Id)>,
}

/// Takes what goes next from the front of the queue: one job that wants to be alone, or as many others as fit, which is never none.
/// `None` when nothing waits. A claim stands in a commit once: copies of a request that race hear what the first hears, and whatever
/// else was asked under its key waits for the next. So does a second user of an id: whether it gets it hangs on the first.
pub(super) fn take(jobs: &mut VecDeque<Job>, weight_max: usize, now: Instant) -> Option<Folded> {
    let mut folded: Option<Folded> = None;
    let mut standing = Standing::default();
    let mut kept_back = Vec::new();
    while let Some(job) = jobs.front() {
        let has = folded.as_ref().map_or(0, |folded| folded.weight);
        let full = has > 0 && has + job.weight > weight_max;
        if full || (has > 0 && job.together) {
            break;
        }
        let Some(job) = jobs.pop_front() else { break };
        if job.deadline <= now && job.stage.take_back() {
            // Nobody waits; whoever did was told, or is about to be.
            let _ = job.tell.send(Err(LedgerError::Late));
            continue;
        }
        let copy_of = standing.copy_of(&job);
        if copy_of.is_none() && standing.overlaps(&job) {
            kept_back.push(job);
            continue;
        }
        if !job.stage.take() {
            continue;
        }
        let alone = job.together;
        seat(
            job,
            copy_of,
            folded.get_or_insert_with(|| empty(now)),
            &mut standing,
        );
        if alone {
            break;
        }
    }
    for job in kept_back.into_iter().rev() {
        jobs.push_front(job);
    }
    folded
}

fn empty(now: Instant) -> Folded {
    Folded {
        commands: Vec::new(),
        weight: 0,
        seats: Vec::new(),
        together: false,
        deadline: now,
    }
}

impl Standing {
    /// Where in the commit a job of one command stands already: the same request under the same key.
    fn copy_of(&self, job: &Job) -> Option<usize> {
        let [only] = job.commands.as_slice() else {
            return None;
        };
        let claim = only.claim.as_ref()?;
        let (place, fingerprint) = self.claims.get(&claim.key)?;
        (*fingerprint == claim.fingerprint).then_some(*place)
    }

    /// Whether a claim or an id of the job stands in the commit already.
    fn overlaps(&self, job: &Job) -> bool {
        job.commands.iter().any(|command| {
            let claim = command.claim.as_ref();
            claim.is_some_and(|claim| self.claims.contains_key(&claim.key))
                || self.ids.contains(&(command.tenant.clone(), command.id))
        })
    }

    fn add(&mut self, place: usize, command: &Command) {
        if let Some(claim) = &command.claim {
            self.claims.insert(claim.key, (place, claim.fingerprint));
        }
        self.ids.insert((command.tenant.clone(), command.id));
    }
}

fn seat(job: Job, copy_of: Option<usize>, folded: &mut Folded, standing: &mut Standing) {
    folded.deadline = folded.deadline.max(job.deadline);
    folded.together = job.together;
    let count = job.commands.len();
    let from = copy_of.unwrap_or(folded.commands.len());
    if copy_of.is_none() {
        for (place, command) in (from..).zip(&job.commands) {
            standing.add(place, command);
        }
        folded.weight += job.weight;
        folded.commands.extend(job.commands);
    }
    folded.seats.push(Seat {
        tell: job.tell,
        from,
        count,
        is_copy: copy_of.is_some(),
    });
}
