//! What was given up: set aside, listed, published again.

use bytes::Bytes;
use nats::{Append, Expect, NatsError, Page, Pick, Record};
use serde::{Deserialize, Serialize};

use super::progress::{Held, TRIES, key};
use super::publish::failed;
use super::{LETTERS, NatsStreamLog, READ_BYTES_MAX, REPLAYS, record};
use crate::checks::{PAGE_MAX, checked_stream, kept_reason};
use crate::{Claim, DeadLetter, DeadLetterPage, Delivery, Event, StreamError};

/// The line before a letter's event.
#[derive(Serialize, Deserialize)]
struct Head {
    stream: String,
    group: String,
    deliveries: u32,
    reason: String,
    died_ms: u64,
}

impl NatsStreamLog {
    /// The letter is written first, under a subject that takes one: whatever ends this between the two steps, the event comes again
    /// and finds its letter.
    pub(super) async fn set_aside(
        &self,
        claim: &Claim,
        delivery: &Delivery,
        reason: &str,
    ) -> Result<(), StreamError> {
        let key = key(&claim.group, claim.partition);
        let mut written = false;
        for _ in 0..TRIES {
            // Asked each time: a letter by somebody who lost the claim would be one too many.
            let (held, revision) = self.held(claim, true).await?;
            let mut progress = held.progress;
            if progress.acked >= delivery.position.0 {
                // A try before this one ended unknown, and stands.
                return Ok(());
            }
            if !written {
                self.write_letter(claim, delivery, reason).await?;
                written = true;
            }
            progress.set_aside(delivery.position.0);
            let after = Held {
                progress,
                ..held.clone()
            };
            if self.swap(&key, (&held, revision), after).await?.is_some() {
                self.metrics.dead_lettered(&claim.group);
                return Ok(());
            }
        }
        Err(NatsError::Contended.into())
    }

