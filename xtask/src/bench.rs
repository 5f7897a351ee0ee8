//! Measurements, each against a peer in the same run or as a share of a known limit. Never run by a test.

mod create;
mod engines;
mod ledger;
mod load;
mod nginx;
mod page;
mod platform;
mod redirect;
mod roles;
mod startup;

use std::path::PathBuf;

use clap::Subcommand;

use crate::playbook::when;
use crate::run::{Outcome, cargo, prints, root};
use page::{Machine, Section, page, with_section};

/// Where the figures of a run of all stand.
const PAGE: &str = "docs/benchmarks.md";
/// Redirects over which memory is watched where all are run: enough for every buffer to have been full many times.
const MEMORY_SHORT: u64 = 2_000_000;

#[derive(Subcommand)]
pub(crate) enum Bench {
    /// The shortener's redirect with all its analytics beside nginx `return 302`, beside itself without them, and through the gateway:
    /// CPU a redirect, and p99 at half load
    Redirect {
        /// Seconds a round
        #[arg(long, default_value_t = 5)]
        seconds: u32,
        /// Rounds of each
        #[arg(long, default_value_t = 5)]
        rounds: u32,
        /// Measure this binary instead of building one
        #[arg(long)]
        binary: Option<PathBuf>,
    },
    /// Memory over very many redirects
    Memory {
        /// Redirects in all
        #[arg(long, default_value_t = 10_000_000)]
        redirects: u64,
        /// Measure this binary instead of building one
        #[arg(long)]
        binary: Option<PathBuf>,
    },
    /// A redirect on Redis, NATS and CQL: CPU in every process, and reads of the store with cold caches
    Engines {
        /// Seconds a round
        #[arg(long, default_value_t = 5)]
        seconds: u32,
        /// Rounds
        #[arg(long, default_value_t = 5)]
        rounds: u32,
        /// Measure this binary instead of building one
        #[arg(long)]
        binary: Option<PathBuf>,
    },
    /// Links made a second, one by one and in batches, on SQLite and on CQL
    Create {
        /// Seconds a round
        #[arg(long, default_value_t = 5)]
        seconds: u32,
        /// Rounds of each
        #[arg(long, default_value_t = 3)]
        rounds: u32,
        /// Measure this binary instead of building one
        #[arg(long)]
        binary: Option<PathBuf>,
    },
    /// Transfers a second in batches, one by one and all on one account, on PostgreSQL and SQLite, beside `pgbench` on the same server
    Ledger {
        /// Seconds a round of each
        #[arg(long, default_value_t = 8)]
        seconds: u32,
        /// Rounds of each
        #[arg(long, default_value_t = 5)]
        rounds: u32,
        /// The scale of pgbench: 100,000 accounts each
        #[arg(long, default_value_t = 100)]
        scale: u32,
        /// Instead, let the ledger grow to so many transfers, and see what memory and reads cost then
        #[arg(long)]
        transfers: Option<u64>,
        /// Measure this binary instead of building one
        #[arg(long)]
        binary: Option<PathBuf>,
    },
    /// From process start to ready, and the memory of an idle platform
    Startup {
        /// Starts to measure
        #[arg(long, default_value_t = 5)]
        rounds: u32,
        /// Measure this binary instead of building one
        #[arg(long)]
        binary: Option<PathBuf>,
    },
    /// Ids a second on one thread, as a share of what 12 bits a millisecond allow
    Ids,
}

/// Runs one; `write`: into the page too.
pub(crate) fn bench(what: Bench, write: bool) -> Outcome {
    let section = measured(what)?;
    section.print_findings();
    if !write {
        return Ok(());
    }
    let path = root().join(PAGE);
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let text = with_section(&text, &section, &when()?);
    std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    println!("wrote {PAGE}");
    Ok(())
}

/// Runs all, one after the other, and writes the page. One that fails hides no other, and fails the whole.
pub(crate) fn bench_all(binary: Option<PathBuf>) -> Outcome {
    let binary = Some(platform::release_binary(binary)?);
    let mut sections = Vec::new();
    for (name, what) in all(binary.as_ref()) {
        println!("== {name}");
        let section = measured(what);
        match &section {
            Ok(section) => section.print_findings(),
            Err(why) => eprintln!("{why}"),
        }
        sections.push(section.map_err(|why| (name.to_owned(), why)));
    }
    let path = root().join(PAGE);
    let text = page(&Machine::this()?, &when()?, &sections);
    std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
    println!("wrote {PAGE}");
    let failed: Vec<&str> = sections
        .iter()
        .filter_map(|section| section.as_ref().err().map(|(name, _)| name.as_str()))
        .collect();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(format!("not measured: {}", failed.join(", ")))
    }
}

