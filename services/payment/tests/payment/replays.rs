//! Idempotency: one effect and one answer, whoever asks how often.

use std::sync::Arc;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Service, Setup, transfer};

#[tokio::test(flavor = "multi_thread")]
async fn each_post_that_moves_money_needs_a_key() {
    let service = Service::start().await;
    service.open_books().await;
    let hold = service
        .post("/v1/holds", transfer(1001, 1002, "1"))
        .await
        .expect(201);
    let before = service.everything().await;
    let token = service.token("acme");
    let capture = format!("/v1/holds/{}/capture", hold["id"].as_str().unwrap());
    for (path, body) in [
        ("/v1/transfers", transfer(1001, 1002, "1")),
        (
            "/v1/transfers/batch",
            json!({"transfers": [transfer(1001, 1002, "1")]}),
        ),
        ("/v1/transactions", json!({"postings": []})),
        ("/v1/transfers/1/reversal", json!({})),
        ("/v1/holds", transfer(1001, 1002, "1")),
        (capture.as_str(), json!({})),
    ] {
        let refused = service.send_under(&token, None, Method::POST, path, &body).await;
        assert_eq!(
            refused.problem(),
            (400, "idempotency_key_missing".to_owned()),
            "{path}"
        );
        let odd = service
            .send_under(&token, Some("two words"), Method::POST, path, &body)
            .await;
        assert_eq!(
            odd.problem(),
            (400, "idempotency_key_malformed".to_owned()),
            "{path}"
        );
    }
    assert_eq!(service.everything().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_gets_the_first_answer_whatever_happened_since_and_so_does_a_refused_one() {
    let service = Service::start().await;
    service.open_books().await;
    let too_much = transfer(1001, 1002, "1500");
    let refused = service.post_under("k-1", "/v1/transfers", &too_much).await;
    assert_eq!(refused.problem(), (422, "insufficient_funds".to_owned()));
    assert!(!refused.is_replay());
    let body = transfer(1001, 1002, "500");
    let made = service
        .post_under("k-2", "/v1/transfers", &body)
        .await
        .expect(201);
    let path = format!("/v1/transfers/{}/reversal", made["id"].as_str().unwrap());
    service.post(&path, json!({})).await.expect(201);
    service
        .post("/v1/transfers", transfer(1000, 1001, "5000"))
        .await
        .expect(201);
    // By now there would be enough.
    let refused = service.post_under("k-1", "/v1/transfers", &too_much).await;
    assert_eq!(refused.problem(), (422, "insufficient_funds".to_owned()));
    assert!(refused.is_replay());
    let again = service.post_under("k-2", "/v1/transfers", &body).await;
    assert!(again.is_replay());
    assert_eq!(again.expect(201), made);
    let other = service
        .post_under("k-2", "/v1/transfers", &transfer(1001, 1002, "501"))
        .await;
    assert_eq!(other.problem(), (422, "idempotency_key_reused".to_owned()));
    assert!(!other.is_replay());
    let taken = json!({"id": "1001", "currency": "EUR", "kind": "asset"});
    for is_replay in [false, true] {
        let refused = service.post_under("k-3", "/v1/accounts", &taken).await;
        assert_eq!(refused.problem(), (409, "id_taken".to_owned()));
        assert_eq!(refused.is_replay(), is_replay);
    }
    // A key is one user's.
    let bob = service.token_for("acme", "bob", "ledger:write");
    let own = service
        .send_under(&bob, Some("k-2"), Method::POST, "/v1/transfers", &body)
        .await;
    assert!(!own.is_replay());
    own.expect(201);
}

/// Sends the same under one key through both, all at once.
async fn storm(services: &[Arc<Service>], copies: usize, path: &str, body: &Value) -> Vec<Answer> {
    let token = services[0].token("acme");
    let racers: Vec<_> = (0..copies)
        .map(|index| {
            let service = Arc::clone(&services[index % services.len()]);
            let (token, path, body) = (token.clone(), path.to_owned(), body.clone());
            // Each process signs with a key of its own.
            let token = if index % services.len() == 0 {
                token
            } else {
                service.token("acme")
            };
            tokio::spawn(async move {
                service
                    .send_under(&token, Some("storm"), Method::POST, &path, &body)
                    .await
            })
        })
        .collect();
    let mut answers = Vec::new();
    for racer in racers {
        answers.push(racer.await.unwrap());
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_racing_copies_at_two_processes_one_has_the_effect_and_all_have_its_answer() {
    let one = Service::start().await;
    one.open_books().await;
    let two = Setup::at(one.folder.clone()).start().await;
    let services = [Arc::new(one), Arc::new(two)];
    let answers = storm(&services, 64, "/v1/transfers", &transfer(1001, 1002, "700")).await;
    let first = answers[0].expect(201);
    assert!(answers.iter().all(|answer| answer.expect(201) == first));
    let fresh = answers.iter().filter(|answer| !answer.is_replay()).count();
    assert_eq!(fresh, 1);
    assert_eq!(services[0].balance(1001).await.0, "300");
    let entries = services[1].get("/v1/accounts/1002/entries").await.expect(200);
    assert_eq!(entries["items"].as_array().unwrap().len(), 1);
    services[0].is_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn singles_of_many_clients_at_two_processes_all_count_and_never_overdraw() {
    let one = Service::start().await;
    one.open_books().await;
    let two = Setup::at(one.folder.clone()).start().await;
    let services = [Arc::new(one), Arc::new(two)];
    // 120 ask for 10 of the 1,000 there are: 100 get it.
    let racers: Vec<_> = (0..120_usize)
        .map(|index| {
            let service = Arc::clone(&services[index % 2]);
            tokio::spawn(async move {
                let key = format!("race-{index}");
                service
                    .post_under(&key, "/v1/transfers", &transfer(1001, 1002, "10"))
                    .await
                    .status
            })
        })
        .collect();
    let mut made = 0;
    for racer in racers {
        match racer.await.unwrap() {
            201 => made += 1,
            422 => {}
            other => panic!("{other}"),
        }
    }
    assert_eq!(made, 100);
    assert_eq!(services[1].balance(1001).await.0, "0");
    assert_eq!(services[0].balance(1002).await.0, "1000");
}
