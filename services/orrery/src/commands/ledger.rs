//! `orrery ledger`: looks at the payment ledger's tables from outside, without the service.

use std::process::ExitCode;

use super::{Workbench, on_workbench};
use crate::cli::LedgerAction;
use crate::settings::Settings;

/// It is not as it was committed.
const BROKEN: u8 = 1;
/// It could not be read, so nothing is known.
const UNREADABLE: u8 = 2;

/// Prints what was looked at and what was found; the exit code tells a broken ledger from one that cannot be read.
pub(crate) fn ledger(settings: &Settings, action: &LedgerAction) -> ExitCode {
    let LedgerAction::Verify {
        database,
        heads,
        json,
    } = action;
    let url = database.as_deref().unwrap_or(&settings.payment.database_url);
    let verified = on_workbench(async |_: &Workbench| {
        // What is not there is said before anything is read, in words that tell what to do.
        payment::verify::find(url)
            .await
            .map_err(|error| error.to_string())?;
        payment::verify::verify_against(url, heads)
            .await
            .map_err(|error| error.to_string())
    });
    let report = match verified {
        Ok(report) => report,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(UNREADABLE);
        }
    };
    if *json {
        match serde_json::to_string_pretty(&report) {
            Ok(text) => println!("{text}"),
            Err(error) => {
                eprintln!("error: {error}");
                return ExitCode::from(UNREADABLE);
            }
        }
    } else {
        println!("{report}");
    }
    if report.is_sound() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(BROKEN)
    }
}
