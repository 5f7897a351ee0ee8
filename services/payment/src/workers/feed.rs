//! Change data capture: what the ledger committed, on a stream of its own, as `ledger.committed`. So a reader of the ledger that is slow or
//! away takes no room from what payments tell, and receipts do not wait behind rows of the ledger.
//!
//! Of each shard the links are gapless and become visible in order, since the head of the chain is locked last; so a place in them is
//! a cursor that misses nothing. A link's events are made of the link alone, ids included: whoever dies between publishing and moving on
//! publishes the same again.

mod pieces;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use clock::SharedClock;
use leases::{Duty, DutyFailed, Leadership, Pace};
use prometheus_client::metrics::gauge::Gauge;
use streams::{Delivery, Event, Handler, HandlerError, StreamError, StreamLog};

use self::pieces::pieces;
use crate::config::FeedSettings;
use crate::ledger::Link;
use crate::store::StoreError;
use crate::store::feed::FeedPlaces;
use crate::store::ledger::SharedLedger;

/// The duty's name.
pub(crate) const FEED_DUTY: &str = "ledger-feed";

/// The stream of what the ledger committed.
pub(crate) const FEED_STREAM: &str = "ledger";

/// The feed's own group in it, which waits for nothing.
pub(crate) const FEED_GROUP: &str = "retention";

/// Links read at once.
const LINKS_MAX: u32 = 16;

/// Events and bytes published at once, unless one event alone has more.
const PUBLISH_MAX: usize = 100;
const PUBLISH_BYTES_MAX: usize = 1_048_576;

/// Feeds the stream from the ledger.
pub(crate) struct FeedLedger {
    /// Has the links.
    pub ledger: SharedLedger,
    /// How far it is.
    pub places: FeedPlaces,
    /// Where they go.
    pub log: Arc<dyn StreamLog>,
    /// Paces it.
    pub clock: SharedClock,
    /// How much, how often.
    pub settings: FeedSettings,
    /// Links that are in the ledger and not in the stream.
    pub behind: Gauge,
    /// Nothing more is published before: monotonic.
    pub rest_until: Duration,
    /// Rounds so far: each begins at the shard after the last one's, so that a budget that one shard uses up leaves none behind for good.
    pub rounds: usize,
}

/// A group that every event is nothing to: a stream that nobody reads keeps everything, and so one that nobody else reads lets go what is
/// past its retention. Whoever reads along has what he has not acked kept for him.
pub(crate) struct LetGo;

#[async_trait]
impl Handler for LetGo {
    async fn handle(&self, _delivery: &Delivery) -> Result<(), HandlerError> {
        Ok(())
    }
}

/// Why a look ended early.
#[derive(Debug, thiserror::Error)]
enum FeedError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("the stream is fuller than the feed may make it; it goes on when there is room")]
    NoRoom,
}

impl From<FeedError> for DutyFailed {
    fn from(error: FeedError) -> Self {
        let code = match &error {
            // By this code a leader knows that it has to ask.
            FeedError::Store(StoreError::Fenced) => "leadership_lost",
            FeedError::Store(error) => error.code(),
            FeedError::Stream(error) => error.code(),
            FeedError::NoRoom => "feed_no_room",
        };
        Self {
            code,
            detail: error.to_string(),
        }
    }
}

#[async_trait]
impl Duty for FeedLedger {
    async fn tick(&mut self, leadership: &Leadership) -> Result<Pace, DutyFailed> {
        if self.is_resting() {
            return Ok(Pace::Rest);
        }
        Ok(self.follow(leadership).await?)
    }
}

impl FeedLedger {
    /// One round over the shards.
    async fn follow(&mut self, leadership: &Leadership) -> Result<Pace, FeedError> {
        let (mut heads, places) = (self.ledger.chain_heads().await?, self.places.all().await?);
        let first = self.rounds % heads.len().max(1);
        heads.rotate_left(first);
        self.rounds = self.rounds.wrapping_add(1);
        let place_of = |shard| {
            places
                .iter()
                .find(|(of, _)| *of == shard)
                .map_or(0, |(_, link)| *link)
        };
        let mut behind: i64 = heads
            .iter()
            .map(|head| (head.link - place_of(head.shard)).max(0))
            .sum();
        self.behind.set(behind);
        if behind == 0 {
            return Ok(Pace::Rest);
        }
        self.check_room().await?;
        for head in heads {
            let place = place_of(head.shard);
            if head.link > place && !self.is_resting() {
                behind -= self.follow_shard(leadership, head.shard, place).await? - place;
            }
        }
        self.behind.set(behind.max(0));
        Ok(if behind > 0 && !self.is_resting() {
            Pace::Again
        } else {
            Pace::Rest
        })
    }

    fn is_resting(&self) -> bool {
        self.clock.monotonic() < self.rest_until
    }

    /// Some links of one shard; answers how far it came.
    async fn follow_shard(
        &mut self,
        leadership: &Leadership,
        shard: i16,
        place: i64,
    ) -> Result<i64, FeedError> {
        let links = self.ledger.links(shard, place, LINKS_MAX).await?;
        let mut reached = place;
        for link in links {
            self.publish_link(&link).await?;
            reached = link.link;
            if self.is_resting() {
                break;
            }
        }
        if reached > place {
            let now_ms = self.clock.unix_ms();
            self.places.move_on(leadership, shard, reached, now_ms).await?;
        }
        Ok(reached)
    }

    async fn publish_link(&mut self, link: &Link) -> Result<(), FeedError> {
        let rows = self.ledger.link_rows(link.shard, link.link).await?;
        let mut events: Vec<Event> = Vec::new();
        let (mut bytes, mut bytes_all) = (0, 0);
        for event in pieces(link, &rows)? {
            let size = event.data.len();
            if !events.is_empty() && (events.len() >= PUBLISH_MAX || bytes + size > PUBLISH_BYTES_MAX) {
                self.log.publish(FEED_STREAM, &events).await?;
                events.clear();
                bytes = 0;
            }
            bytes += size;
            bytes_all += size;
            events.push(event);
        }
        self.log.publish(FEED_STREAM, &events).await?;
        self.pay_for(bytes_all);
        Ok(())
    }

    /// So much may be published in so much time; what was spent is rested for.
    fn pay_for(&mut self, bytes: usize) {
        let bytes_per_s = f64::from(self.settings.kib_per_s_max.max(1)) * 1_024.0;
        let bytes = f64::from(u32::try_from(bytes).unwrap_or(u32::MAX));
        let now = self.clock.monotonic();
        // A second's worth may be spent at once.
        let from = self.rest_until.max(now.saturating_sub(Duration::from_secs(1)));
        self.rest_until = from + Duration::from_secs_f64(bytes / bytes_per_s);
    }

    async fn check_room(&self) -> Result<(), FeedError> {
        let lag = self.log.lag(FEED_STREAM).await?;
        let bytes_max = self.settings.stream_kib_max.saturating_mul(1_024);
        if lag.depth >= self.settings.stream_events_max || lag.bytes >= bytes_max {
            return Err(FeedError::NoRoom);
        }
        Ok(())
    }
}
