mod bookkeeper;
mod simulation;

use super::*;
use crate::Verdict;
use bookkeeper::{HoldRow, Row, Tables, row};

/// What clients were told.
const HISTORY: &str = r#"
{"session":1,"operation":"transfer","intent":"fund","request":{"debit":"bank","credit":"ann","amount":"1000","currency":"EUR"},"start":1,"end":2,"outcome":"ok","id":"j1"}
{"session":1,"operation":"transfer","intent":"buy","request":{"debit":"ann","credit":"shop","amount":"300","currency":"EUR"},"start":3,"end":4,"outcome":"unknown"}
{"session":1,"operation":"transfer","intent":"buy","request":{"debit":"ann","credit":"shop","amount":"300","currency":"EUR"},"start":5,"end":6,"outcome":"ok","id":"j2"}
{"session":1,"operation":"transfer","intent":"too-much","request":{"debit":"ann","credit":"shop","amount":"5000","currency":"EUR"},"start":5,"end":6,"outcome":"refused","code":"limit"}
{"session":2,"operation":"transfer","intent":"lost-and-done","request":{"debit":"ann","credit":"shop","amount":"7","currency":"EUR"},"start":5,"end":6,"outcome":"unknown"}
{"session":2,"operation":"transfer","intent":"lost","request":{"debit":"ann","credit":"shop","amount":"8","currency":"EUR"},"start":7,"end":8,"outcome":"unknown"}
{"session":3,"operation":"hold","intent":"hold","request":{"debit":"ann","credit":"shop","amount":"100","currency":"EUR"},"start":7,"end":8,"outcome":"ok","id":"h1"}
{"session":3,"operation":"capture","intent":"capture","request":{"hold":"h1","amount":"60"},"start":9,"end":10,"outcome":"ok","id":"j4"}
{"session":3,"operation":"void","intent":"void","request":{"hold":"h1"},"start":11,"end":12,"outcome":"ok","id":"h1"}
{"session":3,"operation":"hold","intent":"open","request":{"debit":"ann","credit":"shop","amount":"50","currency":"EUR"},"start":13,"end":14,"outcome":"ok","id":"h2"}
{"session":3,"operation":"reversal","intent":"back","request":{"of":"j2"},"start":13,"end":14,"outcome":"ok","id":"j6"}
{"session":4,"operation":"payment","intent":"pay","request":{"debit":"ann","credit":"shop","amount":"40","currency":"EUR"},"start":13,"end":14,"outcome":"ok","id":"p1"}
"#;

const PROCESSOR: &str = r#"
{"observed":"payment","id":"p1","debit":"ann","credit":"shop","amount":40,"currency":"EUR","state":"captured"}
{"observed":"charge","id":"ch1","payment":"p1","captured":40,"currency":"EUR"}
{"observed":"settlement","payment":"p1","amount":40}
{"observed":"receipt","payment":"p1"}
{"observed":"event","id":"e1","subject":"p1"}
{"observed":"event","id":"e2","subject":"j2"}
{"observed":"event","id":"e2","subject":"j2"}
{"observed":"chain","verified":true}
"#;

