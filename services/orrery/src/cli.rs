//! The command line: what a person types, before any of it is done.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::roles::RoleName;

const AFTER_HELP: &str = "\
Examples:
  orrery                                    everything in one process, data under ./.orrery
  orrery up --port-base 9000 --data /tmp/o  a second instance beside the first
  orrery token --tenant acme --user ada     a token for the API, alone on its line
  orrery config                             every setting, its value, and where that came from

Settings: built-in defaults < orrery.toml < environment (ORRERY_...) < flags. See docs/settings.md.";

/// Orrery: a system-design reference platform that you can run, watch and break.
#[derive(Debug, Parser)]
#[command(name = "orrery", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalFlags,
    /// What to do; without it, `up`
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Flags that every command takes: the last and strongest layer of settings.
#[derive(Debug, Default, Args)]
pub(crate) struct GlobalFlags {
    /// Settings file; without it ./orrery.toml is read where it exists
    #[arg(long, global = true, value_name = "FILE", env = "ORRERY_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of the embedded engines' files [default: .orrery]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data: Option<String>,
    /// First port of this instance: the gateway's own; each role has two above it [default: 8080]
    #[arg(long, global = true, value_name = "N")]
    pub(crate) port_base: Option<String>,
    /// Any setting by its name, as often as needed: --set shortener.cache.ttl_ms=1000
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run every role in one process on embedded engines
    Up,
    /// Run one role
    Serve {
        /// The role to run
        #[arg(value_enum)]
        role: RoleName,
    },
    /// Print a token from the local issuer, alone on its line
    Token {
        /// Tenant the token is for
        #[arg(long)]
        tenant: String,
        /// User the token is for (its `sub`)
        #[arg(long)]
        user: String,
        /// What it may do, as often as needed [default: every scope]
        #[arg(long = "scope")]
        scopes: Vec<String>,
    },
    /// Show the effective settings and where each came from, secrets masked
    Config {
        /// Print the JSON Schema of the settings file instead
        #[arg(long)]
        schema: bool,
    },
    /// Check settings, data folder, ports and engines without starting anything
    Check,
    /// Bring every embedded store to this version's schema
    Migrate,
    /// Write the files that are generated from the code (settings table, OpenAPI documents)
    #[command(hide = true)]
    Generate {
        /// Folder that stands for the root of the checkout
        #[arg(long)]
        into: PathBuf,
    },
}
