//! Why a test binary failed, from what it printed. Said once more before the report: who reads a long log reads its end.

use std::collections::VecDeque;

/// Lines that are told of one binary, shared by its tests that failed.
const LINES_MAX: usize = 60;
/// Of each of them, however many failed.
const LINES_MIN: usize = 4;
/// Characters of a line.
const CHARS_MAX: usize = 400;
/// Lines that are kept of what failed tests had printed.
const KEPT_MAX: usize = 20_000;
/// Where libtest begins to tell what failed, and where it lists the names.
const FAILURES: &str = "failures:";

/// What one binary printed, as far as it may be the reason.
#[derive(Default)]
pub(super) struct Reasons {
    /// Its last lines, while it tells of no failure: all there is of one that was killed.
    last: VecDeque<String>,
    failures: Vec<String>,
}

impl Reasons {
    pub(super) fn read(&mut self, line: &str) {
        if self.failures.is_empty() && line != FAILURES {
            if self.last.len() == LINES_MAX {
                self.last.pop_front();
            }
            self.last.push_back(line.to_owned());
        } else if self.failures.len() < KEPT_MAX {
            self.failures.push(line.to_owned());
        }
    }

    /// Each test that failed with its panic and what it says; `outcome` and the last lines where no test is known to have failed.
    pub(super) fn told(&self, name: &str, outcome: &str) -> String {
        let tests = self.tests();
        let mut told = vec![format!("== why {name} failed: {outcome}")];
        if tests.is_empty() {
            told.extend(self.last.iter().map(|line| short(line)));
        }
        let each = (LINES_MAX / tests.len().max(1)).max(LINES_MIN);
        for test in tests {
            told.extend(reason(test, each));
        }
        told.join("\n")
    }

    /// What each failed test had printed, after a line with its name.
    fn tests(&self) -> Vec<&[String]> {
        // The last one lists the names alone; a test may have printed such a line too.
        let names = self.failures.iter().rposition(|line| line == FAILURES);
        let end = names.filter(|place| *place > 0).unwrap_or(self.failures.len());
        let told = &self.failures[..end];
        let begins = |line: &String| line.starts_with("---- ") && line.ends_with(" stdout ----");
        let starts: Vec<usize> = (0..told.len()).filter(|place| begins(&told[*place])).collect();
        let ends = starts.iter().skip(1).copied().chain([told.len()]);
        starts
            .iter()
            .zip(ends)
            .map(|(start, end)| &told[*start..end])
            .collect()
    }
}

/// A test's name and its panic; without one, the end of what it printed. At most so many lines.
fn reason(test: &[String], lines_max: usize) -> Vec<String> {
    let Some((name, printed)) = test.split_first() else {
        return Vec::new();
    };
    let panic = printed
        .iter()
        .position(|line| line.starts_with("thread '") && line.contains("panicked at"));
    let from = panic.unwrap_or(printed.len().saturating_sub(lines_max - 1));
    let mut told = vec![short(name)];
    let shown = printed[from..].iter().take(lines_max - 1);
    told.extend(shown.map(|line| short(line)));
    let left = printed[from..].len().saturating_sub(lines_max - 1);
    if left > 0 {
        // In the place of the last, so that the bound is one.
        told.pop();
        told.push(format!("… and {} more lines, above", left + 1));
    }
    told
}

/// The end of a message that may be long.
pub(super) fn bounded(message: &str) -> String {
    let lines: Vec<&str> = message.lines().collect();
    let from = lines.len().saturating_sub(LINES_MAX);
    let shown: Vec<String> = lines[from..].iter().map(|line| short(line)).collect();
    shown.join("\n")
}

fn short(line: &str) -> String {
    match line.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{CHARS_MAX, LINES_MAX, Reasons, bounded};

    fn read(printed: &str) -> Reasons {
        let mut reasons = Reasons::default();
        printed.lines().for_each(|line| reasons.read(line));
        reasons
    }

    const TWO: &str = "running 3 tests
test a ... FAILED
test b ... ok
test c ... FAILED

failures:

---- a stdout ----
failures:
what it printed before

thread 'a' panicked at services/x/tests/a.rs:7:5:
six were expected
and five came
note: run with `RUST_BACKTRACE=1`

---- c stdout ----
Error: Malformed

failures:
    a
    c

test result: FAILED. 1 passed; 2 failed; 0 ignored
";

    #[test]
    fn each_failed_test_is_told_with_its_panic_and_not_with_what_it_printed_before() {
        let told = read(TWO).told("tests/a.rs", "it failed (exit status: 101)");
        let lines: Vec<&str> = told.lines().filter(|line| !line.is_empty()).collect();
        assert_eq!(
            lines,
            [
                "== why tests/a.rs failed: it failed (exit status: 101)",
                "---- a stdout ----",
                "thread 'a' panicked at services/x/tests/a.rs:7:5:",
                "six were expected",
                "and five came",
                "note: run with `RUST_BACKTRACE=1`",
                "---- c stdout ----",
                "Error: Malformed",
            ]
        );
    }

    /// 500 lines.
    fn numbered(word: &str) -> String {
        let lines: Vec<String> = (0..500).map(|n| format!("{word} {n}")).collect();
        lines.join("\n") + "\n"
    }

    #[test]
    fn a_binary_that_was_killed_is_told_by_its_last_lines() {
        let printed = numbered("line");
        let told = read(&printed).told("tests/a.rs", "it failed (signal: 6)");
        assert_eq!(told.lines().count(), 1 + LINES_MAX);
        assert!(told.starts_with("== why tests/a.rs failed: it failed (signal: 6)\nline 440\n"));
        assert!(told.ends_with("line 499"));
    }

    #[test]
    fn a_panic_that_says_much_is_cut_after_its_beginning() {
        let long = numbered("said");
        let wide = "ä".repeat(2 * CHARS_MAX);
        let printed =
            format!("failures:\n\n---- a stdout ----\nthread 'a' panicked at x.rs:1:1:\n{wide}\n{long}");
        let told = read(&printed).told("tests/a.rs", "it failed");
        let lines: Vec<&str> = told.lines().collect();
        assert_eq!(lines.len(), 1 + LINES_MAX);
        assert_eq!(lines[3].chars().count(), CHARS_MAX + 1);
        assert_eq!(lines[4], "said 0");
        assert_eq!(lines[LINES_MAX], "… and 444 more lines, above");
        assert_eq!(bounded(&long).lines().next(), Some("said 440"));
    }
}