/// Each benchmark, as `--all` runs it: memory in its short form.
fn all(binary: Option<&PathBuf>) -> [(&'static str, Bench); 7] {
    let binary = || binary.cloned();
    [
        (
            "startup",
            Bench::Startup {
                rounds: 5,
                binary: binary(),
            },
        ),
        (
            "redirect",
            Bench::Redirect {
                seconds: 5,
                rounds: 5,
                binary: binary(),
            },
        ),
        (
            "create",
            Bench::Create {
                seconds: 5,
                rounds: 3,
                binary: binary(),
            },
        ),
        (
            "engines",
            Bench::Engines {
                seconds: 5,
                rounds: 5,
                binary: binary(),
            },
        ),
        (
            "ledger",
            Bench::Ledger {
                seconds: 8,
                rounds: 3,
                scale: 100,
                transfers: None,
                binary: binary(),
            },
        ),
        (
            "memory",
            Bench::Memory {
                redirects: MEMORY_SHORT,
                binary: binary(),
            },
        ),
        ("ids", Bench::Ids),
    ]
}

fn measured(what: Bench) -> Result<Section, String> {
    match what {
        Bench::Redirect {
            seconds,
            rounds,
            binary,
        } => redirect::bench(seconds, rounds, binary),
        Bench::Memory { redirects, binary } => redirect::memory(redirects, binary),
        Bench::Engines {
            seconds,
            rounds,
            binary,
        } => engines::bench(seconds, rounds, binary),
        Bench::Create {
            seconds,
            rounds,
            binary,
        } => create::bench(seconds, rounds, binary),
        Bench::Ledger {
            seconds,
            rounds,
            scale,
            transfers,
            binary,
        } => ledger::bench(ledger::Asked {
            seconds,
            rounds,
            scale,
            transfers,
            binary,
        }),
        Bench::Startup { rounds, binary } => startup::bench(rounds, binary),
        Bench::Ids => ids(),
    }
}

fn ids() -> Result<Section, String> {
    let printed = prints(cargo().args(["bench", "--quiet", "--package", "ids"]))?;
    print!("{printed}");
    let (per_second, ratio) =
        ids_of(&printed).ok_or(format!("the benchmark of ids printed no result:\n{printed}"))?;
    Ok(Section {
        title: "Ids",
        command: "cargo xtask bench ids".to_owned(),
        means: "Ids made on one thread. Its peer is what their format allows: 12 bits a millisecond.",
        columns: vec!["", "per s", "of 4,096,000"],
        rows: vec![vec!["one thread".to_owned(), per_second.clone(), ratio.clone()]],
        findings: vec![format!("{ratio} of what the format allows")],
    })
}

/// The figures in the last line of that benchmark: `ids_per_second=4000000 ratio=0.98`.
fn ids_of(printed: &str) -> Option<(String, String)> {
    let line = printed.lines().find(|line| line.starts_with("ids_per_second="))?;
    let (per_second, ratio) = line.strip_prefix("ids_per_second=")?.split_once(" ratio=")?;
    Some((per_second.to_owned(), ratio.trim().to_owned()))
}

/// The middle of the measured values.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a benchmark measures real time; it has no clock to inject"
)]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

#[cfg(test)]
mod tests {
    use super::{all, ids_of, median};

    #[test]
    fn the_median_of_an_even_count_lies_between_the_two_in_the_middle() {
        assert!((median(&[4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < f64::EPSILON);
        assert!((median(&[9.0, 1.0, 5.0]) - 5.0).abs() < f64::EPSILON);
    }

    #[test]
    fn the_figures_of_the_ids_are_found_in_what_their_benchmark_prints() {
        let printed = "round: 1 ids/s\nids_per_second=4010000 ratio=0.9790\n";
        assert_eq!(ids_of(printed), Some(("4010000".to_owned(), "0.9790".to_owned())));
        assert_eq!(ids_of("nothing"), None);
    }

    #[test]
    fn all_are_run_each_once() {
        let names: std::collections::BTreeSet<_> = all(None).map(|(name, _)| name).into();
        assert_eq!(names.len(), 7);
    }
}
