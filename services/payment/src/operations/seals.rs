//! Seals, of which a process makes few: each one locks the heads of all chains, and waits for what is in flight.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// From one seal to the next. Whoever needs a moment that is not sealed yet waits for the next with the others.
pub(crate) const SEAL_EVERY: Duration = Duration::from_secs(1);

/// What this process knows to be sealed.
#[derive(Debug)]
pub(crate) struct Seals {
    every: Duration,
    /// Zero: nothing yet. What is sealed stays so, whoever did it.
    sealed_ms: AtomicU64,
    /// When the last one began. Locked while one is made: others wait for it, and most find then that it was theirs too.
    last: Mutex<Option<Instant>>,
}

impl Seals {
    /// At most one in `every`.
    pub(crate) const fn new(every: Duration) -> Self {
        Self {
            every,
            sealed_ms: AtomicU64::new(0),
            last: Mutex::const_new(None),
        }
    }

    /// The newest moment that was sealed here; zero before the first.
    pub(crate) fn sealed_ms(&self) -> u64 {
        self.sealed_ms.load(Ordering::Acquire)
    }

    /// Returns when `at_ms` is sealed. `seal` seals all that has been, and says up to which moment: so one seal is many callers'.
    pub(crate) async fn reach<E>(
        &self,
        at_ms: u64,
        seal: impl Future<Output = Result<u64, E>>,
    ) -> Result<(), E> {
        if at_ms <= self.sealed_ms() {
            return Ok(());
        }
        let mut last = self.last.lock().await;
        if at_ms <= self.sealed_ms() {
            return Ok(());
        }
        if let Some(began) = *last {
            tokio::time::sleep_until(began + self.every).await;
        }
        *last = Some(Instant::now());
        let sealed_ms = seal.await?;
        self.sealed_ms.fetch_max(sealed_ms, Ordering::AcqRel);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::Arc;

    use super::*;

    async fn up_to(made: &AtomicU64, now_ms: u64) -> Result<u64, Infallible> {
        made.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        Ok(now_ms)
    }

    #[tokio::test]
    async fn many_who_ask_for_moments_that_have_been_share_one_seal() {
        let seals = Arc::new(Seals::new(Duration::from_hours(1)));
        let made = Arc::new(AtomicU64::new(0));
        let asking: Vec<_> = (1..=50)
            .map(|at_ms| {
                let (seals, made) = (Arc::clone(&seals), Arc::clone(&made));
                tokio::spawn(async move { seals.reach(at_ms, up_to(&made, 50)).await })
            })
            .collect();
        for asking in asking {
            asking.await.unwrap().unwrap();
        }
        assert_eq!((made.load(Ordering::SeqCst), seals.sealed_ms()), (1, 50));
    }

    #[tokio::test]
    async fn the_next_seal_waits_for_its_time_and_one_that_failed_is_made_again() {
        let (seals, made) = (Seals::new(Duration::from_hours(1)), AtomicU64::new(0));
        seals.reach(10, up_to(&made, 10)).await.unwrap();
        let patience = Duration::from_millis(50);
        let early = tokio::time::timeout(patience, seals.reach(11, up_to(&made, 11))).await;
        assert!(early.is_err(), "one a time is enough");
        assert_eq!((made.load(Ordering::SeqCst), seals.sealed_ms()), (1, 10));
        let seals = Seals::new(Duration::from_millis(1));
        let failed: Result<(), &str> = seals.reach(10, async { Err("away") }).await;
        assert_eq!((failed, seals.sealed_ms()), (Err("away"), 0));
        seals.reach(10, up_to(&made, 10)).await.unwrap();
        seals.reach(11, up_to(&made, 12)).await.unwrap();
        assert_eq!((made.load(Ordering::SeqCst), seals.sealed_ms()), (3, 12));
    }
}
