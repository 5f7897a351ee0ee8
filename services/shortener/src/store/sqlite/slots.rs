//! Statements about click slots.

use async_trait::async_trait;
use identity::Tenant;
use ids::Id;
use sql::{Sqlite, SqliteConnection, scoped};

use super::StoreError;
use crate::store::slots::{CappedLink, HeldSlots, Ledger, SlotLease, SlotStore};
use crate::store::stored::{integer, read_json};

/// Click slots on SQLite. Each call is a transaction of its own.
#[derive(Clone, Debug)]
pub struct SqliteSlots {
    db: Sqlite,
}

impl SqliteSlots {
    /// On a file whose schema [`SqliteLinkStore::open`](super::SqliteLinkStore::open) has brought up to date.
    pub fn new(db: Sqlite) -> Self {
        Self { db }
    }
}

#[async_trait]
impl SlotStore for SqliteSlots {
    async fn hold_slots(
        &self,
        link: &CappedLink,
        lease: SlotLease,
        used: u64,
        block_max: u64,
    ) -> Result<HeldSlots, StoreError> {
        let step = |ledger: &mut Ledger| ledger.hold(lease, used, link.cap, block_max);
        self.db
            .write("hold_slots", |tx| {
                scoped(change(tx, &link.tenant, link.link_id, step))
            })
            .await
    }

    async fn end_lease(
        &self,
        tenant: &Tenant,
        link_id: Id,
        lease: SlotLease,
        used: u64,
    ) -> Result<(), StoreError> {
        let step = |ledger: &mut Ledger| ledger.end(lease, used);
        self.db
            .write("end_slot_lease", |tx| scoped(change(tx, tenant, link_id, step)))
            .await
    }

    async fn forget_slots(&self, tenant: &Tenant, link_id: Id) -> Result<(), StoreError> {
        self.db
            .write("forget_slots", |tx| scoped(forget(tx, tenant, link_id)))
            .await
    }
}

/// Whoever else changes the ledger waits for this transaction.
async fn change<T>(
    tx: &mut SqliteConnection,
    tenant: &Tenant,
    link_id: Id,
    step: impl FnOnce(&mut Ledger) -> T,
) -> Result<T, StoreError> {
    let link_id = integer(link_id.as_u64())?;
    let known: Option<String> =
        sqlx::query_scalar("SELECT ledger FROM click_slots WHERE tenant = ? AND link_id = ?")
            .bind(tenant.as_str())
            .bind(link_id)
            .fetch_optional(&mut *tx)
            .await?;
    let before: Ledger = known.as_deref().map(read_json).transpose()?.unwrap_or_default();
    let mut after = before.clone();
    let answer = step(&mut after);
    if after != before {
        sqlx::query(
            "INSERT INTO click_slots (tenant, link_id, ledger) VALUES (?, ?, ?) \
             ON CONFLICT DO UPDATE SET ledger = excluded.ledger",
        )
        .bind(tenant.as_str())
        .bind(link_id)
        .bind(serde_json::to_string(&after).expect("numbers are always JSON"))
        .execute(&mut *tx)
        .await?;
    }
    Ok(answer)
}

async fn forget(tx: &mut SqliteConnection, tenant: &Tenant, link_id: Id) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM click_slots WHERE tenant = ? AND link_id = ?")
        .bind(tenant.as_str())
        .bind(integer(link_id.as_u64())?)
        .execute(&mut *tx)
        .await?;
    Ok(())
}
