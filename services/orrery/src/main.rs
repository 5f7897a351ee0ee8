#![doc = include_str!("../README.md")]

mod announce;
mod catalogue;
mod cli;
mod commands;
mod data_folder;
mod platform;
mod ports;
mod ready;
mod role_thread;
mod roles;
mod settings;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command, ExportWhat};

/// Returns freed memory to the system sooner than the C library's allocator, and is quicker with small requests.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What every command ends with: nothing, or an error whose words say what to do.
type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Its exit code tells a verdict from an error.
    if let Some(Command::Drill { action }) = &cli.command {
        return commands::drill::drill(action);
    }
    // Here, too: a broken ledger is not one that cannot be read.
    if let Some(Command::Ledger { action }) = &cli.command {
        return match settings::load(&cli.global) {
            Ok(loaded) => commands::ledger::ledger(&loaded.settings, action),
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::from(2)
            }
        };
    }
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Outcome {
    let command = cli.command.unwrap_or(Command::Up);
    // These say something about settings, or need none, so they must not need good ones.
    if let Command::Config { schema: true } = command {
        return commands::config::schema();
    }
    if let Command::Generate { into } = command {
        return commands::generate::generate(&into);
    }
    if let Command::Slo { action } = &command {
        return commands::slo::slo(action);
    }
    if let Command::Lab(flags) = &command {
        return commands::lab::lab(flags);
    }
    let loaded = settings::load(&cli.global)?;
    match command {
        Command::Up => platform::run(&loaded.settings.for_up()?, &loaded.settings.roles_of_up()),
        Command::Serve { role } => platform::run(&loaded.settings, &[role]),
        Command::Token { tenant, user, scopes } => {
            commands::token::token(&loaded.settings, &tenant, &user, &scopes)
        }
        Command::Key { action } => commands::key::key(&loaded.settings, &action),
        Command::Export {
            what: ExportWhat::Clicks(flags),
        } => commands::export::clicks(&loaded.settings, &flags),
        Command::Vault { action } => commands::vault::vault(&loaded.settings, &action),
        Command::Dlq { action } => commands::dlq::dlq(&loaded.settings, &action),
        Command::Config { .. } => {
            commands::config::effective(&loaded);
            Ok(())
        }
        Command::Check => commands::check::check(&loaded.settings),
        Command::Load(flags) => commands::load::load(&loaded.settings, &flags),
        Command::Migrate { contract } => commands::migrate::migrate(&loaded.settings, contract),
        Command::Generate { .. }
        | Command::Slo { .. }
        | Command::Lab(_)
        | Command::Drill { .. }
        | Command::Ledger { .. } => {
            unreachable!("handled before settings are read")
        }
    }
}
