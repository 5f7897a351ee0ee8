//! Bad input: the right problem, and nothing moves.

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Service, transfer};

fn with(field: &str, value: Value) -> Value {
    let mut body = transfer(1001, 1002, "100");
    body[field] = value;
    body
}

#[tokio::test(flavor = "multi_thread")]
async fn what_looks_like_a_card_number_gets_into_the_books_by_no_free_text() {
    let service = Service::start().await;
    service.open_books().await;
    let before = service.everything().await;
    let card = "4242 4242 4242 4242";
    let line = |account: &str, direction: &str| json!({"account_id": account, "direction": direction, "amount": "1", "currency": "EUR"});
    let transaction =
        json!({"postings": [line("1001", "debit"), line("1002", "credit")], "description": card});
    let account = |field: &str, value: Value| {
        let mut body = json!({"kind": "asset", "currency": "EUR"});
        body[field] = value;
        body
    };
    let mut asked = vec![
        ("/v1/transactions", transaction),
        ("/v1/accounts", account("name", json!(card))),
        ("/v1/accounts", account("metadata", json!({"pan": card}))),
    ];
    for path in ["/v1/transfers", "/v1/holds"] {
        for (field, value) in [
            ("description", json!(format!("card {card}"))),
            ("metadata", json!({"card_id": "4242424242424242"})),
            ("metadata", json!({"4242-4242-4242-4242": "x"})),
        ] {
            asked.push((path, with(field, value)));
        }
    }
    for (path, body) in asked {
        let answer = service.post(path, body).await;
        assert_eq!(
            answer.problem(),
            (422, "card_number_refused".to_owned()),
            "{path}"
        );
        assert!(!answer.text().contains("4242"), "{}", answer.text());
    }
    let batch = json!({"transfers": [with("description", json!(card))]});
    let answer = service.post("/v1/transfers/batch", batch).await;
    assert_eq!(
        answer.json()["results"][0]["problem"]["code"],
        "card_number_refused"
    );
    let named = service
        .send(Method::PATCH, "/v1/accounts/1001", &json!({"name": card}))
        .await;
    assert_eq!(named.problem().1, "card_number_refused");
    assert_eq!(service.everything().await, before, "nothing of it was kept");
    // Ids that pass Luhn's formula, as one in ten does.
    let mut body = with(
        "metadata",
        json!({"order_id": "4242424242424242428", "trace": "42424242-4242-4242-8aaa-aaaaaaaaaaaa"}),
    );
    body["id"] = json!("4242424242424242428");
    service.post("/v1/transfers", body).await.expect(201);
}

/// What is wrong with one transfer; with a hold it is the same.
fn table() -> Vec<(Value, &'static str, &'static str)> {
    let mut table = Vec::new();
    for amount in [
        "-1",
        "+1",
        "0",
        "00",
        "01",
        "",
        " 1",
        "1 ",
        "1.5",
        "1,5",
        "1e3",
        "0x10",
        "NaN",
        "Infinity",
        "१",
        "9223372036854775808",
        "18446744073709551617",
        "99999999999999999999999999999999999999999999999999",
    ] {
        table.push((with("amount", json!(amount)), "amount_invalid", "/amount"));
    }
    for amount in [
        json!(700),
        json!(7.5),
        json!(-1),
        json!(1e300),
        json!(null),
        json!(["1"]),
        json!({"value": "1"}),
        json!(true),
    ] {
        table.push((with("amount", amount), "invalid_request", "/amount"));
    }
    for id in [
        "0",
        "-1",
        "01",
        "",
        "x",
        "9223372036854775808",
        "1001 ",
        "1001;",
        "' OR 1=1 --",
    ] {
        table.push((
            with("debit_account_id", json!(id)),
            "id_invalid",
            "/debit_account_id",
        ));
        table.push((with("id", json!(id)), "id_invalid", "/id"));
    }
    table.extend(other_fields());
    table
}

