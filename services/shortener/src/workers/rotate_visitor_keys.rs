//! Keeps the keys of visitors' pseudonyms: today's, and shortly before midnight tomorrow's. What is older than yesterday is forgotten, here
//! and in the store.

use std::sync::Arc;
use std::time::Duration;

use clock::SharedClock;
use server::Drain;

use crate::statistics::day_of;
use crate::store::StoreError;
use crate::store::statistics::{Day, StatisticsStore};
use crate::visit::Observer;
use crate::visit::pseudonym::DayKey;

/// How long before a day begins its key is fetched.
const AHEAD_MS: u64 = 60 * 60 * 1_000;
/// How long a failure waits, if that is less than the interval.
const RETRY: Duration = Duration::from_secs(1);

/// Looks at an interval.
pub(crate) struct RotateVisitorKeys {
    store: Arc<dyn StatisticsStore>,
    visits: Arc<Observer>,
    clock: SharedClock,
    interval: Duration,
    forgotten_before: Option<Day>,
}

impl RotateVisitorKeys {
    /// With a store where all processes find the same keys, and who works with them.
    pub(crate) fn new(
        store: Arc<dyn StatisticsStore>,
        visits: Arc<Observer>,
        clock: SharedClock,
        interval: Duration,
    ) -> Self {
        Self {
            store,
            visits,
            clock,
            interval,
            forgotten_before: None,
        }
    }

