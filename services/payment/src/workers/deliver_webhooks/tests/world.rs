//! A database in a folder of its own, a stepped clock, a worker that looks when told to, and a receiver.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::webhooks::Secret;
use async_trait::async_trait;
use clock::{Clock as _, ManualClock, SharedClock};
use identity::Tenant;
use ids::Id;
use outbound::{Outbound, OutboundSettings, Resolve, Trust};
use server::Drain;
use sql::{DatabaseUrl, PostgresSettings, SqliteSettings};
use telemetry::{Telemetry, TelemetrySettings};

use super::super::{DeliverWebhooks, Flight};
use super::receiver::{Behave, Receiver};
use crate::config::WebhookSettings;
use crate::metrics::WebhookMetrics;
use crate::operations::open_secret;
use crate::operations::webhooks::event;
use crate::store::webhooks::{
    Attempted, Delivery, DeliveryFilter, DeliveryState, Endpoint, EndpointChange, EndpointState, NewSecret,
    NotReplayed, Patience, Recorded, SharedWebhooks, TakeDue, Taken,
};
use crate::store::{Database, vault as vault_store, webhooks};
use crate::vault::{Place, Vault, VaultKey};

const NOW_MS: u64 = 1_795_305_600_000;

/// Answers one address after the other.
#[derive(Debug)]
struct Answers(Mutex<VecDeque<IpAddr>>);

#[async_trait]
impl Resolve for Answers {
    async fn resolve(&self, _host: &str) -> Result<Vec<IpAddr>, std::io::Error> {
        Ok(self.0.lock().unwrap().pop_front().into_iter().collect())
    }
}

pub(super) struct World {
    _folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    tenant: Tenant,
    numbers: AtomicU64,
    worker: DeliverWebhooks,
    pub(super) store: SharedWebhooks,
    pub(super) receiver: Receiver,
    pub(super) settings: WebhookSettings,
}

impl World {
    pub(super) async fn start(behave: Behave) -> Self {
        Self::begin(behave, true, &[]).await
    }

    /// Loopback is not open, and names lead where the answers say, one after the other.
    pub(super) async fn start_closed(behave: Behave, answers: &[&str]) -> Self {
        Self::begin(behave, false, answers).await
    }

    async fn begin(behave: Behave, open_loopback: bool, answers: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let manual = ManualClock::at(NOW_MS);
        let clock: SharedClock = manual.clone();
        let telemetry =
            Telemetry::new("payment", "test", &TelemetrySettings::default(), clock.clone()).unwrap();
        let url = format!("sqlite:{}", folder.path().join("payment.db").display());
        let parsed = DatabaseUrl::parse(&url).unwrap();
        let database = Database::open(
            &parsed,
            &url,
            SqliteSettings::default(),
            PostgresSettings::default(),
            telemetry.clone(),
            clock.clone(),
        );
        let database = database.await.unwrap();
        let receiver = Receiver::start(behave).await;
        let settings = WebhookSettings {
            outbound: OutboundSettings {
                open_loopback,
                ports: vec![receiver.port()],
                total_timeout_ms: 300,
                ..OutboundSettings::default()
            },
            poll_interval_ms: 5,
            dead_in_a_row_max: 3,
            ..WebhookSettings::default()
        };
        let addresses = answers.iter().map(|text| text.parse().unwrap()).collect();
        let resolver = Arc::new(Answers(Mutex::new(addresses)));
        let store = webhooks::open(&database);
        let worker = DeliverWebhooks {
            store: Arc::clone(&store),
            vault: Vault::new(vault_store::open(&database), VaultKey::generate(), clock.clone()),
            outbound: Outbound::new(settings.outbound.clone(), resolver, Trust::System),
            clock,
            metrics: WebhookMetrics::register(&telemetry),
            settings: settings.clone(),
        };
        Self {
            _folder: folder,
            clock: manual,
            tenant: Tenant::parse("acme").unwrap(),
            numbers: AtomicU64::new(1),
            worker,
            store,
            receiver,
            settings,
        }
    }

    pub(super) fn now_ms(&self) -> u64 {
        self.clock.unix_ms()
    }

    pub(super) fn advance_ms(&self, by_ms: u64) {
        self.clock.advance(Duration::from_millis(by_ms));
    }

    pub(super) async fn endpoint(&self, name: &str, kinds: &[&str]) -> Endpoint {
        let url = self.receiver.url();
        self.endpoint_at(name, &url, kinds).await
    }

    pub(super) async fn endpoint_at(&self, name: &str, url: &str, kinds: &[&str]) -> Endpoint {
        let id = Id::from_u64(self.numbers.fetch_add(1, Ordering::Relaxed)).unwrap();
        let endpoint = Endpoint {
            tenant: self.tenant.clone(),
            id,
            url: url.to_owned(),
            kinds: kinds.iter().map(|&kind| kind.to_owned()).collect(),
            description: name.to_owned(),
            state: EndpointState::Enabled,
            state_at_ms: self.now_ms(),
            secret: self.sealed(id),
            former: None,
            failing_since_ms: None,
            dead_in_a_row: 0,
            created_at_ms: self.now_ms(),
        };
        let made = self
            .store
            .create_endpoint(&endpoint, None, 20)
            .await
            .unwrap()
            .unwrap();
        made.get().clone()
    }

