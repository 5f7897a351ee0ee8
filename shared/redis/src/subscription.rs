//! A channel's messages, on a connection of its own that comes back by itself, with an honest word about what may be missing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::StreamExt;
use redis::aio::{PubSubSink, PubSubStream};
use redis::{Client, ProtocolVersion};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use crate::link::client;
use crate::{Redis, RedisError, RedisSettings};

/// What a subscriber hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The subscription stands, for the first time or again: what is published from now on is heard. Anything published
    /// before may have been missed, so whoever keeps something in step with the messages begins anew here.
    Ready,
    /// Somebody published this.
    Message(Bytes),
    /// Messages may have been missed since the last notice, and are until the next `Ready`: the connection was lost, or the
    /// reader was so slow that its buffer was full (a `Ready` follows at once then).
    Lost,
}

/// A subscription; it ends when dropped.
#[derive(Debug)]
pub struct Subscription {
    notices: Arc<Notices>,
    task: JoinHandle<()>,
}

impl Redis {
    /// Listens to `channel` from as soon as there is a connection; the first notice is [`Notice::Ready`].
    pub fn subscribe(&self, channel: &str) -> Result<Subscription, RedisError> {
        let inner = &self.inner;
        // In the older protocol a subscribed connection still answers a ping, and the driver splits it for us.
        let client = client(&inner.url, ProtocolVersion::RESP2)?;
        let notices = Arc::new(Notices::of(inner.settings.subscription_buffer_max as usize));
        let listener = Listener {
            client,
            settings: inner.settings.clone(),
            channel: self.channel(channel),
            notices: Arc::clone(&notices),
        };
        Ok(Subscription {
            notices,
            task: tokio::spawn(listener.run()),
        })
    }
}

impl Subscription {
    /// The next notice; waits for ever. Safe to drop while it waits.
    pub async fn next(&mut self) -> Notice {
        loop {
            // Made before looking: what is told in between is not missed.
            let told = self.notices.told.notified();
            if let Some(notice) = self.notices.queue().pop_front() {
                return notice;
            }
            told.await;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Listener {
    client: Client,
    settings: RedisSettings,
    channel: String,
    notices: Arc<Notices>,
}

impl Listener {
    async fn run(self) {
        let mut attempt = 0_u32;
        loop {
            match timeout(self.settings.connect_timeout(), self.connect()).await {
                Ok(Ok((sink, messages))) => {
                    attempt = 0;
                    self.notices.tell(Notice::Ready);
                    self.listen(sink, messages).await;
                    tracing::warn!(channel = self.channel, "lost the subscription; subscribing again");
                    self.notices.tell(Notice::Lost);
                }
                failed => {
                    attempt = attempt.saturating_add(1);
                    if attempt == 1 {
                        let why = failed
                            .map_or_else(|late| late.to_string(), |answer| format!("{:?}", answer.err()));
                        tracing::warn!(channel = self.channel, why, "cannot subscribe; trying on");
                    }
                    sleep(self.settings.reconnect_pause(attempt)).await;
                }
            }
        }
    }

    async fn connect(&self) -> redis::RedisResult<(PubSubSink, PubSubStream)> {
        let mut connection = self.client.get_async_pubsub().await?;
        connection.subscribe(&self.channel).await?;
        Ok(connection.split())
    }

    /// Passes messages on until the connection ends, or gives no sign of life.
    async fn listen(&self, mut sink: PubSubSink, mut messages: PubSubStream) {
        let mut beat = interval(self.settings.subscription_ping());
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = messages.next() => match message {
                    Some(message) => self.notices.tell(Notice::Message(Bytes::copy_from_slice(message.get_payload_bytes()))),
                    None => return,
                },
                _ = beat.tick() => {
                    let ping = sink.ping::<redis::Value>();
                    if !matches!(timeout(self.settings.probe_timeout(), ping).await, Ok(Ok(_))) {
                        return;
                    }
                }
            }
        }
    }
}

/// What was heard and not read yet.
#[derive(Debug)]
struct Notices {
    queue: Mutex<VecDeque<Notice>>,
    queue_max: usize,
    told: Notify,
}

impl Notices {
    fn of(queue_max: usize) -> Self {
        Self {
            queue: Mutex::default(),
            queue_max: queue_max.max(3),
            told: Notify::new(),
        }
    }

    /// A full buffer is emptied and the reader told to begin anew: memory is bounded, and nothing is missed in silence.
    fn tell(&self, notice: Notice) {
        let mut queue = self.queue();
        if queue.len() < self.queue_max {
            queue.push_back(notice);
        } else {
            queue.clear();
            queue.push_back(Notice::Lost);
            if let Notice::Message(_) = &notice {
                queue.push_back(Notice::Ready);
            }
            if notice != Notice::Lost {
                queue.push_back(notice);
            }
        }
        drop(queue);
        self.told.notify_one();
    }

    fn queue(&self) -> MutexGuard<'_, VecDeque<Notice>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &'static str) -> Notice {
        Notice::Message(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn a_reader_that_is_too_slow_is_told_to_begin_anew() {
        let notices = Notices::of(3);
        for notice in [
            Notice::Ready,
            message("a"),
            message("b"),
            message("c"),
            message("d"),
        ] {
            notices.tell(notice);
        }
        let heard: Vec<_> = notices.queue().drain(..).collect();
        assert_eq!(heard, [Notice::Lost, Notice::Ready, message("d")]);
    }

    #[test]
    fn a_lost_connection_is_told_though_the_buffer_is_full() {
        let notices = Notices::of(3);
        for notice in [message("a"), message("b"), message("c"), Notice::Lost] {
            notices.tell(notice);
        }
        assert_eq!(notices.queue().drain(..).collect::<Vec<_>>(), [Notice::Lost]);
    }
}
