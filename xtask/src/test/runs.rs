//! Runs test binaries and adds up what they say.

use std::fmt::{Display, Formatter, Write as _};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::reasons::Reasons;
use super::{Row, binaries, now};
use crate::run::Outcome;

/// Runs them, so many at once, also after one failed; the lines they print are counted while they pass by. By itself a binary's lines are shown
/// as they come, beside others in one piece at its end.
pub(super) fn counted(what: &'static str, runs: Vec<(String, Command)>, at_once: usize) -> Row {
    let started = now();
    let waiting = Mutex::new(runs.into_iter());
    let done = Mutex::new((Counts::default(), Vec::new(), Vec::new()));
    let work = || {
        loop {
            let Some((name, run)) = locked(&waiting).next() else {
                return;
            };
            let (counts, reasons, outcome) = one(what, &name, run, at_once == 1);
            let mut done = locked(&done);
            done.0.add(&counts);
            if let Err(why) = outcome {
                done.2.push(reasons.told(&name, &why));
                done.1.push(name);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(work);
        }
    });
    let (counts, wrong, reasons) = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    let outcome = if !wrong.is_empty() {
        Err(format!("failed: {}", wrong.join(", ")))
    } else if counts.passed == 0 {
        Err("no test ran".to_owned())
    } else {
        Ok(())
    };
    let mut counted = counts.to_string();
    if let Err(why) = &outcome {
        let _ = write!(counted, "; {why}");
    }
    Row {
        what,
        outcome,
        took: started.elapsed(),
        counted,
        why: reasons.join("\n\n"),
    }
}

/// What one binary says of itself, and whether it passed.
fn one(what: &str, name: &str, run: Command, as_it_comes: bool) -> (Counts, Reasons, Outcome) {
    let begun = now();
    let (mut counts, mut reasons) = (Counts::default(), Reasons::default());
    let mut text = format!("== {what}: {name}\n");
    let show = |text: &mut String| {
        if as_it_comes {
            print!("{text}");
            text.clear();
        }
    };
    show(&mut text);
    let outcome = binaries::lines(run, |line| {
        let _ = writeln!(text, "{line}");
        show(&mut text);
        counts.read(line);
        reasons.read(line);
    });
    if let Err(why) = &outcome {
        let _ = writeln!(text, "{why}");
    }
    // In one piece: `print!` holds stdout until it is out.
    print!("{text}== {name}: {} s\n\n", begun.elapsed().as_secs());
    (counts, reasons, outcome)
}

/// A thread that panicked fails the scope; what it left is whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What test binaries say of themselves, added up.
#[derive(Default)]
pub(super) struct Counts {
    passed: u32,
    failed: u32,
    ignored: u32,
}

impl Display for Counts {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} ignored",
            self.passed, self.failed, self.ignored
        )
    }
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }

    pub(super) fn read(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else {
            return;
        };
        let words: Vec<&str> = result.split_whitespace().collect();
        for pair in words.windows(2) {
            let count = pair[0].parse().unwrap_or(0);
            match pair[1].trim_end_matches(';') {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::{Counts, counted};

    #[test]
    fn counts_are_summed_over_test_binaries() {
        let mut counts = Counts::default();
        counts.read(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        );
        counts.read("test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out");
        assert_eq!((counts.passed, counts.failed, counts.ignored), (5, 4, 1));
    }

    #[test]
    fn every_binary_runs_and_one_that_fails_is_named() {
        let says = |line: &str, code: u32| {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("echo '{line}'; exit {code}")]);
            command
        };
        let good = "test result: ok. 3 passed; 0 failed; 0 ignored";
        let bad = "test result: FAILED. 1 passed; 1 failed; 0 ignored";
        for at_once in [1, 3] {
            let runs = vec![
                ("a".to_owned(), says(good, 0)),
                ("b".to_owned(), says(bad, 101)),
                ("c".to_owned(), says(good, 0)),
                ("d".to_owned(), says(good, 0)),
            ];
            let row = counted("tests", runs, at_once);
            assert_eq!(row.outcome, Err("failed: b".to_owned()));
            assert_eq!(row.counted, "10 passed, 1 failed, 0 ignored; failed: b");
            assert!(row.why.starts_with("== why b failed: `sh "), "{}", row.why);
            assert!(row.why.ends_with(bad), "{}", row.why);
        }
        assert!(counted("tests", Vec::new(), 3).outcome.is_err());
    }

    #[test]
    fn so_many_run_at_once() {
        let folder = std::env::temp_dir().join(format!("orrery-at-once-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        // Each waits until the other has begun, for ten seconds at most.
        let waits = |own: &str, other: &str| {
            let mut command = Command::new("timeout");
            let script = format!(
                "touch {own}; until [ -e {other} ]; do sleep 0.01; done; echo 'test result: ok. 1 passed; 0 failed'"
            );
            command.args(["10", "sh", "-c", &script]).current_dir(&folder);
            (own.to_owned(), command)
        };
        let row = counted("tests", vec![waits("a", "b"), waits("b", "a")], 2);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(row.outcome, Ok(()));
    }
}
