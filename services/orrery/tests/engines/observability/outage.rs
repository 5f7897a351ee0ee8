//! A total outage of the shortener: the page comes as soon as arithmetic lets it, and is taken back.
//!
//! The rules are the generated ones with every window divided by sixty, since nobody's test waits for six hours.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use http::{Method, StatusCode};
use load::{Arrivals, HttpClient, HttpSettings, Plan};
use serde_json::json;
use slo::{Objective, Policy, ServiceObjectives, Severity};
use testkit::watchers::{Alertmanager, AlertmanagerSettings, Prometheus, PrometheusSettings};
use testkit::webhook::{Notice, Webhook};
use tokio::time::Instant;

use super::roles::Roles;
use crate::engines::client::Api;
use crate::platform::binary;

const OBJECTIVE: &str = "shortener-redirects-available";
/// The divisor of every window.
const SCALE: u32 = 60;
/// Between scrapes, and between evaluations.
const INTERVAL: Duration = Duration::from_secs(1);
const GROUP_WAIT: Duration = Duration::from_secs(1);
const GROUP_INTERVAL: Duration = Duration::from_secs(5);
const REDIRECTS_PER_S: f64 = 50.0;
/// A window of good redirects before the outage; the shortest is five seconds.
const GOOD_FOR: &str = "6s";
/// How long the load goes on at most: longer than the test may take.
const LOAD_FOR: Duration = Duration::from_mins(5);
/// A machine that does other work too is late; one that is this much later than arithmetic is wrong.
const LATE: u32 = 3;
/// However busy the machine.
const PATIENCE: Duration = Duration::from_mins(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_total_outage_of_the_shortener_pages_as_soon_as_arithmetic_lets_it_and_resolves() {
    let test = "a_total_outage_of_the_shortener_pages_as_soon_as_arithmetic_lets_it_and_resolves";
    let folder = tempfile::tempdir().expect("a temporary folder");
    generate_scaled(folder.path());
    let webhook = Webhook::start().await;
    let told = AlertmanagerSettings {
        webhook: webhook.url(),
        group_wait: GROUP_WAIT,
        group_interval: GROUP_INTERVAL,
    };
    let Some(alertmanager) = Alertmanager::start(test, &told).await else {
        return;
    };
    let mut roles = Roles::start().await;
    let mut watched = PrometheusSettings::of(&[roles.port_base()]);
    watched.interval = INTERVAL;
    watched.rules = folder.path().join("infra/prometheus/rules");
    watched.alertmanager = Some(alertmanager.address());
    let Some(prometheus) = Prometheus::start(test, &watched).await else {
        return;
    };
    let load = tokio::spawn(redirects(make_link(&roles).await));
    until_good(&prometheus).await;
    // A busy machine may be slow, which is another objective's page.
    let early = webhook.notices();
    assert!(
        !early.iter().any(|notice| is_page(notice, "firing")),
        "nothing failed yet: {early:?}"
    );

    let outage = Instant::now();
    roles.shortener.kill().await;
    let page = webhook
        .wait_for(PATIENCE, |notice| is_page(notice, "firing"))
        .await
        .unwrap_or_else(|told| panic!("no page within {PATIENCE:?}: {told:?}\n{}", prometheus.log_tail()));
    let paged_after = outage.elapsed();
    let minimum = minimum();
    // A status that was never counted before counts from its second scrape; the rates are recorded before the alerts read them,
    // in the same evaluation.
    let bound = minimum + 2 * INTERVAL + INTERVAL + GROUP_WAIT;
    println!(
        "paged {:.2} s after the kill; arithmetic minimum {:.2} s, with two scrapes, an evaluation and group_wait {:.2} s",
        paged_after.as_secs_f64(),
        minimum.as_secs_f64(),
        bound.as_secs_f64()
    );
    assert!(
        paged_after <= LATE * bound,
        "{paged_after:?}, and {bound:?} is the bound"
    );
    assert_eq!(page.receiver, "pages");
    assert_eq!(page.labels["service"], "shortener");
    let runbook = &page.annotations["runbook_url"];
    assert!(
        runbook.ends_with(&format!("docs/runbooks/{OBJECTIVE}.md")),
        "{runbook}"
    );

    resolves(&webhook, &mut roles).await;
    load.abort();
    let compared = super::agreement::check(&prometheus, Policy::standard().scaled(SCALE), outage.elapsed());
    println!("{}", compared.await);
}

/// Taken back once the shortener is there again.
async fn resolves(webhook: &Webhook, roles: &mut Roles) {
    let repair = Instant::now();
    roles.shortener.restart().await;
    webhook
        .wait_for(PATIENCE, |notice| is_page(notice, "resolved"))
        .await
        .unwrap_or_else(|told| panic!("not resolved within {PATIENCE:?}: {told:?}"));
    println!(
        "resolved {:.1} s after the restart began",
        repair.elapsed().as_secs_f64()
    );
}

fn is_page(notice: &Notice, status: &str) -> bool {
    let label = |name: &str| notice.labels.get(name).map(String::as_str);
    notice.status == status && label("severity") == Some("page") && label("objective") == Some(OBJECTIVE)
}

/// When every request fails, a window's error ratio reaches its threshold after this part of it, and sooner while the window is not
/// full yet. The first of the paging windows counts.
fn minimum() -> Duration {
    let objective = objective();
    let policy = Policy::standard().scaled(SCALE);
    let paging = policy
        .windows
        .iter()
        .filter(|window| window.severity == Severity::Page);
    paging
        .map(|window| window.long.mul_f64(window.burn_rate * (1.0 - objective.target)))
        .min()
        .expect("something pages")
}

fn objective() -> Objective {
    let all = ServiceObjectives::parse(shortener::OBJECTIVES).expect("the objectives");
    let found = all.objectives.into_iter().find(|one| one.name == OBJECTIVE);
    found.expect("the objective of redirects")
}

/// `orrery slo generate` with every window divided.
fn generate_scaled(into: &Path) {
    let output = Command::new(binary())
        .args(["slo", "generate", "--scale", &SCALE.to_string(), "--into"])
        .arg(into)
        .output()
        .expect("orrery starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A link, as the client that follows it.
async fn make_link(roles: &Roles) -> HttpClient {
    let api = Api::new(&roles.gateway.url(), &roles.token().await);
    let link = json!({ "url": "https://example.com/there", "alias": "there" });
    let (status, made) = api.send(Method::POST, "/v1/links", Some(&link), None).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    HttpClient::new(&roles.gateway.url(), HttpSettings::default()).expect("a loopback address")
}

/// Follows the link until it is told to stop.
async fn redirects(client: HttpClient) {
    let plan = Plan {
        arrivals: Arrivals::Constant {
            per_second: REDIRECTS_PER_S,
        },
        duration: LOAD_FOR,
        ..Plan::default()
    };
    let clock = clock::SystemClock::shared();
    load::run(plan, &clock, move |_| {
        let client = client.clone();
        async move { client.get("/there").await.is_ok() }
    })
    .await;
}

/// Waits until a window of redirects has been seen, and none of them failed.
async fn until_good(prometheus: &Prometheus) {
    let total = objective().total;
    let seen = format!("sum(increase({total}[{GOOD_FOR}]))");
    let enough = REDIRECTS_PER_S * 4.0;
    let seen = prometheus
        .until(&seen, PATIENCE, |series| {
            series.first().is_some_and(|(_, count)| *count > enough)
        })
        .await;
    if let Err(why) = seen {
        panic!("{why}");
    }
}
