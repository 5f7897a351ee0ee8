//! Charges over HTTP.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::http::{call, get};
use webhooks::{Headers, Secret, TOLERANCE_S, verify};

use crate::service::{NOW_MS, SECRET, Service, WEBHOOK_SECRET, charge};

#[tokio::test]
async fn a_charge_is_authorized_captured_in_part_and_refunded_in_parts() {
    let service = Service::start().await;
    let made = service.post("charges", "k1", &charge("payment/1", false)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    assert_eq!(made.json()["status"], "authorized");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let captured = service
        .post(&format!("charges/{id}/capture"), "k2", &json!({"amount": "500"}))
        .await;
    assert_eq!(captured.json()["captured_amount"], "500", "{}", captured.text());
    let refunds = format!("charges/{id}/refunds");
    let part = service
        .post(&refunds, "k3", &json!({"amount": "200", "reference": "r/1"}))
        .await;
    assert_eq!(part.json()["status"], "partially_refunded", "{}", part.text());
    let more = service.post(&refunds, "k4", &json!({"amount": "301"})).await;
    assert_eq!(
        (more.status.as_u16(), &more.json()["code"]),
        (422, &json!("amount_too_large"))
    );
    // A refusal is remembered with its key.
    assert_eq!(
        service
            .post(&refunds, "k4", &json!({"amount": "301"}))
            .await
            .status
            .as_u16(),
        422
    );
    let rest = service.post(&refunds, "k5", &json!({})).await;
    assert_eq!(rest.json()["status"], "refunded", "{}", rest.text());
    let shown = service.get(&format!("charges/{id}")).await.json();
    assert_eq!(shown["refunded_amount"], "500");
    // Of one millisecond, they come in any order.
    let refunds = shown["refunds"].as_array().unwrap();
    let by_amount = |amount: &str| refunds.iter().find(|refund| refund["amount"] == amount);
    assert_eq!(by_amount("200").unwrap()["reference"], "r/1");
    assert!(by_amount("300").is_some() && refunds.len() == 2, "{shown}");
    service.stop().await;
}

#[tokio::test]
async fn what_cannot_follow_is_refused_and_moves_nothing() {
    let service = Service::start().await;
    let declined = json!({"amount": "700", "currency": "EUR", "method": "tok_chargeDeclinedInsufficientFunds",
        "reference": "payment/1"});
    let declined = service.post("charges", "k1", &declined).await;
    assert_eq!(declined.status, StatusCode::CREATED);
    assert_eq!(declined.json()["decline_code"], "insufficient_funds");
    let id = declined.json()["id"].as_str().unwrap().to_owned();
    let voided = service
        .post("charges", "k2", &charge("payment/2", false))
        .await
        .json();
    let voided = voided["id"].as_str().unwrap().to_owned();
    assert_eq!(
        service
            .post(&format!("charges/{voided}/void"), "k3", &json!({}))
            .await
            .json()["status"],
        "voided"
    );
    for (path, code) in [
        (format!("charges/{id}/capture"), "charge_not_capturable"),
        (format!("charges/{id}/void"), "charge_not_voidable"),
        (format!("charges/{id}/refunds"), "charge_not_refundable"),
        (format!("charges/{voided}/capture"), "charge_not_capturable"),
        ("charges/ch_none/capture".to_owned(), "not_found"),
    ] {
        let refused = service.post(&path, &format!("key-{path}"), &json!({})).await;
        assert_eq!(refused.json()["code"], code, "{path}");
    }
    service.stop().await;
}

#[tokio::test]
async fn of_many_racing_copies_one_has_an_effect_and_all_get_its_answer() {
    let service = Service::start().await;
    let body = charge("payment/1", true);
    let racing: Vec<_> = (0..16).map(|_| service.post("charges", "k", &body)).collect();
    let mut ids = std::collections::BTreeSet::new();
    for answer in futures::future::join_all(racing).await {
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        ids.insert(answer.json()["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 1);
    let found = service.get("charges?reference=payment/1").await.json();
    assert_eq!(found["charges"].as_array().unwrap().len(), 1);
    let by_key = service.get("charges?idempotency_key=k").await.json();
    assert_eq!(by_key["charges"][0]["reference"], "payment/1");
    let other = service.post("charges", "k", &charge("payment/2", true)).await;
    assert_eq!(other.json()["code"], "idempotency_key_reused");
    let none = service.get("charges?reference=payment/9").await;
    assert_eq!(none.json(), json!({"charges": []}));
    service.stop().await;
}

#[tokio::test]
async fn bad_input_is_named_and_card_numbers_are_never_taken() {
    let service = Service::start().await;
    let with = |name: &str, value: Value| {
        let mut body = charge("payment/1", true);
        body[name] = value;
        body
    };
    for (body, code) in [
        (with("amount", json!("0")), "invalid_request"),
        (with("amount", json!("-1")), "invalid_request"),
        (with("amount", json!("1.5")), "invalid_request"),
        (with("amount", json!("007")), "invalid_request"),
        (with("amount", json!(7)), "invalid_request"),
        (with("amount", json!("1000000000000")), "invalid_request"),
        (with("currency", json!("eur")), "invalid_request"),
        (with("method", json!("visa")), "invalid_request"),
        (with("method", json!("tok_nobody")), "method_unknown"),
        (with("reference", json!("")), "invalid_request"),
        (with("reference", json!("a,b")), "invalid_request"),
        (with("other", json!(1)), "invalid_request"),
        (with("method", json!("4242424242424242")), "card_number_refused"),
        (
            with("reference", json!("4242-4242-4242-4242")),
            "card_number_refused",
        ),
        (
            with("other", json!([{"deep": 4_242_424_242_424_242_u64}])),
            "card_number_refused",
        ),
    ] {
        let refused = service.post("charges", "k", &body).await;
        assert_eq!(refused.json()["code"], code, "{body}");
        assert!(!refused.text().contains("4242"), "{}", refused.text());
    }
    let url = format!("{}/v1/processor/charges", service.url);
    let body = charge("payment/117093590311632896", true);
    let keyless = call(Method::POST, &url).bearer(SECRET).json(&body).send().await;
    assert_eq!(keyless.json()["code"], "idempotency_key_missing");
    for stranger in ["psk_wrong", ""] {
        let refused = get(format!("{url}?reference=a")).bearer(stranger).send().await;
        assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(
        service.get("charges?reference=payment/1").await.json(),
        json!({"charges": []})
    );
    let taken = service.post("charges", "k", &body).await;
    assert_eq!(
        taken.status,
        StatusCode::CREATED,
        "an id of ours is no card: {}",
        taken.text()
    );
    service.stop().await;
}

#[tokio::test]
async fn webhooks_are_signed_and_come_again_until_they_are_answered() {
    let service = Service::start().await;
    service.receiver.refuse(1);
    service.captured("payment/1").await;
    service.told(1).await;
    service.clock.advance(std::time::Duration::from_mins(1));
    service.told(2).await;
    let told = service.receiver.told();
    let header = |at: usize, name: &str| told[at].0[name].to_str().unwrap().to_owned();
    assert_eq!(header(0, "webhook-id"), header(1, "webhook-id"));
    for (at, (_, body)) in told.iter().enumerate() {
        let headers = [
            header(at, "webhook-id"),
            header(at, "webhook-timestamp"),
            header(at, "webhook-signature"),
        ];
        let headers = Headers {
            id: &headers[0],
            timestamp: &headers[1],
            signature: &headers[2],
        };
        let secret = Secret::parse(WEBHOOK_SECRET).unwrap();
        verify(&[secret], headers, body, NOW_MS / 1_000, TOLERANCE_S).unwrap();
    }
    let body: Value = serde_json::from_slice(&told[0].1).unwrap();
    assert_eq!(
        (&body["type"], &body["data"]["reference"]),
        (&json!("charge.captured"), &json!("payment/1"))
    );
    service
        .until("none waits", async || {
            let metrics = get(format!("{}/metrics", service.admin)).send().await.text();
            metrics.contains("processor_webhooks_pending 0")
        })
        .await;
    service.stop().await;
}
