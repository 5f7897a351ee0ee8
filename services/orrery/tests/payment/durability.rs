//! Acknowledged means durable.

use serde_json::json;
use testkit::http::post;
use testkit::platform::{Options, Platform};

use super::{PAYMENT, SCOPES};
use crate::platform::binary;
use crate::platform::traced::{Made, is_synced_before_the_answer};

#[tokio::test]
async fn the_transfer_is_synced_to_disk_before_the_answer_is_written() {
    let platform = Platform::start(binary(), Options::default()).await;
    let token = platform.token("acme", "ada", &SCOPES).await;
    let url = |path: &str| format!("{}{path}", platform.api_url(PAYMENT));
    for id in ["1", "2"] {
        let account = json!({"id": id, "currency": "EUR", "kind": "liability"});
        let opened = post(url("/v1/accounts"), &account).bearer(&token).send().await;
        assert_eq!(opened.status, http::StatusCode::CREATED, "{}", opened.text());
    }
    let transfer = json!({
        "debit_account_id": "1", "credit_account_id": "2", "amount": "700", "currency": "EUR", "description": "durable-one"
    });
    let made = Made {
        test: "the_transfer_is_synced_to_disk_before_the_answer_is_written",
        request: "POST /v1/transfers",
        file: "payment.db",
        marker: "durable-one",
    };
    let sent = post(url("/v1/transfers"), &transfer)
        .bearer(&token)
        .header("idempotency-key", "durable")
        .send();
    is_synced_before_the_answer(&platform, &made, sent).await;
}
