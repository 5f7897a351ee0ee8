//! Many transfers in one call.

use serde_json::{Value, json};

use crate::harness::{Service, transfer};

const PATH: &str = "/v1/transfers/batch";

fn statuses(answer: &Value) -> Vec<u64> {
    let results = answer["results"].as_array().unwrap();
    results
        .iter()
        .map(|row| row["status"].as_u64().unwrap())
        .collect()
}

fn codes(answer: &Value) -> Vec<&str> {
    let results = answer["results"].as_array().unwrap();
    results
        .iter()
        .map(|row| row["problem"]["code"].as_str().unwrap_or("ok"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_transfer_of_a_batch_has_its_own_outcome_in_the_order_it_was_asked_for() {
    let service = Service::start().await;
    service.open_books().await;
    let body = json!({"transfers": [
        transfer(1001, 1002, "600"),
        transfer(1001, 1003, "600"),
        transfer(1002, 1003, "100"),
        transfer(1002, 1002, "1"),
        transfer(1002, 9, "1"),
        transfer(1002, 1003, "-1"),
    ]});
    let answer = service.post(PATH, body).await.expect(200);
    assert_eq!(statuses(&answer), [201, 422, 201, 422, 422, 422]);
    assert_eq!(
        codes(&answer),
        [
            "ok",
            "insufficient_funds",
            "ok",
            "same_account",
            "account_not_found",
            "amount_invalid"
        ]
    );
    assert_eq!(
        answer["results"][5]["problem"]["errors"][0]["pointer"],
        "/transfers/5/amount"
    );
    assert_eq!(answer["results"][0]["transfer"]["amount"], "600");
    assert_eq!(
        [
            service.balance(1001).await.0,
            service.balance(1002).await.0,
            service.balance(1003).await.0
        ],
        ["400", "500", "100"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_or_nothing_is_all_or_nothing_whoever_refuses() {
    let service = Service::start().await;
    service.open_books().await;
    let before = service.everything().await;
    let body =
        |last: Value| json!({"all_or_nothing": true, "transfers": [transfer(1001, 1002, "600"), last]});
    let by_ledger = service
        .post(PATH, body(transfer(1001, 1003, "600")))
        .await
        .expect(200);
    assert_eq!(codes(&by_ledger), ["batch_refused", "insufficient_funds"]);
    let by_rule = service
        .post(PATH, body(transfer(1001, 1003, "0")))
        .await
        .expect(200);
    assert_eq!(codes(&by_rule), ["batch_refused", "amount_invalid"]);
    assert_eq!(service.everything().await, before);
    let good = service
        .post(PATH, body(transfer(1001, 1003, "400")))
        .await
        .expect(200);
    assert_eq!(statuses(&good), [201, 201]);
    assert_eq!(service.balance(1001).await.0, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_batch_gets_the_first_answers_and_moves_nothing_again() {
    let service = Service::start().await;
    service.open_books().await;
    let mut keyed = transfer(1002, 1003, "50");
    keyed["idempotency_key"] = json!("fee-1");
    let body = json!({"transfers": [
        transfer(1001, 1002, "100"), keyed.clone(), transfer(1003, 1001, "999"),
    ]});
    let first = service.post_under("batch-1", PATH, &body).await.expect(200);
    let again = service.post_under("batch-1", PATH, &body).await.expect(200);
    assert_eq!(codes(&first), codes(&again));
    for index in 0..2 {
        assert_eq!(
            first["results"][index]["transfer"],
            again["results"][index]["transfer"]
        );
        assert_eq!(first["results"][index]["replayed"], false);
        assert_eq!(again["results"][index]["replayed"], true);
    }
    assert_eq!(service.balance(1003).await.0, "50");
    // The key of an item is the user's own, as if it had been asked by itself.
    let alone = service
        .post_under("fee-1", "/v1/transfers", &transfer(1002, 1003, "50"))
        .await;
    assert!(alone.is_replay());
    assert_eq!(alone.expect(201), first["results"][1]["transfer"]);
    // Under another request's key it goes on as its own; under its own key with another amount it is refused.
    let mut other = keyed;
    other["amount"] = json!("51");
    let refused = service
        .post(PATH, json!({"transfers": [other]}))
        .await
        .expect(200);
    assert_eq!(codes(&refused), ["idempotency_key_reused"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_has_one_to_8190_transfers_and_no_key_twice() {
    let service = Service::start().await;
    service.open_books().await;
    let before = service.everything().await;
    let empty = service.post(PATH, json!({"transfers": []})).await;
    assert_eq!(empty.problem(), (422, "batch_size_invalid".to_owned()));
    let many: Vec<Value> = (0..8_191).map(|_| transfer(1000, 1001, "1")).collect();
    let too_many = service.post(PATH, json!({"transfers": many})).await;
    assert_eq!(too_many.problem(), (422, "batch_size_invalid".to_owned()));
    let mut keyed = transfer(1000, 1001, "1");
    keyed["idempotency_key"] = json!("twice");
    let twice = service.post(PATH, json!({"transfers": [keyed, keyed]})).await;
    assert_eq!(twice.problem(), (422, "idempotency_key_repeated".to_owned()));
    assert_eq!(twice.pointers(), ["/transfers/1/idempotency_key"]);
    keyed["idempotency_key"] = json!("not visible");
    let malformed = service.post(PATH, json!({"transfers": [keyed]})).await;
    assert_eq!(malformed.problem(), (422, "idempotency_key_malformed".to_owned()));
    assert_eq!(service.everything().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_8190_is_one_commit() {
    let service = Service::start().await;
    service.open_books().await;
    let many: Vec<Value> = (0..8_190).map(|_| transfer(1000, 1001, "1")).collect();
    let links = async || -> u64 {
        let chain = service.get("/v1/ledger/chain").await.expect(200);
        let heads = chain["heads"].as_array().unwrap();
        heads.iter().map(|head| head["link"].as_u64().unwrap()).sum()
    };
    let before = links().await;
    let answer = service.post(PATH, json!({"transfers": many})).await.expect(200);
    assert!(statuses(&answer).iter().all(|status| *status == 201));
    assert_eq!(links().await, before + 1);
    assert_eq!(service.balance(1001).await.0, "9190");
}
