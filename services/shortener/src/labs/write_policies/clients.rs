//! Clients that remember what they were told, and so know what they were not given.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{Method, Request, StatusCode};
use lab::{Bench, LabError, Meter, Service};
use load::{Arrivals, HttpClient, Plan, Summary, Zipf};

/// What all clients of one arm know together.
pub(super) struct Ledger {
    /// The next version of each key.
    next: Vec<AtomicU64>,
    /// The newest acknowledged version of each key.
    newest: Vec<AtomicU64>,
    /// Every acknowledged write: key and version.
    acknowledged: Mutex<Vec<(usize, u64)>>,
    /// Reads that were answered with less than was acknowledged when they began.
    stale: AtomicU64,
}

impl Ledger {
    pub(super) fn new(keys: usize) -> Arc<Self> {
        let zeros = || (0..keys).map(|_| AtomicU64::new(0)).collect();
        Arc::new(Self {
            next: zeros(),
            newest: zeros(),
            acknowledged: Mutex::default(),
            stale: AtomicU64::new(0),
        })
    }

    pub(super) fn acknowledged(&self) -> Vec<(usize, u64)> {
        self.acknowledged
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn stale(&self) -> u64 {
        self.stale.load(Ordering::SeqCst)
    }

    async fn write(&self, client: &HttpClient, key: usize) -> bool {
        let version = self.next[key].fetch_add(1, Ordering::SeqCst) + 1;
        let request = Request::builder()
            .method(Method::PUT)
            .uri(format!("/key-{key}/{version}"))
            .body(Vec::new());
        let Ok(request) = request else { return false };
        let told = client.send(request).await;
        if !told.is_ok_and(|answer| answer.status == StatusCode::NO_CONTENT) {
            return false;
        }
        self.newest[key].fetch_max(version, Ordering::SeqCst);
        let mut acknowledged = self.acknowledged.lock().unwrap_or_else(PoisonError::into_inner);
        acknowledged.push((key, version));
        true
    }

    async fn read(&self, client: &HttpClient, key: usize) -> bool {
        let expected = self.newest[key].load(Ordering::SeqCst);
        let Ok(answer) = client.get(&format!("/key-{key}")).await else {
            return false;
        };
        let version = std::str::from_utf8(&answer.body).ok();
        let Some(version) = version.and_then(|text| text.parse::<u64>().ok()) else {
            return false;
        };
        if version < expected {
            self.stale.fetch_add(1, Ordering::SeqCst);
        }
        true
    }
}

/// How much is asked of the service, and when it dies.
#[derive(Debug, Clone, Copy)]
pub(super) struct Traffic {
    pub(super) keys: usize,
    pub(super) reads_per_second: u32,
    pub(super) writes_per_second: u32,
    pub(super) dies_after: Duration,
}

/// How long after the last write of the origin began the service is killed: while a buffer that was brought there has filled again.
pub(super) const DIES_AT: Duration = Duration::from_millis(200);

/// How long the next write of the origin is waited for.
const WRITE_WITHIN: Duration = Duration::from_secs(2);

/// Reads and writes until the service dies in the middle of them; answers how both went.
pub(super) async fn until_it_dies(
    bench: &Bench,
    service: Service,
    traffic: Traffic,
    (ledger, origin_writes): (&Arc<Ledger>, &Meter),
) -> Result<(Summary, Summary), LabError> {
    let client = service.client(Duration::from_secs(5))?;
    let plan = |per_second: u32, stream: u64| Plan {
        arrivals: Arrivals::Poisson {
            per_second: f64::from(per_second),
        },
        seed: bench.seed ^ stream,
        // Longer than it lives, so that it dies with requests under way.
        duration: traffic.dies_after + Duration::from_millis(500),
        in_flight_max: 400,
        ..Plan::default()
    };
    let zipf = Zipf::new(traffic.keys, 1.0);
    let reading = |arrival: load::Arrival| {
        let (ledger, client, key) = (
            Arc::clone(ledger),
            client.clone(),
            zipf.at(bench.seed, arrival.index),
        );
        async move { ledger.read(&client, key).await }
    };
    let writing = |arrival: load::Arrival| {
        let key = zipf.at(bench.seed ^ 7, arrival.index);
        let (ledger, client) = (Arc::clone(ledger), client.clone());
        async move { ledger.write(&client, key).await }
    };
    let dying = async {
        tokio::time::sleep(traffic.dies_after).await;
        let before = origin_writes.calls();
        let writes = async {
            while origin_writes.calls() == before {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        // Without one it is killed all the same: its arm then shows what was never written.
        let _ = tokio::time::timeout(WRITE_WITHIN, writes).await;
        tokio::time::sleep(DIES_AT).await;
        service.kill();
    };
    let (reads, writes, ()) = tokio::join!(
        load::run(plan(traffic.reads_per_second, 1), &bench.clock, reading),
        load::run(plan(traffic.writes_per_second, 2), &bench.clock, writing),
        dying
    );
    Ok((reads, writes))
}
