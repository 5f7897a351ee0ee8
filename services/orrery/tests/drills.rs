//! `orrery drill`: the short form of each drill, and one that must end red.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use serde_json::Value;
use testkit::skips;
use tokio::process::Command;
use tokio::time::timeout;

use crate::platform::binary;
use crate::turn;

/// A JVM may have to start.
const DEADLINE: Duration = Duration::from_mins(5);
/// Those in which no request fails, or that were seen to fail beside another's load: they are about the platform under its own. The others
/// wait for alerts to come and go, and give recovery several times what it takes.
const STRICT: [&str; 5] = [
    "gateway-restarted",
    "nats-down",
    "postgres-killed",
    "processor-lies",
    "webhook-receiver-hostile",
];

async fn drill(arguments: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.arg("drill").args(arguments).kill_on_drop(true);
    // The engines that are listed for tests, if any are.
    let listed = ::engines::state().join("engines.json");
    if arguments[0] == "run" {
        command.arg("--engines-from").arg(listed);
    }
    timeout(DEADLINE, command.output())
        .await
        .expect("the drill ended")
        .expect("orrery starts")
}

fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}\n{}", text(&output.stdout), text(&output.stderr))
}

fn verdict(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("verdict.json")).expect("a verdict");
    serde_json::from_str(&text).expect("JSON")
}

/// Runs the short form; `None` after skipping aloud when a program is missing.
async fn passes(name: &str, needs_engine: bool) -> Option<Value> {
    let _turn = if STRICT.contains(&name) {
        turn::alone().await
    } else {
        turn::shared().await
    };
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().display().to_string();
    let output = drill(&["run", name, "--brief", "--out", &out]).await;
    let told = told(&output);
    if told.contains("is not installed") {
        let skip = if needs_engine {
            skips::skip_engine
        } else {
            skips::skip
        };
        skip(name, &told);
        return None;
    }
    assert_eq!(output.status.code(), Some(0), "{told}");
    let verdict = verdict(folder.path());
    assert_eq!(verdict["passed"], true, "{told}");
    for invariant in verdict["invariants"].as_array().expect("a list") {
        assert!(invariant["checked"].as_u64() > Some(0), "{invariant}");
    }
    assert!(folder.path().join("chart.svg").is_file());
    assert!(
        std::fs::metadata(folder.path().join("history.jsonl"))
            .unwrap()
            .len()
            > 0
    );
    Some(verdict)
}

#[tokio::test]
async fn drill_shortener_killed_pages_and_loses_nothing() {
    let Some(verdict) = passes("shortener-killed", false).await else {
        return;
    };
    assert!(
        verdict["meanwhile"]["failed"].as_u64() > Some(0),
        "it was noticed: {verdict}"
    );
    let alerts = verdict["alerts"].to_string();
    assert!(alerts.contains("shortener-redirects-available"), "{alerts}");
}

#[tokio::test]
async fn drill_shortener_frozen_hangs_nobody_for_good() {
    passes("shortener-frozen", false).await;
}

#[tokio::test]
async fn drill_cache_wiped_costs_time_and_no_truth() {
    passes("cache-wiped", true).await;
}

#[tokio::test]
async fn drill_cql_cut_off_is_said_with_503_and_never_404() {
    passes("cql-cut-off", true).await;
}

#[tokio::test]
async fn drill_nats_down_is_noticed_by_nobody() {
    passes("nats-down", true).await;
}

#[tokio::test]
async fn drill_clock_stepped_gives_no_id_twice() {
    passes("clock-stepped", false).await;
}

#[tokio::test]
async fn drill_gateway_restarted_fails_no_request() {
    let Some(verdict) = passes("gateway-restarted", false).await else {
        return;
    };
    assert_eq!(verdict["faults"].as_array().map(Vec::len), Some(2));
}

/// The short form of a drill of money, which read the tables and the chain.
async fn money_is_kept(name: &str, needs_engine: bool) {
    let Some(verdict) = passes(name, needs_engine).await else {
        return;
    };
    let judged = verdict["invariants"].to_string();
    for invariant in [
        "money-conserved",
        "nothing-twice",
        "chain-verified",
        "payments-settled",
    ] {
        assert!(judged.contains(invariant), "{judged}");
    }
}

