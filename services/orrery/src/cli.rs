//! The command line: what a person types, before any of it is done.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::commands::drill::DrillAction;
use crate::commands::export::ExportFlags;
use crate::commands::lab::LabFlags;
use crate::commands::load::LoadFlags;
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
    /// Make, list and revoke the API keys that programs get tokens with
    Key {
        /// What to do with them
        #[command(subcommand)]
        action: KeyAction,
    },
    /// Rotate a tenant's key of payers' details, or erase a person
    Vault {
        /// What to do
        #[command(subcommand)]
        action: VaultAction,
    },
    /// Look at the events that were given up, and publish them again
    Dlq {
        /// What to do with them
        #[command(subcommand)]
        action: DlqAction,
    },
    /// Write what was recorded as files for other programs
    Export {
        /// What of it
        #[command(subcommand)]
        what: ExportWhat,
    },
    /// Run an experiment that shows what a pattern does by leaving it out
    Lab(LabFlags),
    /// Offer a load to the platform on this machine, and report what came of it
    Load(LoadFlags),
    /// Break a platform of its own on purpose, and judge what came of it
    Drill {
        /// What to do with them
        #[command(subcommand)]
        action: DrillAction,
    },
    /// Look at the payment ledger from outside: is everything there that was committed, and only that?
    Ledger {
        /// What to do with it
        #[command(subcommand)]
        action: LedgerAction,
    },
    /// Show the effective settings and where each came from, secrets masked
    Config {
        /// Print the JSON Schema of the settings file instead
        #[arg(long)]
        schema: bool,
    },
    /// Check settings, data folder, ports and engines without starting anything
    Check,
    /// Bring every store to this version's schema, as far as the version before can follow
    Migrate {
        /// And take away what only older versions need: they are refused from then on. Once none of them runs any more
        #[arg(long)]
        contract: bool,
    },
    /// Look at what the services promise, and write what follows from it: rules, alerts, their tests, dashboards, thresholds
    Slo {
        /// What to do with them
        #[command(subcommand)]
        action: SloAction,
    },
    /// Write the files that are generated from the code (settings table, OpenAPI documents)
    #[command(hide = true)]
    Generate {
        /// Folder that stands for the root of the checkout
        #[arg(long)]
        into: PathBuf,
    },
}

/// What can be done with objectives.
#[derive(Debug, Subcommand)]
pub(crate) enum SloAction {
    /// One line an objective: its name, target and window, and how long a total outage may last in it
    List,
    /// Write what is made of them: Prometheus' rules and alerts with their tests, dashboards, thresholds for k6
    Generate {
        /// Folder that stands for the root of the checkout [default: here]
        #[arg(long)]
        into: Option<PathBuf>,
        /// Make every window so many times shorter, and write rules and their tests alone: what takes hours is seen in minutes
        #[arg(long, default_value_t = 1, value_name = "N", requires = "into", value_parser = scale)]
        scale: u32,
    },
}

/// A divisor of 300: every window must be whole seconds, and the shortest has 300.
fn scale(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|n| *n > 0 && 300 % n == 0);
    number
        .ok_or_else(|| "give a divisor of 300, so that every window has whole seconds: 60, 20, 10".to_owned())
}

/// What can be done with the ledger.
#[derive(Debug, Subcommand)]
pub(crate) enum LedgerAction {
    /// Recompute its audit chain and its balances; names the first row that was changed, is missing or out of its place. Changes nothing,
    /// and may run beside the service. Exit code 1: it is not as it was committed; 2: it cannot be read
    Verify {
        /// Its database, sqlite:PATH or postgres://..?schema=NAME [default: payment.database_url]
        #[arg(long, value_name = "URL")]
        database: Option<String>,
        /// A head that was written down, as it was printed: that link must be there still, with that hash. May be given more than once
        #[arg(long = "head", value_name = "SHARD:LINK:HASH")]
        heads: Vec<payment::verify::KeptHead>,
        /// Print the report as JSON
        #[arg(long)]
        json: bool,
    },
}

/// What can be done with API keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyAction {
    /// Make a key and print it, once: `client_id=...` and `client_secret=...`, a line each
    Create {
        /// Tenant that the client acts for; made if it is not there
        #[arg(long)]
        tenant: String,
        /// What people call a tenant that is made [default: as --tenant]
        #[arg(long, value_name = "TEXT")]
        tenant_name: Option<String>,
        /// Name of the client within the tenant; made if it is not there
        #[arg(long, default_value = "default", value_name = "NAME")]
        client: String,
        /// What a new client may do, as often as needed [default: links:read and links:write]
        #[arg(long = "scope", visible_alias = "scopes", value_delimiter = ',')]
        scopes: Vec<String>,
        /// Days after which the key is not valid any more [default: never]
        #[arg(long, value_name = "DAYS")]
        expires_days: Option<u32>,
    },
    /// Show a tenant's keys, newest first; never their secrets
    List {
        /// Whose
        #[arg(long)]
        tenant: String,
    },
    /// Make a key worthless for good
    Revoke {
        /// Whose
        #[arg(long)]
        tenant: String,
        /// The key's id: what stands between `ork_` and the next `_`
        key: String,
    },
    /// Give a client no more tokens, whatever its keys
    Disable {
        /// Whose
        #[arg(long)]
        tenant: String,
        /// The client's name
        #[arg(long, value_name = "NAME")]
        client: String,
    },
    /// Take back a `disable`
    Enable {
        /// Whose
        #[arg(long)]
        tenant: String,
        /// The client's name
        #[arg(long, value_name = "NAME")]
        client: String,
    },
}

/// What can be done with the vault.
#[derive(Debug, Subcommand)]
pub(crate) enum VaultAction {
    /// Give a tenant another key: every person's key is wrapped anew, and the former one dropped
    Rotate {
        /// Whose
        #[arg(long)]
        tenant: String,
    },
    /// Drop a person's key: what it sealed cannot be opened any more, here and in every copy
    Erase {
        /// Whose
        #[arg(long)]
        tenant: String,
        /// Which person: the account that they pay from, as account/1001
        #[arg(long)]
        person: String,
    },
}

/// What can be exported.
#[derive(Debug, Subcommand)]
pub(crate) enum ExportWhat {
    /// Clicks that the stream still holds, pseudonymous, as a Parquet file
    Clicks(ExportFlags),
}

/// What can be done with dead letters.
#[derive(Debug, Subcommand)]
pub(crate) enum DlqAction {
    /// One line a dead letter, oldest first
    List {
        /// The stream they fell out of
        #[arg(long, default_value = "visits")]
        stream: String,
        /// Those that were replayed too
        #[arg(long)]
        all: bool,
        /// At most this many
        #[arg(long, default_value_t = 100, value_name = "N")]
        limit: usize,
    },
    /// One dead letter whole, as JSON: the reason, and the event as it was (CloudEvents 1.0)
    Show {
        /// Its id, as `list` prints it
        id: u64,
        /// The stream it fell out of
        #[arg(long, default_value = "visits")]
        stream: String,
    },
    /// Publish dead letters again: every consumer sees the event once more, at the end of its partition
    Replay {
        /// Their ids, as `list` prints them
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        ids: Vec<u64>,
        /// Every one that waits
        #[arg(long)]
        all: bool,
        /// The stream they fell out of
        #[arg(long, default_value = "visits")]
        stream: String,
    },
}
