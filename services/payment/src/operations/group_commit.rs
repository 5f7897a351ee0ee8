//! Folds concurrent commands into commits.
//!
//! A commit costs a round trip and a flush whatever is in it, so commands that come while others are being committed go together
//! next. A lone command waits for nobody: where nothing is in flight it goes at once. Any process may fold any commands; nothing of what
//! is promised rests on it. Each lane has one commit in flight and a chain shard of its own, so that two do not wait for one head. A
//! further lane opens where enough waits for a commit of its own, or where a slow commit would stop the others: two small commits at once
//! cost more than one, and where accounts are hot they wait for each other's rows.
//!
//! A commit of unknown outcome is repeated, the same commands under the same claims, before anything is answered.

mod fold;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use clock::SharedClock;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::claims::claim_of_id;
use crate::config::CommitSettings;
use crate::error::LedgerError;
use crate::ledger::{Command, CommandOutcome, Refusal, SHARDS};
use crate::metrics::Metrics;
use crate::store::StoreError;
use crate::store::ledger::{Batch, SharedLedger};
use fold::{Folded, Job};

/// What the ledger says to one command.
pub(crate) type Answer = Result<CommandOutcome, Refusal>;

const SETTLE_PAUSE_MAX: Duration = Duration::from_secs(1);

/// The fold. Cheap to clone; clones share it.
#[derive(Clone)]
pub(crate) struct GroupCommit(Arc<Inner>);

struct Inner {
    ledger: SharedLedger,
    clock: SharedClock,
    settings: CommitSettings,
    first_shard: usize,
    metrics: Metrics,
    queue: Mutex<Queue>,
}

struct Queue {
    jobs: VecDeque<Job>,
    /// Commands of all jobs.
    waiting: usize,
    /// What they weigh.
    weight: usize,
    idle_lanes: Vec<usize>,
    /// Folds taken so far.
    folds: u64,
    /// Whether somebody watches what waits.
    is_watched: bool,
}

/// What a new job asks for.
enum Opening {
    /// A lane that was idle.
    Lane(usize),
    /// A lane, should the next fold be long in coming.
    Watch,
    /// Nothing: somebody watches already, or no lane is idle.
    No,
}

impl Queue {
    fn opening(&mut self, settings: &CommitSettings) -> Opening {
        let nothing_in_flight = self.idle_lanes.len() == settings.lanes.max(1);
        if nothing_in_flight || self.weight >= settings.lane_opens_from {
            return self.idle_lanes.pop().map_or(Opening::No, Opening::Lane);
        }
        if self.is_watched || self.idle_lanes.is_empty() {
            return Opening::No;
        }
        self.is_watched = true;
        Opening::Watch
    }
}

impl GroupCommit {
    /// With nothing in flight. Processes with different worker numbers begin at different shards.
    pub(crate) fn new(
        ledger: SharedLedger,
        clock: SharedClock,
        settings: CommitSettings,
        worker: u16,
        metrics: Metrics,
    ) -> Self {
        let lanes = settings.lanes.max(1);
        Self(Arc::new(Inner {
            ledger,
            clock,
            first_shard: usize::from(worker) * lanes,
            metrics,
            queue: Mutex::new(Queue {
                jobs: VecDeque::new(),
                waiting: 0,
                weight: 0,
                // The first lane is the last in the list, from whose end they are taken.
                idle_lanes: (0..lanes).rev().collect(),
                folds: 0,
                is_watched: false,
            }),
            settings,
        }))
    }

    /// One command.
    pub(crate) async fn command(&self, command: Command) -> Result<CommandOutcome, LedgerError> {
        let mut answers = self.batch(vec![command], false).await?;
        let answer = answers
            .pop()
            .ok_or(StoreError::Damaged("fewer answers than commands"))?;
        Ok(answer?)
    }

    /// Commands that are committed in one transaction; `together`: all of them or none. At most as many as the port takes.
    pub(crate) async fn batch(
        &self,
        mut commands: Vec<Command>,
        together: bool,
    ) -> Result<Vec<Answer>, LedgerError> {
        if commands.is_empty() {
            return Ok(Vec::new());
        }
        let keep_until_ms = self.0.clock.unix_ms() + idempotency::RECORD_TTL_MS_MIN;
        for command in &mut commands {
            if command.claim.is_none() {
                command.claim = Some(claim_of_id(&command.tenant, command.id, keep_until_ms));
            }
        }
        let count = commands.len() as u64;
        let deadline = Instant::now() + self.0.settings.deadline();
        let (tell, told) = oneshot::channel();
        let job = Job::new(commands, together, tell, deadline);
        let stage = job.stage();
        if let Err(error) = self.0.submit(job) {
            self.0.metrics.commands_failed.inc_by(count);
            return Err(error);
        }
        let outcome = match tokio::time::timeout_at(deadline, told).await {
            Ok(Ok(outcome)) => outcome,
            // Its lane panicked.
            Ok(Err(_)) => Err(LedgerError::Unsettled("the commit was lost".to_owned())),
            Err(_) if stage.take_back() => Err(LedgerError::Late),
            Err(_) => Err(LedgerError::Unsettled("the deadline passed".to_owned())),
        };
        self.0.count(count, &outcome);
        outcome
    }
}