fn hold(id: &str, amount: i128, captured: i128, released: i128, state: HoldState) -> HoldRow {
    HoldRow {
        id: id.to_owned(),
        debit: "ann".to_owned(),
        credit: "shop".to_owned(),
        amount,
        captured,
        released,
        state,
        payment: None,
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a field that may be empty, filled")]
fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// Ann's account is a liability: it may not come above zero. Seen from inside it is debits less credits.
fn tables() -> Tables {
    let transfer = |id, debit, credit, amount| row(id, TransactionKind::Transfer, debit, credit, amount);
    Tables {
        accounts: [("ann", Some(0)), ("bank", None), ("shop", None)]
            .map(|(id, top)| (id.to_owned(), top))
            .into(),
        journal: vec![
            transfer("j1", "bank", "ann", 1000),
            transfer("j2", "ann", "shop", 300),
            transfer("j3", "ann", "shop", 7),
            Row {
                hold: some("h1"),
                ..row("j4", TransactionKind::Capture, "ann", "shop", 60)
            },
            Row {
                hold: some("h1"),
                moved: None,
                ..row("j5", TransactionKind::Void, "", "", 0)
            },
            Row {
                of: some("j2"),
                ..row("j6", TransactionKind::Reversal, "shop", "ann", 300)
            },
            Row {
                hold: some("h3"),
                payment: some("p1"),
                ..row("j7", TransactionKind::Capture, "ann", "shop", 40)
            },
        ],
        holds: vec![
            hold("h1", 100, 60, 40, HoldState::Voided),
            hold("h2", 50, 0, 0, HoldState::Open),
            HoldRow {
                payment: some("p1"),
                ..hold("h3", 40, 40, 0, HoldState::Captured)
            },
        ],
        beside: read_observed(PROCESSOR.as_bytes()).unwrap(),
    }
}

fn history(text: &str) -> Vec<Operation> {
    read(text.as_bytes()).unwrap()
}

/// The rules that are broken, each once.
fn broken(history: &[Operation], observed: &[Observed]) -> Vec<&'static str> {
    let report = check(history, observed);
    let mut rules: Vec<&str> = report
        .violations()
        .iter()
        .map(|violation| violation.rule)
        .collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// Breaks the tables, which else add up.
fn assert_tables(rule: &str, spoil: impl FnOnce(&mut Tables)) {
    let mut tables = tables();
    spoil(&mut tables);
    assert_eq!(broken(&history(HISTORY), &tables.observed()), [rule]);
}

/// Breaks one row as it is read.
fn assert_rows(rule: &str, spoil: impl Fn(&mut Observed) -> bool) {
    let mut rows = tables().observed();
    assert_eq!(
        rows.iter_mut().filter_map(|row| spoil(row).then_some(())).count(),
        1
    );
    assert_eq!(broken(&history(HISTORY), &rows), [rule]);
}

/// Breaks what clients were told.
fn assert_told(rule: &str, from: &str, to: &str) {
    assert_eq!(HISTORY.matches(from).count(), 1, "{from}");
    let told = HISTORY.replace(from, to);
    assert_eq!(broken(&history(&told), &tables().observed()), [rule], "{to}");
}

#[test]
fn books_that_are_as_clients_were_told_are_kept() {
    let report = check(&history(HISTORY), &tables().observed());
    assert!(report.is_kept(), "{report}");
    assert_eq!(report.verdict(), Verdict::Kept);
    for rule in [
        KEPT, REFUSED, ONCE, CAPTURED, ENDED, REPLAY, LIMITS, SETTLED, CHAIN, REVERSED, PUBLISHED, FOLLOWED,
    ] {
        assert!(
            judged(rule, &history(HISTORY), &tables().observed()) > 0,
            "{rule}"
        );
        assert_eq!(judged(rule, &[], &[]), 0, "{rule}");
    }
}

#[test]
fn rules_count_what_they_are_about_and_not_what_is_beside_it() {
    let count = |rule| judged(rule, &history(HISTORY), &tables().observed());
    assert_eq!((count(REVERSED), count(PUBLISHED), count(FOLLOWED)), (1, 3, 1));
    assert_eq!(count(BALANCED), tables().journal.len());
}

#[test]
fn a_captured_payment_without_its_receipt_or_with_two_is_found() {
    let receipt = |payment: &str| Observed::Receipt {
        payment: payment.into(),
    };
    let rows = tables().observed();
    let without: Vec<Observed> = rows
        .iter()
        .filter(|row| **row != receipt("p1"))
        .cloned()
        .collect();
    assert_eq!(without.len() + 1, rows.len());
    assert_eq!(broken(&history(HISTORY), &without), [FOLLOWED]);
    for one_more in ["p1", "p7"] {
        let more = [rows.clone(), vec![receipt(one_more)]].concat();
        assert_eq!(broken(&history(HISTORY), &more), [FOLLOWED], "{one_more}");
    }
}

#[test]
fn what_is_written_is_read_back() {
    let mut writer = crate::Writer::new(Vec::new());
    let told = history(HISTORY);
    for operation in &told {
        writer.record(operation).unwrap();
    }
    assert_eq!(read(&writer.finish().unwrap()[..]).unwrap(), told);
    let mut writer = crate::Writer::new(Vec::new());
    let rows = tables().observed();
    for row in &rows {
        writer.record(row).unwrap();
    }
    assert_eq!(read_observed(&writer.finish().unwrap()[..]).unwrap(), rows);
}

#[test]
fn a_line_that_is_none_is_named_with_its_reason() {
    let line = HISTORY.lines().nth(1).unwrap();
    for (from, to, reason) in [
        ("\"end\":2", "\"end\":0", "ends before"),
        ("\"fund\"", "\"\"", "idempotency key"),
        (",\"currency\":\"EUR\"", "", "needs debit"),
        ("1000", "10.5", "no amount in minor units"),
        ("transfer", "capture", "needs its hold"),
    ] {
        let error = read(line.replace(from, to).as_bytes()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn an_acknowledged_effect_that_is_not_there_is_lost() {
    assert_eq!(told_also("lost", "\"ok\",\"id\":\"j99\""), [KEPT]);
    assert_tables(KEPT, |tables| tables.holds.retain(|hold| hold.id != "h2"));
    // One that named only what it is of.
    assert_tables(KEPT, |tables| tables.journal.retain(|row| row.id != "j5"));
}

#[test]
fn an_effect_that_is_another_than_was_asked_for_is_seen() {
    assert_told(
        AS_ASKED,
        r#""debit":"bank","credit":"ann","amount":"1000""#,
        r#""debit":"bank","credit":"ann","amount":"1001""#,
    );
    assert_told(
        AS_ASKED,
        r#""hold":"h1","amount":"60""#,
        r#""hold":"h1","amount":"61""#,
    );
}

#[test]
fn a_second_effect_of_one_key_is_seen_acknowledged_or_not() {
    let again = |id: &str, of: usize| {
        let id = id.to_owned();
        move |tables: &mut Tables| {
            let again = Row {
                id,
                ..tables.journal[of].clone()
            };
            tables.journal.push(again);
        }
    };
    assert_tables(ONCE, again("j21", 1));
    assert_tables(ONCE, again("j31", 2));
    assert_tables(ONCE, |tables| {
        tables.holds.push(hold("h9", 50, 0, 0, HoldState::Open));
    });
}

#[test]
fn an_effect_that_nobody_asked_for_is_seen() {
    assert_tables(ASKED, |tables| {
        tables
            .journal
            .push(row("j9", TransactionKind::Transfer, "ann", "shop", 9));
    });
}

#[test]
fn what_was_refused_must_not_have_been_done() {
    assert_tables(REFUSED, |tables| {
        tables.accounts.insert("ann".to_owned(), None);
        tables
            .journal
            .push(row("j9", TransactionKind::Transfer, "ann", "shop", 5000));
    });
}

#[test]
fn one_key_is_answered_in_one_way() {
    assert_eq!(
        told_also("too-much", "\"refused\",\"code\":\"closed\""),
        [SAME_ANSWER]
    );
    assert_eq!(told_also("open", "\"refused\",\"code\":\"limit\""), [SAME_ANSWER]);
    assert_eq!(told_also("open", "\"unknown\""), Vec::<&str>::new());
    assert_eq!(told_also("open", "\"ok\",\"id\":\"h2\""), Vec::<&str>::new());
}

/// What is broken when a key is told something once more.
fn told_also(intent: &str, outcome: &str) -> Vec<&'static str> {
    let line = HISTORY
        .lines()
        .rfind(|line| line.contains(&format!("\"{intent}\"")))
        .unwrap();
    let (head, _) = line.split_once("\"outcome\":").unwrap();
    let told = format!("{HISTORY}{head}\"outcome\":{outcome}}}\n");
    broken(&history(&told), &tables().observed())
}

#[test]
fn a_key_of_two_requests_is_the_loads_own_fault() {
    let line = HISTORY.lines().nth(1).unwrap();
    let told = format!("{HISTORY}{}\n", line.replace("\"1000\"", "\"1001\""));
    assert_eq!(broken(&history(&told), &tables().observed()), [ONE_WISH]);
}

#[test]
fn captures_beyond_their_hold_are_seen() {
    let spoil = |row: &mut Observed| match row {
        Observed::Hold { id, amount, .. } if id.as_str() == "h3" => {
            *amount = Minor(39);
            true
        }
        _ => false,
    };
    assert_rows(CAPTURED, spoil);
    assert_tables(CAPTURED, |tables| tables.holds[0].released += 1);
    assert_tables(CAPTURED, |tables| {
        tables.journal[6].hold = some("h2");
    });
}

#[test]
fn a_hold_ends_once() {
    let line = r#"{"session":3,"operation":"void","intent":"void-2","request":{"hold":"h1"},"start":13,"end":14,"outcome":"ok","id":"h1"}"#;
    let mut tables = tables();
    tables.journal.push(Row {
        id: "j51".to_owned(),
        ..tables.journal[4].clone()
    });
    assert_eq!(
        broken(&history(&format!("{HISTORY}{line}\n")), &tables.observed()),
        [ENDED]
    );
    assert_told(ENDED, r#""start":9,"end":10"#, r#""start":13,"end":14"#);
}

#[test]
fn no_more_comes_back_than_went() {
    assert_tables(REVERSED, |tables| {
        tables.journal[5].moved = Some(("shop".to_owned(), "ann".to_owned(), 301));
    });
    assert_tables(REVERSED, |tables| {
        tables.journal[5].moved = Some(("ann".to_owned(), "shop".to_owned(), 300));
    });
}

#[test]
fn a_transaction_that_does_not_balance_is_seen() {
    let mut rows = tables().observed();
    // One entry is of another currency, and everything else as before.
    let shops = |row: &&mut Observed| matches!(row, Observed::Posting { transaction, account, .. } if transaction.as_str() == "j3" && account.as_str() == "shop");
    if let Some(Observed::Posting { currency, .. }) = rows.iter_mut().find(shops) {
        *currency = "USD".into();
    }
    assert_eq!(broken(&history(HISTORY), &rows), [BALANCED]);
}

#[test]
fn stored_balances_are_what_the_entries_add_up_to() {
    assert_rows(REPLAY, |row| match row {
        Observed::Posting {
            balance_after,
            seq: 3,
            account,
            ..
        } if account.as_str() == "ann" => {
            balance_after.0 += 1;
            true
        }
        _ => false,
    });
    assert_rows(REPLAY, |row| match row {
        Observed::Account { hold_debits, id, .. } if id.as_str() == "ann" => {
            hold_debits.0 -= 1;
            true
        }
        _ => false,
    });
}

#[test]
fn all_accounts_together_are_zero() {
    // An account that came with a balance and without an entry is both.
    let mut rows = tables().observed();
    let bank = |row: &&mut Observed| matches!(row, Observed::Account { id, .. } if id.as_str() == "bank");
    if let Some(Observed::Account { posted, .. }) = rows.iter_mut().find(bank) {
        posted.0 += 5;
    }
    let mut rules = [REPLAY, ZERO];
    rules.sort_unstable();
    assert_eq!(broken(&history(HISTORY), &rows), rules);
}

#[test]
fn a_balance_beyond_its_limit_is_seen_also_when_it_comes_back() {
    assert_tables(LIMITS, |tables| {
        tables.accounts.insert("shop".to_owned(), Some(-350));
    });
    assert_tables(LIMITS, |tables| {
        tables.accounts.insert("ann".to_owned(), Some(-890));
    });
}

#[test]
fn payments_end_and_agree_with_the_processor() {
    let told = |from: &str, to: &str| {
        let mut tables = tables();
        tables.beside = read_observed(PROCESSOR.replace(from, to).as_bytes()).unwrap();
        broken(&history(HISTORY), &tables.observed())
    };
    // With a receipt for what was never captured.
    assert_eq!(told("\"captured\"}", "\"charging\"}"), [FOLLOWED, SETTLED]);
    assert_eq!(told("\"captured\"}", "\"failed\"}"), [FOLLOWED, SETTLED]);
    assert_eq!(
        told(
            "\"payment\":\"p1\",\"captured\":40",
            "\"payment\":\"p1\",\"captured\":80,\"refunded\":40"
        ),
        Vec::<&str>::new()
    );
    let twice = "{\"observed\":\"charge\",\"id\":\"ch2\",\"payment\":\"p1\",\"captured\":40,\"currency\":\"EUR\"}\n{\"observed\":\"break\",\"payment\":\"p1\"}\n{\"observed\":\"chain\"";
    assert_eq!(told("{\"observed\":\"chain\"", twice), [SETTLED]);
}

#[test]
fn a_settlement_that_differs_has_its_break_and_no_other_has() {
    let observed = |settled: &str, listed: &str| {
        let mut tables = tables();
        let text = PROCESSOR.replace("\"p1\",\"amount\":40}", settled) + listed;
        tables.beside = read_observed(text.as_bytes()).unwrap();
        tables.observed()
    };
    let told = |settled: &str, listed: &str| broken(&history(HISTORY), &observed(settled, listed));
    let listed = "{\"observed\":\"break\",\"payment\":\"p1\"}";
    assert_eq!(told("\"p1\",\"amount\":41}", ""), [LISTED]);
    assert_eq!(told("\"p1\",\"amount\":41}", listed), Vec::<&str>::new());
    assert_eq!(told("\"p1\",\"amount\":40}", listed), [LISTED]);
    let judged = |settled: &str| judged(LISTED, &[], &observed(settled, listed));
    assert_eq!(judged("\"p1\",\"amount\":41}"), 1);
    assert_eq!(judged("\"p1\",\"amount\":40}"), 0, "there was nothing to list");
}

#[test]
fn what_was_published_is_there() {
    assert_tables(PUBLISHED, |tables| {
        tables.beside.push(Observed::Event {
            id: "e9".into(),
            subject: "j99".into(),
        });
    });
}

#[test]
fn a_leader_past_its_lease_writes_nothing() {
    let observed = |fences: &[i64]| {
        let mut tables = tables();
        for (place, fence) in (1..).zip(fences) {
            let (duty, fence) = ("reconcile".into(), *fence);
            tables.beside.push(Observed::Led { duty, place, fence });
        }
        tables.observed()
    };
    let led = |fences: &[i64]| broken(&history(HISTORY), &observed(fences));
    assert_eq!(led(&[1, 1, 2, 5]), Vec::<&str>::new());
    assert_eq!(led(&[1, 2, 1]), [FENCED]);
    assert_eq!(judged(FENCED, &[], &observed(&[1, 1, 2])), 3);
    assert_eq!(
        judged(FENCED, &[], &observed(&[1, 1])),
        0,
        "nobody was followed by anybody"
    );
}

#[test]
fn a_chain_that_is_broken_is_said_in_its_own_words() {
    let mut tables = tables();
    tables.beside.push(Observed::Chain {
        verified: false,
        found: "shard 3, link 7: row 2 was changed".to_owned(),
    });
    let report = check(&history(HISTORY), &tables.observed());
    assert!(report.to_string().contains("shard 3, link 7"), "{report}");
    assert_eq!(report.violations()[0].rule, CHAIN);
}
