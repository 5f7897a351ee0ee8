//! Messages into streams.

use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use bytes::Bytes;

use crate::error::Effect;
use crate::{Nats, NatsError};

/// A message to append to the stream that takes its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Its subject, see [`Nats::subject`].
    pub subject: String,
    /// What it holds.
    pub payload: Bytes,
    /// Appended again under the same id within the stream's window, it is not stored again.
    pub id: Option<String>,
    /// What must be so for it to be stored; [`NatsError::Conflict`] else.
    pub expect: Expect,
}

/// What a write expects to find.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Expect {
    /// Whatever is there.
    #[default]
    Anything,
    /// The last message of the stream has this id. The server looks at this only once it knows that the message is no duplicate.
    LastId(String),
    /// The last message of the stream has this sequence. Looked at before the message's own id.
    LastSequence(u64),
    /// The last message of its subject has this sequence; 0 when there must be none. Looked at before the message's own id.
    LastOnSubject(u64),
}

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Its sequence in the stream; of the first time when it is a duplicate.
    pub sequence: u64,
    /// Whether its id was known.
    pub duplicate: bool,
}

impl Nats {
    /// Appends one message, durable on return as the server's `sync_interval` has it.
    pub async fn append(&self, name: &'static str, message: Append) -> Result<Appended, NatsError> {
        let append = async {
            let _place = self.places(1).await?;
            let sent = self.send(message).await?;
            received(sent).await
        };
        self.run(name, Effect::Write, self.settings().request_timeout(), append)
            .await
    }

    /// Appends messages in their order without waiting for one before the next is sent, and answers for each. One that is
    /// refused does not hold back those after it; chain them with [`Expect::LastId`] where it must. The deadline is for a quarter of
    /// `in_flight_max` each.
    pub async fn append_all(
        &self,
        name: &'static str,
        messages: Vec<Append>,
    ) -> Result<Vec<Result<Appended, NatsError>>, NatsError> {
        // Everybody takes the places for a piece at once: with one here and one there, all could wait for each other.
        let piece = (self.settings().in_flight_max / 4).max(1);
        let pieces = u32::try_from(messages.len()).unwrap_or(u32::MAX).div_ceil(piece);
        let deadline = self.settings().request_timeout().saturating_mul(pieces.max(1));
        let append = async {
            let mut answers = Vec::with_capacity(messages.len());
            let mut messages = messages.into_iter().peekable();
            while messages.peek().is_some() {
                let together: Vec<_> = messages.by_ref().take(piece as usize).collect();
                let _places = self.places(together.len()).await?;
                let mut sent = Vec::with_capacity(together.len());
                for message in together {
                    sent.push(self.send(message).await);
                }
                let sent = sent.into_iter().map(|sent| async move { received(sent?).await });
                answers.extend(futures::future::join_all(sent).await);
            }
            Ok(answers)
        };
        self.run(name, Effect::Write, deadline, append).await
    }

    async fn send(&self, message: Append) -> Result<PublishAckFuture, NatsError> {
        // Sent while there is no connection it would be kept, and arrive when nobody expects it any more.
        self.check_connected()?;
        let mut publish = PublishMessage::build().payload(message.payload);
        if let Some(id) = &message.id {
            publish = publish.message_id(id);
        }
        publish = match &message.expect {
            Expect::Anything => publish,
            Expect::LastId(id) => publish.expected_last_message_id(id),
            Expect::LastSequence(sequence) => publish.expected_last_sequence(*sequence),
            Expect::LastOnSubject(sequence) => publish.expected_last_subject_sequence(*sequence),
        };
        let sent = self.jetstream().send_publish(message.subject, publish).await;
        sent.map_err(|error| match error.kind() {
            // It did not get as far as the connection.
            PublishErrorKind::TimedOut | PublishErrorKind::MaxAckPending => NatsError::Overloaded,
            _ => publish_error(&error),
        })
    }
}

async fn received(sent: PublishAckFuture) -> Result<Appended, NatsError> {
    match sent.await {
        Ok(ack) => Ok(Appended {
            sequence: ack.sequence,
            duplicate: ack.duplicate,
        }),
        Err(error) => Err(publish_error(&error)),
    }
}

fn publish_error(error: &PublishError) -> NatsError {
    let answer = std::error::Error::source(error)
        .and_then(|source| source.downcast_ref::<async_nats::jetstream::Error>());
    if let Some(answer) = answer {
        return NatsError::answered(answer);
    }
    match error.kind() {
        PublishErrorKind::WrongLastMessageId | PublishErrorKind::WrongLastSequence => NatsError::Conflict,
        PublishErrorKind::StreamNotFound => NatsError::NotFound,
        PublishErrorKind::MaxPayloadExceeded => NatsError::TooLarge,
        PublishErrorKind::MaxAckPending => NatsError::Overloaded,
        PublishErrorKind::TimedOut => NatsError::late(Effect::Write),
        PublishErrorKind::BrokenPipe | PublishErrorKind::Other => NatsError::lost(Effect::Write, error),
    }
}
