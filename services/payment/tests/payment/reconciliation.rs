//! Settlements held against the ledger, over HTTP, with the days as the clock says.

use std::sync::Arc;

use clock::ManualClock;
use config::Secret;
use payment::Settings;
use serde_json::{Value, json};

use crate::books::NOW_MS;
use crate::engines::Folder;
use crate::till::{Opening, Stub, Till, eventually};

/// Noon of the day on which everything begins: in the past, for days pass here and no ledger takes a moment ahead of its engine's clock.
const NOON_MS: u64 = NOW_MS - NOW_MS % DAY_MS + DAY_MS / 2 - 200 * DAY_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
const HOUR_MS: u64 = 60 * 60 * 1_000;

/// `2026-05-06`, so many days after the first.
fn day(after: i64) -> String {
    let first = time::OffsetDateTime::from_unix_timestamp(i64::try_from(NOON_MS / 1_000).unwrap()).unwrap();
    (first.date() + time::Duration::days(after)).to_string()
}

fn quick(settings: &mut Settings) {
    settings.processor.api_key = Secret::new("a-secret-that-only-tests-know-here");
    settings.saga.poll_interval_ms = 50;
    settings.reconciliation.interval_ms = 50;
    settings.reconciliation.operator = "operator".to_owned();
}

fn impatient(settings: &mut Settings) {
    quick(settings);
    settings.reconciliation.judge_today = true;
}

async fn open(folder: &Arc<Folder>, url: &str, clock: &Arc<ManualClock>) -> Till {
    open_with(folder, url, clock, quick).await
}

async fn open_with(
    folder: &Arc<Folder>,
    url: &str,
    clock: &Arc<ManualClock>,
    change: fn(&mut Settings),
) -> Till {
    let opening = Opening {
        folder,
        url,
        clock: clock.clone(),
        logs: None,
    };
    folder.trust_clocks(&folder.settings()).await;
    Till::open(opening, change).await
}

fn step(clock: &ManualClock, by_ms: u64) {
    clock.step_wall(i64::try_from(by_ms).unwrap());
}

