//! One partition: one event after another, or one batch after another, in order.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::{Handing, Handled, HandlerError, told};
use crate::{Claim, ConsumerSettings, Delivery, Position, StreamError, StreamLog};

/// The longest pause while an engine is away: what waits is to go on soon after it is back.
const AWAY_PAUSE_MAX: Duration = Duration::from_secs(1);

pub(super) struct Worker {
    pub(super) log: Arc<dyn StreamLog>,
    pub(super) claim: Claim,
    pub(super) handing: Handing,
    pub(super) settings: ConsumerSettings,
    pub(super) permits: Arc<Semaphore>,
    pub(super) stopped: watch::Receiver<bool>,
    pub(super) lost: watch::Receiver<bool>,
    /// Looks in a row that the engine refused.
    pub(super) refusals: u32,
    /// Answers in a row that the handler must wait.
    pub(super) waits: u32,
    /// A delivery of which it said so, until it is given back.
    pub(super) waiting: Option<Delivery>,
    /// Events of a batch that failed as a whole.
    pub(super) suspects: Suspects,
}

/// A batch that ended in a panic or took too long: nobody knows at which event, so for a while each comes alone.
#[derive(Debug, Default)]
pub(super) struct Suspects {
    /// The last of them.
    through: Option<Position>,
}

impl Suspects {
    fn are_all_of(&mut self, batch: &[Delivery]) {
        self.through = batch.last().map(|delivery| delivery.position);
    }

    fn cleared(&mut self, done: Option<Position>) {
        if done >= self.through {
            self.through = None;
        }
    }

    fn remain(&self) -> bool {
        self.through.is_some()
    }
}

/// What the worker does after a look at its partition.
enum Then {
    /// Look again at once: more is there.
    Look,
    /// Nothing else was there: look again when the cycle is over.
    Cycle,
    /// Wait until something is published.
    Idle,
    /// Wait before the next try.
    Pause(Duration),
    /// The claim is gone.
    Lost,
}

impl Worker {
    pub(super) async fn run(mut self) {
        let mut wakes = self.log.wakes(&self.claim.group.stream, self.claim.partition);
        // Handled, but not yet acked: told to the log together with the next look.
        let mut done = None;
        while !self.ending() {
            wakes.mark_unchanged();
            let cycle = Instant::now() + self.handing.cycle;
            let then = self.look(&mut done).await;
            let waiting = async {
                match then {
                    Then::Look | Then::Lost => {}
                    Then::Cycle => sleep_until(cycle).await,
                    Then::Idle => {
                        let _ = timeout(Duration::from_millis(self.settings.poll_ms), wakes.changed()).await;
                    }
                    Then::Pause(pause) => sleep(jittered(pause)).await,
                }
            };
            tokio::select! {
                () = waiting => {}
                () = told(&mut self.stopped) => {}
                () = told(&mut self.lost) => {}
            }
            if matches!(then, Then::Lost) {
                return;
            }
        }
        self.leave(done).await;
    }

    fn ending(&self) -> bool {
        *self.stopped.borrow() || *self.lost.borrow()
    }

    async fn leave(&mut self, mut done: Option<Position>) {
        let acked = match self.give_back(&mut done).await {
            Ok(()) if done.is_some() => self.log.next(&self.claim, done, 0).await.map(|_| ()),
            given_back => given_back,
        };
        let left = match acked {
            Ok(()) => self.log.release(&self.claim).await,
            Err(error) => Err(error),
        };
        if let Err(error) = left {
            // The claim runs out by itself, and what was not acked comes again.
            self.warn(&error, "a claim was not given up cleanly");
        }
    }

