//! News of publishes between processes: a core message a publish, which may get lost; polling finds what it told of.

use std::sync::Arc;

use futures::StreamExt;
use nats::{Nats, NatsError};
use tokio::task::AbortHandle;

use super::NatsStreamLog;
use crate::Partition;
use crate::wakes::Wakes;

const BELLS: &str = "bells";

/// Rings our bells for what other processes publish, for as long as the task runs.
pub(super) async fn listen(
    nats: &Nats,
    instance: String,
    wakes: Arc<Wakes>,
) -> Result<AbortHandle, NatsError> {
    let base = nats.subject(&[BELLS]);
    let mut news = nats
        .client()
        .subscribe(format!("{base}.*"))
        .await
        .map_err(|error| NatsError::Unavailable(error.to_string()))?;
    let task = tokio::spawn(async move {
        while let Some(message) = news.next().await {
            let stream = message.subject.as_str().strip_prefix(&base);
            let stream = stream.and_then(|rest| rest.strip_prefix('.'));
            let text = std::str::from_utf8(&message.payload).unwrap_or_default();
            let (Some(stream), Some((who, numbers))) = (stream, text.split_once(' ')) else {
                continue;
            };
            if who != instance {
                let partitions = numbers
                    .split(',')
                    .filter_map(|number| Partition::new(number.parse().ok()?));
                wakes.wake(stream, partitions);
            }
        }
    });
    Ok(task.abort_handle())
}

impl NatsStreamLog {
    /// Wakes who waits here, and tells the others.
    pub(super) async fn ring(&self, stream: &str, partitions: &[Partition]) {
        if partitions.is_empty() {
            return;
        }
        self.wakes.wake(&nats::token(stream), partitions.iter().copied());
        let numbers: Vec<String> = partitions.iter().map(Partition::to_string).collect();
        let news = format!("{} {}", self.instance, numbers.join(","));
        let told = self
            .nats
            .client()
            .publish(self.nats.subject(&[BELLS, stream]), news.into());
        // A hint: who misses it looks by itself soon.
        let _ = told.await;
    }
}
