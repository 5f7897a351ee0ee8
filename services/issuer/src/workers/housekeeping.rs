//! Rotates keys when due, deletes retired keys, expired codes and API keys that are long dead.

use std::time::Duration;

use crate::error::IssuerError;
use crate::http::App;
use crate::operations::rotate_keys;

/// Runs until it is dropped: there is nothing to drain, each round is a few short writes that stand on their own.
pub(crate) async fn run(app: App, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        let now_ms = app.clock.unix_ms();
        match look_after(&app, now_ms).await {
            Ok(()) => app.metrics.looked_after(now_ms),
            // The next round tries again; meanwhile the keys there are go on signing.
            Err(error) => tracing::warn!(code = error.code(), %error, "keys and codes were not looked after"),
        }
    }
}

/// One round.
pub(crate) async fn look_after(app: &App, now_ms: u64) -> Result<(), IssuerError> {
    let rotation = rotate_keys::rotate_if_due(&*app.store, &app.rules, now_ms).await?;
    if rotation.made {
        app.metrics.key_made();
        tracing::info!("a new signing key is published");
    }
    if rotation.retired > 0 {
        tracing::info!(retired = rotation.retired, "signing keys are retired");
    }
    app.store.forget_codes(now_ms).await?;
    let dead_ms = now_ms.saturating_sub(app.rules.dead_keys_kept_ms);
    app.store.forget_api_keys(dead_ms).await?;
    Ok(())
}
