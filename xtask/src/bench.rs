//! Measurements, each against a peer in the same run or as a share of a known limit. Never run by a test.

mod create;
mod engines;
mod load;
mod nginx;
mod platform;
mod redirect;
mod roles;
mod startup;

use std::path::PathBuf;

use clap::Subcommand;

use crate::run::{Outcome, cargo, passes};

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

pub(crate) fn bench(what: Bench) -> Outcome {
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
        Bench::Startup { rounds, binary } => startup::bench(rounds, binary),
        Bench::Ids => passes(cargo().args(["bench", "--package", "ids"])),
    }
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
    use super::median;

    #[test]
    fn the_median_of_an_even_count_lies_between_the_two_in_the_middle() {
        assert!((median(&[4.0, 1.0, 3.0, 2.0]) - 2.5).abs() < f64::EPSILON);
        assert!((median(&[9.0, 1.0, 5.0]) - 5.0).abs() < f64::EPSILON);
    }
}