    /// Acks what is done, takes what comes next and handles it.
    async fn look(&mut self, done: &mut Option<Position>) -> Then {
        let limit = self.limit();
        let deliveries = match self.take(done, limit).await {
            Ok(deliveries) => deliveries,
            Err(StreamError::Fenced { .. }) => return Then::Lost,
            Err(error) => {
                // Acking twice is harmless, so `done` is kept for the next try.
                self.warn(&error, "events could not be taken");
                self.refusals = self.refusals.saturating_add(1);
                return Then::Pause(self.settings.backoff(self.refusals).min(AWAY_PAUSE_MAX));
            }
        };
        self.refusals = 0;
        *done = None;
        if deliveries.is_empty() {
            return Then::Idle;
        }
        // What was delivered before comes alone, whatever is behind it.
        let last = deliveries.len() < limit as usize && deliveries[0].deliveries == 1;
        let deliveries: Arc<[Delivery]> = deliveries.into();
        for first in (0..deliveries.len()).step_by(self.handing.together) {
            let batch = first..deliveries.len().min(first + self.handing.together);
            let then = self.hand(&deliveries, batch, done).await;
            if let Some(then) = then {
                return then;
            }
            if self.ending() {
                return Then::Look;
            }
        }
        if last { Then::Cycle } else { Then::Look }
    }

    /// Hands some of the deliveries over. `None` when all of these are done.
    async fn hand(
        &mut self,
        deliveries: &Arc<[Delivery]>,
        batch: Range<usize>,
        done: &mut Option<Position>,
    ) -> Option<Then> {
        let those = &deliveries[batch.clone()];
        let handled = if those[0].deliveries > self.settings.deliveries_max {
            let failure = HandlerError::Poison("delivered too often without an answer".to_owned());
            Handled::until(0, failure)
        } else {
            match self.attempt(Arc::clone(deliveries), batch).await {
                Ok(handled) => handled,
                Err(_) if those.len() > 1 => return Some(self.suspect(those, done).await),
                Err(failure) => Handled::until(0, failure),
            }
        };
        if let Some(last) = those[..handled.events.min(those.len())].last() {
            self.waits = 0;
            *done = Some(last.position);
            self.suspects.cleared(*done);
        }
        let next = those.get(handled.events)?;
        Some(match handled.failure {
            Some(failure) => self.failed(next, &failure, done).await,
            // The handler has had enough for now: the rest comes again.
            None => Then::Look,
        })
    }

    /// Hands each event of the batch out alone from now on. None of them is counted as delivered: the next time tells which one it is.
    async fn suspect(&mut self, batch: &[Delivery], done: &mut Option<Position>) -> Then {
        let group = &self.claim.group;
        tracing::warn!(
            stream = group.stream,
            group = group.name,
            partition = self.claim.partition.number(),
            events = batch.len(),
            "a batch was not handled: its events come one by one"
        );
        self.suspects.are_all_of(batch);
        self.waiting = batch.first().cloned();
        match self.give_back(done).await {
            Err(StreamError::Fenced { .. }) => Then::Lost,
            Err(error) => {
                self.warn(&error, "a delivery could not be given back yet");
                Then::Pause(self.settings.backoff(1))
            }
            Ok(()) => Then::Look,
        }
    }

    /// The delivery is given back before the wait, not after it: whatever ends this worker meanwhile does not count against the event.
    /// It is counted again before the next try, which may end the process.
    async fn wait(&mut self, delivery: &Delivery, reason: &str, done: &mut Option<Position>) -> Then {
        if self.waits == 0 {
            let (group, partition) = (&self.claim.group, self.claim.partition.number());
            tracing::warn!(
                stream = group.stream,
                group = group.name,
                partition,
                reason,
                "the handler waits"
            );
        }
        self.waits = self.waits.saturating_add(1);
        self.waiting = Some(delivery.clone());
        match self.give_back(done).await {
            Err(StreamError::Fenced { .. }) => return Then::Lost,
            Err(error) => self.warn(&error, "a delivery that only waited could not be given back yet"),
            Ok(()) => {}
        }
        Then::Pause(self.settings.backoff(self.waits).min(AWAY_PAUSE_MAX))
    }