/// The same of the fields beside amount and accounts.
fn other_fields() -> Vec<(Value, &'static str, &'static str)> {
    let mut table = Vec::new();
    table.push((
        with("credit_account_id", json!(1002)),
        "invalid_request",
        "/credit_account_id",
    ));
    for currency in ["eur", "EURO", "XXX", "", "€", "ZZZ", "EUR\u{0}"] {
        table.push((with("currency", json!(currency)), "currency_unknown", "/currency"));
    }
    table.push((transfer(1001, 1001, "1"), "same_account", "/credit_account_id"));
    table.push((
        with("description", json!("x".repeat(501))),
        "text_invalid",
        "/description",
    ));
    table.push((
        with("description", json!("nul \u{0}")),
        "text_invalid",
        "/description",
    ));
    table.push((
        with("metadata", json!({"k": "\u{0}"})),
        "metadata_invalid",
        "/metadata",
    ));
    table.push((
        with("metadata", json!({"": "v"})),
        "metadata_invalid",
        "/metadata",
    ));
    table.push((
        with("metadata", json!({"k": "v".repeat(5_000)})),
        "metadata_too_large",
        "/metadata",
    ));
    let many: serde_json::Map<_, _> = (0..51).map(|n| (n.to_string(), json!("v"))).collect();
    table.push((
        with("metadata", Value::Object(many)),
        "metadata_too_large",
        "/metadata",
    ));
    table.push((
        with("metadata", json!({"k": 1})),
        "invalid_request",
        "/metadata/k",
    ));
    table.push((with("colour", json!("red")), "invalid_request", "/colour"));
    table
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_or_hold_that_makes_no_sense_is_refused_at_its_field_and_nothing_moves() {
    let service = Service::start().await;
    service.open_books().await;
    let before = service.everything().await;
    for path in ["/v1/transfers", "/v1/holds"] {
        for (body, code, pointer) in table() {
            let refused = service.post(path, body.clone()).await;
            assert_eq!(refused.problem(), (422, code.to_owned()), "{path} {body}");
            assert_eq!(refused.pointers(), [pointer], "{path} {body}");
        }
        for field in ["debit_account_id", "credit_account_id", "amount", "currency"] {
            let mut body = transfer(1001, 1002, "1");
            body.as_object_mut().unwrap().remove(field);
            let refused = service.post(path, body).await;
            assert_eq!(refused.pointers(), [format!("/{field}")], "{path}");
        }
    }
    assert_eq!(service.everything().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_ledger_does_not_have_or_allow_is_refused_and_nothing_moves() {
    let service = Service::start().await;
    service.open_books().await;
    service.open(1012, "liability", "USD").await;
    service.open(4000, "asset", "EUR").await;
    service.open(4001, "equity", "EUR").await;
    let huge = service
        .post("/v1/transfers", transfer(4000, 4001, "9223372036854775807"))
        .await;
    huge.expect(201);
    let before = service.everything().await;
    let dollars = |debited: u64, credited: u64| {
        let mut body = transfer(debited, credited, "1");
        body["currency"] = json!("USD");
        body
    };
    for path in ["/v1/transfers", "/v1/holds"] {
        for (body, code) in [
            (transfer(1001, 9, "1"), "account_not_found"),
            (transfer(9, 1001, "1"), "account_not_found"),
            (transfer(1001, 1012, "1"), "currency_mismatch"),
            (dollars(1001, 1002), "currency_mismatch"),
            (transfer(1001, 1002, "9223372036854775807"), "insufficient_funds"),
            (transfer(4000, 4001, "1"), "balance_overflow"),
        ] {
            let refused = service.post(path, body.clone()).await;
            // A hold of what would overflow may be placed; it is judged when it is captured.
            if path == "/v1/holds" && code == "balance_overflow" && refused.status == 201 {
                let hold = refused.json()["id"].as_str().unwrap().to_owned();
                let capture = service
                    .post(&format!("/v1/holds/{hold}/capture"), json!({}))
                    .await;
                assert_eq!(capture.problem(), (422, code.to_owned()));
                service
                    .post(&format!("/v1/holds/{hold}/void"), Value::Null)
                    .await
                    .expect(201);
                continue;
            }
            assert_eq!(refused.problem(), (422, code.to_owned()), "{path} {body}");
        }
    }
    let balances = |all: &[Value]| all[..all.len() - 1].to_vec();
    assert_eq!(balances(&service.everything().await), balances(&before));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_of_a_hundred_thousand_lines_is_refused() {
    let service = Service::start().await;
    service.open_books().await;
    let before = service.everything().await;
    let line = |account: &str, direction: &str| json!({"account_id": account, "direction": direction, "amount": "1", "currency": "EUR"});
    let lines = |count: usize| -> Vec<Value> {
        (0..count)
            .map(|n| {
                if n % 2 == 0 {
                    line("1001", "debit")
                } else {
                    line("1002", "credit")
                }
            })
            .collect()
    };
    let many = service
        .post("/v1/transactions", json!({"postings": lines(100_000)}))
        .await;
    assert!(
        [
            (413, "payload_too_large".to_owned()),
            (422, "too_many_postings".to_owned())
        ]
        .contains(&many.problem())
    );
    let over = service
        .post("/v1/transactions", json!({"postings": lines(1_001)}))
        .await;
    assert_eq!(over.problem(), (422, "too_many_postings".to_owned()));
    for count in [0, 1] {
        let few = service
            .post("/v1/transactions", json!({"postings": lines(count)}))
            .await;
        assert_eq!(few.problem(), (422, "too_few_postings".to_owned()));
    }
    let mut bad = lines(4);
    bad[2]["amount"] = json!("0");
    let refused = service.post("/v1/transactions", json!({"postings": bad})).await;
    assert_eq!(
        (refused.problem(), refused.pointers()),
        (
            (422, "amount_invalid".to_owned()),
            vec!["/postings/2/amount".to_owned()]
        )
    );
    assert_eq!(service.everything().await, before);
    let most = service
        .post("/v1/transactions", json!({"postings": lines(1_000)}))
        .await
        .expect(201);
    assert_eq!(most["postings"].as_array().unwrap().len(), 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_makes_no_sense_is_refused_at_its_field() {
    let service = Service::start().await;
    let account = |field: &str, value: Value| {
        let mut body = json!({"kind": "asset", "currency": "EUR"});
        body[field] = value;
        body
    };
    for (body, code, pointer) in [
        (account("id", json!("0")), "id_invalid", "/id"),
        (account("currency", json!("eur")), "currency_unknown", "/currency"),
        (account("kind", json!("wallet")), "invalid_request", "/kind"),
        (account("name", json!("x".repeat(201))), "text_invalid", "/name"),
        (account("name", json!("\u{0}")), "text_invalid", "/name"),
        (account("parts", json!(0)), "parts_invalid", "/parts"),
        (account("parts", json!(65)), "parts_invalid", "/parts"),
        (account("parts", json!(-1)), "invalid_request", "/parts"),
        (account("metadata", json!([])), "invalid_request", "/metadata"),
        (
            account("balance", json!("1000000")),
            "invalid_request",
            "/balance",
        ),
    ] {
        let refused = service.post("/v1/accounts", body.clone()).await;
        assert_eq!(refused.problem(), (422, code.to_owned()), "{body}");
        assert_eq!(refused.pointers(), [pointer], "{body}");
    }
    assert_eq!(service.get("/v1/accounts").await.expect(200)["items"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_cannot_be_name_nothing() {
    let service = Service::start().await;
    for id in [
        "0",
        "-1",
        "01",
        "x",
        "9223372036854775808",
        "1%00",
        "%F0%9F%A6%80",
        "1'--",
    ] {
        for path in [
            "/v1/accounts/ID",
            "/v1/accounts/ID/balance",
            "/v1/transfers/ID",
            "/v1/holds/ID",
        ] {
            let path = path.replace("ID", id);
            let missing = service.get(&path).await;
            assert_eq!(missing.problem(), (404, "not_found".to_owned()), "{path}");
        }
    }
    let deleted = service
        .send(Method::DELETE, "/v1/transfers/1", &Value::Null)
        .await;
    assert_eq!(deleted.status, 405, "what was posted stays");
}
