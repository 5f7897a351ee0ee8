//! `orrery vault`: keys of payers' details. Works whether the platform runs or not: whoever may read payment's database and its master key
//! may do it.

use identity::Tenant;
use payment::{Erased, Traces, VaultChores};

use super::{Workbench, on_workbench};
use crate::Outcome;
use crate::cli::VaultAction;
use crate::settings::Settings;

/// Does it, and prints what came of it.
pub(crate) fn vault(settings: &Settings, action: &VaultAction) -> Outcome {
    on_workbench(async |bench: &Workbench| {
        let vault = VaultChores::open(&settings.payment, &bench.telemetry, &bench.clock)
            .await
            .map_err(|error| error.to_string())?;
        let done = act(&vault, action).await;
        vault.close().await;
        done
    })
}

async fn act(vault: &VaultChores, action: &VaultAction) -> Result<(), String> {
    let tenant = |name: &str| Tenant::parse(name).map_err(|error| error.to_string());
    match action {
        VaultAction::Rotate { tenant: name } => {
            let rotated = vault
                .rotate(&tenant(name)?)
                .await
                .map_err(|error| error.to_string())?
                .ok_or_else(|| {
                    format!("tenant {name} has no key here: no payer's details were ever kept for it")
                })?;
            let done = format!(
                "tenant {name} has key {}; {} keys of persons were wrapped anew, the former key is gone",
                rotated.version, rotated.rewrapped
            );
            rid_files(vault, &done).await
        }
        VaultAction::Erase { tenant: name, person } => {
            let erased = vault
                .erase(&tenant(name)?, person)
                .await
                .map_err(|error| error.to_string())?;
            let done = match erased {
                Erased::Now => format!(
                    "person {person} of tenant {name} is erased: what was sealed for them cannot be opened any more"
                ),
                Erased::Before => format!(
                    "person {person} of tenant {name} was erased before, and nothing was told of them since: there is nothing to erase"
                ),
                Erased::NeverKnown => {
                    return Err(format!(
                        "nothing is known of person {person} of tenant {name}, and never was; persons are named as the accounts that they pay from: account/1001"
                    ));
                }
            };
            rid_files(vault, &done).await
        }
    }
}

/// Prints what was done once the database's files are rid of what it dropped, and else says what is left to do.
async fn rid_files(vault: &VaultChores, done: &str) -> Result<(), String> {
    match vault.overwrite_traces().await {
        Ok(Traces::None | Traces::Overwritten) => {
            println!("{done}");
            Ok(())
        }
        Ok(Traces::Held) => Err(format!(
            "{done}; but what was dropped may still stand in the files of PostgreSQL, for a transaction, a replication slot or a standby from before may still read it: end it (pg_stat_activity, pg_prepared_xacts and pg_replication_slots name it) and run this again, or leave it to the service, which tries at intervals"
        )),
        Ok(Traces::NotAllowed(statements)) => Err(format!(
            "{done}; but what was dropped still stands in the files of PostgreSQL, for this user may not rewrite the tables. Run as their owner, one after the other and each by itself: {}",
            statements.join("; ")
        )),
        Err(error) => Err(format!(
            "{done}; but what was dropped still stands in the files of the database ({error}): run this again, or leave it to the service, which does it at intervals"
        )),
    }
}
