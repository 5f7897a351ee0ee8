//! Deletes keys, charges and webhooks that are past their time.

use std::time::Duration;

use crate::error::ProcessorError;
use crate::http::App;
use crate::store::Ages;

/// Runs until it is dropped: there is nothing to drain, each round is a few short writes that stand on their own.
pub(crate) async fn run(app: App, interval: Duration) {
    loop {
        let now_ms = app.clock.unix_ms();
        match look_after(&app, now_ms).await {
            Ok(()) => app.metrics.looked_after(now_ms),
            Err(error) => tracing::warn!(code = error.code(), %error, "what is old was not deleted"),
        }
        tokio::time::sleep(interval).await;
    }
}

/// One round.
async fn look_after(app: &App, now_ms: u64) -> Result<(), ProcessorError> {
    let ages = Ages {
        keys_ms: now_ms,
        charges_ms: now_ms.saturating_sub(app.rules.charges_kept_ms),
        webhooks_ms: now_ms.saturating_sub(app.rules.given_up_ms),
    };
    let given_up = app.store.forget(&ages).await?;
    if given_up > 0 {
        app.metrics.webhook("given_up", given_up);
        tracing::warn!(
            given_up,
            "webhooks that nobody answered for too long are given up"
        );
    }
    Ok(())
}
