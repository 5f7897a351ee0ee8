//! Every query of every dashboard has an answer: from traffic alone, or, where its panel says what it needs, once that has happened.
//!
//! Two platforms: one as `orrery up` starts it, where nothing goes wrong; and one on real engines behind proxies that break, with a
//! collector of traces and a rate limit that is met.

use std::fmt::Write as _;
use std::time::Duration;

use http::Method;
use testkit::http::{call, get};
use testkit::otlp::OtlpReceiver;
use testkit::platform::{Options, Platform};
use testkit::watchers::{Prometheus, PrometheusSettings, Series};
use tokio::time::{Instant, sleep};

use super::panels::{self, Asked};
use super::till;
use super::traffic::{Traffic, token_for_key};
use crate::engines::dead_letters;
use crate::engines::faults::proxied::{self, Fault, Proxied};
use crate::platform::binary;

/// However busy the machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long an engine is away: longer than two scrapes.
const AWAY: Duration = Duration::from_secs(3);
/// How long it says nothing before its connections are cut, so that the cut meets a call in flight.
const SILENT: Duration = Duration::from_millis(700);
/// More than any role takes.
const BODY_BYTES: usize = 2 * 1024 * 1024;
/// Between two looks at all queries without an answer.
const PAUSE: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_of_every_dashboard_has_an_answer() {
    let test = "every_query_of_every_dashboard_has_an_answer";
    let folder = ::engines::checkout().join("infra/grafana/dashboards");
    let (needy, ordinary): (Vec<Asked>, Vec<Asked>) = panels::all(&folder)
        .into_iter()
        .partition(|asked| asked.needs.is_some());
    let plain = Platform::start(binary(), till::patient(dead_letters::eager())).await;
    let broken_base = testkit::platform::PortBlock::reserve();
    let rules = eager_rules();
    let mut watched = PrometheusSettings::of(&[plain.port_base(), broken_base.base()]);
    rules.path().clone_into(&mut watched.rules);
    let Some(prometheus) = Prometheus::start(test, &watched).await else {
        return;
    };
    let traffic = Traffic::at(&plain).await;
    let mut report = answered(&prometheus, &ordinary, "traffic alone").await;

    let Some((engines, urls)) = proxied::all(test).await else {
        return;
    };
    let collector = OtlpReceiver::start();
    let mut options = Options {
        port_base: Some(broken_base.base()),
        deadline: Duration::from_mins(1),
        ..Options::default()
    };
    for (name, value) in urls.env() {
        options = options.env(name, &value);
    }
    for role in ["payment", "processor"] {
        let variable = format!("ORRERY_{}_DATABASE_URL", role.to_uppercase());
        options = options.env(&variable, &format!("{}_{role}", urls.postgres));
    }
    // A ledger that several processes may share has its streams and leases where they find them.
    let options = till::patient(options)
        .env("ORRERY_PAYMENT_STREAMS_URL", &urls.nats)
        .env("ORRERY_PAYMENT_LEASES_URL", &urls.nats)
        .env("ORRERY_TELEMETRY_OTLP_ENDPOINT", &collector.grpc_endpoint())
        .env("ORRERY_GATEWAY_RATE_LIMIT_BURST", "10")
        .env("ORRERY_GATEWAY_RATE_LIMIT_REFILL_PER_SECOND", "10")
        .env("ORRERY_GATEWAY_BODY_BYTES_MAX", &(BODY_BYTES / 2).to_string());
    let broken = Platform::start(binary(), options).await;
    let more_traffic = Traffic::at(&broken).await;
    dead_letters::poison(&plain).await;
    till::refused_by_the_stream(&plain).await;
    let behind = [1, 2, 5, 6].map(|role| broken.api_url(role));
    let mischief = tokio::spawn(mischief(broken.url(), behind));
    let faults = tokio::spawn(async move {
        loop {
            for engine in &engines {
                away(engine).await;
            }
        }
    });
    report += &answered(&prometheus, &needy, "faults and engines").await;
    faults.abort();
    mischief.abort();
    drop((traffic, more_traffic));
    println!("{report}");
}

/// The generated rules, all evaluated every second: the long windows are told of every 150 s otherwise.
fn eager_rules() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let rules = ::engines::checkout().join("infra/prometheus/rules");
    let files = std::fs::read_dir(&rules).unwrap_or_else(|e| panic!("{}: {e}", rules.display()));
    for file in files {
        let file = file.expect("a folder can be read");
        let text = std::fs::read_to_string(file.path()).expect("rules can be read");
        let eager = text.lines().filter(|line| !line.starts_with("    interval: "));
        let eager = eager.collect::<Vec<_>>().join("\n") + "\n";
        std::fs::write(folder.path().join(file.file_name()), eager).expect("rules can be written");
    }
    folder
}

/// Asks the queries that have no answer yet, until none is left; the test fails with those that still have none.
async fn answered(prometheus: &Prometheus, asked: &[Asked], by: &str) -> String {
    let since = Instant::now();
    let mut waiting: Vec<&Asked> = asked.iter().collect();
    while !waiting.is_empty() {
        let mut still = Vec::new();
        for asked in waiting {
            let series = prometheus.query(&asked.expr).await;
            let series = series.unwrap_or_else(|why| panic!("{}: {}: {why}", asked.place, asked.expr));
            if !has_data(&series) {
                still.push(asked);
            }
        }
        assert!(
            still.is_empty() || since.elapsed() < PATIENCE,
            "by {by}, {} of {} queries have no answer:{}",
            still.len(),
            asked.len(),
            still.iter().fold(String::new(), |mut list, asked| {
                let needs = asked.needs.as_deref().unwrap_or("nothing");
                _ = write!(list, "\n  {} (needs {needs}): {}", asked.place, asked.expr);
                list
            })
        );
        waiting = still;
        sleep(PAUSE).await;
    }
    format!(
        "{} queries answered by {by} within {:.0} s\n",
        asked.len(),
        since.elapsed().as_secs_f64()
    )
}

/// A quantile of nothing is NaN: a point that Grafana does not draw.
fn has_data(series: &[Series]) -> bool {
    series.iter().any(|(_, value)| !value.is_nan())
}

/// One engine cannot be had for a while.
async fn away(engine: &Proxied) {
    engine.set(Fault::Stalled);
    sleep(SILENT).await;
    engine.set(Fault::Cut);
    sleep(AWAY).await;
    engine.heal();
    sleep(AWAY).await;
}

/// What clients do wrong, over and over: no token, a wrong key, too large a body.
async fn mischief(gateway: String, behind: [String; 4]) {
    loop {
        let _ = get(format!("{gateway}/v1/links")).try_send().await;
        for url in [&gateway].into_iter().chain(&behind) {
            // Past the gateway's rate limit as well: a look-up that meets its engine's cut is run again.
            let _ = token_for_key(url, "importer", "wrong").try_send().await;
            let body = vec![b'x'; BODY_BYTES];
            let _ = call(Method::POST, format!("{url}/oauth2/token"))
                .bytes(body)
                .try_send()
                .await;
        }
        sleep(PAUSE).await;
    }
}
