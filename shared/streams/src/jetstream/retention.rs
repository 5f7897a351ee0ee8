//! How much is held, how far behind groups are, and what may go.

use std::collections::{BTreeMap, HashMap};

use futures::StreamExt;
use futures::future::join_all;
use nats::{NatsError, StreamState};

use super::dead_letters::read_mark;
use super::progress::Held;
use super::{LETTERS, NatsStreamLog, REPLAYS, record};
use crate::checks::checked_stream;
use crate::{Collected, GroupLag, Lag, Partition, StreamError};

/// Events of one partition, and replayed letters, that one collection deletes at most.
const STEP: u32 = 200;

/// Questions about single events at once.
const LOOKS_MAX: usize = 16;

/// How far one group is in one partition.
struct Place {
    group: String,
    partition: Partition,
    acked: u64,
}

impl NatsStreamLog {
    pub(super) async fn measure(&self, stream: &str) -> Result<Lag, StreamError> {
        checked_stream(stream)?;
        let now_ms = self.clock.unix_ms();
        let (states, places) = (self.states(stream).await?, self.places(stream).await?);
        let mut groups: BTreeMap<String, GroupLag> = BTreeMap::new();
        let mut behind = Vec::new();
        for place in places {
            let group = groups.entry(place.group.clone()).or_insert_with(|| GroupLag {
                name: place.group.clone(),
                ..GroupLag::default()
            });
            let Some(state) = states.get(&place.partition) else {
                continue;
            };
            let acked = place.acked.max(state.first.saturating_sub(1));
            group.events += state.last.saturating_sub(acked);
            if state.last > acked {
                behind.push((place.group, place.partition, acked + 1));
            }
        }
        let ages = futures::stream::iter(behind).map(|(group, partition, position)| async move {
            let published_ms = self.published_ms(stream, partition, position).await?;
            Ok::<_, NatsError>((group, published_ms))
        });
        let mut ages = std::pin::pin!(ages.buffer_unordered(LOOKS_MAX));
        while let Some(age) = ages.next().await {
            let (group, published_ms) = age?;
            if let (Some(group), Some(published_ms)) = (groups.get_mut(&group), published_ms) {
                group.oldest_ms = group.oldest_ms.max(now_ms.saturating_sub(published_ms));
            }
        }
        let lag = Lag {
            depth: states.values().map(|state| state.messages).sum(),
            bytes: states.values().map(|state| state.bytes).sum(),
            dead_letters: self.letters_waiting(stream).await?,
            groups: groups.into_values().collect(),
        };
        self.metrics.measured(stream, &lag);
        Ok(lag)
    }

    async fn places(&self, stream: &str) -> Result<Vec<Place>, StreamError> {
        let entries = self
            .progress
            .entries(&format!("{}.>", nats::token(stream)))
            .await?;
        let mut places = Vec::with_capacity(entries.len());
        for entry in entries {
            let held: Held = serde_json::from_slice(&entry.value)
                .map_err(|error| NatsError::Unexpected(format!("the progress {}: {error}", entry.key)))?;
            let mut parts = entry.key.split('.').skip(1);
            let (group, number) = (parts.next().and_then(nats::untoken), parts.next());
            let partition = number.and_then(|number| Partition::new(number.parse().ok()?));
            places.extend(group.zip(partition).map(|(group, partition)| Place {
                group,
                partition,
                acked: held.progress.acked,
            }));
        }
        Ok(places)
    }

    async fn published_ms(
        &self,
        stream: &str,
        partition: Partition,
        position: u64,
    ) -> Result<Option<u64>, NatsError> {
        let name = self.partition_stream(stream, partition);
        let found = self.nats.message(&name, position).await?;
        found
            .map(|found| Ok(record::stored(&found)?.published_ms))
            .transpose()
    }

    pub(super) async fn delete_old(&self, stream: &str) -> Result<Collected, StreamError> {
        checked_stream(stream)?;
        let now_ms = self.clock.unix_ms();
        let states = self.states(stream).await?;
        let sum = |of: fn(&StreamState) -> u64| states.values().map(of).sum();
        let (events, bytes) = (sum(|state| state.messages), sum(|state| state.bytes));
        let before_ms = self.settings.kept_since_ms(now_ms, events, bytes);
        let mut acked: HashMap<Partition, u64> = HashMap::new();
        for place in self.places(stream).await? {
            let least = acked.entry(place.partition).or_insert(place.acked);
            *least = (*least).min(place.acked);
        }
        let mut collected = Collected::default();
        if !acked.is_empty() {
            let cuts = states.into_iter().filter_map(|(partition, state)| {
                let acked = *acked.get(&partition)?;
                Some(self.delete_step(stream, partition, state, acked, before_ms))
            });
            for step in join_all(cuts).await {
                let (events, more) = step?;
                collected.events += events;
                collected.more |= more;
            }
        }
        self.delete_letters(stream, before_ms, &mut collected).await?;
        Ok(collected)
    }

    /// Deletes the oldest events that are acked and old. Times in a partition rise as its publishers' clocks do, so the end of what is
    /// old is found by halving.
    async fn delete_step(
        &self,
        stream: &str,
        partition: Partition,
        state: StreamState,
        acked: u64,
        before_ms: u64,
    ) -> Result<(u64, bool), NatsError> {
        let end = acked.min(state.last).min(state.first + u64::from(STEP) - 1);
        if end < state.first {
            return Ok((0, false));
        }
        // Everything before `keep` is old; `keep` itself may be, until the two meet.
        let (mut keep, mut beyond) = (state.first, end + 1);
        let mut look = end;
        while keep < beyond {
            let published_ms = self.published_ms(stream, partition, look).await?;
            if published_ms.is_none_or(|published_ms| published_ms < before_ms) {
                keep = look + 1;
            } else {
                beyond = look;
            }
            look = keep.midpoint(beyond);
        }
        if keep == state.first {
            return Ok((0, false));
        }
        let name = self.partition_stream(stream, partition);
        let deleted = self.nats.delete_before(&name, keep).await?;
        Ok((deleted, keep - state.first == u64::from(STEP)))
    }

    /// The mark goes last: while it is there, a letter that is gone already is found again.
    async fn delete_letters(
        &self,
        stream: &str,
        before_ms: u64,
        collected: &mut Collected,
    ) -> Result<(), StreamError> {
        let (letters, replays) = (self.nats.stream_name(LETTERS), self.nats.stream_name(REPLAYS));
        let marks = self.page(REPLAYS, stream, 0, STEP).await?;
        for mark in &marks.records {
            let (letter, replayed_ms) = read_mark(mark)?;
            if replayed_ms >= before_ms {
                return Ok(());
            }
            collected.dead_letters += u64::from(self.nats.delete_message(&letters, letter).await?);
            self.nats.delete_message(&replays, mark.sequence).await?;
        }
        collected.more |= marks.pending > 0;
        Ok(())
    }
}
