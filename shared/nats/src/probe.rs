//! Whether the server stores what it is given: asked by storing something.

use std::time::Duration;

use bytes::Bytes;

use crate::append::{Append, Expect};
use crate::error::Effect;
use crate::{Nats, NatsError, StreamLimits};

/// Bytes that the probe's stream may take: it holds one message.
const BYTES_MAX: u64 = 65_536;

impl Nats {
    /// Whether a message can be stored now: one that takes the place of the probe before it.
    pub async fn probe(&self) -> Result<(), NatsError> {
        let deadline = self.settings().probe_timeout();
        self.run("probe", Effect::Repeatable, deadline, async {
            match self.probe_once().await {
                // The first probe ever, or somebody has emptied the server.
                Err(NatsError::NotFound) => {
                    self.make_probe_stream().await?;
                    self.probe_once().await
                }
                outcome => outcome,
            }
        })
        .await
    }

    async fn probe_once(&self) -> Result<(), NatsError> {
        let probe = Append {
            subject: self.subject(&["probe"]),
            payload: Bytes::from(self.clock().unix_ms().to_string()),
            id: None,
            expect: Expect::Anything,
        };
        self.append("probe_write", probe).await.map(|_| ())
    }

    async fn make_probe_stream(&self) -> Result<(), NatsError> {
        let limits = StreamLimits {
            messages_max: 16,
            bytes_max: BYTES_MAX,
            window: Duration::from_secs(1),
            per_subject_max: 1,
        };
        let subjects = vec![self.subject(&["probe"])];
        self.open_stream(&self.stream_name("probe"), subjects, &limits)
            .await
            .map(|_| ())
    }
}
