//! Who migrates: a row that is taken by a conditional write and expires by itself.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Level, Serial, Statement, Wide, WideError};

const TAKE: Statement = Statement::conditional(
    "take_schema_lock",
    "INSERT INTO {keyspace}.wide_state (part, item, holder) VALUES ('lock', 0, ?) IF NOT EXISTS USING TTL ?",
    Level::Quorum,
    Serial::Global,
);
const RENEW: Statement = Statement::conditional(
    "renew_schema_lock",
    "UPDATE {keyspace}.wide_state USING TTL ? SET holder = ? WHERE part = 'lock' AND item = 0 IF holder = ?",
    Level::Quorum,
    Serial::Global,
);
const GIVE_UP: Statement = Statement::conditional(
    "give_up_schema_lock",
    "DELETE FROM {keyspace}.wide_state WHERE part = 'lock' AND item = 0 IF holder = ?",
    Level::Quorum,
    Serial::Global,
);

/// The right to change the schema, for as long as it is renewed. Two holders at once do no harm, since every statement can be
/// repeated; the lock keeps processes from changing the schema at the same time, which clusters do not bear well.
pub(crate) struct Lock<'a> {
    wide: &'a Wide,
    holder: String,
    ttl_s: i32,
}

impl<'a> Lock<'a> {
    /// Takes it, or says that another process has it ([`WideError::MigrationBusy`]).
    pub(crate) async fn take(wide: &'a Wide) -> Result<Self, WideError> {
        static TAKEN: AtomicU64 = AtomicU64::new(0);
        let holder = format!(
            "{}-{}-{}",
            std::process::id(),
            wide.inner.clock.unix_micros(),
            TAKEN.fetch_add(1, Ordering::Relaxed)
        );
        let ttl_s = i32::try_from(wide.inner.settings.migrate_lock_s.max(1)).unwrap_or(i32::MAX);
        let lock = Self { wide, holder, ttl_s };
        match wide.conditional(&TAKE, (lock.holder.as_str(), ttl_s)).await {
            Ok(answer) if answer.applied => Ok(lock),
            Ok(_) => Err(WideError::MigrationBusy),
            // It may be ours now; if so, renewing says it.
            Err(error) if error.is_unknown() => lock.renew().await.map(|()| lock),
            Err(error) => Err(error),
        }
    }

    /// Holds it for a while longer, or says that it was lost.
    pub(crate) async fn renew(&self) -> Result<(), WideError> {
        let values = (self.ttl_s, self.holder.as_str(), self.holder.as_str());
        let answer = self.wide.conditional(&RENEW, values).await?;
        if answer.applied {
            Ok(())
        } else {
            Err(WideError::MigrationBusy)
        }
    }

    /// Lets the next one take it. If that fails it expires.
    pub(crate) async fn give_up(self) {
        if let Err(error) = self.wide.conditional(&GIVE_UP, (self.holder.as_str(),)).await {
            let keyspace = self.wide.keyspace();
            tracing::warn!(keyspace, %error, "the right to migrate stays taken until it expires");
        }
    }
}
