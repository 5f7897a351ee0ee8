use super::*;
use crate::report::Verdict;

/// `kind value outcome start end`, one a line; `-` is absent; everything on one key.
fn history(lines: &str) -> Vec<Operation> {
    let one = |(session, line): (usize, &str)| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [kind, value, outcome, start, end] = words[..] else {
            panic!("five words: {line}")
        };
        let json = serde_json::json!({
            "session": session, "operation": kind, "key": "k", "outcome": outcome,
            "value": (value != "-").then_some(value),
            "start": start.parse::<u64>().unwrap(), "end": end.parse::<u64>().unwrap(),
        });
        serde_json::from_value(json).unwrap()
    };
    lines
        .lines()
        .filter(|line| !line.trim().is_empty())
        .enumerate()
        .map(one)
        .collect()
}

fn verdict(lines: &str) -> Verdict {
    check(&history(lines), Limits::default()).verdict()
}

fn assert_kept(lines: &str) {
    let report = check(&history(lines), Limits::default());
    assert!(report.is_kept(), "{report}");
}

#[test]
fn a_life_told_in_order_is_kept() {
    assert_kept(
        "read - ok 1 2
         write a refused 3 4
         delete - refused 5 6
         claim a ok 7 8
         claim b refused 9 10
         read a ok 11 12
         write b ok 13 14
         read b ok 15 16
         delete - ok 17 18
         read - ok 19 20
         claim c ok 21 22
         read c ok 23 24",
    );
}

#[test]
fn an_empty_history_is_kept() {
    assert_kept("");
}

#[test]
fn each_answer_that_contradicts_the_order_is_refused() {
    for bad in [
        "claim a ok 1 2
         read - ok 3 4",
        "claim a ok 1 2
         claim b ok 3 4",
        "claim a refused 1 2",
        "write a ok 1 2",
        "delete - ok 1 2",
        "claim a ok 1 2
         write b refused 3 4",
        "claim a ok 1 2
         delete - refused 3 4",
        "claim a ok 1 2
         write b ok 3 4
         read a ok 5 6",
        "claim a ok 1 2
         read b ok 3 4",
        "claim a ok 1 2
         delete - ok 3 4
         read a ok 5 6",
    ] {
        assert_eq!(verdict(bad), Verdict::Violated, "{bad}");
    }
}

#[test]
fn two_racing_claims_that_both_win_are_refused() {
    assert_eq!(
        verdict(
            "claim a ok 1 10
             claim b ok 1 10"
        ),
        Verdict::Violated
    );
}

#[test]
fn reads_beside_a_write_may_see_either_value_but_never_go_back() {
    assert_kept(
        "claim a ok 1 2
         write b ok 3 20
         read a ok 4 6
         read b ok 7 9",
    );
    assert_eq!(
        verdict(
            "claim a ok 1 2
             write b ok 3 20
             read b ok 4 6
             read a ok 7 9"
        ),
        Verdict::Violated
    );
}

#[test]
fn operations_that_touch_at_one_instant_count_as_concurrent() {
    assert_kept(
        "claim a ok 1 5
         read - ok 5 6",
    );
}

#[test]
fn an_unknown_claim_may_take_effect_late_or_never() {
    assert_kept(
        "claim a unknown 1 2
         read - ok 3 4
         read a ok 5 6",
    );
    assert_kept(
        "claim a unknown 1 2
         read - ok 3 4
         claim b ok 5 6
         read b ok 7 8",
    );
}

#[test]
fn an_unknown_operation_takes_effect_at_most_once_and_not_before_it_began() {
    assert_eq!(
        verdict(
            "claim a unknown 1 2
             read a ok 3 4
             delete - ok 5 6
             read a ok 7 8"
        ),
        Verdict::Violated
    );
    assert_eq!(
        verdict(
            "read a ok 1 2
             claim a unknown 3 4"
        ),
        Verdict::Violated
    );
}

#[test]
fn two_lost_answers_may_be_needed_to_explain_one() {
    assert_kept(
        "claim a ok 1 2
         delete - unknown 3 4
         claim b unknown 5 6
         read b ok 7 8",
    );
    assert_kept(
        "claim a unknown 1 2
         write b unknown 3 4
         read b ok 5 6",
    );
}

#[test]
fn retries_of_one_intent_count_once() {
    let mut retried = history(
        "claim a unknown 1 2
         claim a ok 3 4
         claim a ok 5 6
         read a ok 7 8",
    );
    assert_eq!(
        check(&retried, Limits::default()).verdict(),
        Verdict::Violated,
        "without an intent they are two"
    );
    for claim in &mut retried[..3] {
        claim.intent = Some("k".into());
    }
    assert!(check(&retried, Limits::default()).is_kept());
}

#[test]
fn keys_do_not_mix_and_the_bad_one_is_named() {
    let mut operations = history(
        "claim a ok 1 2
         read - ok 3 4
         read a ok 5 6",
    );
    operations[1].key = "other".into();
    assert!(check(&operations, Limits::default()).is_kept());
    operations[2].key = "other".into();
    let report = check(&operations, Limits::default());
    assert_eq!(report.violations()[0].key, "other");
}

#[test]
fn the_counterexample_starts_with_the_offender_and_shows_what_was_possible() {
    let report = check(
        &history(
            "claim a ok 1 2
             write b ok 3 4
             read b ok 5 6
             read a ok 7 8
             read b ok 9 10",
        ),
        Limits::default(),
    );
    let violation = &report.violations()[0];
    assert_eq!(violation.operations[0].start_us, 7, "{report}");
    assert!(violation.explanation.contains("holds `b`"), "{report}");
    assert_eq!(
        violation.operations.len(),
        3,
        "the two changes beside the read: {report}"
    );
}

#[test]
fn an_invented_value_is_called_so() {
    let report = check(&history("claim a ok 1 2\nread z ok 3 4"), Limits::default());
    assert!(report.to_string().contains("nobody ever wrote"), "{report}");
}

#[test]
fn a_search_beyond_its_limit_is_undecided() {
    let lines: Vec<String> = (0..12).map(|value| format!("write {value} ok 2 100")).collect();
    let hard = format!("claim x ok 1 1\n{}\nread y ok 2 100", lines.join("\n"));
    let few = Limits {
        configurations_max: 100,
    };
    assert_eq!(check(&history(&hard), few).verdict(), Verdict::Undecided);
    assert_eq!(verdict(&hard), Verdict::Violated);
}
