//! The worker: a leader a partition, each with a [`Core`](crate::Core) of its own, and what waits is measured.

mod partition;

use std::sync::Arc;

use clock::SharedClock;
use futures::future::join_all;
use leases::Leader;
use streams::{PARTITIONS, Partition, StreamLog};
use telemetry::Telemetry;
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use self::partition::PartitionRelay;
use crate::metrics::Metrics;
use crate::{Outbox, OutboxSettings};

/// Tells this process's relay that something was appended, once it is committed. A hint: without it the relay sees it at its next
/// look.
#[derive(Debug, Clone, Default)]
pub struct Bell(Arc<[Notify; PARTITIONS as usize]>);

impl Bell {
    /// Something of `aggregate` was committed.
    pub fn ring(&self, aggregate: &str) {
        self.of(Partition::of(aggregate)).notify_one();
    }

    fn of(&self, partition: Partition) -> &Notify {
        &self.0[usize::from(partition.number())]
    }
}

/// Relays a service's outbox to one stream. Each process of the service may run one: of each partition one of them leads.
#[derive(Debug)]
pub struct Relay {
    outbox: Outbox,
    log: Arc<dyn StreamLog>,
    stream: String,
    settings: OutboxSettings,
    clock: SharedClock,
    telemetry: Telemetry,
    metrics: Metrics,
    bell: Bell,
}

impl Relay {
    /// A relay to `stream`.
    pub fn new(
        outbox: Outbox,
        log: Arc<dyn StreamLog>,
        stream: impl Into<String>,
        settings: OutboxSettings,
        clock: SharedClock,
        telemetry: Telemetry,
    ) -> Self {
        Self {
            metrics: Metrics::of(&telemetry),
            outbox,
            log,
            stream: stream.into(),
            settings,
            clock,
            telemetry,
            bell: Bell::default(),
        }
    }

    /// What rings when something was appended.
    pub fn bell(&self) -> Bell {
        self.bell.clone()
    }

    /// Relays until `stop` is ready; then ends what is under way, marks it and gives its partitions up. `process` names this
    /// process for people who look into the record of leaderships.
    pub async fn run(self, process: &str, stop: impl Future<Output = ()> + Send) {
        let (stopping, stopped) = watch::channel(false);
        let leaders = Partition::all().map(|partition| self.lead(partition, process, stopped.clone()));
        let stop = async {
            stop.await;
            stopping.send_replace(true);
        };
        tokio::join!(stop, join_all(leaders), self.measure(stopped));
    }

    async fn lead(&self, partition: Partition, process: &str, mut stopped: watch::Receiver<bool>) {
        let duty = PartitionRelay::new(self, partition);
        let leader = Leader::new(
            self.outbox.leaderships(),
            Arc::clone(&self.clock),
            self.settings.leader(),
            format!("outbox-{}-{partition}", self.stream),
            process,
            &self.telemetry,
        );
        leader.run(duty, async move { told(&mut stopped).await }).await;
    }

    async fn measure(&self, mut stopped: watch::Receiver<bool>) {
        let mut failing = false;
        loop {
            match self.outbox.waiting().await {
                Ok(waiting) => {
                    failing = false;
                    self.metrics.measured(&waiting, self.clock.unix_ms());
                }
                Err(error) if !std::mem::replace(&mut failing, true) => {
                    tracing::warn!(%error, code = error.code(), "the outbox is not measured");
                }
                Err(_) => {}
            }
            tokio::select! {
                () = told(&mut stopped) => return,
                () = sleep(self.settings.measure()) => {}
            }
        }
    }
}

/// Waits for the word; a sender that is gone has said it.
async fn told(word: &mut watch::Receiver<bool>) {
    let _ = word.wait_for(|said| *said).await;
}
