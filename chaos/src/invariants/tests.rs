use load::profile::{OperationReport, Quantiles, Report};

use super::*;
use crate::observer::Observed;

fn operation(session: u64, kind: Kind, key: &str, value: Option<&str>, from: u64, to: u64) -> Operation {
    Operation {
        session,
        kind,
        key: key.to_owned(),
        value: value.map(str::to_owned),
        start_us: from,
        end_us: to,
        outcome: Outcome::Ok,
        intent: None,
    }
}

pub(crate) fn report(failed: u64, offered: u64) -> Report {
    let total = OperationReport {
        name: "all".to_owned(),
        objective: None,
        offered,
        ok: offered - failed,
        failed,
        dropped: 0,
        statuses: BTreeMap::new(),
        latency: Quantiles::default(),
        service: Quantiles::default(),
    };
    Report {
        history_error: None,
        profile: "links".to_owned(),
        seed: 1,
        url: String::new(),
        started_us: 0,
        elapsed_s: 1.0,
        stopped: false,
        errors_max_share: 0.0,
        lateness: Quantiles::default(),
        total,
        operations: Vec::new(),
        seconds: Vec::new(),
    }
}

fn held(value: &str, count: u64, id: u64) -> Observed {
    Observed {
        value: Some(value.to_owned()),
        count: Some(count),
        id: Some(id),
    }
}

/// Two links, one followed twice.
fn good() -> (Vec<Operation>, Holdings) {
    let operations = vec![
        operation(1, Kind::Claim, "a", Some("u"), 0, 10),
        operation(2, Kind::Claim, "b", Some("v"), 20, 30),
        operation(3, Kind::Redirect, "a", Some("u"), 40, 50),
        operation(3, Kind::Redirect, "a", Some("u"), 60, 70),
        operation(4, Kind::Read, "a", Some("u"), 80, 90),
    ];
    let holdings = [("a", held("u", 2, 7)), ("b", held("v", 0, 9))].map(|(key, held)| (key.to_owned(), held));
    (operations, holdings.into())
}

fn found(name: &str, operations: &[Operation], holdings: &Holdings, failed: u64, lost_max: u64) -> Finding {
    let evidence = Evidence {
        operations,
        holdings,
        report: &report(failed, if operations.is_empty() { 0 } else { 5 }),
        clicks_lost_max: lost_max,
    };
    judge(name, &evidence)
}

#[test]
fn what_is_true_holds_and_says_how_much_was_checked() {
    let (operations, holdings) = good();
    for name in NAMES {
        let finding = found(name, &operations, &holdings, 0, 0);
        assert!(finding.held && finding.checked > 0, "{finding:?}");
    }
}

#[test]
fn a_check_of_nothing_has_failed() {
    for name in NAMES {
        let finding = found(name, &[], &Holdings::new(), 0, 0);
        assert!(!finding.held && finding.checked == 0, "{finding:?}");
    }
}

#[test]
fn each_invariant_sees_its_lie() {
    let (operations, holdings) = good();
    let mut elsewhere = operations.clone();
    elsewhere[3].value = Some("nobody wrote this".to_owned());
    assert!(!found("redirects-true", &elsewhere, &holdings, 0, 0).held);
    let mut stale = operations.clone();
    stale[4].value = None;
    assert!(!found("linearizable", &stale, &holdings, 0, 0).held);
    assert!(!found("no-failed-request", &operations, &holdings, 1, 0).held);

    let mut gone = holdings.clone();
    gone.insert("b".to_owned(), Observed::default());
    let finding = found("no-acknowledged-link-lost", &operations, &gone, 0, 0);
    assert!(
        !finding.held && finding.found.contains("b is gone"),
        "{finding:?}"
    );

    let mut twins = holdings.clone();
    twins.insert("b".to_owned(), held("v", 0, 7));
    assert!(!found("ids-unique-and-ordered", &operations, &twins, 0, 0).held);
    twins.insert("b".to_owned(), held("v", 0, 3));
    assert!(!found("ids-unique-and-ordered", &operations, &twins, 0, 0).held);
}

#[test]
fn clicks_may_be_missing_as_far_as_the_drill_says_and_are_never_too_many() {
    let (mut operations, mut holdings) = good();
    let count = |holdings: &mut Holdings, count| {
        holdings.insert("a".to_owned(), held("u", count, 7));
    };
    count(&mut holdings, 1);
    assert!(!found("clicks-conserved", &operations, &holdings, 0, 0).held);
    assert!(found("clicks-conserved", &operations, &holdings, 0, 1).held);
    count(&mut holdings, 3);
    assert!(!found("clicks-conserved", &operations, &holdings, 0, 1).held);
    // One without an answer may have been counted.
    let mut lost = operation(5, Kind::Redirect, "a", None, 100, 110);
    lost.outcome = Outcome::Unknown;
    operations.push(lost);
    assert!(found("clicks-conserved", &operations, &holdings, 0, 0).held);
}
