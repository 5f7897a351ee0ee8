//! Burn rates, budgets and alerts over whole stories.

use std::time::Duration;

use slo::exposition::Sample;
use slo::{Evaluator, Policy, ServiceObjectives, Severity, alert_name};

const SHOP: &str = include_str!("shop.yaml");
const AVAILABLE: &str = "shop-orders-available";

fn minutes(n: u64) -> Duration {
    Duration::from_secs(60 * n)
}

/// What one target answers: orders by status.
fn orders(by_status: &[(&str, f64)]) -> Vec<Sample> {
    let sample = |(status, value): &(&str, f64)| Sample {
        name: "requests_count".to_owned(),
        labels: [("route", "/orders"), ("status", status)]
            .map(|(a, b)| (a.to_owned(), b.to_owned()))
            .to_vec(),
        value: *value,
    };
    by_status.iter().map(sample).collect()
}

fn evaluator() -> Evaluator {
    Evaluator::new(
        ServiceObjectives::parse(SHOP)
            .expect("the shop's objectives")
            .objectives,
        Policy::standard(),
    )
}

/// One request a second for `steady` minutes, of which one in a thousand times `burn` fails from then on; scraped each minute.
fn story(steady: u64, until: u64, bad_share: f64) -> Evaluator {
    let mut evaluator = evaluator();
    let (mut good, mut bad) = (0.0, 0.0);
    for minute in 0..=until {
        evaluator.ingest(
            minutes(minute),
            "gateway",
            "a",
            &orders(&[("200", good), ("503", bad)]),
        );
        let failing = if minute >= steady { bad_share } else { 0.0 };
        good += 60.0 * (1.0 - failing);
        bad += 60.0 * failing;
    }
    evaluator
}

#[test]
fn a_share_of_failures_is_that_many_budgets() {
    let shop = story(0, 8 * 60, 0.006);
    for window in [minutes(5), minutes(60), minutes(360)] {
        let burn = shop.burn_rate(AVAILABLE, window, minutes(480)).unwrap();
        assert!((burn - 6.0).abs() < 0.01, "{burn} over {window:?}");
    }
    assert!((shop.budget_left(AVAILABLE, minutes(480)).unwrap() + 5.0).abs() < 0.01);
}

#[test]
fn a_total_outage_pages_after_its_arithmetic_minute_and_clears() {
    // 14.4 budgets of 1/1000 over an hour are 51.84 s of outage; the six-hour pair needs 129.6 s.
    let policy = Policy::standard();
    let mut shop = evaluator();
    let mut fired = None;
    let (mut good, mut bad) = (0.0, 0.0);
    for second in (0..7 * 3600 + 1800).step_by(4) {
        let now = Duration::from_secs(second);
        shop.ingest(now, "gateway", "a", &orders(&[("200", good), ("503", bad)]));
        let down = (7 * 3600..7 * 3600 + 300).contains(&second);
        if down {
            bad += 4.0;
        } else {
            good += 4.0;
        }
        if second > 7 * 3600 {
            let page = &shop.alerts(now)[0];
            assert_eq!(page.severity, Severity::Page);
            let since = second - 7 * 3600;
            if page.firing && fired.is_none() {
                assert_eq!(page.window, policy.windows[0]);
                fired = Some(since);
            }
            if since > 300 + 1800 {
                assert!(!page.firing, "it fires {since} s after the outage began");
            }
        }
    }
    // A scrape every 4 s, and a window that reaches up to one beyond its last.
    let fired = fired.expect("it never fired");
    assert!((52..=60).contains(&fired), "it fired after {fired} s");
}

#[test]
fn a_slow_burn_is_a_ticket_and_no_page() {
    let shop = story(0, 26 * 60, 0.0035);
    let alerts = shop.alerts(minutes(26 * 60));
    let of = |severity| {
        alerts
            .iter()
            .find(|a| a.objective == AVAILABLE && a.severity == severity)
            .unwrap()
    };
    assert!(!of(Severity::Page).firing);
    assert!(of(Severity::Ticket).firing);
    assert_eq!(
        of(Severity::Ticket).name,
        alert_name(&shop.objectives()[0], Severity::Ticket)
    );
}

#[test]
fn without_requests_there_is_no_burn_rate_and_no_alert() {
    let mut shop = story(0, 10, 1.0);
    let stopped = orders(&[("200", 0.0), ("503", 660.0)]);
    for minute in 11..=480 {
        shop.ingest(minutes(minute), "gateway", "a", &stopped);
    }
    assert_eq!(shop.burn_rate(AVAILABLE, minutes(5), minutes(29)), None);
    // The shortest window of a ticket is two hours; that of the slowest six.
    let firing = |minute| {
        let alerts = shop.alerts(minutes(minute));
        alerts
            .iter()
            .filter(|alert| alert.firing && alert.objective == AVAILABLE)
            .count()
    };
    assert_eq!((firing(30), firing(60), firing(480)), (2, 1, 0));
    assert_eq!(shop.burn_rate("nothing", minutes(5), minutes(29)), None);
}

#[test]
fn a_restart_loses_no_failures_and_two_instances_are_one_service() {
    let mut shop = evaluator();
    for minute in 0..=30_u32 {
        let n = f64::from(minute);
        shop.ingest(
            minutes(minute.into()),
            "gateway",
            "a",
            &orders(&[("200", n * 60.0)]),
        );
        // The other one fails one in ten, and began again at 0 a quarter of an hour ago.
        let since = f64::from(if minute < 15 { minute } else { minute - 15 });
        shop.ingest(
            minutes(minute.into()),
            "gateway",
            "b",
            &orders(&[("200", since * 54.0), ("503", since * 6.0)]),
        );
    }
    let burn = shop.burn_rate(AVAILABLE, minutes(30), minutes(30)).unwrap();
    assert!((burn - 50.0).abs() < 2.0, "{burn}");
}

#[test]
fn beyond_its_limit_it_counts_what_it_leaves_out() {
    let mut shop = evaluator().with_series_max(1);
    shop.ingest(minutes(0), "gateway", "a", &orders(&[("200", 0.0), ("503", 0.0)]));
    assert_eq!(shop.ignored(), 1);
    shop.ingest(minutes(1), "another", "a", &orders(&[("200", 1.0)]));
    assert_eq!(shop.ignored(), 1, "what no objective counts needs no place");
    // A month later nobody has seen the first one: its place is free.
    shop.ingest(minutes(60 * 24 * 31), "gateway", "a", &orders(&[("503", 0.0)]));
    assert_eq!(shop.ignored(), 1);
}
