//! Rids the database's files of keys that were dropped: who was erased by a request is gone from them soon, too.

use std::time::Duration;

use server::Drain;

use crate::store::vault::Traces;
use crate::vault::Vault;

/// Looks at an interval. Where processes share a database each does: what one did, the next finds done.
pub(crate) struct OverwriteTraces {
    /// Knows whether anything was dropped.
    pub vault: Vault,
    /// How often.
    pub interval: Duration,
}

impl OverwriteTraces {
    /// Until the drain begins.
    pub(crate) async fn run(self, drain: Drain) {
        loop {
            tokio::select! {
                () = drain.begun() => return,
                () = tokio::time::sleep(self.interval) => {}
            }
            match self.vault.overwrite_traces().await {
                Ok(Traces::None) => {}
                Ok(Traces::Overwritten) => {
                    tracing::info!(
                        "keys of the vault that were dropped stand in the database's files no more"
                    );
                }
                Ok(Traces::Held) => tracing::warn!(
                    "keys of the vault that were dropped may still stand in the database's files: a transaction, a replication slot or a standby from before may still read them; the next round tries again"
                ),
                Ok(Traces::NotAllowed(statements)) => tracing::warn!(
                    statements = statements.join("; "),
                    "keys of the vault that were dropped still stand in the database's files: this user may not rewrite the tables, their owner may"
                ),
                Err(error) => {
                    tracing::warn!(%error, code = error.code(), "keys of the vault that were dropped still stand in the database's files; the next round tries again");
                }
            }
        }
    }
}
