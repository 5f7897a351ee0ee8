//! Balances, entries, statements, the trial balance and the chain.

use std::time::Duration;

use clock::ManualClock;
use http::Method;
use serde_json::{Value, json};

use crate::harness::{Service, Setup, transfer};

/// In the past: hours pass here, and no ledger takes a moment ahead of its engine's clock.
const NOW_MS: u64 = 1_768_464_000_000;
/// The same, as it is shown.
const NOW: &str = "2026-01-15T08:00:00.000Z";

/// Books in which 1001 got 10.00 at the start, then gave 1.00 each second for five seconds.
async fn five_seconds() -> (Service, std::sync::Arc<ManualClock>) {
    let clock = ManualClock::at(NOW_MS);
    let service = Setup::new().clock(&clock).start().await;
    service.open_books().await;
    for _ in 0..5 {
        clock.advance(Duration::from_secs(1));
        service
            .post("/v1/transfers", transfer(1001, 1002, "100"))
            .await
            .expect(201);
    }
    clock.advance(Duration::from_millis(500));
    (service, clock)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_balance_as_of_a_moment_is_what_it_was_then_and_stays_so() {
    let (service, clock) = five_seconds().await;
    let as_of = async |moment: &str| {
        service
            .get(&format!("/v1/accounts/1001/balance?as_of={moment}"))
            .await
    };
    for (second, posted) in [(0, "1000"), (1, "900"), (3, "700"), (5, "500")] {
        for (millis, next) in [("000", "001"), ("499", "500")] {
            let moment = format!("2026-01-15T08:00:0{second}.{millis}Z");
            let balance = as_of(&moment).await.expect(200);
            assert_eq!(balance["posted"], posted, "{balance}");
            assert_eq!(balance["as_of"], moment.as_str());
            // The moment maps to the last entry until it: the one that left this balance.
            let to = format!("2026-01-15T08:00:0{second}.{next}Z");
            let entries = format!("/v1/accounts/1001/entries?limit=200&to={to}");
            let entries = service.get(&entries).await.expect(200);
            let last = entries["items"].as_array().unwrap().last().unwrap();
            assert_eq!(
                (&balance["sequence"], &balance["posted"]),
                (&last["seq"], &last["balance_after"])
            );
            assert_eq!(
                (&balance["pending"], &balance["available"]),
                (&Value::Null, &Value::Null)
            );
        }
    }
    let before = as_of("2020-01-01T00:00:00Z").await.expect(200);
    assert_eq!((&before["posted"], &before["sequence"]), (&json!("0"), &json!(0)));
    let now = as_of("2026-01-15T08:00:05.500Z").await.expect(200);
    // In the very millisecond that was sealed, what comes is later.
    service
        .post("/v1/transfers", transfer(1001, 1002, "100"))
        .await
        .expect(201);
    assert_eq!(as_of("2026-01-15T08:00:05.500Z").await.expect(200), now);
    assert_eq!(service.balance(1001).await.0, "400");
    let future = as_of("2026-01-15T08:00:05.501Z").await;
    assert_eq!(future.problem(), (422, "as_of_in_future".to_owned()));
    clock.advance(Duration::from_millis(1));
    assert_eq!(
        as_of("2026-01-15T08:00:05.501Z").await.expect(200)["posted"],
        "400"
    );
    for wrong in ["yesterday", "2026-01-15", "1969-12-31T23:59:59Z"] {
        assert_eq!(
            as_of(wrong).await.problem(),
            (422, "moment_invalid".to_owned()),
            "{wrong}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_come_in_order_page_by_page_and_within_a_range() {
    let (service, _clock) = five_seconds().await;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = service
            .get(&format!("/v1/accounts/1001/entries?limit=4{cursor}"))
            .await
            .expect(200);
        seen.extend(page["items"].as_array().unwrap().clone());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let after: Vec<&str> = seen
        .iter()
        .map(|entry| entry["balance_after"].as_str().unwrap())
        .collect();
    assert_eq!(after, ["1000", "900", "800", "700", "600", "500"]);
    assert_eq!(
        (&seen[0]["direction"], &seen[0]["at"]),
        (&json!("credit"), &json!(NOW))
    );
    let path = "/v1/accounts/1001/entries?from=2026-01-15T08:00:02Z&to=2026-01-15T08:00:04Z";
    let some = service.get(path).await.expect(200);
    assert_eq!(some["items"].as_array().unwrap().len(), 2);
    let turned = "/v1/accounts/1001/entries?to=2026-01-15T08:00:02Z&from=2026-01-15T08:00:04Z";
    assert_eq!(
        service.get(turned).await.problem(),
        (422, "range_invalid".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_adds_up_as_json_and_as_csv() {
    let (service, _clock) = five_seconds().await;
    let range = "from=2026-01-15T08:00:01.001Z&to=2026-01-15T08:00:04.001Z";
    let statement = service
        .get(&format!("/v1/accounts/1001/statement?{range}"))
        .await
        .expect(200);
    assert_eq!(
        (&statement["opening_balance"], &statement["closing_balance"]),
        (&json!("900"), &json!("600"))
    );
    assert_eq!(statement["entries"]["items"].as_array().unwrap().len(), 3);
    let path = format!("/v1/accounts/1001/statement?{range}&format=csv");
    let csv = service.get(&path).await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(csv.header("cache-control"), Some("private, no-store"));
    let rows: Vec<Vec<&str>> = csv.text().lines().map(|line| line.split(',').collect()).collect();
    let column = |index: usize| rows.iter().map(|row| row[index]).collect::<Vec<_>>();
    assert_eq!(
        column(0),
        ["row", "opening", "entry", "entry", "entry", "closing"]
    );
    assert_eq!(column(1), ["account_id", "1001", "1001", "1001", "1001", "1001"]);
    assert_eq!(column(2), ["currency", "EUR", "EUR", "EUR", "EUR", "EUR"]);
    assert_eq!(column(9), ["balance", "900", "800", "700", "600", "600"]);
    let token = format!("Bearer {}", service.token("acme"));
    let headers = [("authorization", token.as_str()), ("accept", "text/csv")];
    let path = format!("/v1/accounts/1001/statement?{range}");
    let accepted = service.request(Method::GET, &path, &headers, "").await;
    assert_eq!(accepted.text(), csv.text());
    let whole = service.get("/v1/accounts/1001/statement").await.expect(200);
    let account = service.get("/v1/accounts/1001").await.expect(200);
    assert_eq!(whole["from"], account["created_at"], "there was nothing before");
    assert_eq!(
        (&whole["opening_balance"], &whole["closing_balance"]),
        (&json!("0"), &json!("500"))
    );
    let future = service
        .get("/v1/accounts/1001/statement?to=2026-01-15T09:00:00Z")
        .await;
    assert_eq!(future.problem(), (422, "as_of_in_future".to_owned()));
    let format = service.get("/v1/accounts/1001/statement?format=pdf").await;
    assert_eq!(format.problem().0, 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_says_what_it_is_who_is_on_the_other_side_and_what_was_written() {
    let service = Service::start().await;
    service.open_books().await;
    let mut lunch = transfer(1001, 1002, "7");
    lunch["description"] = json!("=1+1, \"quoted\"");
    let made = service.post("/v1/transfers", lunch).await.expect(201);
    let reversal = format!("/v1/transfers/{}/reversal", made["id"].as_str().unwrap());
    service.post(&reversal, json!({})).await.expect(201);
    let lines: Vec<Value> = [("1001", "debit", "3"), ("1002", "credit", "2"), ("1000", "credit", "1")]
        .into_iter()
        .map(|(id, direction, amount)| {
            json!({"account_id": id, "direction": direction, "amount": amount, "currency": "EUR"})
        })
        .collect();
    let many = json!({"postings": lines, "description": "of three"});
    service.post("/v1/transactions", many).await.expect(201);
    let expected = [
        (json!("transfer"), Value::Null, json!("1000")),
        (json!("transfer"), json!("=1+1, \"quoted\""), json!("1002")),
        (json!("reversal"), Value::Null, json!("1002")),
        (json!("transaction"), json!("of three"), Value::Null),
    ];
    let listed = service.get("/v1/accounts/1001/entries").await.expect(200);
    let statement = service.get("/v1/accounts/1001/statement").await.expect(200);
    for page in [&listed, &statement["entries"]] {
        let entries = page["items"].as_array().unwrap().iter();
        let told: Vec<_> = entries
            .map(|entry| {
                let field = |name| entry.get(name).cloned().unwrap_or_default();
                (field("kind"), field("description"), field("counter_account_id"))
            })
            .collect();
        assert_eq!(told, expected);
    }
    let csv = service.get("/v1/accounts/1001/statement?format=csv").await;
    let rows: Vec<&str> = csv.text().lines().collect();
    assert!(rows[0].ends_with(",balance,kind,counter_account_id,description"));
    for (row, end) in [
        (2, ",transfer,1000,"),
        (3, ",transfer,1002,\"'=1+1, \"\"quoted\"\"\""),
        (4, ",reversal,1002,"),
        (5, ",transaction,,\"of three\""),
        (6, ",,,"),
    ] {
        assert!(rows[row].ends_with(end), "{}", rows[row]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_of_many_pages_is_whole_as_csv() {
    let small = |settings: &mut payment::Settings| settings.books.statement_page_rows = 3;
    let service = Setup::new().change(small).start().await;
    service.open_books().await;
    let transfers: Vec<Value> = (0..20).map(|_| transfer(1001, 1002, "1")).collect();
    service
        .post("/v1/transfers/batch", json!({"transfers": transfers}))
        .await
        .expect(200);
    let csv = service.get("/v1/accounts/1001/statement?format=csv").await;
    let rows: Vec<&str> = csv.text().lines().collect();
    assert_eq!(rows.len(), 1 + 1 + 21 + 1);
    assert!(
        rows[23].starts_with("closing,") && rows[23].ends_with(",980,,,"),
        "{}",
        rows[23]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_account_sums_over_its_parts() {
    let service = Service::start().await;
    service.open_books().await;
    let hot = json!({"id": "3000", "kind": "income", "currency": "EUR", "parts": 8});
    service.post("/v1/accounts", hot).await.expect(201);
    let transfers: Vec<Value> = (0..40).map(|_| transfer(1000, 3000, "5")).collect();
    service
        .post("/v1/transfers/batch", json!({"transfers": transfers}))
        .await
        .expect(200);
    assert_eq!(service.balance(3000).await.0, "200");
    let entries = service.get("/v1/accounts/3000/entries").await.expect(200);
    let parts: std::collections::BTreeSet<u64> = entries["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["part"].as_u64().unwrap())
        .collect();
    assert!(parts.len() > 1, "{parts:?}");
    let now = service.get("/v1/accounts/3000/statement").await.expect(200);
    assert_eq!(now["closing_balance"], "200");
    let limited = json!({"kind": "income", "currency": "EUR", "parts": 2, "not_below_zero": true});
    assert_eq!(
        service.post("/v1/accounts", limited).await.problem(),
        (422, "parts_invalid".to_owned())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_trial_balance_balances_now_and_as_of_a_moment_and_the_chain_grows() {
    let (service, _clock) = five_seconds().await;
    let now = service.get("/v1/trial-balance").await.expect(200);
    assert_eq!(
        now["totals"],
        json!([{"currency": "EUR", "debits": "1000", "credits": "1000", "balanced": true}])
    );
    assert_eq!(now["lines"].as_array().unwrap().len(), 2);
    let before = service
        .get("/v1/trial-balance?as_of=2020-01-01T00:00:00Z")
        .await
        .expect(200);
    for total in before["totals"].as_array().unwrap() {
        assert_eq!((&total["debits"], &total["credits"]), (&json!("0"), &json!("0")));
    }
    let chain = service.get("/v1/ledger/chain").await.expect(200);
    let heads = chain["heads"].as_array().unwrap();
    assert_eq!(heads.len(), 8);
    let links: u64 = heads.iter().map(|head| head["link"].as_u64().unwrap()).sum();
    assert_eq!(links, 6, "a link a commit");
}
