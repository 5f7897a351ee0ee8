//! The clients' count of clicks against the store's.

use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use super::clients::{Client, Followed};

/// How often the store is asked, and for how long its count must stand still to be final.
const POLL: Duration = Duration::from_millis(50);
const STILL_POLLS: u32 = 8;
const STILL_POLLS_AT_END: u32 = 40;
/// How long the stream may take to drain after a restart.
const DRAINED_WITHIN: Duration = Duration::from_secs(20);

/// Links that are only followed, never changed.
#[derive(Default)]
pub(crate) struct HotLinks {
    codes: Vec<String>,
    /// Redirects whose answer a client has.
    answered: AtomicU64,
    /// Redirects that were sent and whose answer was lost: they may count as clicks, or not.
    unanswered: AtomicU64,
    /// The clicks known to be lost before this life.
    lost_before: AtomicI64,
    lost_most: AtomicI64,
    stored: AtomicU64,
}

impl HotLinks {
    pub(crate) fn of(codes: Vec<String>) -> Self {
        Self {
            codes,
            ..Self::default()
        }
    }

    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Follows one of them; whether it was answered.
    pub(crate) async fn follow(&self, client: &Client, turn: u64) -> bool {
        let place = usize::try_from(turn).expect("few arrivals") % self.codes.len();
        match client.follow(0, &self.codes[place]).await {
            Followed::There => self.answered.fetch_add(1, Ordering::Relaxed),
            Followed::NoAnswer | Followed::Refused => self.unanswered.fetch_add(1, Ordering::Relaxed),
            Followed::Nowhere | Followed::NotSent => return false,
        };
        true
    }

    /// How many more clicks are missing now than before this life, once the store's count stands still.
    pub(crate) async fn lost_in_this_life(&self, client: &Client, lost_max: f64) -> f64 {
        let before = self.lost_before.load(Ordering::Relaxed);
        #[expect(clippy::cast_possible_truncation, reason = "a few hundred clicks")]
        let good_enough = before + lost_max as i64;
        let missing = self.missing_when_still(client, STILL_POLLS, good_enough).await;
        self.lost_before.store(missing, Ordering::Relaxed);
        self.lost_most.fetch_max(missing - before, Ordering::Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "a few hundred clicks")]
        let lost = (missing - before) as f64;
        lost
    }

    /// Waits until the store's count has stood still for long.
    pub(crate) async fn settle(&self, client: &Client) {
        let lost = self
            .missing_when_still(client, STILL_POLLS_AT_END, i64::MAX)
            .await;
        self.lost_before.store(lost, Ordering::Relaxed);
    }

    async fn missing_when_still(&self, client: &Client, still_polls: u32, good_enough: i64) -> i64 {
        let answered = i64::try_from(self.answered()).expect("few clicks");
        let (mut stored, mut still) = (0, 0);
        let drained = async {
            while still < still_polls || answered - stored > good_enough {
                tokio::time::sleep(POLL).await;
                let now = self.stored(client).await;
                still = if now == stored { still + 1 } else { 0 };
                stored = now;
            }
        };
        // Past the deadline the count is what it is, and the caller judges it.
        _ = tokio::time::timeout(DRAINED_WITHIN, drained).await;
        self.stored.store(stored.unsigned_abs(), Ordering::Relaxed);
        answered - stored
    }

    async fn stored(&self, client: &Client) -> i64 {
        let mut sum = 0;
        for code in &self.codes {
            sum += client.clicks(code).await;
        }
        i64::try_from(sum).expect("few clicks")
    }

    /// How many clicks are missing, once settled.
    pub(crate) fn lost(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a few thousand clicks")]
        let lost = self.lost_before.load(Ordering::Relaxed) as f64;
        lost
    }

    pub(crate) fn assert_nothing_counted_twice(&self) {
        let sent = self.answered() + self.unanswered.load(Ordering::Relaxed);
        assert!(
            self.stored.load(Ordering::Relaxed) <= sent,
            "more clicks are stored than were sent: {self}"
        );
    }
}

impl fmt::Display for HotLinks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        write!(
            out,
            "{} redirects answered, {} more sent without an answer, {} clicks stored; a kill lost at most {}",
            read(&self.answered),
            read(&self.unanswered),
            read(&self.stored),
            self.lost_most.load(Ordering::Relaxed),
        )
    }
}
