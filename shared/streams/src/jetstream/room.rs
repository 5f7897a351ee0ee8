//! Whether a batch still fits: a count of what a stream holds, taken from the server now and then.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use nats::{Append, Expect, NatsError};
use tokio::sync::Mutex;

use super::NatsStreamLog;
use super::publish::message_id;
use crate::{Event, StreamError};

/// How long a count is believed while the stream is not nearly full. What other processes publish meanwhile may go past the
/// limit by that much.
const COUNT_KEPT: Duration = Duration::from_secs(1);

/// What a message takes beside its data, about: its subject, its id, the envelope.
const ENVELOPE_BYTES: u64 = 300;

/// No message has it, so an append that expects it stores nothing.
const NOBODY: &str = "nobody";

#[derive(Debug, Default)]
pub(super) struct Room {
    count: Mutex<Option<Count>>,
}

#[derive(Debug, Clone, Copy)]
struct Count {
    events: u64,
    bytes: u64,
    taken_at: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Size {
    events: u64,
    bytes: u64,
}

impl Size {
    fn of(events: &[&Event]) -> Self {
        Self {
            events: events.len() as u64,
            bytes: events
                .iter()
                .map(|event| event.data.len() as u64 + ENVELOPE_BYTES)
                .sum(),
        }
    }
}

impl NatsStreamLog {
    /// Sets room aside for the events, or for those of them that are new when not all of them fit; answers which.
    pub(super) async fn with_room<'e>(
        &self,
        stream: &str,
        events: Vec<&'e Event>,
    ) -> Result<Vec<&'e Event>, StreamError> {
        let room = self.room(stream);
        let mut count = room.count.lock().await;
        let size = Size::of(&events);
        let now = self.clock.monotonic();
        let known = count.filter(|count| now.saturating_sub(count.taken_at) < COUNT_KEPT);
        if let Some(known) = known
            && self.fits(known, size, 9)
        {
            *count = Some(known.with(size));
            return Ok(events);
        }
        let exact = self.count(stream, now).await?;
        if self.fits(exact, size, 10) {
            *count = Some(exact.with(size));
            return Ok(events);
        }
        // What is stored already needs no room.
        let fresh = self.unknown_ids(stream, events).await?;
        let size = Size::of(&fresh);
        if !fresh.is_empty() && !self.fits(exact, size, 10) {
            *count = Some(exact);
            return Err(StreamError::Full);
        }
        *count = Some(exact.with(size));
        Ok(fresh)
    }

    fn room(&self, stream: &str) -> Arc<Room> {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(rooms.entry(stream.to_owned()).or_default())
    }

    async fn count(&self, stream: &str, taken_at: Duration) -> Result<Count, StreamError> {
        let states = self.states(stream).await?;
        Ok(Count {
            events: states.values().map(|state| state.messages).sum(),
            bytes: states.values().map(|state| state.bytes).sum(),
            taken_at,
        })
    }

    /// Whether the stream then holds at most that many tenths of what it may.
    fn fits(&self, count: Count, size: Size, tenths: u64) -> bool {
        let after = count.with(size);
        after.events.saturating_mul(10) <= self.settings.events_max.saturating_mul(tenths)
            && after.bytes.saturating_mul(10)
                <= self.settings.kib_max.saturating_mul(1_024).saturating_mul(tenths)
    }

    /// The events whose ids the server does not know. Asked by appends that cannot succeed.
    async fn unknown_ids<'e>(
        &self,
        stream: &str,
        events: Vec<&'e Event>,
    ) -> Result<Vec<&'e Event>, StreamError> {
        let ask = |event: &&Event| Append {
            subject: self.partition_subject(stream, event.partition()),
            payload: bytes::Bytes::new(),
            id: Some(message_id(&event.id)),
            expect: Expect::LastId(NOBODY.to_owned()),
        };
        let questions = events.iter().map(ask).collect();
        let answers = self.nats.append_all("stream_ids", questions).await?;
        let mut fresh = Vec::new();
        for (event, answer) in events.into_iter().zip(answers) {
            match answer {
                Ok(known) if known.duplicate => {}
                Ok(_) => {
                    let defect = "an append that expects the impossible was stored";
                    return Err(NatsError::Unexpected(defect.to_owned()).into());
                }
                // Without a stream there is nothing in it; whether it has room does not matter then either.
                Err(NatsError::Conflict | NatsError::NotFound | NatsError::Full(_)) => fresh.push(event),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(fresh)
    }
}

impl Count {
    fn with(self, size: Size) -> Self {
        Self {
            events: self.events + size.events,
            bytes: self.bytes + size.bytes,
            ..self
        }
    }
}