    async fn write_letter(
        &self,
        claim: &Claim,
        delivery: &Delivery,
        reason: &str,
    ) -> Result<(), StreamError> {
        let group = &claim.group;
        if self.letters_waiting(&group.stream).await? >= self.settings.dead_letters_max {
            return Err(StreamError::Full);
        }
        let head = Head {
            stream: group.stream.clone(),
            group: group.name.clone(),
            deliveries: delivery.deliveries,
            reason: kept_reason(reason).to_owned(),
            died_ms: self.clock.unix_ms(),
        };
        let event = record::encoded(&delivery.event, delivery.published_ms)?;
        let (partition, position) = (claim.partition.to_string(), delivery.position.to_string());
        let letter = Append {
            subject: self
                .nats
                .subject(&[LETTERS, &group.stream, &group.name, &partition, &position]),
            payload: record::lined(&head, &event)?,
            id: None,
            expect: Expect::LastOnSubject(0),
        };
        match self.nats.append("stream_dead_letter", letter).await {
            // It was written by a try before this one.
            Ok(_) | Err(NatsError::Conflict) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Letters of a stream that were not replayed.
    pub(super) async fn letters_waiting(&self, stream: &str) -> Result<u64, NatsError> {
        let (letters, replays) = futures::future::try_join(
            self.count_messages(LETTERS, stream),
            self.count_messages(REPLAYS, stream),
        )
        .await?;
        Ok(letters.saturating_sub(replays))
    }

    /// Messages of one of our streams that are about an event stream: what a read of the first says of the rest.
    async fn count_messages(&self, name: &str, stream: &str) -> Result<u64, NatsError> {
        let page = self.page(name, stream, 0, 1).await?;
        Ok(page.records.len() as u64 + page.pending)
    }

    pub(super) async fn page(
        &self,
        name: &str,
        stream: &str,
        after: u64,
        limit: u32,
    ) -> Result<Page, NatsError> {
        let pick = Pick::From {
            sequence: after.saturating_add(1),
            subject: format!("{}.>", self.nats.subject(&[name, stream])),
        };
        self.nats
            .read(&self.nats.stream_name(name), &pick, limit, READ_BYTES_MAX)
            .await
    }

    pub(super) async fn list_dead_letters(
        &self,
        stream: &str,
        after: u64,
        limit: u32,
    ) -> Result<DeadLetterPage, StreamError> {
        checked_stream(stream)?;
        let page = self
            .page(LETTERS, stream, after, limit.clamp(1, PAGE_MAX))
            .await?;
        let mut items = page.records.iter().map(letter).collect::<Result<Vec<_>, _>>()?;
        if items.is_empty() {
            return Ok(DeadLetterPage { items, next: None });
        }
        let marks = items
            .iter()
            .map(|item| self.mark_subject(stream, item.id))
            .collect();
        let marks = self
            .nats
            .read(
                &self.nats.stream_name(REPLAYS),
                &Pick::LastOf(marks),
                PAGE_MAX,
                READ_BYTES_MAX,
            )
            .await?;
        for mark in &marks.records {
            let (id, replayed_ms) = read_mark(mark)?;
            if let Some(item) = items.iter_mut().find(|item| item.id == id) {
                item.replayed_ms = Some(replayed_ms);
            }
        }
        let next = items
            .last()
            .filter(|_| page.pending > 0)
            .map(|last: &DeadLetter| last.id);
        Ok(DeadLetterPage { items, next })
    }

    /// Publishes under an id of the letter's own, then marks the letter. Ended in between, the next replay finds that id known within
    /// the dedupe window, and after it publishes the event once more.
    pub(super) async fn publish_again(&self, id: u64) -> Result<(), StreamError> {
        let gone = StreamError::NoDeadLetter { id };
        let letters = self.nats.stream_name(LETTERS);
        let Some(found) = self.nats.message(&letters, id).await? else {
            return Err(gone);
        };
        let DeadLetter { stream, event, .. } = letter(&found)?;
        let mark = self.mark_subject(&stream, id);
        let replays = self.nats.stream_name(REPLAYS);
        let marks = Pick::LastOf(vec![mark.clone()]);
        let marks = self.nats.read(&replays, &marks, 1, READ_BYTES_MAX).await?;
        if !marks.records.is_empty() {
            return Err(gone);
        }
        self.append_again(&stream, &event, id).await?;
        let mark = Append {
            subject: mark,
            payload: Bytes::from(self.clock.unix_ms().to_string()),
            id: None,
            expect: Expect::LastOnSubject(0),
        };
        match self.nats.append("stream_replayed", mark).await {
            Ok(_) => Ok(()),
            // Somebody else replayed it at the same time: the event was stored once.
            Err(NatsError::Conflict) => Err(gone),
            Err(error) => Err(failed(error)),
        }
    }

    async fn append_again(&self, stream: &str, event: &Event, letter: u64) -> Result<(), StreamError> {
        let partition = event.partition();
        self.with_room(stream, vec![event]).await?;
        self.make_partition(stream, partition).await?;
        let append = Append {
            subject: self.partition_subject(stream, partition),
            payload: record::encoded(event, self.clock.unix_ms())?,
            id: Some(format!("r:{letter}")),
            expect: Expect::Anything,
        };
        let appended = self.nats.append("stream_replay", append).await.map_err(failed)?;
        if !appended.duplicate {
            self.ring(stream, &[partition]).await;
        }
        Ok(())
    }

    fn mark_subject(&self, stream: &str, letter: u64) -> String {
        self.nats.subject(&[REPLAYS, stream, &letter.to_string()])
    }
}

fn letter(found: &Record) -> Result<DeadLetter, NatsError> {
    let (head, event) = record::split::<Head>(&found.payload)?;
    let (_, event) = record::decoded(event)?;
    Ok(DeadLetter {
        id: found.sequence,
        stream: head.stream,
        group: head.group,
        deliveries: head.deliveries,
        reason: head.reason,
        died_ms: head.died_ms,
        replayed_ms: None,
        event,
    })
}

/// The letter that a mark is of, and when it was replayed.
pub(super) fn read_mark(mark: &Record) -> Result<(u64, u64), NatsError> {
    let id = mark.subject.rsplit('.').next().and_then(|id| id.parse().ok());
    let at_ms = std::str::from_utf8(&mark.payload)
        .ok()
        .and_then(|text| text.parse().ok());
    id.zip(at_ms)
        .ok_or_else(|| NatsError::Unexpected(format!("the mark {}", mark.subject)))
}
