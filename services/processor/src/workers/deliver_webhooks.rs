//! Delivers webhooks, each until it is answered with 2xx. An attempt is taken in the store before it is made, with the moment of the next:
//! whoever dies on the way leaves a webhook that is due again.

use std::time::Duration;

use bytes::Bytes;
use client::Client;
use futures::future::join_all;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Uri};
use http_body_util::Full;

use crate::config::WebhookSettings;
use crate::error::ProcessorError;
use crate::http::App;
use crate::secrets::Secrets;
use crate::store::Webhook;

/// Doubled no more often than that: beyond, the longest pause holds anyway.
const DOUBLINGS_MAX: u32 = 32;

/// Runs until it is dropped.
pub(crate) async fn run(app: App, client: Client, secrets: Secrets, to: Uri) {
    let pause = Duration::from_millis(app.rules.webhooks.poll_ms);
    loop {
        match round(&app, &client, &secrets, &to).await {
            // There may be more.
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => tracing::warn!(code = error.code(), %error, "webhooks were not looked for"),
        }
        let made = app.webhook_made.notified();
        // Whether somebody called or the time is up: it is looked again.
        _ = tokio::time::timeout(pause, made).await;
    }
}

/// One round; says whether it was full.
async fn round(app: &App, client: &Client, secrets: &Secrets, to: &Uri) -> Result<bool, ProcessorError> {
    let at_once = app.rules.webhooks.at_once_max;
    let due = app.store.due_webhooks(app.clock.unix_ms(), at_once).await?;
    let is_full = due.len() == at_once as usize;
    let sent = join_all(
        due.iter()
            .map(|webhook| attempt(app, client, secrets, to, webhook)),
    )
    .await;
    app.metrics.pending(app.store.pending_webhooks().await?);
    for outcome in sent {
        outcome?;
    }
    Ok(is_full)
}

async fn attempt(
    app: &App,
    client: &Client,
    secrets: &Secrets,
    to: &Uri,
    webhook: &Webhook,
) -> Result<(), ProcessorError> {
    let now_ms = app.clock.unix_ms();
    let next_at_ms = now_ms.saturating_add(pause_ms(&app.rules.webhooks, webhook));
    if !app
        .store
        .take_webhook(&webhook.id, webhook.attempts, next_at_ms)
        .await?
    {
        return Ok(());
    }
    let mut answered = true;
    for _copy in 0..webhook.copies {
        let delivered = send(app, client, secrets, to, webhook).await;
        app.metrics
            .webhook(if delivered { "delivered" } else { "failed" }, 1);
        answered &= delivered;
    }
    if answered {
        app.store.delivered(&webhook.id).await?;
    }
    Ok(())
}

/// When the next attempt is due, which is never while this one may be under way.
fn pause_ms(settings: &WebhookSettings, webhook: &Webhook) -> u64 {
    let doubled = settings
        .backoff_ms_min
        .saturating_mul(1 << webhook.attempts.min(DOUBLINGS_MAX));
    let under_way_ms = settings
        .timeout_ms
        .saturating_mul(u64::from(webhook.copies.max(1)));
    doubled.min(settings.backoff_ms_max).max(under_way_ms)
}

/// Whether it was answered with 2xx. Redirects are not followed: whoever moves says so in the settings.
async fn send(app: &App, client: &Client, secrets: &Secrets, to: &Uri, webhook: &Webhook) -> bool {
    let timestamp_s = app.clock.unix_ms() / 1_000;
    let body = Bytes::from(webhook.body.clone());
    let signature = match webhooks::sign(secrets.webhooks(), &webhook.id, timestamp_s, &body) {
        Ok(signature) => signature,
        Err(error) => {
            tracing::error!(code = error.code(), id = webhook.id, "a webhook cannot be signed");
            return false;
        }
    };
    let request = Request::builder()
        .method(Method::POST)
        .uri(to)
        .header(CONTENT_TYPE, "application/json")
        .header(webhooks::ID_HEADER, &webhook.id)
        .header(webhooks::TIMESTAMP_HEADER, timestamp_s)
        .header(webhooks::SIGNATURE_HEADER, signature)
        .body(Full::new(body));
    let Ok(request) = request else { return false };
    match client.send(request).await {
        Ok(response) if response.status().is_success() => true,
        Ok(response) => {
            tracing::info!(
                status = response.status().as_u16(),
                id = webhook.id,
                "a webhook was refused"
            );
            false
        }
        Err(error) => {
            tracing::info!(code = error.code(), %error, id = webhook.id, "a webhook was not delivered");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_and_never_end_while_an_attempt_may_be_under_way() {
        let settings = WebhookSettings {
            timeout_ms: 1_500,
            backoff_ms_min: 1_000,
            backoff_ms_max: 60_000,
            ..WebhookSettings::default()
        };
        let pause = |attempts, copies| {
            let webhook = Webhook {
                id: String::new(),
                body: String::new(),
                copies,
                attempts,
            };
            pause_ms(&settings, &webhook)
        };
        assert_eq!([pause(0, 1), pause(1, 1), pause(2, 1)], [1_500, 2_000, 4_000]);
        assert_eq!([pause(6, 1), pause(u32::MAX, 1)], [60_000, 60_000]);
        assert_eq!(pause(0, 2), 3_000);
    }
}
