//! Keys and values with revisions: what compare-and-set is made of.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, LastRawMessageErrorKind, StorageType};
use bytes::Bytes;

use crate::append::{Append, Expect};
use crate::error::Effect;
use crate::{Nats, NatsError, Pick};

/// A JetStream key-value bucket, history 1, on the servers' disks. A key is made of [`token`](crate::token)s with dots
/// between them.
#[derive(Debug, Clone)]
pub struct Bucket {
    nats: Nats,
    stream: String,
    subjects: String,
}

/// A value and its revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// The value.
    pub value: Bytes,
    /// Rises with every write to the bucket.
    pub revision: u64,
}

/// How a compare-and-set ended. An outcome that nobody knows is [`NatsError::Unknown`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swap {
    /// Written, under this revision.
    Done(u64),
    /// Another write came first; nothing was written.
    Lost,
}

impl Nats {
    /// Opens a bucket, made if it is not there.
    pub async fn bucket(&self, name: &str) -> Result<Bucket, NatsError> {
        let bucket = self.stream_name(name);
        let settings = self.settings();
        let config = Config {
            name: format!("KV_{bucket}"),
            subjects: vec![format!("$KV.{bucket}.>")],
            storage: StorageType::File,
            discard: DiscardPolicy::New,
            max_messages_per_subject: 1,
            max_messages: -1,
            max_consumers: -1,
            max_bytes: i64::try_from(settings.bucket_kib_max.saturating_mul(1_024)).unwrap_or(-1),
            num_replicas: settings.replicas.max(1) as usize,
            duplicate_window: Duration::from_mins(2),
            allow_rollup: true,
            deny_delete: true,
            allow_direct: true,
            ..Config::default()
        };
        self.open(&config).await?;
        Ok(Bucket {
            nats: self.clone(),
            subjects: format!("$KV.{bucket}."),
            stream: config.name,
        })
    }
}

impl Bucket {
    /// The newest value of a key, as the leader has it.
    pub async fn get(&self, key: &str) -> Result<Option<Entry>, NatsError> {
        let subject = self.subject(key);
        let get = async {
            let stream = self
                .nats
                .jetstream()
                .get_stream_no_info(&self.stream)
                .await
                .map_err(|error| NatsError::Unexpected(error.to_string()))?;
            match stream.get_last_raw_message_by_subject(&subject).await {
                Ok(message) => Ok(Some(Entry {
                    key: key.to_owned(),
                    value: message.payload,
                    revision: message.sequence,
                })
                .filter(|_| message.headers.get("KV-Operation").is_none())),
                Err(error) => match error.kind() {
                    LastRawMessageErrorKind::NoMessageFound => Ok(None),
                    LastRawMessageErrorKind::JetStream(error) => Err(NatsError::answered(&error)),
                    LastRawMessageErrorKind::InvalidSubject => Err(NatsError::Unexpected(error.to_string())),
                    LastRawMessageErrorKind::Other => Err(NatsError::lost(Effect::Repeatable, &error)),
                },
            }
        };
        let deadline = self.nats.settings().request_timeout();
        self.nats.run("kv_get", Effect::Repeatable, deadline, get).await
    }

    /// The newest value of each key that `filter` matches (`*` for a token, `>` for all further ones); 1,024 keys at most. In a
    /// cluster a replica may answer, a moment behind: what is decided by it is decided by a compare-and-set.
    pub async fn entries(&self, filter: &str) -> Result<Vec<Entry>, NatsError> {
        let pick = Pick::LastOf(vec![self.subject(filter)]);
        let page = match self.nats.read(&self.stream, &pick, 1_024, u32::MAX).await {
            Err(NatsError::NotFound) => return Ok(Vec::new()),
            page => page?,
        };
        let live = page.records.into_iter().filter(|record| !record.deleted);
        let entry = |record: crate::Record| Entry {
            key: record
                .subject
                .strip_prefix(&self.subjects)
                .unwrap_or_default()
                .to_owned(),
            value: record.payload,
            revision: record.sequence,
        };
        Ok(live.map(entry).collect())
    }

    /// Writes a key that has no value yet. A key that was deleted counts as such only by its last revision: use
    /// [`Bucket::update`] with it.
    pub async fn create(&self, key: &str, value: Bytes) -> Result<Swap, NatsError> {
        self.swap("kv_create", key, value, 0).await
    }

    /// Writes a key if its revision is still `revision`.
    pub async fn update(&self, key: &str, value: Bytes, revision: u64) -> Result<Swap, NatsError> {
        self.swap("kv_update", key, value, revision).await
    }

    async fn swap(
        &self,
        name: &'static str,
        key: &str,
        value: Bytes,
        revision: u64,
    ) -> Result<Swap, NatsError> {
        let append = Append {
            subject: self.subject(key),
            payload: value,
            id: None,
            expect: Expect::LastOnSubject(revision),
        };
        match self.nats.append(name, append).await {
            Ok(appended) => Ok(Swap::Done(appended.sequence)),
            Err(NatsError::Conflict) => Ok(Swap::Lost),
            Err(error) => Err(error),
        }
    }

    /// The stream behind it, for a watch or for deleting it after a test.
    pub fn stream(&self) -> &str {
        &self.stream
    }

    fn subject(&self, key: &str) -> String {
        format!("{}{key}", self.subjects)
    }
}
