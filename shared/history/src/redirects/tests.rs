use super::*;
use crate::report::Verdict;

const BOUND: Duration = Duration::from_micros(100);

/// `kind key value outcome start end [intent]`, one a line; `-` is absent, `?` a key never learnt.
fn history(lines: &str) -> Vec<Operation> {
    let one = |(session, line): (usize, &str)| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let json = serde_json::json!({
            "session": session, "operation": words[0], "key": words[1].replace('?', ""), "outcome": words[3],
            "value": (words[2] != "-").then_some(words[2]), "intent": words.get(6),
            "start": words[4].parse::<u64>().unwrap(), "end": words[5].parse::<u64>().unwrap(),
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

fn assert_kept(lines: &str) {
    let report = check(&history(lines), BOUND);
    assert!(report.is_kept(), "{report}");
}

fn assert_breaks(rule: &str, lines: &str) {
    let report = check(&history(lines), BOUND);
    assert_eq!(report.verdict(), Verdict::Violated, "{lines}");
    assert_eq!(report.violation_count(), 1, "{report}");
    assert_eq!(report.violations()[0].rule, rule, "{report}");
}

#[test]
fn an_acknowledged_link_that_leads_where_it_should_is_kept() {
    assert_kept(
        "redirect a - ok 1 2
         claim a u ok 3 9
         redirect a - ok 4 6
         redirect a u ok 4 6
         redirect a u ok 10 11
         redirect a - unknown 12 13
         redirect a - refused 12 13",
    );
}

#[test]
fn an_acknowledged_link_that_is_absent_is_lost_even_within_the_bound() {
    assert_breaks(NEVER_ABSENT, "claim a u ok 1 2\nredirect a - ok 3 4");
    assert_breaks(
        NEVER_ABSENT,
        "claim a u ok 1 2\ndelete a - refused 3 4\nredirect a - ok 5 6",
    );
    assert_breaks(
        NEVER_ABSENT,
        "claim a u ok 1 2\nredirect a - ok 3 4\ndelete a - ok 5 6",
    );
}

#[test]
fn a_begun_deletion_excuses_absence_even_unanswered() {
    assert_kept("claim a u ok 1 2\ndelete a - unknown 3 4\nredirect a - ok 500 501\nredirect a u ok 600 601");
    assert_kept("claim a u ok 1 2\ndelete a - ok 3 9\nredirect a - ok 4 5\nredirect a u ok 6 7");
}

#[test]
fn a_deleted_link_may_lead_on_only_within_the_bound() {
    assert_kept("claim a u ok 1 2\ndelete a - ok 3 4\nredirect a u ok 103 110");
    assert_breaks(
        BOUNDED,
        "claim a u ok 1 2\ndelete a - ok 3 4\nredirect a u ok 104 110",
    );
}

#[test]
fn a_former_value_is_shown_only_within_the_bound() {
    assert_kept("claim a u ok 1 2\nwrite a v ok 3 4\nredirect a u ok 50 51\nredirect a v ok 60 61");
    assert_breaks(
        BOUNDED,
        "claim a u ok 1 2\nwrite a v ok 3 4\nredirect a u ok 104 105",
    );
    // The first newer value counts, not the last.
    assert_breaks(
        BOUNDED,
        "claim a u ok 1 2\nwrite a v ok 3 4\nwrite a w ok 90 91\nredirect a u ok 110 111",
    );
}

#[test]
fn a_value_written_again_is_no_former_value() {
    assert_kept("claim a u ok 1 2\nwrite a v ok 3 4\nwrite a u ok 5 6\nredirect a u ok 500 501");
    assert_breaks(
        BOUNDED,
        "claim a u ok 1 2\nwrite a v ok 3 4\nwrite a u ok 5 6\nwrite a w ok 7 8\nredirect a u ok 500 501",
    );
}

#[test]
fn changes_that_overlap_do_not_replace_each_other_for_certain() {
    assert_kept("claim a u ok 1 2\nwrite a v ok 3 9\nwrite a w ok 4 8\nredirect a v ok 500 501");
    assert_kept("claim a u ok 1 2\nwrite a v ok 3 9\nwrite a w ok 4 8\nredirect a w ok 500 501");
}

#[test]
fn an_unanswered_write_may_appear_at_any_later_time() {
    assert_kept("claim a u ok 1 2\nwrite a v unknown 3 4\nredirect a u ok 500 501\nredirect a v ok 600 601");
}

#[test]
fn a_value_nobody_wrote_is_invented() {
    assert_breaks(NOTHING_INVENTED, "claim a u ok 1 2\nredirect a z ok 3 4");
    assert_breaks(
        NOTHING_INVENTED,
        "claim a u ok 1 2\nclaim b v ok 1 2\nredirect a v ok 3 4",
    );
    assert_breaks(
        NOTHING_INVENTED,
        "claim a u ok 1 2\nwrite a z refused 3 4\nredirect a z ok 5 6",
    );
    assert_breaks(
        NOTHING_INVENTED,
        "claim a u ok 1 2\nredirect a z ok 3 4\nwrite a z ok 5 6",
    );
}

#[test]
fn a_key_recreated_after_deletion_may_be_absent_only_within_the_bound() {
    let life = "claim a u ok 1 2\ndelete a - ok 3 4\nclaim a v ok 5 6\n";
    assert_kept(&format!("{life}redirect a - ok 50 51\nredirect a v ok 50 51"));
    assert_breaks(BOUNDED, &format!("{life}redirect a - ok 106 107"));
}

#[test]
fn a_key_acknowledged_twice_stands_for_two_links() {
    assert_breaks(ONE_LINK, "claim a u ok 1 2\nclaim a v ok 3 4");
    assert_breaks(ONE_LINK, "claim a u ok 1 9 i\nclaim a u ok 3 4 j");
    assert_breaks(
        ONE_LINK,
        "delete a - refused 1 2\nclaim a u ok 1 2\nclaim a u ok 3 4",
    );
    assert_kept("claim a u ok 1 2\ndelete a - ok 2 3\nclaim a v ok 3 4");
    assert_kept("claim a u ok 1 2\nclaim a v refused 3 4");
}

#[test]
fn a_repeated_answer_neither_revives_a_link_nor_claims_it_again() {
    let life = "claim a u ok 1 2 i\ndelete a - ok 3 4\nclaim a v ok 5 6 j\nclaim a u ok 7 8 i\n";
    assert_kept(&format!("{life}redirect a v ok 500 501"));
    assert_breaks(BOUNDED, &format!("{life}redirect a u ok 500 501"));
}

#[test]
fn a_lost_claim_may_stand_behind_one_key_that_nobody_else_claimed() {
    assert_kept("claim ? u unknown 1 2\nredirect a u ok 3 4");
    assert_breaks(NOTHING_INVENTED, "redirect a u ok 1 2\nclaim ? u unknown 3 4");
    assert_breaks(
        NOTHING_INVENTED,
        "claim ? u unknown 1 2\nclaim a v ok 1 2\nredirect a u ok 3 4",
    );
    assert_breaks(
        ONE_LINK,
        "claim ? u unknown 1 2\nclaim ? v unknown 1 2\nredirect a u ok 3 4\nredirect a v ok 5 6",
    );
}

#[test]
fn each_retry_gets_the_first_answer() {
    assert_kept("claim ? u unknown 1 2 i\nclaim a u ok 3 4 i\nclaim a u ok 5 6 i");
    assert_breaks(FIRST_ANSWER, "claim a u ok 1 2 i\nclaim b u ok 3 4 i");
    assert_breaks(FIRST_ANSWER, "claim a u ok 1 2 i\nclaim a u refused 3 4 i");
    assert_kept("claim a u refused 1 2 i\nclaim b u ok 1 2 j");
}
