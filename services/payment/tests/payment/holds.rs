//! Setting money aside, and what becomes of it.

use std::time::Duration;

use clock::ManualClock;
use serde_json::json;

use crate::harness::{Service, Setup, eventually, transfer};

/// In the past: hours pass here, and no ledger takes a moment ahead of its engine's clock.
const NOW_MS: u64 = 1_768_464_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_held_is_not_available_and_is_captured_in_parts_up_to_the_whole() {
    let service = Service::start().await;
    service.open_books().await;
    let hold = service
        .post("/v1/holds", transfer(1001, 1002, "700"))
        .await
        .expect(201);
    assert_eq!(
        (&hold["state"], &hold["remaining"]),
        (&json!("open"), &json!("700"))
    );
    assert_eq!(
        service.balance(1001).await,
        ("1000".into(), "700".into(), "300".into())
    );
    let refused = service.post("/v1/transfers", transfer(1001, 1003, "301")).await;
    assert_eq!(refused.problem(), (422, "insufficient_funds".to_owned()));
    let path = format!("/v1/holds/{}", hold["id"].as_str().unwrap());
    let capture = format!("{path}/capture");
    let part = service.post(&capture, json!({"amount": "200"})).await.expect(201);
    assert_eq!(
        (&part["hold"]["captured"], &part["hold"]["state"]),
        (&json!("200"), &json!("open"))
    );
    assert_eq!(
        (&part["transfer"]["kind"], &part["transfer"]["amount"]),
        (&json!("capture"), &json!("200"))
    );
    assert_eq!(part["transfer"]["hold_id"], hold["id"]);
    let too_much = service.post(&capture, json!({"amount": "501"})).await;
    assert_eq!(too_much.problem(), (422, "capture_exceeds_hold".to_owned()));
    let rest = service.post(&capture, json!({})).await.expect(201);
    assert_eq!(
        (&rest["hold"]["state"], &rest["transfer"]["amount"]),
        (&json!("captured"), &json!("500"))
    );
    assert_eq!(
        service.balance(1001).await,
        ("300".into(), "0".into(), "300".into())
    );
    assert_eq!(service.get(&path).await.expect(200), rest["hold"]);
    let again = service.post(&capture, json!({})).await;
    assert_eq!(again.problem(), (409, "hold_not_open".to_owned()));
    service.is_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_final_capture_and_a_void_let_the_rest_go() {
    let service = Service::start().await;
    service.open_books().await;
    let place = async || {
        let hold = service
            .post("/v1/holds", transfer(1001, 1002, "400"))
            .await
            .expect(201);
        hold["id"].as_str().unwrap().to_owned()
    };
    let (one, two) = (place().await, place().await);
    let body = json!({"amount": "100", "final": true});
    let done = service
        .post(&format!("/v1/holds/{one}/capture"), body)
        .await
        .expect(201);
    assert_eq!(
        (&done["hold"]["captured"], &done["hold"]["released"]),
        (&json!("100"), &json!("300"))
    );
    let path = format!("/v1/holds/{two}/void");
    let token = service.token("acme");
    let void = async |key| {
        let null = serde_json::Value::Null;
        service
            .send_under(&token, key, http::Method::POST, &path, &null)
            .await
    };
    // Whoever asks for something believes that it is done.
    for (body, status) in [
        (json!({"amount": "100"}), 422),
        (json!({"reason": "none"}), 422),
        (json!([]), 422),
    ] {
        let refused = service.post(&path, body.clone()).await;
        assert_eq!(
            refused.problem(),
            (status, "invalid_request".to_owned()),
            "{body}"
        );
    }
    let voided = void(Some("void-1")).await.expect(201);
    assert_eq!(
        (&voided["hold"]["state"], &voided["transfer"]["postings"]),
        (&json!("voided"), &json!([]))
    );
    assert!(void(Some("void-1")).await.is_replay());
    assert_eq!(void(None).await.problem(), (409, "hold_not_open".to_owned()));
    let empty = service.post(&path, json!({})).await;
    assert_eq!(empty.problem(), (409, "hold_not_open".to_owned()));
    assert_eq!(
        service.balance(1001).await,
        ("900".into(), "0".into(), "900".into())
    );
    let listed = service.get("/v1/holds?account_id=1001&limit=1").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let path = format!(
        "/v1/holds?account_id=1001&cursor={}",
        listed["next_cursor"].as_str().unwrap()
    );
    let last = service.get(&path).await.expect(200);
    assert_eq!(
        (last["items"].as_array().unwrap().len(), &last["next_cursor"]),
        (1, &json!(null))
    );
    assert_eq!(
        service.get("/v1/holds?account_id=1003").await.expect(200)["items"],
        json!([])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn overdue_holds_are_let_go_by_one_of_two_processes_also_after_a_standstill() {
    let clock = ManualClock::at(NOW_MS);
    // So few at once that a standstill leaves several looks' work.
    let few = |settings: &mut payment::Settings| {
        settings.holds.expiry_interval_ms = 20;
        settings.holds.expiry_batch_max = 2;
    };
    let service = Setup::new().clock(&clock).change(few).start().await;
    service.open_books().await;
    let mut holds = Vec::new();
    for _ in 0..7 {
        let mut body = transfer(1001, 1002, "100");
        body["expires_in_s"] = json!(60);
        let hold = service.post("/v1/holds", body).await.expect(201);
        holds.push(hold["id"].as_str().unwrap().to_owned());
    }
    let kept = service
        .post("/v1/holds", transfer(1001, 1002, "100"))
        .await
        .expect(201);
    let folder = service.stop().await;
    clock.advance(Duration::from_secs(61));
    let (one, two) = tokio::join!(
        Setup::at(folder.clone()).clock(&clock).change(few).start(),
        Setup::at(folder).clock(&clock).change(few).start(),
    );
    eventually("all overdue holds are let go", async || {
        one.balance(1001).await.1 == "100"
    })
    .await;
    for id in &holds {
        let hold = one.get(&format!("/v1/holds/{id}")).await.expect(200);
        assert_eq!(
            (&hold["state"], &hold["released"]),
            (&json!("expired"), &json!("100"))
        );
        let capture = one.post(&format!("/v1/holds/{id}/capture"), json!({})).await;
        assert_eq!(capture.problem(), (409, "hold_not_open".to_owned()));
    }
    let path = format!("/v1/holds/{}", kept["id"].as_str().unwrap());
    assert_eq!(one.get(&path).await.expect(200)["state"], "open");
    let metric = "payment_holds_expired_total ";
    assert_eq!(
        one.metric(metric).await + two.metric(metric).await,
        7,
        "each once"
    );
    one.is_balanced().await;
    one.stop().await;
    two.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_whose_time_is_over_is_not_captured_before_anybody_let_it_go() {
    let clock = ManualClock::at(NOW_MS);
    let never = |settings: &mut payment::Settings| {
        settings.holds.expiry_interval_ms = 3_600_000;
        // The clock jumps, and the worker number is to last.
        settings.lease.lease_ms = 3_600_000;
    };
    let service = Setup::new().clock(&clock).change(never).start().await;
    service.open_books().await;
    let mut body = transfer(1001, 1002, "100");
    body["expires_in_s"] = json!(60);
    let hold = service.post("/v1/holds", body.clone()).await.expect(201);
    clock.advance(Duration::from_secs(60));
    let path = format!("/v1/holds/{}/capture", hold["id"].as_str().unwrap());
    let refused = service.post(&path, json!({})).await;
    assert_eq!(refused.problem(), (409, "hold_expired".to_owned()));
    for lasts_s in [0, 2_678_401] {
        body["expires_in_s"] = json!(lasts_s);
        let refused = service.post("/v1/holds", body.clone()).await;
        assert_eq!(refused.problem(), (422, "expiry_invalid".to_owned()));
    }
}
