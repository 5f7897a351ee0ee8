//! What tests there are, and what runs after what.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::Row;
use super::binaries::{self, Binary};
use super::runs::counted;
use crate::generate::Writer;
use crate::programs;
use crate::run::{cargo, idle};

const API_ON_ENGINES: &str = "API on real engines";
const OTHERS: &str = "tests";
/// The suite that starts, stops and kills processes.
const PLATFORM: &str = "services/orrery/tests/process.rs";
/// How many of its tests are under way: those that load the machine take turns, and many of the others wait.
const PLATFORM_THREADS: &str = "4";
/// How many of the other binaries run at once: half of their time they wait for a disk or an engine.
const OTHERS_AT_ONCE: usize = 3;
const API_SUITES: [&str; 2] = [
    "services/payment/tests/payment.rs",
    "services/shortener/tests/shortener.rs",
];
/// The parts of those that do not depend on the engines they run on.
const SAME_ON_ANY: [&str; 9] = [
    "attacks_",
    "contract::",
    "fresh_database::",
    "hostile::",
    "labs::",
    "openapi::",
    "properties::",
    "verify::",
    "webhook_store::",
];

/// How tests are run.
pub(super) struct Suites<'a> {
    pub(super) nightly: bool,
    pub(super) required: bool,
    pub(super) skips: &'a Path,
}

impl Suites<'_> {
    /// What is released is built apart from what is tested: only a nightly run has no `orrery` of the tests yet.
    pub(super) fn writer(&self) -> Writer {
        if self.nightly {
            Writer::Fresh
        } else {
            Writer::OfTests
        }
    }

    pub(super) fn build(&self) -> Result<Vec<Binary>, String> {
        let mut build = cargo();
        self.select(&mut build);
        binaries::built(build)
    }

    /// Every test, and the API suites once more on real engines. The platform by itself: beside the others' load, tests of it that bound a time
    /// or a loss failed.
    pub(super) fn all(&self, binaries: &[Binary], on_engines: bool) -> Vec<Row> {
        let (platform, mut others): (Vec<_>, Vec<_>) = binaries.iter().partition(|b| b.source == PLATFORM);
        // The longest first, or they would run at the end with nothing beside them.
        others.sort_by_key(|binary| !is_api_suite(binary));
        let mut rows = vec![self.platform(&platform), self.others(&others)];
        rows.push(if on_engines {
            self.api_on_engines(&others)
        } else {
            not_run(API_ON_ENGINES, "engines are missing")
        });
        rows
    }

    /// The platform as processes. Each line is shown as it comes.
    fn platform(&self, platform: &[&Binary]) -> Row {
        let runs = platform.iter().map(|binary| {
            let mut run = binary.command();
            self.set(&mut run);
            if !self.nightly && std::env::var_os("RUST_TEST_THREADS").is_none() {
                run.env("RUST_TEST_THREADS", PLATFORM_THREADS);
            }
            (binary.source.clone(), run)
        });
        counted("platform", runs.collect(), 1)
    }

    /// Unit, contract and API tests.
    fn others(&self, others: &[&Binary]) -> Row {
        let runs = others.iter().map(|binary| {
            let mut run = binary.command();
            self.set(&mut run);
            (binary.source.clone(), run)
        });
        counted(OTHERS, runs.collect(), self.at_once())
    }

    /// What documentation shows, as a command that runs while a core is idle.
    pub(super) fn documentation(&self) -> Command {
        let mut documentation = idle(cargo().get_program());
        self.select(&mut documentation);
        documentation.args(["--doc", "--no-fail-fast"]);
        documentation
    }

    /// The API suites of the shortener and of payment once more, on the shared engines instead of files. What names its engines itself (contracts,
    /// attacks, properties), what is refused before a store is asked, what is documented and what labs show is the same on any.
    fn api_on_engines(&self, others: &[&Binary]) -> Row {
        let before = embedded_only(self.skips);
        let suites = others.iter().filter(|binary| is_api_suite(binary));
        let runs = suites.map(|binary| {
            let mut run = binary.command();
            self.set(&mut run);
            run.env("ORRERY_TEST_ENGINES", "real");
            for module in SAME_ON_ANY {
                run.args(["--skip", module]);
            }
            (format!("{} on real engines", binary.source), run)
        });
        let mut row = counted(API_ON_ENGINES, runs.collect(), self.at_once());
        let embedded = embedded_only(self.skips) - before;
        let _ = write!(row.counted, "; {embedded} of them are about files and ran above");
        row
    }

    /// The long forms are about rates, and run by themselves.
    fn at_once(&self) -> usize {
        if self.nightly { 1 } else { OTHERS_AT_ONCE }
    }

    /// `cargo test` on all of the workspace: always the same selection, or features differ and all is built again.
    fn select(&self, cargo: &mut Command) {
        cargo.args(["test", "--workspace", "--all-features"]);
        if self.nightly {
            // The long forms are about rates and counts that unoptimised code on two cores does not reach.
            cargo.arg("--release");
        }
        self.set(cargo);
    }

    /// What tests are told.
    fn set(&self, command: &mut Command) {
        command
            .env("ORRERY_SKIPS_FILE", self.skips)
            .env("ORRERY_SCHEMATHESIS", programs::schemathesis());
        if self.required {
            command.env("ORRERY_REQUIRE_ENGINES", "1");
        }
        if self.nightly {
            command.env("ORRERY_NIGHTLY", "1");
        }
    }
}

fn is_api_suite(binary: &Binary) -> bool {
    API_SUITES.contains(&binary.source.as_str())
}

/// How many tests said that they have no form on real engines.
fn embedded_only(skips: &Path) -> usize {
    let lines = std::fs::read_to_string(skips).unwrap_or_default();
    lines.lines().filter(|line| is_embedded_only(line)).count()
}

/// Such a line is no skip: the test ran in its embedded form.
pub(super) fn is_embedded_only(line: &str) -> bool {
    line.contains(": embedded only: ")
}

fn not_run(what: &'static str, why: &str) -> Row {
    Row {
        what,
        outcome: Ok(()),
        took: Duration::ZERO,
        counted: format!("not run: {why}"),
        why: String::new(),
    }
}

/// A row that needs nothing to run before it is known to fail.
pub(super) fn failed(what: &'static str, why: &str) -> Row {
    Row {
        what,
        outcome: Err(why.to_owned()),
        took: Duration::ZERO,
        counted: why.to_owned(),
        why: String::new(),
    }
}
