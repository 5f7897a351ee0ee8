use load::profile::Second;

use super::*;
use crate::invariants::Finding;

fn second(at_s: u64, failed: u64, status: &str) -> Second {
    Second {
        at_s,
        offered: 10,
        answered: 10,
        failed,
        failed_of_due: failed,
        statuses: [("302".to_owned(), 10 - failed), (status.to_owned(), failed)].into(),
        ..Second::default()
    }
}

fn drill() -> Drill {
    crate::drill("shortener-killed").unwrap()
}

/// Killed from 2 to 4 s, everything failed until 5 s; a page from 2.5 s.
fn gathered() -> Gathered {
    let mut report = crate::invariants::tests::report(30, 80);
    report.seconds = (0..8)
        .map(|at_s| second(at_s, if (2..5).contains(&at_s) { 10 } else { 0 }, "502"))
        .collect();
    Gathered {
        faults: vec![Struck {
            experiment: "shortener-killed".to_owned(),
            target: "shortener".to_owned(),
            what: "killed".to_owned(),
            from_s: 2.0,
            to_s: 4.0,
        }],
        alerts: vec![SeenAlert {
            name: "X".to_owned(),
            objective: "shortener-redirects-available".to_owned(),
            severity: "page".to_owned(),
            from_s: 2.5,
            cleared_s: Some(7.0),
            burn_max: 900.0,
        }],
        report,
        invariants: vec![Finding {
            invariant: "redirects-true".to_owned(),
            held: true,
            checked: 3,
            of: "operations",
            found: "no violation".to_owned(),
            violations: 0,
        }],
        seed: 1,
        brief: false,
    }
}

#[test]
fn a_drill_passes_when_everything_was_as_expected() {
    let verdict = Verdict::of(&drill(), gathered());
    assert!(verdict.passed, "{verdict}");
    assert_eq!(verdict.recovered_after_s, Some(1.0));
    assert_eq!((verdict.meanwhile.due, verdict.meanwhile.failed), (40, 30));
    assert!(verdict.to_string().ends_with("PASSED"));
    let svg = chart::draw(&verdict);
    assert!(svg.contains("fill-opacity") && svg.contains("polyline"));
}

/// What is broken about a run, and what the verdict must say of it.
type Broken = (&'static str, fn(&mut Gathered));

#[test]
fn whatever_is_not_as_expected_makes_the_verdict_red() {
    let broken: [Broken; 8] = [
        ("it did not fire", |run| run.alerts.clear()),
        ("it did not fire", |run| {
            run.alerts[0].severity = "ticket".to_owned();
        }),
        ("it did not clear", |run| run.alerts[0].cleared_s = None),
        ("before the fault", |run| run.alerts[0].from_s = 0.5),
        ("not expected: 10 x 404", |run| {
            run.report.seconds[3] = second(3, 10, "404");
        }),
        ("never", |run| run.report.seconds.push(second(8, 1, "502"))),
        ("nothing was checked", |run| {
            run.invariants[0].held = false;
            run.invariants[0].found = "nothing was checked".to_owned();
        }),
        ("FAILED", |run| run.invariants.clear()),
    ];
    for (said, breaking) in broken {
        let mut run = gathered();
        breaking(&mut run);
        let verdict = Verdict::of(&drill(), run);
        assert!(!verdict.passed, "{said}");
        assert!(verdict.to_string().contains(said), "{said}: {verdict}");
    }
}

#[test]
fn a_drill_that_expects_no_alert_fails_when_somebody_is_paged() {
    let mut quiet = drill();
    quiet.expect.alert = None;
    quiet.expect.quiet = vec!["shortener-redirects-available".to_owned()];
    assert!(!Verdict::of(&quiet, gathered()).passed);
    let mut run = gathered();
    run.alerts[0].severity = "ticket".to_owned();
    assert!(Verdict::of(&quiet, run).passed);
    let mut elsewhere = gathered();
    elsewhere.alerts[0].objective = "shortener-redirects-fast".to_owned();
    assert!(Verdict::of(&quiet, elsewhere).passed);
}

#[test]
fn a_refusal_that_the_load_names_is_a_good_answer() {
    let mut run = gathered();
    run.report.seconds[3].statuses.insert("409".to_owned(), 3);
    assert!(!Verdict::of(&drill(), run).passed);
    let mut run = gathered();
    run.report.seconds[3].statuses.insert("409".to_owned(), 3);
    run.report.expected = vec!["409".to_owned()];
    let verdict = Verdict::of(&drill(), run);
    assert!(verdict.passed, "{verdict}");
}
