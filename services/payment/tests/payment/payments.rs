//! Payments and refunds over HTTP.

use std::sync::Arc;

use config::Secret;
use payment::Settings;
use serde_json::json;

use crate::engines::Folder;
use crate::till::{Charge, Stub, Till, eventually, payment};

/// With a key for the processor, and no long pauses.
pub(crate) fn quick(settings: &mut Settings) {
    settings.processor.api_key = Secret::new("a-secret-that-only-tests-know-here");
    settings.saga.poll_interval_ms = 50;
    settings.saga.retry_pause_ms = 20;
}

async fn till(change: impl FnOnce(&mut Settings)) -> (Till, Stub, Arc<Folder>) {
    let (stub, url) = Stub::start().await;
    let folder = Folder::fresh();
    let till = Till::start(&folder, &url, |settings| {
        quick(settings);
        change(settings);
    })
    .await;
    till.open_accounts().await;
    (till, stub, folder)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_taken_in_carried_through_and_shows_its_steps() {
    let (till, stub, _folder) = till(|_| {}).await;
    let made = till.post("one", "/v1/payments", &payment("tok_visa")).await;
    assert_eq!((made.status, made.body["state"].as_str()), (202, Some("created")));
    let id = made.body["id"].as_str().unwrap();
    assert_eq!(
        made.headers["location"].to_str().unwrap(),
        format!("/v1/payments/{id}")
    );
    let shown = till.settled(id, &["captured"]).await;
    let steps: Vec<&str> = shown["steps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|step| step["step"].as_str().unwrap())
        .collect();
    assert_eq!(
        steps,
        ["reserve", "assess_risk", "authorize", "charge", "capture"]
    );
    assert_eq!(till.balance("1002").await, (700, 0));
    assert_eq!(stub.charge(id).unwrap().net(), 700);
    let transfer = till
        .get(&format!(
            "/v1/transfers/{}",
            shown["transfer_id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(transfer["kind"], "capture", "{transfer}");
    let again = till.post("one", "/v1/payments", &payment("tok_visa")).await;
    assert_eq!(
        (again.status, &again.body),
        (202, &made.body),
        "a repeat gets the first answer"
    );
    assert_eq!(again.headers["idempotency-replayed"], "true");
    let other = till.post("one", "/v1/payments", &payment("tok_other")).await;
    assert_eq!(
        (other.status, other.body["code"].as_str()),
        (422, Some("idempotency_key_reused"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_go_back_in_parts_up_to_the_whole_and_no_further() {
    let (till, stub, _folder) = till(|_| {}).await;
    let id = till.pay("one", "tok_visa").await;
    till.settled(&id, &["captured"]).await;
    let path = format!("/v1/payments/{id}/refunds");
    let first = till.post("r1", &path, &json!({"amount": "200"})).await;
    assert_eq!(
        (first.status, first.body["state"].as_str()),
        (202, Some("pending"))
    );
    let too_much = till.post("r2", &path, &json!({"amount": "501"})).await;
    assert_eq!(
        (too_much.status, too_much.body["code"].as_str()),
        (422, Some("refund_exceeds"))
    );
    till.settled(&id, &["partially_refunded"]).await;
    assert_eq!(till.balance("1002").await, (500, 0));
    let rest = till.post("r3", &path, &json!({})).await;
    assert_eq!(rest.body["amount"], "500", "{rest:?}");
    let shown = till.settled(&id, &["refunded"]).await;
    assert_eq!(shown["refunded"], "700");
    assert_eq!(
        (till.balance("1001").await, till.balance("1002").await),
        ((1_000_000, 0), (0, 0))
    );
    assert_eq!(stub.charge(&id).unwrap().net(), 0);
    let again = till.post("r1", &path, &json!({"amount": "200"})).await;
    assert_eq!(again.body, first.body, "a repeat gets the first answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_payment_are_changed_by_the_payment_alone() {
    let (till, stub, _folder) = till(|_| {}).await;
    let id = till.pay("one", "tok_visa").await;
    let shown = till.settled(&id, &["captured"]).await;
    let transfer = shown["transfer_id"].as_str().unwrap();
    let row = till.get(&format!("/v1/transfers/{transfer}")).await;
    let hold = row["hold_id"].as_str().unwrap();
    for (key, path) in [
        ("reverse", format!("/v1/transfers/{transfer}/reversal")),
        ("capture", format!("/v1/holds/{hold}/capture")),
        ("void", format!("/v1/holds/{hold}/void")),
    ] {
        let refused = till.post(key, &path, &json!({})).await;
        assert_eq!(
            (refused.status, refused.body["code"].as_str()),
            (409, Some("belongs_to_payment")),
            "{path}"
        );
        let way = format!("/v1/payments/{id}/refunds");
        assert!(
            refused.body["detail"].as_str().unwrap().contains(&way),
            "{refused:?}"
        );
    }
    assert_eq!(till.balance("1002").await, (700, 0));
    let refund = till
        .post("r", &format!("/v1/payments/{id}/refunds"), &json!({}))
        .await;
    assert_eq!(refund.status, 202, "{refund:?}");
    till.settled(&id, &["refunded"]).await;
    assert_eq!(
        (till.balance("1002").await, stub.charge(&id).unwrap().net()),
        ((0, 0), 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_paid_fails_and_nothing_is_left_of_it() {
    let (till, stub, _folder) = till(|_| {}).await;
    for (token, amount, failure) in [
        ("tok_declined", "700", "card_declined"),
        ("tok_stolen", "700", "risk_blocked_method"),
        ("tok_visa", "1000001", "insufficient_funds"),
    ] {
        let mut body = payment(token);
        body["amount"] = json!(amount);
        let made = till.post(token, "/v1/payments", &body).await;
        let id = made.body["id"].as_str().unwrap();
        let shown = till.settled(id, &["failed"]).await;
        assert_eq!(shown["failure"], failure, "{shown:#}");
        assert_eq!(stub.charge(id).as_ref().map_or(0, Charge::net), 0);
        let refund = till
            .post(
                &format!("r-{token}"),
                &format!("/v1/payments/{id}/refunds"),
                &json!({}),
            )
            .await;
        assert_eq!(
            (refund.status, refund.body["code"].as_str()),
            (409, Some("payment_not_refundable"))
        );
    }
    assert_eq!(till.balance("1001").await, (1_000_000, 0));
}

/// Details of payers in the vault: how many, and a digest of what they are.
fn sealed(folder: &std::path::Path) -> String {
    let output = std::process::Command::new("sqlite3")
        .args(["-bail", "-cmd", ".timeout 5000"])
        .arg(folder.join("payment.db"))
        .arg(
            "SELECT count(*), group_concat(hex(sealed)) FROM (SELECT sealed FROM vault_record ORDER BY name)",
        )
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payers_details_are_kept_for_the_payment_that_was_made_and_for_no_other_request() {
    let (_stub, url) = Stub::start().await;
    let folder = Folder::fresh();
    let till = Till::start(&folder, &url, |settings| {
        quick(settings);
        settings.database_url = format!("sqlite:{}", folder.path().join("payment.db").display());
        settings.limits.payments_per_hour_max = 1;
    })
    .await;
    till.open_accounts().await;
    let body = |name: &str| {
        let mut body = payment("tok_visa");
        body["payer"] = json!({"name": name, "email": "ada@example.com"});
        body
    };
    let made = till.post("one", "/v1/payments", &body("Ada")).await;
    assert_eq!(made.status, 202, "{made:?}");
    let kept = sealed(folder.path());
    assert!(kept.starts_with("1|"), "{kept}");
    let other = till.post("one", "/v1/payments", &body("Eve")).await;
    assert_eq!(other.body["code"], "idempotency_key_reused");
    let refused = till.post("two", "/v1/payments", &body("Ada")).await;
    assert_eq!(refused.body["code"], "velocity_exceeded");
    assert_eq!(
        sealed(folder.path()),
        kept,
        "neither wrote nor overwrote anything"
    );
    let erase = async |tenant| {
        till.send_as(tenant, "DELETE", "/v1/payers/1001", &[], "")
            .await
            .status
    };
    assert_eq!(erase("other").await, 404, "nothing of another tenant's");
    assert_eq!((erase("acme").await, erase("acme").await), (204, 204));
    let again = till.post("one", "/v1/payments", &body("Ada")).await;
    assert_eq!((again.status, &again.body["id"]), (202, &made.body["id"]));
    assert!(sealed(folder.path()).starts_with("0|"), "erased is erased");
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_payments_do_not_pass_the_velocity_of_an_account() {
    let (till, _stub, _folder) = till(|settings| settings.limits.payments_per_hour_max = 3).await;
    let body = payment("tok_visa");
    let keys: Vec<String> = (0..8).map(|place| format!("race-{place}")).collect();
    let racing = keys.iter().map(|key| till.post(key, "/v1/payments", &body));
    let answers = futures::future::join_all(racing).await;
    let taken = answers.iter().filter(|answer| answer.status == 202).count();
    let refused = answers
        .iter()
        .filter(|answer| answer.body["code"] == "velocity_exceeded")
        .count();
    assert_eq!((taken, refused), (3, 5), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_payment_above_what_an_account_pays_in_an_hour_is_told_so() {
    let (till, _stub, _folder) = till(|settings| settings.limits.payments_minor_per_hour_max = 1_000).await;
    let of = |amount: &str| {
        let mut body = payment("tok_visa");
        body["amount"] = json!(amount);
        body
    };
    for is_repeat in [false, true] {
        let refused = till.post("large", "/v1/payments", &of("1001")).await;
        assert_eq!(refused.headers.contains_key("idempotency-replayed"), is_repeat);
        assert_eq!(
            (refused.status, &refused.body["code"]),
            (422, &json!("amount_exceeds_limit"))
        );
        assert!(
            refused.body["detail"].as_str().unwrap().contains("1000"),
            "{refused:?}"
        );
    }
    assert_eq!(till.post("whole", "/v1/payments", &of("1000")).await.status, 202);
    let later = till.post("later", "/v1/payments", &of("1")).await;
    assert_eq!(later.body["code"], "velocity_exceeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_cannot_pay_or_be_paid_is_refused_before_anything_is_taken_in() {
    let (till, _stub, _folder) = till(|_| {}).await;
    for (id, currency) in [("1003", "USD"), ("1004", "EUR")] {
        let body = json!({"id": id, "kind": "liability", "currency": currency});
        assert_eq!(till.post(id, "/v1/accounts", &body).await.status, 201);
    }
    let first = till.pay("first", "tok_visa").await;
    till.settled(&first, &["captured"]).await;
    let to_1004 = {
        let mut body = payment("tok_declined");
        body["merchant_account_id"] = json!("1004");
        body
    };
    let made = till.post("kept", "/v1/payments", &to_1004).await;
    assert_eq!(made.status, 202, "{made:?}");
    let id = made.body["id"].as_str().unwrap();
    till.settled(id, &["failed"]).await;
    let close = till
        .send(
            "PATCH",
            "/v1/accounts/1004",
            &[],
            &json!({"closed": true}).to_string(),
        )
        .await;
    assert_eq!(close.status, 200, "{close:?}");
    for side in ["payer_account_id", "merchant_account_id"] {
        for (account, code) in [
            ("9", "account_not_found"),
            ("1003", "currency_mismatch"),
            ("1004", "account_closed"),
        ] {
            let mut body = payment("tok_visa");
            body[side] = json!(account);
            body["payer"] = json!({"name": "Ada", "email": "ada@example.org"});
            let refused = till
                .post(&format!("{side}-{account}"), "/v1/payments", &body)
                .await;
            assert_eq!((refused.status, &refused.body["code"]), (422, &json!(code)));
            assert_eq!(refused.body["errors"][0]["pointer"], format!("/{side}"));
        }
    }
    let other = till
        .send_as(
            "other",
            "POST",
            "/v1/payments",
            &[("idempotency-key", "k")],
            &payment("tok_visa").to_string(),
        )
        .await;
    assert_eq!(
        (other.status, &other.body["code"]),
        (422, &json!("account_not_found"))
    );
    let again = till.post("kept", "/v1/payments", &to_1004).await;
    assert_eq!(
        (again.status, &again.body["id"]),
        (202, &made.body["id"]),
        "it was taken in before"
    );
    let listed = till.get("/v1/payments").await;
    assert_eq!(
        listed["items"].as_array().unwrap().len(),
        2,
        "nothing else was taken in"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_counts_in_the_velocity_of_its_payer_once_its_money_was_held() {
    let (till, _stub, _folder) = till(|settings| {
        settings.limits.payments_per_hour_max = 2;
        settings.limits.payments_minor_per_hour_max = 2_000_000;
    })
    .await;
    let mut too_much = payment("tok_visa");
    too_much["amount"] = json!("1000001");
    for key in ["poor-1", "poor-2", "poor-3"] {
        let made = till.post(key, "/v1/payments", &too_much).await;
        assert_eq!(made.status, 202, "what could not be held did not count: {made:?}");
        let id = made.body["id"].as_str().unwrap();
        let failed = till.settled(id, &["failed"]).await;
        assert_eq!(failed["failure"], "insufficient_funds", "{failed}");
    }
    let stolen = till.pay("stolen", "tok_stolen").await;
    till.settled(&stolen, &["failed"]).await;
    till.pay("good", "tok_visa").await;
    let third = till.post("third", "/v1/payments", &payment("tok_visa")).await;
    assert_eq!(
        (third.status, &third.body["code"]),
        (422, &json!("velocity_exceeded")),
        "what was held and failed later counts"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_looks_like_a_card_number_is_refused_wherever_it_stands() {
    let (till, _stub, _folder) = till(|_| {}).await;
    let card = "4242 4242 4242 4242";
    let mut bodies = Vec::new();
    for pointer in ["description", "currency", "amount", "payer_account_id", "unknown"] {
        let mut body = payment("tok_visa");
        body[pointer] = json!(card);
        bodies.push(body.to_string());
    }
    for body in [
        json!({"token": "4242424242424242"}),
        json!({"token": "tok_visa", "number": 4_242_424_242_424_242_u64}),
    ] {
        let mut whole = payment("tok_visa");
        whole["method"] = body;
        bodies.push(whole.to_string());
    }
    bodies.push(format!("{{\"half\": \"{card}"));
    for body in bodies {
        let answer = till
            .send("POST", "/v1/payments", &[("idempotency-key", "card")], &body)
            .await;
        assert_eq!(
            (answer.status, answer.body["code"].as_str()),
            (422, Some("card_number_refused")),
            "{body}"
        );
        assert!(!answer.body.to_string().contains("4242"), "{answer:?}");
    }
    let body = payment("tok_visa").to_string();
    let answer = till
        .send(
            "POST",
            "/v1/payments",
            &[("idempotency-key", "4242424242424242")],
            &body,
        )
        .await;
    assert_eq!(answer.body["code"], "card_number_refused");
    assert_eq!(
        till.get("/v1/payments").await["items"],
        json!([]),
        "nothing of it was kept"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_captured_payment_gets_a_receipt_which_is_voided_when_all_went_back_and_forgets_an_erased_payer() {
    let (till, _stub, _folder) = till(|_| {}).await;
    let mut told = payment("tok_visa");
    told["payer"] = json!({"name": "Ada Lovelace", "email": "ada@example.org"});
    let made = till.post("one", "/v1/payments", &told).await;
    let id = made.body["id"].as_str().unwrap();
    let path = format!("/v1/payments/{id}/receipt");
    let receipt = issued(&till, &path, "issued").await;
    assert_eq!(
        (
            &receipt["payment_id"],
            &receipt["amount"],
            &receipt["payer"]["name"]
        ),
        (&json!(id), &json!("700"), &json!("Ada Lovelace")),
        "{receipt}"
    );
    let foreign = till.send_as("other", "GET", &path, &[], "").await;
    assert_eq!(foreign.status, 404, "{foreign:?}");
    let back = till
        .post("back", &format!("/v1/payments/{id}/refunds"), &json!({}))
        .await;
    assert_eq!(back.status, 202, "{back:?}");
    let voided = issued(&till, &path, "voided").await;
    assert_eq!(voided["issued_at"], receipt["issued_at"], "{voided}");
    let erased = till.send("DELETE", "/v1/payers/1001", &[], "").await;
    assert!((200..300).contains(&erased.status), "{erased:?}");
    assert_eq!(till.get(&path).await.get("payer"), None);
    let failed = till.pay("two", "tok_declined").await;
    till.settled(&failed, &["failed"]).await;
    let none = till
        .send("GET", &format!("/v1/payments/{failed}/receipt"), &[], "")
        .await;
    assert_eq!(none.status, 404, "{none:?}");
}

/// The receipt, once it is in this state.
async fn issued(till: &Till, path: &str, state: &str) -> serde_json::Value {
    eventually(state, async || {
        till.send("GET", path, &[], "").await.body["state"] == state
    })
    .await;
    till.get(path).await
}

/// Under `ORRERY_TEST_ENGINES=real` alone: a file has one process.
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_on_one_postgresql_carry_each_payment_through_once() {
    if !testkit::engines::are_real() {
        return;
    }
    let (stub, url) = Stub::start().await;
    let folder = Folder::fresh();
    let tills = [
        Till::start(&folder, &url, quick).await,
        Till::start(&folder, &url, quick).await,
    ];
    tills[0].open_accounts().await;
    let keys: Vec<String> = (0..30).map(|place| format!("shared-{place}")).collect();
    let made = keys
        .iter()
        .enumerate()
        .map(|(place, key)| tills[place % 2].pay(key, "tok_visa"));
    for (place, id) in futures::future::join_all(made).await.iter().enumerate() {
        // Looked at where it was not made.
        let shown = tills[(place + 1) % 2].settled(id, &["captured", "failed"]).await;
        assert_eq!(shown["state"], "captured", "{shown:#}");
        let asked = stub.charge(id).unwrap().asked;
        assert_eq!((asked["authorize"], asked["capture"]), (1, 1), "{asked:?}");
    }
    assert_eq!(tills[0].balance("1002").await, (30 * 700, 0));
}