impl Inner {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit(self: &Arc<Self>, job: Job) -> Result<(), LedgerError> {
        let opening = {
            let mut queue = self.queue();
            let weight = queue.weight + job.weight();
            // What is alone always fits.
            if queue.weight > 0 && weight > self.settings.queue_max {
                return Err(LedgerError::Busy);
            }
            queue.weight = weight;
            queue.waiting += job.len();
            queue.jobs.push_back(job);
            self.show(&queue);
            queue.opening(&self.settings)
        };
        // Not the request's own task: a client that goes away cancels nothing.
        match opening {
            Opening::Lane(lane) => drop(tokio::spawn(Lane::take(Arc::clone(self), lane).run())),
            Opening::Watch => drop(tokio::spawn(Arc::clone(self).watch())),
            Opening::No => {}
        }
        Ok(())
    }

    /// Opens a lane each time that something waits and nothing was taken for too long, until nothing waits.
    async fn watch(self: Arc<Self>) {
        let mut folds = self.queue().folds;
        loop {
            tokio::time::sleep(self.settings.lane_opens_after()).await;
            let lane = {
                let mut queue = self.queue();
                if queue.jobs.is_empty() {
                    queue.is_watched = false;
                    return;
                }
                let is_stuck = queue.folds == folds;
                folds = queue.folds;
                is_stuck.then(|| queue.idle_lanes.pop()).flatten()
            };
            if let Some(lane) = lane {
                tokio::spawn(Lane::take(Arc::clone(&self), lane).run());
            }
        }
    }

    /// What goes next, or `None`, and then the lane is idle again: both under one lock, so that no job is left behind.
    fn next(&self, lane: &mut Lane) -> Option<Folded> {
        let mut queue = self.queue();
        let now = Instant::now();
        let folded = fold::take(&mut queue.jobs, self.settings.batch_max, now);
        queue.waiting = queue.jobs.iter().map(Job::len).sum();
        queue.weight = queue.jobs.iter().map(Job::weight).sum();
        self.show(&queue);
        match folded {
            Some(_) => queue.folds += 1,
            None => lane.give_back(&mut queue),
        }
        folded
    }

    fn show(&self, queue: &Queue) {
        let waiting = i64::try_from(queue.waiting).unwrap_or(i64::MAX);
        self.metrics.commit_queue_length.set(waiting);
    }

    fn count(&self, commands: u64, outcome: &Result<Vec<Answer>, LedgerError>) {
        let Ok(answers) = outcome else {
            self.metrics.commands_failed.inc_by(commands);
            return;
        };
        for answer in answers {
            match answer {
                Ok(outcome) if outcome.is_replay() => self.metrics.commands_replayed.inc(),
                Ok(_) => self.metrics.commands_accepted.inc(),
                Err(_) => self.metrics.commands_refused.inc(),
            };
        }
    }

    async fn commit(&self, folded: &mut Folded, lane: usize) -> Result<Vec<Answer>, LedgerError> {
        let shards = usize::from(SHARDS.unsigned_abs());
        let shard = (self.first_shard + lane) % shards;
        let commands = folded.take_commands();
        #[expect(clippy::cast_precision_loss, reason = "a batch has at most 8190")]
        self.metrics.commit_commands.observe(commands.len() as f64);
        let count = commands.len();
        let mut batch = Batch {
            commands,
            together: folded.together(),
            shard: i16::try_from(shard).unwrap_or_default(),
            now_ms: self.clock.unix_ms(),
        };
        let mut pause = self.settings.settle_pause();
        let mut unknown = None;
        loop {
            let error = match self.ledger.commit(&batch).await {
                Ok(answers) if answers.len() == count => return Ok(answers),
                Ok(_) => return Err(StoreError::Damaged("another number of answers than of commands").into()),
                Err(error) => error,
            };
            if error.is_unknown() {
                if unknown.is_none() {
                    self.metrics.commits_settled.inc();
                    tracing::warn!(%error, commands = count, "the outcome of a commit is unknown: asking again");
                }
                unknown = Some(error.to_string());
            } else if unknown.is_none() {
                return Err(error.into());
            }
            if Instant::now() + pause >= folded.deadline() {
                // What was once unknown stays so, however sure the last try was that it did nothing itself.
                return Err(unknown.map_or(LedgerError::Store(error), LedgerError::Unsettled));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(SETTLE_PAUSE_MAX);
            batch.now_ms = batch.now_ms.max(self.clock.unix_ms());
        }
    }
}

/// A lane at work. Dropped, also by a panic, it is idle again.
struct Lane {
    inner: Arc<Inner>,
    place: usize,
    has_begun: bool,
    is_idle: bool,
}

impl Lane {
    fn take(inner: Arc<Inner>, lane: usize) -> Self {
        Self {
            inner,
            place: lane,
            has_begun: false,
            is_idle: false,
        }
    }

    async fn run(mut self) {
        self.has_begun = true;
        let inner = Arc::clone(&self.inner);
        while let Some(mut folded) = inner.next(&mut self) {
            let outcome = inner.commit(&mut folded, self.place).await;
            folded.tell(&outcome);
        }
    }

    fn give_back(&mut self, queue: &mut Queue) {
        self.is_idle = true;
        queue.idle_lanes.push(self.place);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        if self.is_idle {
            return;
        }
        // A panic: the queue must not wait for the next command to be looked at. Or the runtime ends, which drops what is spawned now before it
        // has begun: that one must not spawn the next.
        let inner = Arc::clone(&self.inner);
        let has_work = {
            let mut queue = inner.queue();
            let has_work = self.has_begun && !queue.jobs.is_empty();
            if !has_work {
                queue.idle_lanes.push(self.place);
            }
            has_work
        };
        if has_work && let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(Self::take(inner, self.place).run());
        }
    }
}
