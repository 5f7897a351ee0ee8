//! Transfers, transactions and reversals.

use serde_json::{Value, json};

use crate::harness::{Service, Setup, transfer};

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_moves_money_and_is_shown_with_its_lines() {
    let service = Service::start().await;
    service.open_books().await;
    let mut body = transfer(1001, 1002, "700");
    body["id"] = json!("5000");
    body["description"] = json!("Lunch, \u{fc}ber \"quoted\"");
    body["metadata"] = json!({"order": "o-1"});
    let made = service.post("/v1/transfers", body).await;
    assert_eq!(made.header("cache-control"), Some("private, no-store"));
    let made = made.expect(201);
    assert_eq!(made["kind"], "transfer");
    assert_eq!(
        made["postings"][0],
        json!({"account_id": "1001", "direction": "debit", "amount": "700", "currency": "EUR"})
    );
    assert_eq!(made["postings"][1]["direction"], "credit");
    assert_eq!((&made["amount"], &made["reversed"]), (&json!("700"), &json!("0")));
    assert_eq!(made["metadata"], json!({"order": "o-1"}));
    assert_eq!(service.get("/v1/transfers/5000").await.expect(200), made);
    assert_eq!(service.balance(1001).await.0, "300");
    assert_eq!(service.balance(1002).await.0, "700");
    assert_eq!(service.balance(1000).await.0, "1000");
    service.is_balanced().await;
    let taken = service.post(
        "/v1/transfers",
        json!({"id": "5000", "debit_account_id": "1001",
        "credit_account_id": "1002", "amount": "1", "currency": "EUR"}),
    );
    assert_eq!(taken.await.problem(), (409, "id_taken".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_account_has_not_is_not_taken_from_it() {
    let service = Service::start().await;
    service.open_books().await;
    let before = service.everything().await;
    let refused = service.post("/v1/transfers", transfer(1001, 1002, "1001")).await;
    assert_eq!(refused.problem(), (422, "insufficient_funds".to_owned()));
    assert_eq!(service.everything().await, before);
    service
        .post("/v1/transfers", transfer(1001, 1002, "1000"))
        .await
        .expect(201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_many_lines_is_posted_whole_or_not_at_all() {
    let service = Service::start().await;
    service.open_books().await;
    let line = |account: &str, direction: &str, amount: &str| json!({"account_id": account, "direction": direction, "amount": amount, "currency": "EUR"});
    let sale = json!({"postings": [
        line("1001", "debit", "1000"), line("1002", "credit", "950"), line("1003", "credit", "50"),
    ]});
    let made = service.post("/v1/transactions", sale.clone()).await.expect(201);
    assert_eq!(made["kind"], "transaction");
    assert_eq!(made["amount"], Value::Null, "which amount, of three lines?");
    assert_eq!(
        (service.balance(1002).await.0, service.balance(1003).await.0),
        ("950".into(), "50".into())
    );
    let before = service.everything().await;
    let refused = service.post("/v1/transactions", sale).await;
    assert_eq!(refused.problem(), (422, "insufficient_funds".to_owned()));
    let unbalanced = json!({"postings": [line("1002", "debit", "3"), line("1003", "credit", "2")]});
    let refused = service.post("/v1/transactions", unbalanced).await;
    assert_eq!(refused.problem(), (422, "unbalanced".to_owned()));
    let turned = json!({"postings": [
        line("1002", "debit", "3"), line("1002", "credit", "2"), line("1003", "credit", "1"),
    ]});
    let refused = service.post("/v1/transactions", turned).await;
    assert_eq!(refused.problem(), (422, "same_account".to_owned()));
    assert_eq!(refused.pointers(), ["/postings/1/account_id"]);
    assert_eq!(service.everything().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exchange_goes_through_liquidity_accounts_and_its_rate_is_recorded() {
    let service = Service::start().await;
    service.open_books().await;
    // What the exchange office has of each currency: it owes what it gave, so both may be overdrawn.
    for (id, currency) in [(2001, "EUR"), (2002, "USD")] {
        let body = json!({"id": id.to_string(), "kind": "equity", "currency": currency});
        service.post("/v1/accounts", body).await.expect(201);
    }
    service.open(1011, "liability", "USD").await;
    let exchange = |dollars: &str, rate: &str| {
        let line = |account: &str, direction: &str, amount: &str, currency: &str| json!({"account_id": account, "direction": direction, "amount": amount, "currency": currency});
        json!({
            "postings": [
                line("1001", "debit", "1000", "EUR"), line("2001", "credit", "1000", "EUR"),
                line("2002", "debit", dollars, "USD"), line("1011", "credit", dollars, "USD"),
            ],
            "exchange": {"from": "EUR", "to": "USD", "rate": rate},
        })
    };
    // 10.00 EUR at 1.0837 are 10.837 USD: 10.84, and neither a cent less nor one more.
    for dollars in ["1083", "1085", "1090"] {
        let refused = service
            .post("/v1/transactions", exchange(dollars, "1.0837"))
            .await;
        assert_eq!(refused.problem(), (422, "exchange_invalid".to_owned()));
        assert_eq!(refused.pointers(), ["/exchange/rate"]);
        let named = "1000 minor units of EUR come to 1084 of USD";
        assert!(refused.text().contains(named), "{}", refused.text());
    }
    // Balanced in each currency, and nobody would know at which rate.
    let mut silent = exchange("1084", "1.0837");
    silent.as_object_mut().unwrap().remove("exchange");
    let refused = service.post("/v1/transactions", silent).await;
    assert_eq!(refused.problem(), (422, "exchange_missing".to_owned()));
    assert_eq!(refused.pointers(), ["/exchange"]);
    assert_eq!(service.balance(1011).await.0, "0");
    let made = service
        .post("/v1/transactions", exchange("1084", "1.0837"))
        .await
        .expect(201);
    assert_eq!(
        made["exchange"],
        json!({"from": "EUR", "to": "USD", "rate": "1.0837"})
    );
    let id = made["id"].as_str().unwrap();
    assert_eq!(
        service.get(&format!("/v1/transfers/{id}")).await.expect(200),
        made
    );
    assert_eq!(service.balance(1011).await.0, "1084");
    service.is_balanced().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reversal_is_a_new_row_that_points_at_the_old_and_never_takes_back_more() {
    let service = Service::start().await;
    service.open_books().await;
    let made = service
        .post("/v1/transfers", transfer(1001, 1002, "700"))
        .await
        .expect(201);
    let path = format!("/v1/transfers/{}", made["id"].as_str().unwrap());
    let reversal = format!("{path}/reversal");
    let part = service
        .post(&reversal, json!({"amount": "200"}))
        .await
        .expect(201);
    assert_eq!(
        (&part["kind"], &part["reverses"]),
        (&json!("reversal"), &made["id"])
    );
    assert_eq!(part["debit_account_id"], "1002");
    assert_eq!(service.get(&path).await.expect(200)["reversed"], "200");
    let too_much = service.post(&reversal, json!({"amount": "501"})).await;
    assert_eq!(too_much.problem(), (422, "reversal_exceeds".to_owned()));
    let rest = service.post(&reversal, json!({})).await.expect(201);
    assert_eq!(rest["amount"], "500");
    assert_eq!(service.balance(1001).await.0, "1000");
    let nothing_left = service.post(&reversal, json!({})).await;
    assert_eq!(nothing_left.problem(), (422, "reversal_exceeds".to_owned()));
    let of_reversal = format!("/v1/transfers/{}/reversal", rest["id"].as_str().unwrap());
    let refused = service.post(&of_reversal, json!({})).await;
    assert_eq!(refused.problem(), (422, "not_reversible".to_owned()));
    let missing = service.post("/v1/transfers/9/reversal", json!({})).await;
    assert_eq!(missing.problem(), (404, "transfer_not_found".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_most_that_moves_at_once_is_a_setting_for_transfers_lines_and_holds_alike() {
    let setup = Setup::new().change(|settings| settings.limits.transfer_minor_max = 1_000);
    let service = setup.start().await;
    service.open_books().await;
    let line = |account: &str, direction: &str| json!({"account_id": account, "direction": direction, "amount": "1001", "currency": "EUR"});
    for (path, body) in [
        ("/v1/transfers", transfer(1000, 1001, "1001")),
        ("/v1/holds", transfer(1000, 1001, "1001")),
        (
            "/v1/transactions",
            json!({"postings": [line("1000", "debit"), line("1001", "credit")]}),
        ),
    ] {
        let refused = service.post(path, body).await;
        assert_eq!(refused.problem(), (422, "amount_over_limit".to_owned()), "{path}");
    }
}
