//! Appending: each partition's events in their order, all partitions at once.

use std::collections::{BTreeMap, HashSet};
use std::sync::PoisonError;

use futures::future::join_all;
use nats::{Append, Appended, Expect, NatsError};
use tokio::time::timeout;

use super::record::encoded;
use super::{NatsStreamLog, limits};
use crate::checks::checked_batch;
use crate::{Event, Partition, Published, StreamError};

/// Request deadlines that one publish may take as a whole. It asks up to four times (counting, making a partition, appending,
/// appending the rest), and an engine that is late each time is one to give up on.
const DEADLINES: u32 = 3;

/// The id an event's message has, apart from those of replays. Ids of another alphabet are no header of NATS.
pub(super) fn message_id(id: &str) -> String {
    format!("e:{}", nats::token(id))
}

/// What came of one partition's events.
struct Chain {
    partition: Partition,
    stored: u32,
    duplicates: u32,
    failure: Option<NatsError>,
}

impl NatsStreamLog {
    pub(super) async fn append_new(&self, stream: &str, events: &[Event]) -> Result<Published, StreamError> {
        checked_batch(stream, events, &self.settings)?;
        let mut seen = HashSet::new();
        let distinct: Vec<&Event> = events.iter().filter(|event| seen.insert(&event.id)).collect();
        if distinct.is_empty() {
            return Ok(Published::default());
        }
        let publish = async {
            let fresh = self.with_room(stream, distinct).await?;
            self.append_chains(stream, &fresh).await
        };
        let deadline = self
            .nats
            .settings()
            .request_timeout_ms
            .saturating_mul(u64::from(DEADLINES));
        let stored = timeout(std::time::Duration::from_millis(deadline), publish)
            .await
            .unwrap_or_else(|_| {
                Err(NatsError::Unknown("the publish did not end within its deadline".to_owned()).into())
            })?;
        let all = u32::try_from(events.len()).unwrap_or(u32::MAX);
        Ok(Published {
            stored,
            duplicates: all - stored,
        })
    }

    /// Appends and answers how many were new.
    async fn append_chains(&self, stream: &str, events: &[&Event]) -> Result<u32, StreamError> {
        let mut parts: BTreeMap<Partition, Vec<&Event>> = BTreeMap::new();
        for event in events {
            parts.entry(event.partition()).or_default().push(event);
        }
        let chains = parts
            .into_iter()
            .map(|(partition, events)| self.append_chain(stream, partition, events));
        let chains = join_all(chains).await;
        let news: Vec<Partition> = chains
            .iter()
            .filter(|chain| chain.stored > 0)
            .map(|chain| chain.partition)
            .collect();
        self.ring(stream, &news).await;
        let stored = chains.iter().map(|chain| chain.stored).sum();
        let begun = chains.iter().any(|chain| chain.stored + chain.duplicates > 0);
        let mut failures: Vec<NatsError> = chains.into_iter().filter_map(|chain| chain.failure).collect();
        // The worst of them speaks for all.
        let worst = failures.iter().position(NatsError::is_unknown).unwrap_or(0);
        match (failures.is_empty(), begun) {
            (true, _) => Ok(stored),
            (false, true) => Err(StreamError::Partial(failures.swap_remove(worst))),
            (false, false) => Err(failed(failures.swap_remove(worst))),
        }
    }

    /// Appends one partition's events. Each says which one must be before it, so that one that gets lost takes those after it
    /// along, and what is repeated finds its place. Where another publisher comes between two, the chain begins anew.
    async fn append_chain(&self, stream: &str, partition: Partition, events: Vec<&Event>) -> Chain {
        let mut chain = Chain {
            partition,
            stored: 0,
            duplicates: 0,
            failure: self.make_partition(stream, partition).await.err(),
        };
        let mut outcomes: Vec<Option<Appended>> = vec![None; events.len()];
        let (mut from, mut remade) = (0, false);
        while from < events.len() && chain.failure.is_none() {
            let answers = match self.append_from(stream, partition, &events[from..]).await {
                Ok(answers) => answers,
                Err(error) => {
                    chain.failure = Some(error);
                    break;
                }
            };
            let begin = from;
            from = events.len();
            for (place, answer) in answers.into_iter().enumerate().rev() {
                let place = begin + place;
                match answer {
                    // One that a former round stored is known in this one.
                    Ok(appended) if outcomes[place].is_none() => outcomes[place] = Some(appended),
                    Ok(_) => {}
                    Err(NatsError::Conflict) if place > begin => from = place,
                    Err(NatsError::NotFound) if !remade => {
                        self.forget_partition(stream, partition);
                        chain.failure = self.make_partition(stream, partition).await.err();
                        (from, remade) = (begin, true);
                        break;
                    }
                    Err(error) => (from, chain.failure) = (place, Some(error)),
                }
            }
        }
        for appended in outcomes.into_iter().flatten() {
            if appended.duplicate {
                chain.duplicates += 1;
            } else {
                chain.stored += 1;
            }
        }
        chain
    }

    async fn append_from(
        &self,
        stream: &str,
        partition: Partition,
        events: &[&Event],
    ) -> Result<Vec<Result<Appended, NatsError>>, NatsError> {
        let subject = self.partition_subject(stream, partition);
        let now_ms = self.clock.unix_ms();
        let mut expect = Expect::Anything;
        let mut messages = Vec::with_capacity(events.len());
        for event in events {
            let id = message_id(&event.id);
            let after = std::mem::replace(&mut expect, Expect::LastId(id.clone()));
            messages.push(Append {
                subject: subject.clone(),
                payload: encoded(event, now_ms)?,
                id: Some(id),
                expect: after,
            });
        }
        self.nats.append_all("stream_append", messages).await
    }

    /// Makes the partition, or gives it our settings; once a process.
    pub(super) async fn make_partition(&self, stream: &str, partition: Partition) -> Result<(), NatsError> {
        let key = (stream.to_owned(), partition);
        if self
            .opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&key)
        {
            return Ok(());
        }
        let name = self.partition_stream(stream, partition);
        let subjects = vec![self.partition_subject(stream, partition)];
        let limits = limits(&self.settings, self.settings.events_max, 0);
        self.nats.open_stream(&name, subjects, &limits).await?;
        self.opened
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key);
        Ok(())
    }

    fn forget_partition(&self, stream: &str, partition: Partition) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.remove(&(stream.to_owned(), partition));
    }
}

pub(super) fn failed(error: NatsError) -> StreamError {
    match error {
        NatsError::Full(_) => StreamError::Full,
        error => error.into(),
    }
}
