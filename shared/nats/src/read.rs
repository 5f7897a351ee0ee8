//! Many messages in one round trip: the server's batched direct get.

use async_nats::{HeaderMap, Message, StatusCode};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::json;

use crate::connection::request_error;
use crate::error::Effect;
use crate::{Nats, NatsError};

/// Which messages of a stream to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// Those from a sequence on whose subject matches, oldest first.
    From {
        /// The first sequence that may be read.
        sequence: u64,
        /// The subject, perhaps with wildcards.
        subject: String,
    },
    /// The newest of each subject that matches one of these.
    LastOf(Vec<String>),
}

/// Some messages of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Page {
    /// In the order of their sequences.
    pub records: Vec<Record>,
    /// How many further ones match.
    pub pending: u64,
}

/// A message of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its subject.
    pub subject: String,
    /// Its place in the stream.
    pub sequence: u64,
    /// What it holds.
    pub payload: Bytes,
    /// Whether it marks that a key of a bucket was deleted.
    pub deleted: bool,
}

const NO_CONTENT: u16 = 204;
const TOO_MANY: u16 = 413;

impl Nats {
    /// Up to `limit` messages, and about `bytes_max` bytes of them but always one if there is one.
    /// [`NatsError::NotFound`] when there is no such stream.
    pub async fn read(
        &self,
        stream: &str,
        pick: &Pick,
        limit: u32,
        bytes_max: u32,
    ) -> Result<Page, NatsError> {
        if limit == 0 {
            return Ok(Page::default());
        }
        let question = match pick {
            Pick::From { sequence, subject } => json!({
                "seq": (*sequence).max(1), "next_by_subj": subject, "batch": limit, "max_bytes": bytes_max.min(i32::MAX as u32),
            }),
            Pick::LastOf(subjects) => json!({ "multi_last": subjects, "batch": limit }),
        };
        let deadline = self.settings().request_timeout();
        let request = self.stream_page(stream, question.to_string().into(), limit);
        self.run("read", Effect::Repeatable, deadline, request).await
    }

    async fn stream_page(&self, stream: &str, question: Bytes, limit: u32) -> Result<Page, NatsError> {
        let client = self.client();
        let inbox = client.new_inbox();
        let lost = |error: String| NatsError::Unavailable(error);
        let mut answers = client
            .subscribe(inbox.clone())
            .await
            .map_err(|error| lost(error.to_string()))?;
        let subject = format!("$JS.API.DIRECT.GET.{stream}");
        client
            .publish_with_reply(subject, inbox, question)
            .await
            .map_err(|error| lost(error.to_string()))?;
        let mut page = Page::default();
        while let Some(message) = answers.next().await {
            match message.status.map(|status| status.as_u16()) {
                None => {}
                Some(NO_CONTENT) => return Ok(page),
                Some(status) => return ended(status, &message, page),
            }
            let (record, pending) = record(message)?;
            page.records.push(record);
            page.pending = pending;
            if page.records.len() > limit as usize {
                return Err(NatsError::Unexpected("more than was asked for".to_owned()));
            }
        }
        Err(lost("the connection ended".to_owned()))
    }

    /// One message by its sequence.
    pub async fn message(&self, stream: &str, sequence: u64) -> Result<Option<Record>, NatsError> {
        let subject = format!("$JS.API.DIRECT.GET.{stream}");
        let question = json!({ "seq": sequence }).to_string();
        let get = async {
            let answer = self.client().request(subject, question.into()).await;
            let message = answer.map_err(|error| request_error(&error, Effect::Repeatable))?;
            match message.status.map(|status| status.as_u16()) {
                None => Ok(Some(record(message)?.0)),
                Some(status) => ended(status, &message, Page::default()).map(|_| None),
            }
        };
        let deadline = self.settings().request_timeout();
        self.run("read_one", Effect::Repeatable, deadline, get).await
    }
}

/// What a status says that is no message.
fn ended(status: u16, message: &Message, page: Page) -> Result<Page, NatsError> {
    let no_responders = StatusCode::NO_RESPONDERS.as_u16();
    match status {
        _ if status == no_responders => Err(NatsError::NotFound),
        404 => Ok(page),
        TOO_MANY => Err(NatsError::Full("too many subjects match".to_owned())),
        _ => Err(NatsError::Unexpected(
            message.description.clone().unwrap_or_else(|| status.to_string()),
        )),
    }
}

fn record(message: Message) -> Result<(Record, u64), NatsError> {
    let headers = message.headers.unwrap_or_default();
    let record = Record {
        subject: text(&headers, "Nats-Subject").unwrap_or_default().to_owned(),
        sequence: number(&headers, "Nats-Sequence")
            .ok_or_else(|| NatsError::Unexpected("a message without a sequence".to_owned()))?,
        payload: message.payload,
        deleted: text(&headers, "KV-Operation").is_some(),
    };
    Ok((record, number(&headers, "Nats-Num-Pending").unwrap_or(0)))
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(async_nats::HeaderValue::as_str)
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.parse().ok()
}
