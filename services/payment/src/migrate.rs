//! Bringing the service's stores to this version's schema, without serving.

use clock::SharedClock;
use telemetry::Telemetry;

use crate::assembly::RunError;
use crate::config::Settings;
use crate::engines::Opener;

/// Makes whatever the URLs name where it is missing, and brings each to this program's schema, as far as older programs can
/// follow. Twice is harmless.
pub async fn migrate(
    settings: &Settings,
    telemetry: &Telemetry,
    clock: &SharedClock,
) -> Result<(), RunError> {
    let opener = Opener {
        settings,
        telemetry,
        clock,
    };
    opener.database().await?.close().await;
    opener.log().await?.connection.close().await;
    opener.leases().await?.connection.close().await;
    Ok(())
}

/// Brings the database to this program's schema whole, and so takes away what only older programs need: for when none of them
/// runs any more. The other stores have nothing to take away.
pub async fn contract(
    settings: &Settings,
    telemetry: &Telemetry,
    clock: &SharedClock,
) -> Result<(), RunError> {
    let opener = Opener {
        settings,
        telemetry,
        clock,
    };
    let database = opener.database().await?;
    let done = database.contract().await;
    database.close().await;
    done.map_err(|error| RunError::engine("database_url", &error))
}