#[tokio::test]
async fn drill_payment_killed_loses_no_transfer_and_does_none_twice() {
    money_is_kept("payment-killed", false).await;
}

#[tokio::test]
async fn drill_postgres_killed_loses_no_transfer_and_does_none_twice() {
    money_is_kept("postgres-killed", true).await;
}

#[tokio::test]
async fn drill_disk_full_acknowledges_nothing_that_is_not_written() {
    money_is_kept("disk-full", false).await;
}

/// The others of money take a minute and a half together, and find what is rare.
#[tokio::test]
async fn nightly_every_other_drill_of_money_keeps_it() {
    if !skips::nightly() {
        println!("skipped: set ORRERY_NIGHTLY=1 to run the other drills of money");
        return;
    }
    for name in [
        "postgres-frozen",
        "postgres-disk-full",
        "processor-lies",
        "webhook-receiver-hostile",
        "leader-paused",
    ] {
        money_is_kept(name, name.starts_with("postgres")).await;
    }
}

#[tokio::test]
async fn a_drill_that_believes_what_is_not_so_ends_red_with_exit_code_1() {
    let _turn = turn::shared().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wishful.yaml");
    let wishful = "
name: wishful
service: shortener
title: the shortener is killed, and nobody notices
hypothesis: A role that is gone is not missed.
load: {profile: links, per_second: 60, duration: 6s}
observer: links
faults:
  - {experiment: shortener-killed, at: 1s}
expect:
  quiet: [shortener-redirects-available]
  degraded: {failed_share_max: 0.0}
  recovered_within: 4s
  invariants: [no-failed-request, no-acknowledged-link-lost]
brief: {divisor: 2}
";
    std::fs::write(&path, wishful).unwrap();
    let out = folder.path().display().to_string();
    let output = drill(&["run", &path.display().to_string(), "--brief", "--out", &out]).await;
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let verdict = verdict(folder.path());
    assert_eq!(verdict["passed"], false);
    let invariants = &verdict["invariants"];
    assert_eq!(invariants[0]["held"], false, "requests failed: {invariants}");
    assert_eq!(invariants[1]["held"], true, "and nothing was lost: {invariants}");
}

/// Without a control: each of these drills is a test of its own above, and green there.
#[cfg(feature = "planted-bugs")]
#[tokio::test]
async fn every_planted_bug_is_found_by_its_drill() {
    let _turn = turn::alone().await;
    let listed = ::engines::state().join("engines.json").display().to_string();
    let output = drill(&["score-bugs", "--brief", "--no-control", "--engines-from", &listed]).await;
    let told = told(&output);
    if told.contains("is not installed") {
        skips::skip_engine("every_planted_bug_is_found_by_its_drill", &told);
        return;
    }
    let missed: Vec<&str> = told.lines().filter(|line| line.contains(" MISSED by ")).collect();
    assert!(missed.is_empty(), "{}\n{told}", missed.join("\n"));
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("6 of 6 planted bugs found"), "{told}");
}

#[tokio::test]
async fn a_drill_that_is_not_there_could_not_be_run() {
    let output = drill(&["run", "shortener-kiled"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(
        told(&output).contains("there are: shortener-killed"),
        "{}",
        told(&output)
    );
}

#[tokio::test]
async fn every_drill_is_listed_shown_and_has_its_section() {
    let listed = drill(&["list"]).await;
    let text = String::from_utf8(listed.stdout).unwrap();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/drills.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let names: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.len() >= 15, "{text}");
    for name in names {
        assert!(
            docs.contains(&format!("\n## {name}\n")),
            "docs/drills.md has no section for {name}"
        );
        let shown = drill(&["show", name]).await;
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(
            shown.contains("hypothesis:")
                && ["chaos-mesh.org/v1alpha1", "control:", "receiver: hostile"]
                    .iter()
                    .any(|fault| shown.contains(fault)),
            "{shown}"
        );
    }
}