    /// Until the drain begins.
    pub(crate) async fn run(mut self, drain: Drain) {
        let mut failing = false;
        loop {
            let looked = self.look().await;
            let wait = if looked.is_ok() {
                self.interval
            } else {
                self.interval.min(RETRY)
            };
            if let Err(error) = &looked
                && !failing
            {
                tracing::warn!(%error, code = error.code(), "no key for visitors' pseudonyms: until there is one, each process counts visitors by itself");
            }
            failing = looked.is_err();
            tokio::select! {
                () = drain.begun() => return,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Has the keys that are needed now and soon, and forgets the old ones. Once before the first visit, or the first ones are counted with
    /// a key of our own.
    pub(crate) async fn look(&mut self) -> Result<(), StoreError> {
        let now_ms = self.clock.unix_ms();
        let (today, soon) = (day_of(now_ms), day_of(now_ms + AHEAD_MS));
        let mut keys = Vec::new();
        let mut outcome = Ok(());
        for day in today..=soon {
            match self.key(day).await {
                Ok(key) => keys.push(key),
                Err(error) => outcome = Err(error),
            }
        }
        self.visits.pseudonyms.replace(today, keys);
        outcome?;
        let before = today.saturating_sub(1);
        if self.forgotten_before != Some(before) {
            self.store.forget_visitor_keys(before).await?;
            self.forgotten_before = Some(before);
        }
        Ok(())
    }

    async fn key(&self, day: Day) -> Result<DayKey, StoreError> {
        if let Some(key) = self.visits.pseudonyms.key(day) {
            return Ok(key);
        }
        let key = self.store.visitor_key(day, rand::random()).await?;
        Ok(DayKey::new(day, key))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::RangeInclusive;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;
    use clock::{Clock as _, ManualClock};
    use http::HeaderMap;
    use identity::Tenant;

    use super::*;
    use crate::config::Analytics;
    use crate::statistics::DAY_MS;
    use crate::store::statistics::{PageKey, StoredHead, StoredPage, Subject};
    use crate::visit::Visitor;

    /// Only keys.
    #[derive(Default)]
    struct Keys {
        keys: Mutex<BTreeMap<Day, [u8; 32]>>,
        away: AtomicBool,
    }

    impl Keys {
        fn days(&self) -> Vec<Day> {
            self.keys.lock().unwrap().keys().copied().collect()
        }
    }

    #[async_trait]
    impl StatisticsStore for Keys {
        async fn visitor_key(&self, day: Day, candidate: [u8; 32]) -> Result<[u8; 32], StoreError> {
            if self.away.load(Ordering::Relaxed) {
                return Err(StoreError::Unavailable("away".to_owned()));
            }
            Ok(*self.keys.lock().unwrap().entry(day).or_insert(candidate))
        }

        async fn forget_visitor_keys(&self, before: Day) -> Result<(), StoreError> {
            self.keys.lock().unwrap().retain(|day, _| *day >= before);
            Ok(())
        }

        async fn head(&self, _: u8) -> Result<Option<StoredHead>, StoreError> {
            unreachable!()
        }

        async fn pages(&self, _: &[PageKey]) -> Result<Vec<Option<StoredPage>>, StoreError> {
            unreachable!()
        }

        async fn put(&self, _: &[StoredPage], _: Option<&StoredHead>) -> Result<(), StoreError> {
            unreachable!()
        }

        async fn read(
            &self,
            _: &Tenant,
            _: Subject,
            _: RangeInclusive<Day>,
        ) -> Result<Vec<StoredPage>, StoreError> {
            unreachable!()
        }

        async fn totals(&self, _: &Tenant, _: &[Subject]) -> Result<Vec<StoredPage>, StoreError> {
            unreachable!()
        }

        async fn collect_pages(&self, _: Day, _: u32) -> Result<u64, StoreError> {
            unreachable!()
        }
    }

    struct Process {
        clock: Arc<ManualClock>,
        worker: RotateVisitorKeys,
    }

    impl Process {
        fn new(store: &Arc<Keys>, day: u64) -> Self {
            let clock = ManualClock::at(day * DAY_MS);
            let visits = Observer::new(Analytics::Full, None, None);
            let interval = Duration::from_mins(1);
            let worker = RotateVisitorKeys::new(store.clone(), visits, clock.clone(), interval);
            Self { clock, worker }
        }

        async fn look(&mut self) -> Result<(), StoreError> {
            self.worker.look().await
        }

        fn somebody(&self) -> Visitor {
            let now_ms = self.clock.unix_ms();
            self.worker.visits.of(&HeaderMap::new(), now_ms, false).visitor
        }
    }

    #[tokio::test]
    async fn two_processes_know_the_same_visitor_also_just_after_midnight_and_old_keys_are_forgotten() {
        let store = Arc::new(Keys::default());
        let (mut one, mut two) = (Process::new(&store, 100), Process::new(&store, 100));
        one.look().await.unwrap();
        two.look().await.unwrap();
        let monday = one.somebody();
        assert_eq!(monday, two.somebody());
        for process in [&mut one, &mut two] {
            process.clock.advance(Duration::from_millis(DAY_MS - AHEAD_MS));
            process.look().await.unwrap();
            process.clock.advance(Duration::from_millis(AHEAD_MS + 1));
        }
        assert_eq!(one.somebody(), two.somebody(), "before either has looked");
        assert_ne!(one.somebody(), monday);
        assert_eq!(store.days(), [100, 101]);
        one.clock.advance(Duration::from_millis(DAY_MS));
        one.look().await.unwrap();
        assert_eq!(store.days(), [101, 102]);
        assert!(one.worker.visits.pseudonyms.key(101).is_none());
    }

    #[tokio::test]
    async fn without_the_store_visitors_are_told_apart_here_and_the_key_is_taken_up_when_it_is_back() {
        let store = Arc::new(Keys::default());
        store.away.store(true, Ordering::Relaxed);
        let (mut one, mut two) = (Process::new(&store, 100), Process::new(&store, 100));
        one.look().await.unwrap_err();
        two.look().await.unwrap_err();
        assert!(one.somebody().is_known());
        assert_ne!(one.somebody(), two.somebody());
        store.away.store(false, Ordering::Relaxed);
        one.look().await.unwrap();
        two.look().await.unwrap();
        assert_eq!(one.somebody(), two.somebody());
        // What is there already is not asked for again.
        store.away.store(true, Ordering::Relaxed);
        one.look().await.unwrap();
    }
}