    async fn give_back(&mut self, done: &mut Option<Position>) -> Result<(), StreamError> {
        if let Some(delivery) = &self.waiting {
            self.log.give_back(&self.claim, delivery).await?;
            // Everything before it is acked by that.
            *done = None;
            self.waiting = None;
        }
        Ok(())
    }

    /// Acks what is done, having given back what waits, and takes what comes next.
    async fn take(&mut self, done: &mut Option<Position>, limit: u32) -> Result<Vec<Delivery>, StreamError> {
        self.give_back(done).await?;
        self.log.next(&self.claim, *done, limit).await
    }

    fn limit(&self) -> u32 {
        // What waits is likely to go on waiting, so what is behind it is not read each time.
        if self.waits > 0 || self.suspects.remain() {
            1
        } else {
            self.settings.batch_max.max(1)
        }
    }

    /// Runs the handler in a task of its own, so that a panic or a hang ends that task only. The place is held for as long as
    /// the handler works and no longer: partitions that wait must not stop those that could go on.
    /// An error is no answer of the handler's, but that there was none.
    async fn attempt(
        &self,
        deliveries: Arc<[Delivery]>,
        batch: Range<usize>,
    ) -> Result<Handled, HandlerError> {
        let (mut stopped, mut lost) = (self.stopped.clone(), self.lost.clone());
        let ending = async {
            tokio::select! {
                () = told(&mut stopped) => {}
                () = told(&mut lost) => {}
            }
        };
        let place = tokio::select! {
            biased;
            () = ending => None,
            place = self.permits.acquire() => place.ok(),
        };
        let Some(_place) = place else {
            let failure = HandlerError::Unavailable("the worker ends".to_owned());
            return Ok(Handled::until(0, failure));
        };
        let (to, claim) = (Arc::clone(&self.handing.to), self.claim.clone());
        let mut task = tokio::spawn(async move { to.handle(&claim, &deliveries[batch]).await });
        let limit = Duration::from_millis(self.settings.handle_timeout_ms);
        match timeout(limit, &mut task).await {
            Ok(Ok(handled)) => Ok(handled),
            Ok(Err(_)) => Err(HandlerError::Retry("the handler panicked".to_owned())),
            Err(_) => {
                task.abort();
                // Until it is really gone, a second delivery would run beside it.
                let _ = task.await;
                Err(HandlerError::Retry("the handler took too long".to_owned()))
            }
        }
    }

    async fn failed(
        &mut self,
        delivery: &Delivery,
        failure: &HandlerError,
        done: &mut Option<Position>,
    ) -> Then {
        if let HandlerError::Unavailable(reason) = failure {
            return self.wait(delivery, reason, done).await;
        }
        self.waits = 0;
        let group = &self.claim.group;
        tracing::warn!(
            stream = group.stream,
            group = group.name,
            partition = self.claim.partition.number(),
            position = delivery.position.0,
            event = delivery.event.id,
            deliveries = delivery.deliveries,
            reason = %failure,
            "an event was not handled"
        );
        let last = delivery.deliveries >= self.settings.deliveries_max;
        if !last && matches!(failure, HandlerError::Retry(_)) {
            return Then::Pause(self.settings.backoff(delivery.deliveries));
        }
        match self
            .log
            .dead_letter(&self.claim, delivery, &failure.to_string())
            .await
        {
            Ok(()) => {
                // The letter acked everything before it too.
                *done = None;
                Then::Look
            }
            Err(StreamError::Fenced { .. }) => Then::Lost,
            Err(error) => {
                self.warn(
                    &error,
                    "an event that failed could not be set aside; it blocks its partition",
                );
                Then::Pause(self.settings.backoff(delivery.deliveries))
            }
        }
    }

    fn warn(&self, error: &StreamError, what: &'static str) {
        let (group, partition) = (&self.claim.group, self.claim.partition.number());
        tracing::warn!(stream = group.stream, group = group.name, partition, code = error.code(), %error, "{what}");
    }
}

fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.5..=1.0))
}
