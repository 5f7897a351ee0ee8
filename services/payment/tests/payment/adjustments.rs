//! Putting breaks right: with which adjustment, and what is left of one whose process died.

use std::process::Command;
use std::sync::Arc;

use config::Secret;
use serde_json::{Value, json};

use crate::engines::Folder;
use crate::till::{Answer, Stub, Till};

/// Runs statements on the service's file by the program that everybody has.
fn sqlite3(folder: &Folder, statements: &str) -> String {
    let output = Command::new("sqlite3")
        .args(["-bail", "-cmd", ".timeout 5000"])
        .arg(folder.path().join("payment.db"))
        .arg(statements)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A service with accounts and the open break 7.
async fn till() -> (Till, Arc<Folder>) {
    let (_stub, url) = Stub::start().await;
    let folder = Folder::fresh();
    let till = Till::start(&folder, &url, |settings| {
        settings.database_url = format!("sqlite:{}", folder.path().join("payment.db").display());
        settings.processor.api_key = Secret::new("a-secret-that-only-tests-know-here");
        settings.limits.transfer_minor_max = 100_000_000;
        settings.limits.currencies = vec!["EUR".to_owned()];
    })
    .await;
    till.open_accounts().await;
    sqlite3(
        &folder,
        "INSERT INTO reconciliation_break (tenant, id, day, kind, movement, reference, state)
         VALUES ('acme', 7, '2026-11-21', 'missing_in_ledger', 'capture', 'payment/9', 0)",
    );
    (till, folder)
}

fn adjustment(credited: &str, amount: &str) -> Value {
    json!({"adjustment": {"debit_account_id": "1001", "credit_account_id": credited, "amount": amount, "currency": "EUR"}})
}

async fn resolve(till: &Till, key: &str, body: &Value) -> Answer {
    till.post(key, "/v1/reconciliation-breaks/7/resolve", body).await
}

fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.body["code"].as_str()),
        (status, Some(code)),
        "{answer:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_wrong_is_judged_and_the_corrected_adjustment_is_posted_once() {
    let (till, _folder) = till().await;
    let over = resolve(&till, "over", &adjustment("1002", "100000001")).await;
    refused(&over, 422, "amount_over_limit");
    let mut foreign = adjustment("1002", "5");
    foreign["adjustment"]["currency"] = json!("USD");
    refused(
        &resolve(&till, "usd", &foreign).await,
        422,
        "currency_not_allowed",
    );
    let bare = adjustment("1002", "5").to_string();
    let bare = till
        .send("POST", "/v1/reconciliation-breaks/7/resolve", &[], &bare)
        .await;
    refused(&bare, 400, "idempotency_key_missing");
    let typo = resolve(&till, "typo", &adjustment("1999", "5")).await;
    refused(&typo, 422, "account_not_found");
    let poor = resolve(&till, "poor", &adjustment("1002", "1000001")).await;
    refused(&poor, 422, "insufficient_funds");
    let fill =
        json!({"debit_account_id": "1000", "credit_account_id": "1001", "amount": "1", "currency": "EUR"});
    assert_eq!(till.post("fill-more", "/v1/transfers", &fill).await.status, 201);
    let again = resolve(&till, "poor", &adjustment("1002", "1000001")).await;
    assert_eq!(
        (again.status, again.body["state"].as_str()),
        (200, Some("adjusted")),
        "a refusal of then is none of now: {again:?}"
    );
    let repeat = resolve(&till, "poor", &adjustment("1002", "1000001")).await;
    assert_eq!((repeat.status, &repeat.body), (200, &again.body));
    let other = resolve(&till, "other", &adjustment("1002", "6")).await;
    refused(&other, 409, "break_resolved");
    assert_eq!(till.balance("1002").await, (1_000_001, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_after_a_death_before_the_posting_ends_what_was_begun_and_is_told_no_lie() {
    let (till, folder) = till().await;
    let begun = adjustment("1002", "5")["adjustment"].to_string();
    let mark =
        format!("UPDATE reconciliation_break SET adjustment_id = 4000, adjustment = '{begun}' WHERE id = 7");
    sqlite3(&folder, &mark);
    let later = resolve(&till, "later", &adjustment("1002", "6")).await;
    refused(&later, 409, "break_resolved");
    assert_eq!(
        till.balance("1002").await,
        (5, 0),
        "what was begun, and not what came later"
    );
    assert_eq!(till.get("/v1/transfers/4000").await["kind"], "adjustment");
    let same = resolve(&till, "same", &adjustment("1002", "5")).await;
    assert_eq!(
        (same.status, same.body["adjustment_id"].as_str()),
        (200, Some("4000")),
        "{same:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_process_began_in_vain_gives_way() {
    let (till, folder) = till().await;
    let begun = adjustment("1999", "5")["adjustment"].to_string();
    let mark =
        format!("UPDATE reconciliation_break SET adjustment_id = 4000, adjustment = '{begun}' WHERE id = 7");
    sqlite3(&folder, &mark);
    let later = resolve(&till, "later", &adjustment("1002", "6")).await;
    assert_eq!(
        (later.status, later.body["state"].as_str()),
        (200, Some("adjusted")),
        "{later:?}"
    );
    assert_eq!(till.balance("1002").await, (6, 0));
}
