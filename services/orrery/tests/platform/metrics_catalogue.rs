//! `docs/metrics.md` against a running platform: nothing is emitted that it does not name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use slo::exposition::{self, Sample};
use testkit::http::{call, get, post};
use testkit::platform::{Options, Platform};
use tokio::time::{Instant, sleep};

use super::binary;

const CATALOGUE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/metrics.md");
const DOCUMENTS: [&str; 3] = [
    include_str!("../../../issuer/openapi.json"),
    include_str!("../../../shortener/openapi.json"),
    include_str!("../../../payment/openapi.json"),
];
const ROLES: [(u16, &str); 6] = [
    (0, "gateway"),
    (1, "issuer"),
    (2, "shortener"),
    (5, "payment"),
    (6, "processor"),
    (7, "console"),
];
/// A click that is not counted by then will not be.
const PATIENCE: Duration = Duration::from_secs(15);

/// A row of the catalogue.
struct Listed {
    kind: String,
    /// By label the values that it can have, where they are listed.
    labels: BTreeMap<String, BTreeSet<String>>,
}

#[tokio::test]
async fn after_traffic_on_every_route_each_metric_label_and_listed_value_stands_in_the_catalogue() {
    let platform = Platform::start(binary(), Options::default()).await;
    let token = platform
        .token(
            "acme",
            "ada",
            &[
                "links:read",
                "links:write",
                "ledger:read",
                "ledger:write",
                "payments:read",
                "payments:write",
            ],
        )
        .await;
    follow_a_link(&platform, &token).await;
    ask_for_a_token_with_a_wrong_key(&platform).await;
    for document in DOCUMENTS {
        try_every_operation(&platform, &token, document).await;
    }

    let catalogue = catalogue();
    let mut seen = BTreeSet::new();
    let mut wrong = BTreeSet::new();
    for (index, role) in ROLES {
        for sample in scrape(&platform, index).await {
            let found = family(&catalogue, &sample.name);
            let Some((name, listed)) = found else {
                wrong.insert(format!("{role}: {} is not named", sample.name));
                continue;
            };
            seen.insert(name);
            wrong.extend(strangers(role, &sample, listed));
        }
    }
    assert!(wrong.is_empty(), "docs/metrics.md: {wrong:#?}");
    // The traffic reached what it was meant to reach: otherwise the test above would be about little.
    for name in [
        "http_server_request_duration_seconds",
        "http_client_request_duration_seconds",
        "db_client_operation_duration_seconds",
        "stream_publish_duration_seconds",
        "stream_lag_seconds",
        "cache_lookups_total",
        "gateway_refused_total",
        "issuer_tokens_refused_total",
        "shortener_click_lag_seconds",
    ] {
        assert!(seen.contains(name), "nothing was heard of {name}");
    }
}

/// What a sample says that its row does not.
fn strangers(role: &str, sample: &Sample, listed: &Listed) -> Vec<String> {
    let mut wrong = Vec::new();
    for (label, value) in &sample.labels {
        match listed.labels.get(label) {
            _ if label == "le" && listed.kind == "histogram" => {}
            None => wrong.push(format!("{role}: {} has a label {label}", sample.name)),
            Some(values) if values.is_empty() || values.contains(value) => {}
            Some(_) => wrong.push(format!(
                "{role}: {}{{{label}={value:?}}} is not listed",
                sample.name
            )),
        }
    }
    wrong
}

/// Makes a link, follows it, and waits until that was counted.
async fn follow_a_link(platform: &Platform, token: &str) {
    let made = post(
        format!("{}/v1/links", platform.url()),
        &json!({"url": "https://example.com/", "alias": "seen"}),
    );
    let made = made.bearer(token).send().await;
    assert_eq!(made.status, 201, "{}", made.text());
    let followed = get(format!("{}/seen", platform.url())).send().await;
    assert_eq!(followed.status, 302, "{}", followed.text());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let samples = scrape(platform, 2).await;
        let counted = samples
            .iter()
            .any(|sample| sample.name == "shortener_click_lag_seconds_count" && sample.value > 0.0);
        let measured = samples.iter().any(|sample| sample.name == "stream_lag_seconds");
        if counted && measured {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "the click was not counted\n{}",
            platform.tail()
        );
        sleep(Duration::from_millis(50)).await;
    }
}

async fn ask_for_a_token_with_a_wrong_key(platform: &Platform) {
    let refused = call(Method::POST, format!("{}/oauth2/token", platform.url()))
        .header("content-type", "application/x-www-form-urlencoded")
        .bytes("grant_type=client_credentials&client_id=nobody&client_secret=wrong");
    let refused = refused.send().await;
    assert_eq!(refused.status, 401, "{}", refused.text());
}

/// Each operation of the document, through the gateway, with values that lead nowhere; whatever is answered.
async fn try_every_operation(platform: &Platform, token: &str, document: &str) {
    let document: Value = serde_json::from_str(document).expect("an OpenAPI document");
    for (path, item) in document["paths"].as_object().expect("paths") {
        for method in item.as_object().expect("operations").keys() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else {
                continue;
            };
            let url = format!("{}{}", platform.url(), filled(path));
            let open = call(method.clone(), url.clone()).send().await;
            let known = call(method, url).bearer(token).json(&json!({})).send().await;
            let answers = [open.status.as_u16(), known.status.as_u16()];
            assert!(answers.iter().all(|status| *status < 500), "{path}: {answers:?}");
        }
    }
}

/// `/v1/links/{code}` with a code that nobody has.
fn filled(path: &str) -> String {
    path.split('/')
        .map(|part| if part.contains('{') { "nowhere" } else { part })
        .collect::<Vec<_>>()
        .join("/")
}

async fn scrape(platform: &Platform, index: u16) -> Vec<Sample> {
    let answer = get(format!("{}/metrics", platform.admin_url(index))).send().await;
    exposition::parse(&answer.text())
}

/// The tables of the page.
fn catalogue() -> BTreeMap<String, Listed> {
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let name = cells.first()?.strip_prefix('`')?.strip_suffix('`')?;
        let [_, kind, _, labels, ..] = cells.as_slice() else {
            return None;
        };
        let listed = Listed {
            kind: (*kind).to_owned(),
            labels: labels.split(", ").filter_map(label).collect(),
        };
        Some((name.to_owned(), listed))
    };
    let page = std::fs::read_to_string(CATALOGUE).expect("`orrery generate` writes the page");
    let rows: BTreeMap<String, Listed> = page.lines().filter_map(row).collect();
    assert!(rows.len() > 20, "the page could not be read");
    rows
}

/// A label's cell: `name`, or `name`: `value` `value`.
fn label(cell: &str) -> Option<(String, BTreeSet<String>)> {
    let mut words = cell.split('`').skip(1).step_by(2).map(str::to_owned);
    Some((words.next()?, words.collect()))
}

fn family<'a>(catalogue: &'a BTreeMap<String, Listed>, sample: &str) -> Option<(&'a str, &'a Listed)> {
    let of_histogram = ["_bucket", "_count", "_sum"]
        .iter()
        .filter_map(|tail| catalogue.get_key_value(sample.strip_suffix(tail)?))
        .find(|(_, listed)| listed.kind == "histogram");
    let (name, listed) = of_histogram.or_else(|| catalogue.get_key_value(sample))?;
    Some((name, listed))
}
