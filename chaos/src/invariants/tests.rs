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
        expected: Vec::new(),
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
fn good_links() -> (Vec<Operation>, Holdings) {
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

/// A transfer and a payment, as clients were told of them and as the tables have them.
fn money() -> Money {
    let history = r#"
{"session":1,"operation":"transfer","intent":"t","request":{"debit":"bank","credit":"ann","amount":"100","currency":"EUR"},"start":1,"end":2,"outcome":"ok","id":"1"}
{"session":1,"operation":"payment","intent":"p","request":{"debit":"ann","credit":"shop","amount":"40","currency":"EUR"},"start":3,"end":4,"outcome":"ok","id":"9"}
"#;
    let observed = r#"
{"observed":"account","id":"bank","currency":"EUR","posted":100}
{"observed":"account","id":"ann","currency":"EUR","posted":-60,"ceiling":0}
{"observed":"account","id":"shop","currency":"EUR","posted":-40}
{"observed":"transaction","id":1,"kind":"transfer"}
{"observed":"posting","transaction":1,"account":"bank","seq":1,"amount":100,"currency":"EUR","balance_after":100}
{"observed":"posting","transaction":1,"account":"ann","seq":1,"amount":-100,"currency":"EUR","balance_after":-100}
{"observed":"transaction","id":3,"kind":"capture","hold":2,"payment":9}
{"observed":"posting","transaction":3,"account":"ann","seq":2,"amount":40,"currency":"EUR","balance_after":-60}
{"observed":"posting","transaction":3,"account":"shop","seq":1,"amount":-40,"currency":"EUR","balance_after":-40}
{"observed":"hold","id":2,"debit":"ann","credit":"shop","amount":40,"currency":"EUR","captured":40,"state":"captured","payment":9}
{"observed":"payment","id":9,"debit":"ann","credit":"shop","amount":40,"currency":"EUR","state":"captured"}
{"observed":"charge","id":"c","payment":9,"captured":40,"currency":"EUR"}
{"observed":"settlement","payment":9,"amount":41}
{"observed":"break","payment":9}
{"observed":"receipt","payment":9}
{"observed":"event","id":"payment.captured/9","subject":9}
{"observed":"led","duty":"reconcile","place":1,"fence":1}
{"observed":"led","duty":"reconcile","place":2,"fence":2}
{"observed":"chain","verified":true}
"#;
    Money {
        operations: ledger::read(history.as_bytes()).unwrap(),
        observed: ledger::read_observed(observed.as_bytes()).unwrap(),
    }
}

/// What an invariant says of money that is not as it should be.
fn of_money(invariant: Invariant, from: &str, to: &str) -> Finding {
    let good = money();
    let mut text = String::new();
    for row in &good.observed {
        text.push_str(&serde_json::to_string(row).unwrap());
        text.push('\n');
    }
    assert!(text.contains(from), "{from} in {text}");
    let money = Money {
        observed: ledger::read_observed(text.replace(from, to).as_bytes()).unwrap(),
        ..good
    };
    let (operations, holdings) = good_links();
    let evidence = Evidence {
        operations: &operations,
        holdings: &holdings,
        report: &report(0, 5),
        clicks_lost_max: 0,
        money: Some(&money),
        received: Some(Received {
            hostile: u64::from(!operations.is_empty()),
            ..Received::default()
        }),
    };
    judge(invariant, &evidence)
}

#[test]
fn each_invariant_of_money_sees_its_lie_and_no_other() {
    use Invariant::{
        BreaksListed, ChainVerified, MoneyConserved, NoAcknowledgedTransferLost, NothingTwice,
        PaymentsSettled, StaleLeaderWritesNothing,
    };
    let lies = [
        (MoneyConserved, "\"posted\":\"-40\"", "\"posted\":\"-41\""),
        (
            PaymentsSettled,
            "\"state\":\"captured\",\"refunded\"",
            "\"state\":\"charging\",\"refunded\"",
        ),
        (
            PaymentsSettled,
            "\"observed\":\"receipt\",\"payment\":\"9\"",
            "\"observed\":\"receipt\",\"payment\":\"8\"",
        ),
        (PaymentsSettled, "\"subject\":\"9\"", "\"subject\":\"7\""),
        (
            BreaksListed,
            "\"observed\":\"break\",\"payment\":\"9\"",
            "\"observed\":\"break\",\"payment\":\"8\"",
        ),
        (
            StaleLeaderWritesNothing,
            "\"place\":2,\"fence\":2",
            "\"place\":2,\"fence\":0",
        ),
        (ChainVerified, "\"verified\":true", "\"verified\":false"),
    ];
    for (invariant, from, to) in lies {
        for judged in [
            MoneyConserved,
            PaymentsSettled,
            BreaksListed,
            ChainVerified,
            NothingTwice,
            NoAcknowledgedTransferLost,
            StaleLeaderWritesNothing,
        ] {
            let finding = of_money(judged, from, to);
            assert_eq!(finding.held, judged != invariant, "{from}: {finding:?}");
        }
    }
    // The id of what was acknowledged is another's: it is lost, and something else is there twice.
    let other = (
        "\"observed\":\"payment\",\"id\":\"9\"",
        "\"observed\":\"payment\",\"id\":\"8\"",
    );
    assert!(!of_money(NoAcknowledgedTransferLost, other.0, other.1).held);
    assert!(!of_money(NothingTwice, other.0, other.1).held);
}

fn found(name: &str, operations: &[Operation], holdings: &Holdings, failed: u64, lost_max: u64) -> Finding {
    let money = if operations.is_empty() {
        Money::default()
    } else {
        money()
    };
    let evidence = Evidence {
        money: Some(&money),
        received: Some(Received {
            hostile: u64::from(!operations.is_empty()),
            ..Received::default()
        }),
        operations,
        holdings,
        report: &report(failed, if operations.is_empty() { 0 } else { 5 }),
        clicks_lost_max: lost_max,
    };
    let named = Invariant::ALL
        .into_iter()
        .find(|invariant| invariant.name() == name);
    judge(named.unwrap(), &evidence)
}

#[test]
fn what_is_broken_says_how_often() {
    let (operations, holdings) = good_links();
    assert_eq!(
        found("no-failed-request", &operations, &holdings, 0, 0).violations,
        0
    );
    assert_eq!(
        found("no-failed-request", &operations, &holdings, 3, 0).violations,
        3
    );
    let gone = found("no-acknowledged-link-lost", &operations, &Holdings::new(), 0, 0);
    assert!(gone.violations > 0, "{gone:?}");
}

#[test]
fn what_is_true_holds_and_says_how_much_was_checked() {
    let (operations, holdings) = good_links();
    for name in Invariant::ALL.map(Invariant::name) {
        let finding = found(name, &operations, &holdings, 0, 0);
        assert!(finding.held && finding.checked > 0, "{finding:?}");
    }
}

#[test]
fn a_check_of_nothing_has_failed() {
    for name in Invariant::ALL.map(Invariant::name) {
        let finding = found(name, &[], &Holdings::new(), 0, 0);
        assert!(!finding.held && finding.checked == 0, "{finding:?}");
    }
}

#[test]
fn each_invariant_sees_its_lie() {
    let (operations, holdings) = good_links();
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
    let (mut operations, mut holdings) = good_links();
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

#[test]
fn whoever_follows_a_hostile_receiver_is_seen() {
    let received = Some(Received {
        kind: 3,
        hostile: 5,
        misled: 1,
    });
    let evidence = Evidence {
        operations: &[],
        holdings: &Holdings::new(),
        report: &report(0, 5),
        clicks_lost_max: 0,
        money: None,
        received,
    };
    assert!(!judge(Invariant::NoRequestMisled, &evidence).held);
    // Without a ledger to read nothing is said of money.
    assert!(!judge(Invariant::MoneyConserved, &evidence).held);
}