/// As the operator sees it; nobody else does.
async fn shown(till: &Till, path: &str) -> Value {
    let foreign = till.send("GET", path, &[], "").await;
    assert_eq!(
        (foreign.status, &foreign.body["code"]),
        (403, &json!("operator_only"))
    );
    let answer = till.send_as("operator", "GET", path, &[], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

async fn days(till: &Till) -> Value {
    shown(till, "/v1/reconciliations").await
}

/// The day, once it is judged.
async fn judged(till: &Till, day: &str) -> Value {
    eventually(day, async || {
        let days = days(till).await;
        days["items"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["id"] == day)
    })
    .await;
    shown(till, &format!("/v1/reconciliations/{day}")).await
}

async fn breaks(till: &Till, tenant: &str, day: &str) -> Vec<Value> {
    let path = format!("/v1/reconciliations/{day}/breaks");
    let answer = till.send_as(tenant, "GET", &path, &[], "").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["items"].as_array().unwrap().clone()
}

/// What differs: kind, reference, and the amounts of both sides.
fn told(found: &Value) -> (String, String, String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let money = |side: &Value| match side {
        Value::Null => String::new(),
        side => format!("{} {}", text(&side["amount"]), text(&side["currency"])),
    };
    let (kind, reference) = (text(&found["kind"]), text(&found["reference"]));
    (kind, reference, money(&found["expected"]), money(&found["found"]))
}

async fn paid(till: &Till, key: &str) -> String {
    let id = till.pay(key, "tok_visa").await;
    till.settled(&id, &["captured"]).await;
    id
}

fn adjustment() -> Value {
    json!({"note": "one cent more was taken", "adjustment": {
        "debit_account_id": "1000", "credit_account_id": "1002", "amount": "1", "currency": "EUR"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_break_is_listed_with_its_amounts_and_an_adjustment_resolves_it_once() {
    let (stub, url) = Stub::start().await;
    let (folder, clock) = (Folder::fresh(), ManualClock::at(NOON_MS));
    let till = open(&folder, &url, &clock).await;
    till.open_accounts().await;
    let mut references = Vec::new();
    for key in ["fits", "amount", "currency", "twice", "missing"] {
        references.push(format!("payment/{}", paid(&till, key).await));
    }
    let first = references[0].strip_prefix("payment/").unwrap();
    let path = format!("/v1/payments/{first}/refunds");
    let refund = till.post("back", &path, &json!({"amount": "200"})).await;
    till.settled(first, &["partially_refunded"]).await;
    let refund = format!("refund/{}", refund.body["id"].as_str().unwrap());
    let lines = [
        (references[0].as_str(), "capture", "700", "EUR"),
        (refund.as_str(), "refund", "200", "EUR"),
        (references[1].as_str(), "capture", "701", "EUR"),
        (references[2].as_str(), "capture", "700", "USD"),
        (references[3].as_str(), "capture", "700", "EUR"),
        (references[3].as_str(), "capture", "700", "EUR"),
        ("payment/999", "capture", "5", "EUR"),
    ];
    stub.publish(&day(0), &lines);
    assert_eq!(days(&till).await["items"], json!([]), "the day is not over");
    step(&clock, DAY_MS);
    let shown = judged(&till, &day(0)).await;
    assert_eq!(
        (&shown["lines"], &shown["fits"]),
        (&json!(7), &json!(3)),
        "{shown}"
    );
    let mut listed = breaks(&till, "acme", &day(0)).await;
    listed.sort_by_key(|found| found["kind"].as_str().unwrap().to_owned());
    let all: Vec<_> = listed.iter().map(told).collect();
    let row = |kind: &str, reference: &str, expected: &str, found: &str| {
        (
            kind.to_owned(),
            reference.to_owned(),
            expected.to_owned(),
            found.to_owned(),
        )
    };
    let expected = [
        row("amount_differs", &references[1], "700 EUR", "701 EUR"),
        row("currency_differs", &references[2], "700 EUR", "700 USD"),
        row("duplicate", &references[3], "700 EUR", "700 EUR"),
        row("missing_in_settlement", &references[4], "700 EUR", ""),
    ];
    assert_eq!(all, expected);
    let strange: Vec<_> = breaks(&till, "operator", &day(0))
        .await
        .iter()
        .map(told)
        .collect();
    assert_eq!(strange, [row("missing_in_ledger", "payment/999", "", "5 EUR")]);
    let id = listed[0]["id"].as_str().unwrap();
    resolved_once(&till, id).await;
    noted(&till, listed[1]["id"].as_str().unwrap()).await;
    seen_on_pages(&till).await;
}

/// Both amounts and what was done, for people: in the list, and on the day's own page.
async fn seen_on_pages(till: &Till) {
    let page = async |tenant: &str, path: &str| {
        let answer = till.send_as(tenant, "GET", path, &[], "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body.as_str().unwrap().to_owned()
    };
    let here = "/ui/payment/books/reconciliation";
    let today = format!("{here}/{}", day(0));
    let (list, of_day) = (page("acme", here).await, page("acme", &today).await);
    assert!(list.contains(&format!("href=\"{today}\"")), "{list}");
    assert!(
        !list.contains("id=\"days\"") && !of_day.contains("id=\"day\""),
        "the operator's"
    );
    let operators = page("operator", here).await;
    assert!(
        operators.contains(&format!("href=\"{today}\""))
            && operators.contains("<span class=\"badge bad\">1 open, of 1</span>"),
        "{operators}"
    );
    for shown in [
        "7.00 EUR",
        "7.01 EUR",
        "7.00 USD",
        "does not have it",
        "adjusted</span>",
        "one cent more was taken",
        "noted</span>",
        "Missing in the settlement",
        "Settled more than once",
    ] {
        assert!(
            list.contains(shown) && of_day.contains(shown),
            "{shown}: {of_day}"
        );
    }
    let untouched = page("operator", &format!("{here}/2020-01-01")).await;
    assert!(untouched.contains("not judged yet") && untouched.contains("None. Here stands"));
}

async fn resolved_once(till: &Till, id: &str) {
    let path = format!("/v1/reconciliation-breaks/{id}/resolve");
    let body = adjustment().to_string();
    let key = [("idempotency-key", "resolve")];
    let foreign = till.send_as("other", "POST", &path, &key, &body).await;
    assert_eq!(foreign.status, 404, "{foreign:?}");
    let before = till.balance("1002").await.0;
    let bare = till.send("POST", &path, &[], &body).await;
    assert_eq!(
        (bare.status, &bare.body["code"]),
        (400, &json!("idempotency_key_missing"))
    );
    let racing = (0..4).map(|_| till.send("POST", &path, &key, &body));
    let answers = futures::future::join_all(racing).await;
    let done: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert!(!done.is_empty(), "{answers:?}");
    let others = answers.iter().filter(|answer| answer.status != 200);
    for other in others {
        assert_eq!(
            (other.status, &other.body["code"]),
            (409, &json!("break_resolved"))
        );
    }
    let resolved = &done[0].body;
    assert!(done.iter().all(|answer| answer.body == *resolved), "{answers:?}");
    let again = till.send("POST", &path, &key, &body).await;
    assert_eq!(
        (again.status, &again.body),
        (200, resolved),
        "a repeat hears the same"
    );
    assert_eq!(
        (&resolved["id"], &resolved["state"]),
        (&json!(id), &json!("adjusted"))
    );
    assert_eq!(till.balance("1002").await.0, before + 1, "it was posted once");
    let row = resolved["adjustment_id"].as_str().unwrap();
    assert_eq!(
        till.get(&format!("/v1/transfers/{row}")).await["kind"],
        "adjustment"
    );
}

async fn noted(till: &Till, id: &str) {
    let path = format!("/v1/reconciliation-breaks/{id}/resolve");
    let empty = till.send("POST", &path, &[], "{}").await;
    assert_eq!(empty.status, 422, "{empty:?}");
    let note = json!({"note": "a defect of theirs, which they confirmed"}).to_string();
    let noted = till.send("POST", &path, &[], &note).await;
    assert_eq!(
        (noted.status, &noted.body["state"]),
        (200, &json!("noted")),
        "{noted:?}"
    );
    assert_eq!(noted.body.get("adjustment_id"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_standstill_the_days_are_judged_one_after_another_and_midnight_makes_no_break() {
    let (stub, url) = Stub::start().await;
    let (folder, clock) = (Folder::fresh(), ManualClock::at(NOON_MS));
    let mut first = open(&folder, &url, &clock).await;
    first.open_accounts().await;
    let noon = format!("payment/{}", paid(&first, "noon").await);
    first.kill();
    step(&clock, 11 * HOUR_MS + HOUR_MS / 2);
    // A worker number that slept for hours is leased anew first.
    let mut first = open(&folder, &url, &clock).await;
    let late = format!("payment/{}", paid(&first, "half-an-hour-to-midnight").await);
    first.kill();
    stub.publish(&day(0), &[(&noon, "capture", "700", "EUR")]);
    // The processor's day had begun already.
    stub.publish(&day(1), &[(&late, "capture", "700", "EUR")]);
    stub.publish(&day(3), &[]);
    step(&clock, 3 * DAY_MS + DAY_MS / 2);
    let second = open(&folder, &url, &clock).await;
    judged(&second, &day(1)).await;
    stub.publish(&day(2), &[]);
    judged(&second, &day(3)).await;
    let days = days(&second).await;
    let days: Vec<_> = days["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["id"])
        .collect();
    assert_eq!(days, [&day(3), &day(2), &day(1), &day(0)]);
    for number in 0..4 {
        assert_eq!(
            breaks(&second, "acme", &day(number)).await,
            Vec::<Value>::new(),
            "day {number}"
        );
    }
    let fits = shown(&second, &format!("/v1/reconciliations/{}", day(1))).await;
    assert_eq!(fits["fits"], 1, "{fits}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_that_is_not_over_shows_other_amounts_and_currencies_at_once_and_once_and_the_rest_when_it_is()
{
    let (stub, url) = Stub::start().await;
    let (folder, clock) = (Folder::fresh(), ManualClock::at(NOON_MS));
    let till = open_with(&folder, &url, &clock, impatient).await;
    till.open_accounts().await;
    let mut references = Vec::new();
    for key in ["amount", "twice", "missing", "currency"] {
        references.push(format!("payment/{}", paid(&till, key).await));
    }
    let mut lines = vec![
        (references[0].as_str(), "capture", "701", "EUR"),
        (references[1].as_str(), "capture", "700", "EUR"),
        (references[1].as_str(), "capture", "700", "EUR"),
        ("payment/999", "capture", "5", "EUR"),
    ];
    stub.publish(&day(0), &lines);
    let first = differing(&till, 1).await;
    assert_eq!(kinds(&first), ["amount_differs"]);
    noted(&till, first[0]["id"].as_str().unwrap()).await;
    // Whoever sees this has judged the lines above again.
    lines.push((references[3].as_str(), "capture", "700", "USD"));
    stub.publish(&day(0), &lines);
    let second = differing(&till, 2).await;
    assert_eq!(kinds(&second), ["amount_differs", "currency_differs"]);
    let strange = breaks(&till, "operator", &day(0)).await;
    assert_eq!(strange, Vec::<Value>::new(), "ours may be on its way");
    assert_eq!(days(&till).await["items"], json!([]), "the day is not over");
    step(&clock, DAY_MS);
    let shown = judged(&till, &day(0)).await;
    assert_eq!(
        (&shown["lines"], &shown["fits"]),
        (&json!(5), &json!(1)),
        "{shown}"
    );
    let last = differing(&till, 4).await;
    let all = [
        "amount_differs",
        "currency_differs",
        "duplicate",
        "missing_in_settlement",
    ];
    assert_eq!(kinds(&last), all);
    let kept = last.iter().find(|found| found["id"] == first[0]["id"]).unwrap();
    assert_eq!(kept["state"], "noted", "what was done about it stays");
    let strange = breaks(&till, "operator", &day(0)).await;
    assert_eq!(kinds(&strange), ["missing_in_ledger"]);
}

/// The first day's breaks of the tenant that pays, once there are so many.
async fn differing(till: &Till, count: usize) -> Vec<Value> {
    eventually("so many breaks", async || {
        breaks(till, "acme", &day(0)).await.len() >= count
    })
    .await;
    breaks(till, "acme", &day(0)).await
}

fn kinds(breaks: &[Value]) -> Vec<&str> {
    let mut kinds: Vec<&str> = breaks
        .iter()
        .map(|found| found["kind"].as_str().unwrap())
        .collect();
    kinds.sort_unstable();
    kinds
}
