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
    /// Up to `limit` messages, and about `bytes_max` bytes of them but always one if there is one. None is left out in between: where
    /// a part of the answer is lost on its way, a page of [`Pick::From`] ends, and one of [`Pick::LastOf`] is an error.
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
        let reading = Reading::of(pick, limit);
        let request = self.stream_page(stream, question.to_string().into(), reading);
        self.run("read", Effect::Repeatable, deadline, request).await
    }

    async fn stream_page(
        &self,
        stream: &str,
        question: Bytes,
        mut reading: Reading,
    ) -> Result<Page, NatsError> {
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
        while let Some(message) = answers.next().await {
            if let Some(page) = reading.take(message)? {
                return Ok(page);
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

/// An answer that is still coming. Its messages arrive at most once each, so that a line that breaks and comes back leaves a hole;
/// each of them names the one before it.
#[derive(Debug)]
struct Reading {
    page: Page,
    limit: u32,
    /// Whether a beginning of the answer is an answer too.
    divisible: bool,
}

impl Reading {
    fn of(pick: &Pick, limit: u32) -> Self {
        Self {
            page: Page::default(),
            limit,
            divisible: matches!(pick, Pick::From { .. }),
        }
    }

    /// The page once it is at its end.
    fn take(&mut self, message: Message) -> Result<Option<Page>, NatsError> {
        let status = message.status.map(|status| status.as_u16());
        if let Some(status) = status.filter(|status| *status != NO_CONTENT) {
            return ended(status, &message, std::mem::take(&mut self.page)).map(Some);
        }
        let before = message
            .headers
            .as_ref()
            .and_then(|headers| number(headers, "Nats-Last-Sequence"));
        let before = before.ok_or_else(|| NatsError::Unexpected("a message without its place".to_owned()))?;
        if before != self.page.records.last().map_or(0, |last| last.sequence) {
            return self.cut().map(Some);
        }
        if status.is_some() {
            return Ok(Some(std::mem::take(&mut self.page)));
        }
        let (record, pending) = record(message)?;
        self.page.records.push(record);
        self.page.pending = pending;
        if self.page.records.len() > self.limit as usize {
            return Err(NatsError::Unexpected("more than was asked for".to_owned()));
        }
        Ok(None)
    }

    /// What came before the hole; the next read goes on there.
    fn cut(&mut self) -> Result<Page, NatsError> {
        if self.divisible && !self.page.records.is_empty() {
            return Ok(std::mem::take(&mut self.page));
        }
        Err(NatsError::Unavailable("a part of the answer was lost".to_owned()))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn message(sequence: u64, before: u64, pending: u64) -> Message {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Subject", "events");
        headers.insert("Nats-Sequence", sequence.to_string());
        headers.insert("Nats-Last-Sequence", before.to_string());
        headers.insert("Nats-Num-Pending", pending.to_string());
        Message {
            subject: "inbox".into(),
            reply: None,
            payload: Bytes::new(),
            headers: Some(headers),
            status: None,
            description: None,
            length: 0,
        }
    }

    fn end(last: u64) -> Message {
        Message {
            status: StatusCode::from_u16(NO_CONTENT).ok(),
            ..message(0, last, 0)
        }
    }

    fn from() -> Pick {
        Pick::From {
            sequence: 1,
            subject: "events".to_owned(),
        }
    }

    /// The sequences of what came through, and how many are said to follow.
    fn read(pick: &Pick, answer: Vec<Message>) -> Result<(Vec<u64>, u64), NatsError> {
        let mut reading = Reading::of(pick, 10);
        for message in answer {
            if let Some(page) = reading.take(message)? {
                let sequences = page.records.iter().map(|record| record.sequence);
                return Ok((sequences.collect(), page.pending));
            }
        }
        panic!("the answer has an end")
    }

    #[test]
    fn a_page_ends_where_a_message_was_lost() {
        let lost = read(
            &from(),
            vec![message(7, 0, 3), message(8, 7, 2), message(10, 9, 0), end(10)],
        );
        assert_eq!(lost.ok(), Some((vec![7, 8], 2)));
        let tail_lost = read(&from(), vec![message(7, 0, 3), end(10)]);
        assert_eq!(tail_lost.ok(), Some((vec![7], 3)));
    }

    #[test]
    fn what_others_sent_in_between_or_deleted_before_is_no_hole() {
        let whole = read(&from(), vec![message(7, 0, 1), message(12, 7, 0), end(12)]);
        assert_eq!(whole.ok(), Some((vec![7, 12], 0)));
    }

    #[test]
    fn an_answer_without_its_beginning_is_no_empty_page() {
        for answer in [vec![message(8, 7, 0), end(8)], vec![end(8)]] {
            let refused = read(&from(), answer);
            assert!(matches!(refused, Err(NatsError::Unavailable(_))), "{refused:?}");
        }
    }

    #[test]
    fn the_newest_of_each_subject_are_all_there_or_none() {
        let all = Pick::LastOf(vec!["events".to_owned()]);
        let lost = read(&all, vec![message(7, 0, 3), message(10, 9, 0), end(10)]);
        assert!(matches!(lost, Err(NatsError::Unavailable(_))), "{lost:?}");
        let whole = read(&all, vec![message(7, 0, 1), message(10, 7, 0), end(10)]);
        assert_eq!(whole.ok(), Some((vec![7, 10], 0)));
    }
}
