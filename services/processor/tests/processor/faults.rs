//! Each fault control, seen from outside.

use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::http::call;

use crate::service::{SECRET, Service, charge};

#[tokio::test]
async fn without_the_setting_there_are_no_faults() {
    let service = Service::start_with(|settings| settings.fault_controls = false).await;
    for method in [Method::GET, Method::DELETE] {
        let url = format!("{}/v1/processor/faults", service.url);
        let refused = call(method, url).bearer(SECRET).send().await;
        assert_eq!(refused.json()["code"], "fault_controls_off");
    }
    service.stop().await;
}

#[tokio::test]
async fn the_next_charges_are_declined_and_then_no_more() {
    let service = Service::start().await;
    service.faults(&json!({"decline_next": 1})).await;
    assert_eq!(service.captured("a").await["status"], "declined");
    // A repeat uses nothing up and changes nothing.
    assert_eq!(service.captured("a").await["status"], "declined");
    assert_eq!(service.captured("b").await["status"], "captured");
    service.faults(&json!({"decline_ppm": 1_000_000})).await;
    assert_eq!(service.captured("c").await["status"], "declined");
    let url = format!("{}/v1/processor/faults", service.url);
    let too_long = call(Method::PUT, &url)
        .bearer(SECRET)
        .json(&json!({"delay_ms": 60_001}));
    assert_eq!(too_long.send().await.json()["errors"][0]["pointer"], "/delay_ms");
    let reset = call(Method::DELETE, &url).bearer(SECRET).send().await;
    assert_eq!(reset.status, StatusCode::NO_CONTENT);
    assert_eq!(service.captured("d").await["status"], "captured");
    service.stop().await;
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_a_lookup_and_a_repeat_gets_it() {
    let service = Service::start().await;
    service.faults(&json!({"lose_answer_after_charge": 1})).await;
    let lost = call(Method::POST, format!("{}/v1/processor/charges", service.url))
        .bearer(SECRET)
        .header("idempotency-key", "k")
        .header("orrery-deadline-ms", "300")
        .json(&charge("payment/1", true))
        .send()
        .await;
    assert_eq!(lost.status, StatusCode::GATEWAY_TIMEOUT);
    let found = service.get("charges?reference=payment/1").await.json();
    assert_eq!(found["charges"][0]["status"], "captured");
    let again = service.post("charges", "k", &charge("payment/1", true)).await;
    assert_eq!(again.header("idempotency-replayed"), "true");
    assert_eq!(again.json()["id"], found["charges"][0]["id"]);
    service.stop().await;
}

#[tokio::test]
async fn a_charge_that_is_late_is_under_way_and_not_missing() {
    let service = Service::start().await;
    service.faults(&json!({"delay_ms": 600})).await;
    let late = call(Method::POST, format!("{}/v1/processor/charges", service.url))
        .bearer(SECRET)
        .header("idempotency-key", "k")
        .header("orrery-deadline-ms", "100")
        .json(&charge("payment/1", true))
        .send()
        .await;
    assert_eq!(late.status, StatusCode::GATEWAY_TIMEOUT);
    let under_way = service.get("charges?reference=payment/1").await;
    assert_eq!(under_way.json()["code"], "charge_in_flight");
    service
        .until("it is there", async || {
            service.get("charges?reference=payment/1").await.status == StatusCode::OK
        })
        .await;
    service.stop().await;
}

#[tokio::test]
async fn while_webhooks_are_doubled_each_comes_twice_and_afterwards_once() {
    let service = Service::start().await;
    service.faults(&json!({"webhooks": "doubled"})).await;
    service.captured("a").await;
    service.told(2).await;
    service.faults(&json!({"webhooks": "none"})).await;
    service.captured("b").await;
    service.told(3).await;
    service.shows("processor_webhooks_pending 0").await;
    let told = service.receiver.told();
    let about = |at: usize| {
        let body: Value = serde_json::from_slice(&told[at].1).unwrap();
        body["data"]["reference"].as_str().unwrap().to_owned()
    };
    assert_eq!(told.len(), 3);
    assert_eq!([about(0), about(1), about(2)], ["a", "a", "b"]);
    assert_eq!(told[0].0["webhook-id"], told[1].0["webhook-id"]);
    service.stop().await;
}

#[tokio::test]
async fn webhooks_are_doubled_and_come_out_of_order() {
    let service = Service::start().await;
    service.faults(&json!({"answer_twice": 1})).await;
    service.captured("a").await;
    service.told(2).await;
    service.captured("b").await;
    service.told(3).await;
    let told = service.receiver.told();
    assert_eq!(told[0].0["webhook-id"], told[1].0["webhook-id"]);
    assert_ne!(told[1].0["webhook-id"], told[2].0["webhook-id"]);
    service.faults(&json!({"webhooks": "out_of_order"})).await;
    let id = service.captured("c").await["id"].as_str().unwrap().to_owned();
    service
        .post(&format!("charges/{id}/refunds"), "r", &json!({}))
        .await;
    service.told(4).await;
    service.clock.advance(Duration::from_secs(3));
    service.told(5).await;
    assert_eq!(
        service.receiver.types()[3..],
        ["charge.refunded", "charge.captured"]
    );
    service.stop().await;
}