    fn sealed(&self, id: Id) -> Vec<u8> {
        let place = Place::WebhookSecret(self.tenant.as_str(), id.as_u64());
        let text = Secret::generate().to_text();
        self.worker.vault.seal_own(place, text.as_bytes())
    }

    pub(super) fn secret(&self, endpoint: &Endpoint) -> Secret {
        open_secret(&self.worker.vault, endpoint, &endpoint.secret).unwrap()
    }

    pub(super) async fn rotate(&self, endpoint: &Endpoint) -> Endpoint {
        let secret = NewSecret {
            sealed: self.sealed(endpoint.id),
            former_until_ms: self.now_ms() + self.settings.secret_overlap_ms,
            claim: None,
        };
        let rotated = self.store.rotate_secret(&self.tenant, endpoint.id, &secret).await;
        rotated.unwrap().unwrap()
    }

    pub(super) async fn find(&self, endpoint: &Endpoint) -> Endpoint {
        let found = self.store.endpoint(&self.tenant, endpoint.id).await;
        found.unwrap().unwrap()
    }

    pub(super) async fn enable(&self, endpoint: &Endpoint) {
        let change = EndpointChange {
            enabled: Some(true),
            ..EndpointChange::default()
        };
        let changed = self
            .store
            .change_endpoint(&self.tenant, endpoint.id, &change, self.now_ms());
        assert_eq!(changed.await.unwrap().unwrap().state, EndpointState::Enabled);
    }

    pub(super) async fn enqueue(&self, id: &str, kind: &str) -> u64 {
        let data = serde_json::json!({ "payment_id": "7" });
        let event = event(&self.tenant, id.to_owned(), kind, self.now_ms(), &data);
        self.store.enqueue(&event, None).await.unwrap()
    }

    /// The worker looks, and whatever it takes lands, until a look finds nothing.
    pub(super) async fn pass(&self) {
        let mut flight = Flight::default();
        loop {
            self.worker.take(&mut flight).await.unwrap();
            if flight.tasks.is_empty() {
                return;
            }
            while let Some(landed) = flight.tasks.join_next().await {
                flight.landed(landed.unwrap());
            }
        }
    }

    /// The worker as it runs in the service; it ends with the answer.
    pub(super) fn run(&self) -> (Drain, tokio::task::JoinHandle<()>) {
        let drain = Drain::new();
        let running = tokio::spawn(self.worker.clone().run(drain.clone()));
        (drain, running)
    }

    pub(super) async fn keep_house(&self) {
        self.worker.keep_house(self.now_ms()).await.unwrap();
    }

    pub(super) async fn find_delivery(&self, event_id: &str) -> Option<Delivery> {
        let all = self
            .store
            .deliveries(&self.tenant, DeliveryFilter::default(), None, 1_000)
            .await;
        all.unwrap()
            .into_iter()
            .find(|delivery| delivery.event_id == event_id)
    }

    pub(super) async fn delivery(&self, event_id: &str) -> Delivery {
        self.find_delivery(event_id).await.unwrap()
    }

    /// After the worker has looked.
    pub(super) async fn settled(&self, event_id: &str, state: DeliveryState) -> Delivery {
        self.pass().await;
        let found = self.delivery(event_id).await;
        assert_eq!(found.state, state, "{found:?}");
        found
    }

    /// After the worker has looked.
    pub(super) async fn attempted(&self, event_id: &str, attempts: u32) -> Delivery {
        self.pass().await;
        let found = self.delivery(event_id).await;
        assert_eq!(found.attempt, attempts, "{found:?}");
        found
    }

    /// Until nothing waits any more.
    pub(super) async fn give_up_all(&self) {
        for _ in 0..20 {
            self.pass().await;
            if self.store.backlog().await.unwrap().waiting == 0 {
                return;
            }
            self.advance_ms(16 * 60 * 60 * 1_000);
        }
        panic!("something waits for ever");
    }

    pub(super) async fn replay(&self, delivery: &Delivery) -> Result<Delivery, NotReplayed> {
        let replayed = self.store.replay(&self.tenant, delivery.id, self.now_ms()).await;
        replayed.unwrap()
    }

    /// As another process would.
    pub(super) async fn take(&self) -> Vec<Taken> {
        let ask = TakeDue {
            now_ms: self.now_ms(),
            lease_until_ms: self.now_ms() + self.settings.lease_ms,
            limit: 10,
            each_max: 10,
            busy: Vec::new(),
        };
        self.store.take_due(&ask).await.unwrap()
    }

    pub(super) async fn record_failed(&self, taken: &Delivery) -> Recorded {
        let result = Attempted {
            state: DeliveryState::Failed,
            next_at_ms: self.now_ms(),
            status: Some(500),
            error: Some("late".to_owned()),
            at_ms: self.now_ms(),
            counts: true,
        };
        let patience = Patience {
            dead_max: 1,
            failing_ms_max: 1_000,
        };
        self.store.record(taken, &result, patience).await.unwrap()
    }

    /// Waits, with a deadline, until something is so.
    pub(super) async fn until(&self, what: &str, is_so: impl AsyncFn(&Self) -> bool) {
        for _ in 0..1_000 {
            if is_so(self).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("never: {what}");
    }
}
