//! Asks the platform what it holds once a drill is over, and notes it in the same history.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use history::Kind;
use http::Request;
use load::profile::HistoryRecorder;
use load::{HttpClient, HttpSettings};
use serde::Deserialize;

use crate::DrillError;
use crate::books::BooksObserver;

/// Keys that are asked for at once.
const AT_ONCE: usize = 8;
/// One key may take so long, tries included.
const TRIES: u32 = 5;
const RETRY_AFTER: Duration = Duration::from_millis(300);
/// The sessions of observers in a history: beyond any load's.
const SESSIONS_FROM: u64 = 1 << 40;

/// How a drill learns what is there at the end; a file of `chaos/observers`.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Observing {
    /// Each key by itself, through the API.
    Keys(Observer),
    /// Money, in the tables.
    Books(Box<BooksObserver>),
}

/// How a service is asked; a file of `chaos/observers`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Observer {
    /// The path, `{key}` in it.
    read: String,
    /// Where in the answer the value stands, as a JSON pointer.
    value: String,
    /// Where its count stands, if it has one.
    #[serde(default)]
    count: Option<String>,
    /// Where its id stands, if it has one.
    #[serde(default)]
    id: Option<String>,
}

/// What one key holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Observed {
    /// `None`: it is not there.
    pub(crate) value: Option<String>,
    pub(crate) count: Option<u64>,
    pub(crate) id: Option<u64>,
}

/// What all of them hold.
pub(crate) type Holdings = BTreeMap<String, Observed>;

/// Whom to ask, and as whom.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    observer: Arc<Observer>,
    client: HttpClient,
    token: String,
}

impl Asked {
    pub(crate) fn new(observer: Observer, entry: &str, token: String) -> Result<Self, DrillError> {
        let client = HttpClient::new(entry, HttpSettings::default())
            .map_err(|error| DrillError::Load(error.to_string()))?;
        Ok(Self {
            observer: Arc::new(observer),
            client,
            token,
        })
    }

    /// Reads every key; with a recorder, each answer is a read in the history.
    pub(crate) async fn read(
        &self,
        keys: impl Iterator<Item = String>,
        recorder: Option<&Arc<HistoryRecorder>>,
    ) -> Result<Holdings, DrillError> {
        use futures::{StreamExt as _, TryStreamExt as _};
        let reads = (SESSIONS_FROM..).zip(keys).map(|(session, key)| async move {
            let begun = recorder.map(|recorder| (recorder, recorder.start(session, Kind::Read, &key, None)));
            let observed = self.one(&key).await?;
            if let Some((recorder, begun)) = begun {
                let kept = recorder.saw(begun, observed.value.as_deref());
                kept.map_err(|error| unobserved(&key, error.to_string()))?;
            }
            Ok::<_, DrillError>((key, observed))
        });
        futures::stream::iter(reads)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    async fn one(&self, key: &str) -> Result<Observed, DrillError> {
        let mut reason = String::new();
        for _ in 0..TRIES {
            let request = Request::builder()
                .uri(self.observer.read.replace("{key}", key))
                .header("authorization", format!("Bearer {}", self.token))
                .body(String::new())
                .map_err(|error| unobserved(key, error.to_string()))?;
            match self.client.send(request).await {
                Ok(answer) if answer.status == 404 => return Ok(Observed::default()),
                Ok(answer) if answer.status == 200 => return self.seen(key, &answer.body),
                Ok(answer) => reason = answer.status.to_string(),
                Err(error) => reason = error.to_string(),
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
        Err(unobserved(key, reason))
    }

    fn seen(&self, key: &str, body: &[u8]) -> Result<Observed, DrillError> {
        let body: serde_json::Value =
            serde_json::from_slice(body).map_err(|error| unobserved(key, error.to_string()))?;
        let at = |pointer: &Option<String>| pointer.as_ref().and_then(|pointer| body.pointer(pointer));
        let number = |value: &serde_json::Value| match value {
            // Ids are strings: a JSON number loses their last bits.
            serde_json::Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        };
        let value = body
            .pointer(&self.observer.value)
            .and_then(serde_json::Value::as_str)
            .ok_or_else(|| unobserved(key, format!("no {} in the answer", self.observer.value)))?;
        Ok(Observed {
            value: Some(value.to_owned()),
            count: at(&self.observer.count).and_then(number),
            id: at(&self.observer.id).and_then(number),
        })
    }
}

fn unobserved(key: &str, reason: String) -> DrillError {
    DrillError::Unobserved {
        what: format!("key {key}"),
        reason,
    }
}
