//! The loop that hands events to a handler: one worker a claimed partition.

mod batch;
mod upkeep;
mod worker;

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Semaphore, watch};
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, sleep_until};

use crate::{Claim, ConsumerSettings, Delivery, Group, Partition, StreamLog};
use batch::EachAlone;
pub use batch::{BatchHandler, Handled};
use worker::{Suspects, Worker};

/// What is done with an event.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Handles one event. `Ok` acks it. It may come again all the same (a crash, a lost claim), so the effect dedupes by
    /// event id. A panic, and taking longer than `handle_timeout_ms`, count as [`HandlerError::Retry`].
    async fn handle(&self, delivery: &Delivery) -> Result<(), HandlerError>;
}

/// Why an event was not handled. The text goes to the log and into the dead letter: no payload, no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HandlerError {
    /// Something the handler needs is away, which is no fault of the event: it is tried again for as long as it takes,
    /// without counting as a delivery. Its partition waits.
    #[error("{0}")]
    Unavailable(String),
    /// It may work next time: deliver again, up to the limit.
    #[error("{0}")]
    Retry(String),
    /// It never will: dead-letter it now.
    #[error("{0}")]
    Poison(String),
}

/// A member of a group: claims partitions and works through them until it is told to stop.
#[derive(Debug, Clone)]
pub struct Consumer {
    log: Arc<dyn StreamLog>,
    group: Group,
    settings: ConsumerSettings,
    owner: String,
}

/// How a consumer's events are handed out.
#[derive(Clone)]
struct Handing {
    to: Arc<dyn BatchHandler>,
    /// Events handed over at once, at most.
    together: usize,
    /// From one look at a partition to the next, unless more is known to be there.
    cycle: Duration,
}

impl Consumer {
    /// A member of `group` with a name of its own.
    pub fn new(log: Arc<dyn StreamLog>, group: Group, settings: ConsumerSettings) -> Self {
        let owner = format!("{:032x}", rand::random::<u128>());
        Self {
            log,
            group,
            settings,
            owner,
        }
    }

    /// Consumes until `stop` is done; then ends what is being handled, acks it and gives its claims up. An engine that
    /// fails is tried again for as long as it takes.
    pub async fn run(self, handler: Arc<dyn Handler>, stop: impl Future<Output = ()> + Send) {
        let handing = Handing {
            to: Arc::new(EachAlone(handler)),
            together: 1,
            cycle: Duration::ZERO,
        };
        self.hand(handing, stop).await;
    }

    /// [`run`](Self::run) for a handler of batches: what comes within a `cycle` is handed over together, at most `batch_max` events.
    pub async fn run_batches(
        self,
        handler: Arc<dyn BatchHandler>,
        cycle: Duration,
        stop: impl Future<Output = ()> + Send,
    ) {
        let handing = Handing {
            to: handler,
            together: self.settings.batch_max.max(1) as usize,
            cycle,
        };
        self.hand(handing, stop).await;
    }

    async fn hand(self, handing: Handing, stop: impl Future<Output = ()> + Send) {
        let mut stop = pin!(stop);
        let (stopping, stopped) = watch::channel(false);
        let upkeep = upkeep::run(
            Arc::clone(&self.log),
            self.group.stream.clone(),
            self.settings.clone(),
            stopped.clone(),
        );
        let mut workers = Workers {
            running: HashMap::new(),
            tasks: JoinSet::new(),
            permits: Arc::new(Semaphore::new(self.settings.concurrency_max.max(1) as usize)),
            handing,
            consumer: &self,
            stopped,
        };
        let mut upkeep = tokio::spawn(upkeep);
        let mut look = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(ended) = workers.tasks.join_next_with_id() => workers.ended(ended),
                () = sleep_until(look) => look = Instant::now() + workers.claim().await,
            }
        }
        // Nobody listens any more only if everything has ended, which is as good.
        let _ = stopping.send(true);
        while workers.tasks.join_next().await.is_some() {}
        let _ = (&mut upkeep).await;
    }
}

struct Workers<'c> {
    running: HashMap<Partition, Running>,
    tasks: JoinSet<()>,
    permits: Arc<Semaphore>,
    handing: Handing,
    consumer: &'c Consumer,
    stopped: watch::Receiver<bool>,
}

struct Running {
    epoch: u64,
    task: Id,
    lost: watch::Sender<bool>,
}

impl Workers<'_> {
    /// Renews claims, starts workers on new ones, stops those whose claim was lost. Answers when to look again.
    async fn claim(&mut self) -> Duration {
        let lasts = self.consumer.log.claim_lasts();
        let held = match self
            .consumer
            .log
            .claim(&self.consumer.group, &self.consumer.owner)
            .await
        {
            Ok(held) => held,
            Err(error) => {
                let group = &self.consumer.group;
                tracing::warn!(stream = group.stream, group = group.name, code = error.code(), %error, "claim failed");
                return Duration::from_millis(self.consumer.settings.backoff_ms_max).min(lasts / 10);
            }
        };
        for (partition, running) in &self.running {
            let still = held
                .iter()
                .any(|claim| claim.partition == *partition && claim.epoch == running.epoch);
            if !still {
                running.lost.send_replace(true);
            }
        }
        for claim in held {
            // One whose former worker has not ended yet is started at the next look.
            if !self.running.contains_key(&claim.partition) {
                self.start(claim);
            }
        }
        lasts / 3
    }

    fn start(&mut self, claim: Claim) {
        let (lost, losing) = watch::channel(false);
        let (partition, epoch) = (claim.partition, claim.epoch);
        let worker = Worker {
            log: Arc::clone(&self.consumer.log),
            claim,
            handing: self.handing.clone(),
            settings: self.consumer.settings.clone(),
            permits: Arc::clone(&self.permits),
            stopped: self.stopped.clone(),
            lost: losing,
            refusals: 0,
            waits: 0,
            waiting: None,
            suspects: Suspects::default(),
        };
        let task = self.tasks.spawn(worker.run()).id();
        self.running.insert(partition, Running { epoch, task, lost });
    }

    fn ended(&mut self, ended: Result<(Id, ()), tokio::task::JoinError>) {
        let task = match ended {
            Ok((task, ())) => task,
            Err(error) => {
                tracing::error!(%error, "a partition's worker ended unexpectedly; it is started again");
                error.id()
            }
        };
        self.running.retain(|_, running| running.task != task);
    }
}

/// Waits for the word; a sender that is gone has said it.
async fn told(word: &mut watch::Receiver<bool>) {
    let _ = word.wait_for(|said| *said).await;
}
