//! Each lab in its short form: the shape of what it shows, never a time.

use lab::{Bench, Report};
use telemetry::{Telemetry, TelemetrySettings};
use testkit::engines::{self, Kind};
use tokio::sync::Mutex;

/// Labs load both cores: each is about its own load, not about another's.
static TURN: Mutex<()> = Mutex::const_new(());

/// A busy machine may take longer than a person is asked to wait.
const DEADLINE: std::time::Duration = std::time::Duration::from_mins(2);

/// `None` where there is no PostgreSQL: then the test says that it is skipped.
async fn report(name: &str) -> Option<Report> {
    let postgres = engines::url(Kind::Postgres, &format!("the lab {name}"))?;
    let _turn = TURN.lock().await;
    let clock = clock::SystemClock::shared();
    let telemetry = Telemetry::new("lab-test", "1", &TelemetrySettings::default(), clock.clone()).unwrap();
    let mut bench = Bench::new(1, clock, telemetry).unwrap();
    bench.brief = true;
    bench.postgres = Some(postgres);
    let labs = payment::labs();
    let lab = labs.iter().find(|lab| lab.name() == name).unwrap();
    let report = lab::run(lab.as_ref(), &bench, DEADLINE).await.unwrap();
    println!("{report}");
    assert!(!report.sentence.is_empty() && report.figure.svg().contains("<svg"));
    Some(report)
}

fn of<const N: usize>(report: &Report, column: &str, arms: [&str; N]) -> [f64; N] {
    arms.map(|arm| report.value(arm, column).unwrap())
}

#[tokio::test]
async fn on_a_hot_account_a_group_needs_a_fraction_of_the_transactions_and_tries_nothing_in_vain() {
    let Some(report) = report("hot-account").await else {
        return;
    };
    let arms = ["row locks", "optimistic", "serializable", "group commit"];
    let [locks, optimistic, serializable, group] = of(&report, "transactions", arms);
    assert!(group * 2.0 <= locks, "{report}");
    assert!(
        (locks - optimistic).abs() < 0.1 && (locks - serializable).abs() < 0.1,
        "{report}"
    );
    let [locks, optimistic, serializable, group] = of(&report, "tried in vain", arms);
    assert!((locks + group).abs() < 0.1, "{report}");
    assert!(optimistic >= 1.0 && serializable >= 1.0, "{report}");
}

#[tokio::test]
async fn each_anomaly_is_seen_at_a_weak_level_and_prevented_at_a_strong_one() {
    let Some(report) = report("anomalies").await else {
        return;
    };
    let levels = ["read committed", "repeatable read", "serializable", "row locks"];
    let [committed, repeatable, serializable, locks] = of(&report, "lost updates", levels);
    assert!(
        committed >= 5.0 && (repeatable + serializable + locks).abs() < 0.1,
        "{report}"
    );
    let [committed, repeatable, serializable, locks] = of(&report, "write skews", levels);
    assert!(
        committed >= 5.0 && repeatable >= 5.0 && (serializable + locks).abs() < 0.1,
        "{report}"
    );
    let [committed, repeatable, serializable, locks] = of(&report, "read skews", levels);
    assert!(
        committed >= 5.0 && (repeatable + serializable + locks).abs() < 0.1,
        "{report}"
    );
    let [committed, _, serializable, locks] = of(&report, "refused by the engine", levels);
    assert!(serializable >= 1.0 && (committed + locks).abs() < 0.1, "{report}");
}

#[tokio::test]
async fn who_needs_an_account_waits_for_a_dead_coordinator_and_not_for_a_dead_saga() {
    let Some(report) = report("two-phase-commit").await else {
        return;
    };
    let arms = ["two-phase commit", "saga"];
    let [begun, _] = of(&report, "payments begun", arms);
    let [two_phase, saga] = of(&report, "others that waited in vain", arms);
    assert!((two_phase - begun).abs() < 0.1 && saga.abs() < 0.1, "{report}");
    let [two_phase, saga] = of(&report, "settled afterwards", arms);
    assert!(
        (two_phase - begun).abs() < 0.1 && (saga - begun).abs() < 0.1,
        "{report}"
    );
    let [two_phase, saga] = of(&report, "money missing", arms);
    assert!((two_phase + saga).abs() < 0.1, "{report}");
}
