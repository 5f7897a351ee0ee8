//! `cargo xtask test`: everything CI does, and a report of what ran and what was skipped and why.

use std::fmt::Write as _;
use std::io::BufRead as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use ::engines::Kind;

use crate::generate::Writer;
use crate::run::{Outcome, cargo, passes, target};
use crate::{engines, k8s, previous, programs, rules, tidy};

/// Tests append a line here for each part they skip; the report shows it.
const SKIPS: &str = "xtask/skips.txt";
const API_ON_ENGINES: &str = "API on real engines";

/// One row of the report.
struct Row {
    what: &'static str,
    outcome: Outcome,
    took: Duration,
    counted: String,
}

/// Runs all of it; a failing step does not hide the ones after it.
pub(crate) fn test(nightly: bool) -> Outcome {
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
    rows.push(step("lints", lints));
    let run = TestRun {
        nightly,
        required,
        skips: &skips,
    };
    // Before the previous version, which takes over what it needs of the registry's crates.
    rows.push(step("build", || run.build()));
    rows.push(step("tidy", || tidy::tidy(run.writer())));
    rows.push(manifests(run.writer(), required, &mut missing));
    rows.push(alert_rules(required, &mut missing));
    rows.push(step("previous", || match previous::previous() {
        Err(why) if !required => {
            missing.push(format!("the previous version: {why}"));
            Ok(())
        }
        outcome => outcome,
    }));
    rows.push(run.all());
    rows.push(if engines_missing {
        not_run(API_ON_ENGINES, "engines are missing")
    } else {
        run.api_on_engines()
    });
    if let Err(why) = engines::stop(&started) {
        missing.push(format!(
            "the engines that were started for the tests still run: {why}"
        ));
    }

    let skipped = std::fs::read_to_string(&skips).unwrap_or_default();
    report(&rows, &missing, &skipped, nightly);
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
    if let Err(why) = &outcome {
        eprintln!("{why}");
    }
    Row {
        what,
        outcome,
        took: started.elapsed(),
        counted: String::new(),
    }
}

fn lints() -> Outcome {
    let words = "clippy --workspace --all-targets --all-features --quiet -- -D warnings";
    passes(cargo().args(words.split(' ')))
}

/// Recording rules and alerts, where Prometheus' own program can be had.
fn alert_rules(required: bool, missing: &mut Vec<String>) -> Row {
    let mut said = String::new();
    let mut row = step("rules", || match rules::check() {
        Ok(done) => {
            said = done;
            Ok(())
        }
        Err(rules::Unchecked::Missing(why)) if !required => {
            "not run".clone_into(&mut said);
            missing.push(format!("the rules and alerts: {why}"));
            Ok(())
        }
        Err(rules::Unchecked::Missing(why) | rules::Unchecked::Wrong(why)) => Err(why),
    });
    row.counted = said;
    row
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

fn not_run(what: &'static str, why: &str) -> Row {
    Row {
        what,
        outcome: Ok(()),
        took: Duration::ZERO,
        counted: format!("not run: {why}"),
    }
}

/// How tests are run; cargo runs them all, and the lines it prints are counted while they pass by.
struct TestRun<'a> {
    nightly: bool,
    required: bool,
    skips: &'a Path,
}

impl TestRun<'_> {
    /// What is released is built apart from what is tested: only a nightly run has no `orrery` of the tests yet.
    fn writer(&self) -> Writer {
        if self.nightly {
            Writer::Fresh
        } else {
            Writer::OfTests
        }
    }

    fn build(&self) -> Outcome {
        passes(
            self.command()
                .args(["--workspace", "--all-features", "--no-run", "--quiet"]),
        )
    }

    /// Unit, contract, API and process tests.
    fn all(&self) -> Row {
        let mut command = self.command();
        command.args(["--workspace", "--all-features", "--no-fail-fast"]);
        counted("tests", command)
    }

    /// The shortener's API suite once more, on the shared engines instead of files. Its contract suite names its engines itself; what is
    /// refused before a store is asked, what is documented and what labs show is the same on any.
    fn api_on_engines(&self) -> Row {
        let before = embedded_only(self.skips);
        let mut command = self.command();
        // As in the first run, so that nothing is built again.
        command.args(["--workspace", "--all-features", "--test", "shortener"]);
        command.arg("--");
        for module in ["contract::", "hostile::", "labs::", "openapi::"] {
            command.args(["--skip", module]);
        }
        command.env("ORRERY_TEST_ENGINES", "real");
        let mut row = counted(API_ON_ENGINES, command);
        let embedded = embedded_only(self.skips) - before;
        let _ = write!(row.counted, "; {embedded} of them are about files and ran above");
        row
    }

    fn command(&self) -> Command {
        let mut command = cargo();
        command
            .arg("test")
            .env("ORRERY_SKIPS_FILE", self.skips)
            .env("ORRERY_SCHEMATHESIS", programs::schemathesis());
        if self.required {
            command.env("ORRERY_REQUIRE_ENGINES", "1");
        }
        if self.nightly {
            // The long forms are about rates and counts that unoptimised code on two cores does not reach.
            command.arg("--release").env("ORRERY_NIGHTLY", "1");
        }
        command
    }
}

fn counted(what: &'static str, mut command: Command) -> Row {
    println!("== {what}");
    let started = now();
    let mut counts = Counts::default();
    let outcome = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cargo test did not start: {e}"))
        .and_then(|mut child| {
            let printed = child.stdout.take().ok_or("cargo test has no stdout")?;
            for line in std::io::BufReader::new(printed).lines().map_while(Result::ok) {
                println!("{line}");
                counts.read(&line);
            }
            let status = child.wait().map_err(|e| format!("cargo test: {e}"))?;
            if status.success() {
                Ok(())
            } else {
                Err(format!("cargo test failed ({status})"))
            }
        })
        .and_then(|()| {
            if counts.passed > 0 {
                Ok(())
            } else {
                Err("no test ran".to_owned())
            }
        });
    Row {
        what,
        outcome,
        took: started.elapsed(),
        counted: format!(
            "{} passed, {} failed, {} ignored",
            counts.passed, counts.failed, counts.ignored
        ),
    }
}

/// How many tests said that they have no form on real engines.
fn embedded_only(skips: &Path) -> usize {
    let lines = std::fs::read_to_string(skips).unwrap_or_default();
    lines.lines().filter(|line| is_embedded_only(line)).count()
}

/// Such a line is no skip: the test ran in its embedded form.
fn is_embedded_only(line: &str) -> bool {
    line.contains(": embedded only: ")
}

#[derive(Default)]
struct Counts {
    passed: u32,
    failed: u32,
    ignored: u32,
}

impl Counts {
    fn read(&mut self, line: &str) {
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

fn report(rows: &[Row], missing: &[String], skipped: &str, nightly: bool) {
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
    println!("what was skipped, and why");
    if !nightly {
        println!("  the long forms: they run under --nightly");
    }
    let skipped = skipped.lines().filter(|line| !is_embedded_only(line));
    for line in missing.iter().map(String::as_str).chain(skipped) {
        println!("  {line}");
    }
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
    use super::{Counts, engines_required};

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

    #[test]
    fn counts_are_summed_over_test_binaries() {
        let mut counts = Counts::default();
        counts.read(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        );
        counts.read("test result: FAILED. 2 passed; 4 failed; 0 ignored; 0 measured; 0 filtered out");
        assert_eq!((counts.passed, counts.failed, counts.ignored), (5, 4, 1));
    }
}
