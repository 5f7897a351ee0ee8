//! Streams: opened or made, measured, emptied from the front.

use std::time::Duration;

use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, StorageType};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::Effect;
use crate::{Nats, NatsError};

/// The bounds of a stream. At them it refuses; it never drops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Messages it may hold.
    pub messages_max: u64,
    /// Bytes it may hold, as the server counts them.
    pub bytes_max: u64,
    /// How long a message id is remembered, by the server's clock.
    pub window: Duration,
    /// Messages of one subject that are kept: the newest. 0 keeps all of them.
    pub per_subject_max: u32,
}

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StreamState {
    /// Messages.
    pub messages: u64,
    /// Bytes, as the server counts them.
    pub bytes: u64,
    /// The sequence of the oldest message, or of the next one when there is none.
    pub first: u64,
    /// The sequence of the newest message there ever was.
    pub last: u64,
}

impl From<&Info> for StreamState {
    fn from(info: &Info) -> Self {
        let state = &info.state;
        Self {
            messages: state.messages,
            bytes: state.bytes,
            first: if state.messages == 0 {
                state.last_sequence + 1
            } else {
                state.first_sequence
            },
            last: state.last_sequence,
        }
    }
}

/// Pages of a list of streams that are read at most; the server puts 256 on one.
const LIST_PAGES_MAX: usize = 64;

#[derive(Deserialize)]
struct List {
    total: usize,
    streams: Option<Vec<Info>>,
}

#[derive(Deserialize)]
struct Done {
    #[serde(default)]
    purged: u64,
}

impl Nats {
    /// Makes a stream for `subjects` on the servers' disks, or gives the one that is there these limits.
    pub async fn open_stream(
        &self,
        name: &str,
        subjects: Vec<String>,
        limits: &StreamLimits,
    ) -> Result<StreamState, NatsError> {
        let config = Config {
            name: name.to_owned(),
            subjects,
            storage: StorageType::File,
            discard: DiscardPolicy::New,
            max_messages: signed(limits.messages_max),
            max_bytes: signed(limits.bytes_max),
            max_messages_per_subject: i64::from(limits.per_subject_max),
            duplicate_window: limits.window,
            num_replicas: self.settings().replicas.max(1) as usize,
            allow_direct: true,
            ..Config::default()
        };
        let info = self.open(&config).await?;
        Ok(StreamState::from(&info))
    }

    /// Made, or brought to this configuration. Both may be repeated without harm.
    pub(crate) async fn open(&self, config: &Config) -> Result<Info, NatsError> {
        let name = &config.name;
        match self
            .admin("stream_update", &format!("STREAM.UPDATE.{name}"), config)
            .await
        {
            Err(NatsError::NotFound) => {
                self.admin("stream_create", &format!("STREAM.CREATE.{name}"), config)
                    .await
            }
            outcome => outcome,
        }
    }

    async fn admin<Q: Serialize, A: serde::de::DeserializeOwned>(
        &self,
        name: &'static str,
        subject: &str,
        question: &Q,
    ) -> Result<A, NatsError> {
        self.api(name, Effect::Repeatable, subject, question).await
    }

    /// What a stream holds; [`NatsError::NotFound`] when there is none.
    pub async fn stream_state(&self, name: &str) -> Result<StreamState, NatsError> {
        let info: Info = self
            .admin("stream_info", &format!("STREAM.INFO.{name}"), &json!({}))
            .await?;
        Ok(StreamState::from(&info))
    }

    /// Every stream that takes messages of `subject` (which may have wildcards), by name.
    pub async fn streams_of(&self, subject: &str) -> Result<Vec<(String, StreamState)>, NatsError> {
        let mut found = Vec::new();
        for _ in 0..LIST_PAGES_MAX {
            let question = json!({ "subject": subject, "offset": found.len() });
            let page: List = self.admin("stream_list", "STREAM.LIST", &question).await?;
            let streams = page.streams.unwrap_or_default();
            let end = streams.is_empty();
            found.extend(
                streams
                    .iter()
                    .map(|info| (info.config.name.clone(), StreamState::from(info))),
            );
            if end || found.len() >= page.total {
                break;
            }
        }
        Ok(found)
    }

    /// Deletes every message before sequence `first` and says how many those were. Done twice it does no more.
    pub async fn delete_before(&self, name: &str, first: u64) -> Result<u64, NatsError> {
        let done: Done = self
            .admin(
                "stream_purge",
                &format!("STREAM.PURGE.{name}"),
                &json!({ "seq": first }),
            )
            .await?;
        Ok(done.purged)
    }

    /// Deletes one message and says whether it was there.
    pub async fn delete_message(&self, name: &str, sequence: u64) -> Result<bool, NatsError> {
        let question = json!({ "seq": sequence, "no_erase": true });
        let subject = format!("STREAM.MSG.DELETE.{name}");
        match self
            .admin::<_, serde_json::Value>("message_delete", &subject, &question)
            .await
        {
            Ok(_) => Ok(true),
            Err(NatsError::NotFound) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Deletes a stream with all it holds, for tests and for data that is wanted no more. One that is not there is no error.
    pub async fn delete_stream(&self, name: &str) -> Result<(), NatsError> {
        match self
            .admin::<_, serde_json::Value>("stream_delete", &format!("STREAM.DELETE.{name}"), &json!({}))
            .await
        {
            Ok(_) | Err(NatsError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// No limit is -1 there.
fn signed(limit: u64) -> i64 {
    i64::try_from(limit).unwrap_or(-1)
}
