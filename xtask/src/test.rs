//! `cargo xtask test`: everything CI does, and a report of what ran and what was skipped and why.

mod beside;
mod binaries;
mod reasons;
mod runs;
mod suites;

use std::time::Duration;

use ::engines::Kind;
use beside::Beside;
use runs::Counts;
use suites::{Suites, failed, is_embedded_only};

use crate::generate::Writer;
use crate::run::{Outcome, cargo, passes, target};
use crate::{engines, k8s, previous, programs, rules, tidy};

/// Tests append a line here for each part they skip; the report shows it.
const SKIPS: &str = "xtask/skips.txt";

/// One row of the report.
struct Row {
    what: &'static str,
    outcome: Outcome,
    took: Duration,
    counted: String,
    /// Why it failed, in some lines, where that is known.
    why: String,
}

/// Runs all of it; a failing step does not hide the ones after it.
pub(crate) fn test(nightly: bool) -> Outcome {
    let started_at = now();
    let skips = target().join(SKIPS);
    if let Some(folder) = skips.parent() {
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    std::fs::write(&skips, "").map_err(|e| format!("{}: {e}", skips.display()))?;
    let mut missing = programs::ensure();

    let mut rows = Vec::new();
    let required = engines_required(|name| std::env::var(name).ok());
    let missing_before = missing.len();
    let (row, started) = engines_up(required, &mut missing);
    let engines_missing = missing.len() > missing_before;
    rows.push(row);
    rows.push(step("format", || {
        passes(cargo().args(["fmt", "--all", "--check"]))
    }));
    let run = Suites {
        nightly,
        required,
        skips: &skips,
    };
    // Before the previous version, which takes over what it needs of the registry's crates.
    let mut built = Vec::new();
    rows.push(step("build", || run.build().map(|found| built = found)));
    rows.push(step("tidy", || tidy::tidy(run.writer())));
    rows.push(manifests(run.writer(), required, &mut missing));
    rows.push(step("previous", || match previous::previous() {
        Err(why) if !required => {
            missing.push(format!("the previous version: {why}"));
            Ok(())
        }
        outcome => outcome,
    }));
    let beside = Beside::begin(run.documentation());
    if built.is_empty() {
        rows.push(failed("tests", "they could not be built"));
    } else {
        rows.extend(run.all(&built, !engines_missing));
    }
    rows.extend(ran_beside(beside, required, &mut missing));
    if let Err(why) = engines::stop(&started) {
        missing.push(format!(
            "the engines that were started for the tests still run: {why}"
        ));
    }

    let skipped = std::fs::read_to_string(&skips).unwrap_or_default();
    report(&rows, started_at.elapsed(), &missing, &skipped, nightly);
    let failed: Vec<&str> = rows
        .iter()
        .filter(|r| r.outcome.is_err())
        .map(|r| r.what)
        .collect();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("failed: {}", failed.join(", ")))
    }
}

fn step(what: &'static str, run: impl FnOnce() -> Outcome) -> Row {
    println!("== {what}");
    let started = now();
    let outcome = run();
    let mut told = String::new();
    if let Err(why) = &outcome {
        eprintln!("{why}");
        told = format!("== why {what} failed:\n{}", reasons::bounded(why));
    }
    Row {
        what,
        outcome,
        took: started.elapsed(),
        counted: String::new(),
        why: told,
    }
}

/// Waits for what ran beside the tests; its rows say how long it was still waited for.
fn ran_beside(beside: Beside, required: bool, missing: &mut Vec<String>) -> Vec<Row> {
    let mut counts = Counts::default();
    let mut documentation = step("documentation", || {
        beside
            .documentation
            .and_then(|cargo| cargo.passed(|line| counts.read(line)))
    });
    documentation.counted = counts.to_string();
    let lints = step("lints", || beside.lints.and_then(|cargo| cargo.passed(|_| ())));
    let mut said = String::new();
    let mut rules = step("rules", || {
        let (outcome, took) = beside
            .rules
            .join()
            .map_err(|_| "the check of the rules panicked".to_owned())?;
        match outcome {
            Ok(done) => {
                said = format!("{done}, in {} s beside the tests", took.as_secs());
                Ok(())
            }
            Err(rules::Unchecked::Missing(why)) if !required => {
                "not run".clone_into(&mut said);
                missing.push(format!("the rules and alerts: {why}"));
                Ok(())
            }
            Err(rules::Unchecked::Missing(why) | rules::Unchecked::Wrong(why)) => Err(why),
        }
    });
    rules.counted = said;
    vec![documentation, lints, rules]
}

