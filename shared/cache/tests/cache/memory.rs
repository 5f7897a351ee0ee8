//! The shared level in process.

use crate::contract::Engine;
use async_trait::async_trait;
use cache::{Look, MemorySharedCache, SharedCache};
use clock::ManualClock;
use std::sync::Arc;
use std::time::Duration;

pub(crate) struct MemoryEngine {
    clock: Arc<ManualClock>,
    level: MemorySharedCache,
}

impl MemoryEngine {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::at(1_800_000_000_000);
        let level = MemorySharedCache::new(10_000, clock.clone());
        Self { clock, level }
    }
}

#[async_trait]
impl Engine for MemoryEngine {
    async fn handle(&self) -> Arc<dyn SharedCache> {
        Arc::new(self.level.another())
    }

    async fn wipe(&self) {
        self.level.wipe();
    }

    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }
}

#[expect(clippy::unused_async, reason = "the suite waits for engines that take time")]
async fn start(_case: &str) -> Option<MemoryEngine> {
    Some(MemoryEngine::new())
}

contract_suite!(start);
two_level_suite!(start);

#[tokio::test]
async fn no_more_keys_than_its_capacity_are_kept_and_the_loads_go_on() {
    let clock = ManualClock::at(1_800_000_000_000);
    let level = MemorySharedCache::new(3, clock);
    let hour = Duration::from_hours(1);
    for i in 0..10 {
        let key = format!("k{i}");
        let Ok(Look::Fill(lease)) = level.look(&key, hour).await else {
            panic!("what is merely remembered makes room");
        };
        assert!(level.fill(&key, lease, None, hour).await.expect("filled"));
    }
    for key in ["a", "b", "c"] {
        assert!(matches!(level.look(key, hour).await, Ok(Look::Fill(_))));
    }
    // Leases do not make room: whoever comes now loads and fills nothing in.
    assert_eq!(level.look("d", hour).await, Ok(Look::Load));
}
