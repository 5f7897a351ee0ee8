//! What a stream needs beside its events being handled: measuring, and deleting what is old.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::told;
use crate::{ConsumerSettings, StreamLog};

/// Collections in a row before others get their turn at the writer.
const STEPS_MAX: u32 = 50;

pub(super) async fn run(
    log: Arc<dyn StreamLog>,
    stream: String,
    settings: ConsumerSettings,
    mut stopped: watch::Receiver<bool>,
) {
    let mut measure = interval(Duration::from_millis(settings.measure_ms.max(1)));
    let mut collect = interval(Duration::from_millis(settings.collect_ms.max(1)));
    measure.set_missed_tick_behavior(MissedTickBehavior::Delay);
    collect.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = told(&mut stopped) => return,
            _ = measure.tick() => {
                if let Err(error) = log.lag(&stream).await {
                    tracing::warn!(stream, code = error.code(), %error, "lag could not be measured");
                }
            }
            _ = collect.tick() => collect_some(&*log, &stream).await,
        }
    }
}

async fn collect_some(log: &dyn StreamLog, stream: &str) {
    for _ in 0..STEPS_MAX {
        match log.collect(stream).await {
            Ok(collected) if collected.more => {}
            Ok(_) => return,
            Err(error) => {
                tracing::warn!(stream, code = error.code(), %error, "old events could not be deleted");
                return;
            }
        }
    }
}