/// What stands in `k8s/`, where the programs that judge it can be had.
fn manifests(writer: Writer, required: bool, missing: &mut Vec<String>) -> Row {
    let mut said = String::new();
    let mut row = step("manifests", || match k8s::check(writer) {
        Ok(done) => {
            said = done;
            Ok(())
        }
        Err(k8s::Unchecked::Missing(why)) if !required => {
            "not run".clone_into(&mut said);
            missing.push(format!("the manifests in k8s/: {why}"));
            Ok(())
        }
        Err(k8s::Unchecked::Missing(why) | k8s::Unchecked::Wrong(why)) => Err(why),
    });
    row.counted = said;
    row
}

/// Whether a missing engine is a failure: where it is asked for, and in CI unless that says otherwise.
fn engines_required(variable: impl Fn(&str) -> Option<String>) -> bool {
    variable("ORRERY_REQUIRE_ENGINES").map_or_else(
        || variable("CI").is_some_and(|value| value == "true"),
        |value| value == "1",
    )
}

/// Starts the engines that do not run yet; returns those, which are stopped again after the tests.
fn engines_up(required: bool, missing: &mut Vec<String>) -> (Row, Vec<Kind>) {
    let mut up = engines::Up::default();
    let mut failed = String::new();
    let mut row = step("engines", || {
        match engines::up(None, false) {
            Ok(done) => {
                failed = engines::failures(&done.failed);
                up = done;
            }
            Err(why) => failed = why,
        }
        if required && !failed.is_empty() {
            return Err(failed.clone());
        }
        if !failed.is_empty() {
            eprintln!("{failed}");
        }
        Ok(())
    });
    let names: Vec<&str> = up.started.iter().map(|kind| kind.name()).collect();
    row.counted = match names.as_slice() {
        [] => "none started: they ran already, or are missing".to_owned(),
        names => format!("started {}", names.join(", ")),
    };
    if let Some(why) = failed.lines().next() {
        missing.push(format!("engines: {why} (its log is above)"));
    }
    (row, up.started)
}

fn report(rows: &[Row], took: Duration, missing: &[String], skipped: &str, nightly: bool) {
    print!("{}", reported(rows));
    println!("\nwhat ran");
    for row in rows {
        let verdict = if row.outcome.is_ok() { "ok" } else { "FAILED" };
        println!(
            "  {:<19} {verdict:<7} {:>5} s  {}",
            row.what,
            row.took.as_secs(),
            row.counted
        );
    }
    println!("  {:<19} {:<7} {:>5} s", "all of it", "", took.as_secs());
    println!("what was skipped, and why");
    if !nightly {
        println!("  the long forms: they run under --nightly");
    }
    let skipped = skipped.lines().filter(|line| !is_embedded_only(line));
    for line in missing.iter().map(String::as_str).chain(skipped) {
        println!("  {line}");
    }
}

/// Why steps failed, said once more after all that they printed.
fn reported(rows: &[Row]) -> String {
    let failed = rows
        .iter()
        .filter(|row| row.outcome.is_err() && !row.why.is_empty());
    failed.flat_map(|row| ["\n", row.why.as_str(), "\n"]).collect()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a chore reports how long it took; it has no clock to inject"
)]
pub(crate) fn now() -> std::time::Instant {
    std::time::Instant::now()
}

#[cfg(test)]
mod tests {
    use super::{engines_required, reported, step};

    #[test]
    fn the_end_of_the_log_says_why_a_step_failed_and_of_the_others_nothing() {
        let rows = [
            step("good", || Ok(())),
            step("bad", || Err("a line is too long\nand so is another".to_owned())),
        ];
        assert_eq!(
            reported(&rows),
            "\n== why bad failed:\na line is too long\nand so is another\n"
        );
    }

    #[test]
    fn a_missing_engine_is_a_failure_in_ci_and_where_it_is_asked_for() {
        let required = |set: &[(&str, &str)]| {
            engines_required(|name| {
                let found = set.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(!required(&[]));
        assert!(required(&[("CI", "true")]));
        assert!(required(&[("ORRERY_REQUIRE_ENGINES", "1")]));
        assert!(!required(&[("CI", "true"), ("ORRERY_REQUIRE_ENGINES", "0")]));
    }
}
