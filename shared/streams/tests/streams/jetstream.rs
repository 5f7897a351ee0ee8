//! The contract on NATS JetStream, and what only this engine promises.

mod faults;
mod together;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clock::{ManualClock, SharedClock, SystemClock};
use nats::{Nats, NatsSettings};
use streams::{NatsStreamLog, StreamLog, StreamSettings};
use testkit::engines::{self, Kind};
use testkit::proxy::FaultProxy;

use crate::contract::{Cut, Engine};
use crate::telemetry;

/// A prefix of its own for each test, behind a proxy of its own.
pub(crate) struct NatsEngine {
    pub(crate) proxy: Arc<FaultProxy>,
    url: String,
    clock: Arc<ManualClock>,
}

async fn engine(test: &str) -> Option<NatsEngine> {
    let address = engines::address(Kind::Nats, test)?;
    let proxy = FaultProxy::to(address).await;
    Some(NatsEngine {
        url: format!(
            "nats://{}?prefix={}",
            proxy.address(),
            engines::fresh_name("streams")
        ),
        proxy: Arc::new(proxy),
        clock: ManualClock::at(SystemClock::shared().unix_ms()),
    })
}

impl NatsEngine {
    pub(crate) async fn connect(&self, settings: NatsSettings) -> Nats {
        Nats::connect(&self.url, settings, telemetry(), SystemClock::shared())
            .await
            .unwrap()
    }

    /// A log of a process of its own.
    pub(crate) async fn open_with(&self, nats: NatsSettings, settings: StreamSettings) -> Arc<dyn StreamLog> {
        let clock: SharedClock = self.clock.clone();
        let nats = self.connect(nats).await;
        let log = NatsStreamLog::open(nats, settings, telemetry(), clock)
            .await
            .unwrap();
        Arc::new(log)
    }
}

#[async_trait]
impl Engine for NatsEngine {
    async fn open(&self, settings: StreamSettings) -> Arc<dyn StreamLog> {
        self.open_with(NatsSettings::default(), settings).await
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    async fn cut(&self) -> Cut {
        self.proxy.cut();
        let proxy = Arc::clone(&self.proxy);
        Cut::new(async move { proxy.heal() })
    }

    /// Another process cannot know that this one is dead before its claims run out.
    async fn restart(&self, log: Arc<dyn StreamLog>, settings: StreamSettings) -> Arc<dyn StreamLog> {
        self.clock.advance(log.claim_lasts() + Duration::from_millis(1));
        drop(log);
        self.open(settings).await
    }

    fn dedupe_window_ms(&self) -> u64 {
        3_000
    }

    fn envelope_bytes_max(&self) -> u64 {
        400
    }
}

impl Drop for NatsEngine {
    /// Takes everything of the test off the shared server.
    fn drop(&mut self) {
        self.proxy.heal();
        let url = self.url.clone();
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let settings = NatsSettings::default();
                let nats = Nats::connect(&url, settings, telemetry(), SystemClock::shared()).await?;
                let prefix = nats.prefix();
                for subject in [format!("{prefix}.>"), format!("$KV.{prefix}_progress.>")] {
                    for (name, _) in nats.streams_of(&subject).await? {
                        nats.delete_stream(&name).await?;
                    }
                }
                Ok::<_, nats::NatsError>(())
            })
        });
        if !matches!(cleaning.join(), Ok(Ok(()))) {
            eprintln!("a test left its streams behind");
        }
    }
}

contract_suite!(engine);
