//! The project's own chores: `cargo xtask test|engines|k8s|kind|tidy|generate|playbook|bench`.
//!
//! It links no service; what it must know of the platform it asks the `orrery` binary.

mod bench;
mod engines;
mod generate;
mod k8s;
mod kind;
mod playbook;
mod previous;
mod programs;
mod rules;
mod run;
mod test;
mod tidy;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Orrery's own chores")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Everything CI does: format, lints, tidy, and every test; says what ran and what was skipped and why
    Test {
        /// Run the long forms too (200 kills, 10^9 ids, the porcupine oracle)
        #[arg(long)]
        nightly: bool,
    },
    /// PostgreSQL, Redis, NATS and a CQL server for tests and development, on loopback
    Engines {
        #[command(subcommand)]
        what: engines::Engines,
    },
    /// Check the manifests in k8s/: schemas, rules, and what the binary has
    K8s {
        #[command(subcommand)]
        what: k8s::K8s,
    },
    /// The platform on a Kubernetes of this machine, by kind and Docker
    Kind {
        #[command(subcommand)]
        what: kind::Kind,
    },
    /// Check the house: floors, sizes, names, failure tables, generated files
    Tidy,
    /// Write the generated files (settings table, OpenAPI documents) anew
    Generate,
    /// Build the older version that the tests run beside this one; `test` does it by itself
    Previous,
    /// Run labs and write what they measured into their pages, with date and commit
    Playbook {
        /// The labs, by name [default: all]
        labs: Vec<String>,
        /// Run this binary instead of building one
        #[arg(long)]
        binary: Option<PathBuf>,
    },
    /// Measure against a peer in the same run
    #[command(args_conflicts_with_subcommands = true, arg_required_else_help = true)]
    Bench {
        /// All of them, one after the other, into docs/benchmarks.md
        #[arg(long)]
        all: bool,
        /// With --all: measure this binary instead of building one
        #[arg(long, requires = "all")]
        binary: Option<PathBuf>,
        /// Put what one of them measured into docs/benchmarks.md, in place of what stands there of it; `--all` does so anyway
        #[arg(long, global = true)]
        write: bool,
        #[command(subcommand)]
        what: Option<bench::Bench>,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().chore {
        Chore::Test { nightly } => test::test(nightly),
        Chore::Engines { what } => engines::engines(what),
        Chore::K8s { what } => k8s::k8s(&what),
        Chore::Kind { what } => kind::kind(&what),
        Chore::Tidy => tidy::tidy(generate::Writer::Fresh),
        Chore::Generate => generate::write(),
        Chore::Previous => previous::previous(),
        Chore::Playbook { labs, binary } => playbook::playbook(&labs, binary),
        Chore::Bench {
            what: Some(what),
            write,
            ..
        } => bench::bench(what, write),
        Chore::Bench {
            all: true, binary, ..
        } => bench::bench_all(binary),
        Chore::Bench { .. } => {
            Err("which one? `cargo xtask bench --help` lists them; `--all` runs them all".to_owned())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use super::{Chore, Cli};

    #[test]
    fn one_benchmark_or_all_of_them_can_be_asked_for_and_not_both() {
        Cli::command().debug_assert();
        let chore = |words: &str| Cli::try_parse_from(words.split(' ')).map(|cli| cli.chore);
        assert!(matches!(
            chore("xtask bench --all"),
            Ok(Chore::Bench {
                all: true,
                what: None,
                ..
            })
        ));
        assert!(matches!(
            chore("xtask bench redirect --rounds 2 --binary x"),
            Ok(Chore::Bench {
                all: false,
                what: Some(_),
                ..
            })
        ));
        assert!(matches!(
            chore("xtask bench redirect --write"),
            Ok(Chore::Bench { write: true, .. })
        ));
        for wrong in [
            "xtask bench",
            "xtask bench --all redirect",
            "xtask bench --binary x",
        ] {
            assert!(chore(wrong).is_err(), "{wrong}");
        }
    }
}
