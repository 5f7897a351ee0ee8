//! The processor's webhooks over HTTP: they wake a payment, and are believed in nothing else.

use std::time::Duration;

use clock::{Clock as _, SystemClock};
use config::Secret;
use serde_json::json;

use crate::engines::Folder;
use crate::till::{Answer, Stub, Till};

/// Sends what the processor would.
struct Processor(webhooks::Secret);

impl Processor {
    async fn tells(&self, till: &Till, id: &str, kind: &str, payment: &str) -> Answer {
        let now_s = SystemClock.unix_ms() / 1_000;
        self.tells_at(till, now_s, id, kind, payment).await
    }

    async fn tells_at(&self, till: &Till, at_s: u64, id: &str, kind: &str, payment: &str) -> Answer {
        let reference = format!("payment/{payment}");
        let body = json!({"type": kind, "data": {"id": format!("ch_{payment}"), "reference": reference}})
            .to_string();
        let secrets = std::slice::from_ref(&self.0);
        let signature = webhooks::sign(secrets, id, at_s, body.as_bytes()).unwrap();
        let at = at_s.to_string();
        let headers = [
            ("webhook-id", id),
            ("webhook-timestamp", at.as_str()),
            ("webhook-signature", signature.as_str()),
        ];
        till.send("POST", "/v1/processor-webhooks", &headers, &body).await
    }
}

fn unsigned(answer: &Answer) {
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (401, &json!("webhook_unsigned")),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_webhooks_wake_a_payment_in_any_order_and_number_and_others_do_not() {
    let (stub, url) = Stub::start().await;
    let folder = Folder::fresh();
    let processor = Processor(webhooks::Secret::generate());
    let till = Till::start(&folder, &url, |settings| {
        settings.processor.api_key = Secret::new("a-secret-that-only-tests-know-here");
        settings.processor.webhook_secret = Secret::new(processor.0.to_text());
        settings.saga.poll_interval_ms = 20;
        // Whoever is not woken waits for longer than the test.
        settings.saga.retry_pause_ms = 600_000;
        settings.saga.retry_pause_ms_max = 600_000;
    })
    .await;
    till.open_accounts().await;
    let id = till.pay("one", "tok_capture_broken").await;
    // It has failed once, and pauses.
    loop {
        let shown = till.get(&format!("/v1/payments/{id}")).await;
        let steps = shown["steps"].as_array().unwrap();
        if steps
            .iter()
            .any(|step| step["step"] == "charge" && !step["outcome"].is_null())
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let stranger = Processor(webhooks::Secret::generate());
    unsigned(&stranger.tells(&till, "evt_1", "charge.captured", &id).await);
    unsigned(&till.send("POST", "/v1/processor-webhooks", &[], "{}").await);
    let old_s = SystemClock.unix_ms() / 1_000 - 3_600;
    unsigned(
        &processor
            .tells_at(&till, old_s, "evt_1", "charge.captured", &id)
            .await,
    );
    let asked = |id: &str| stub.charge(id).unwrap().asked;
    let before = asked(&id);
    let strange = processor.tells(&till, "evt_0", "charge.captured", "4711").await;
    assert_eq!(strange.status, 204, "of no payment of ours: {strange:?}");
    assert_eq!(asked(&id), before, "nobody was woken");
    for (delivery, kind) in [
        ("evt_3", "charge.captured"),
        ("evt_3", "charge.captured"),
        ("evt_2", "charge.authorized"),
    ] {
        let heard = processor.tells(&till, delivery, kind, &id).await;
        assert_eq!(heard.status, 204, "{heard:?}");
    }
    till.settled(&id, &["captured"]).await;
    let late = processor.tells(&till, "evt_2", "charge.authorized", &id).await;
    assert_eq!(late.status, 204, "{late:?}");
    till.settled(&id, &["captured"]).await;
    let charge = stub.charge(&id).unwrap();
    assert_eq!((charge.net(), charge.asked["authorize"]), (700, 1), "{charge:?}");
    assert_eq!(till.balance("1002").await, (700, 0));
}
