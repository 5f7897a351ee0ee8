//! Statements about click slots. A link's ledger is one row, changed over its version: an earlier change that was not answered
//! asks for a version that is past, and so never comes after one that was.

use async_trait::async_trait;
use identity::Tenant;
use ids::Id;
use wide::{Level, Serial, Statement, Wide};

use super::StoreError;
use super::call::{Call, Pauses, contended};
use crate::store::slots::{CappedLink, HeldSlots, Ledger, SlotLease, SlotStore};
use crate::store::stored::{integer, read_json};

pub(super) const LEDGER: Statement = Statement::read(
    "click_slots",
    "SELECT ledger, version FROM {keyspace}.click_slots WHERE tenant = ? AND link_id = ?",
    Level::Serial,
);

pub(super) const FIRST: Statement = Statement::conditional(
    "lease_first_click_slots",
    "INSERT INTO {keyspace}.click_slots (ledger, version, tenant, link_id) VALUES (?, ?, ?, ?) IF NOT EXISTS",
    Level::Quorum,
    Serial::Global,
);

pub(super) const CHANGE: Statement = Statement::conditional(
    "lease_click_slots",
    "UPDATE {keyspace}.click_slots SET ledger = ?, version = ? WHERE tenant = ? AND link_id = ? IF version = ?",
    Level::Quorum,
    Serial::Global,
);

pub(super) const DROP: Statement = Statement::conditional(
    "drop_click_slots",
    "DELETE FROM {keyspace}.click_slots WHERE tenant = ? AND link_id = ? IF EXISTS",
    Level::Quorum,
    Serial::Global,
);

/// Click slots on CQL.
#[derive(Clone, Debug)]
pub struct CqlSlots {
    wide: Wide,
}

impl CqlSlots {
    /// In a keyspace that [`CqlLinkStore::open`](super::CqlLinkStore::open) has brought up to date.
    pub fn new(wide: Wide) -> Self {
        Self { wide }
    }

    fn call(&self) -> Call<'_> {
        Call::begin(&self.wide)
    }
}

#[async_trait]
impl SlotStore for CqlSlots {
    async fn hold_slots(
        &self,
        link: &CappedLink,
        lease: SlotLease,
        used: u64,
        block_max: u64,
    ) -> Result<HeldSlots, StoreError> {
        let step = |ledger: &mut Ledger| ledger.hold(lease, used, link.cap, block_max);
        // A grant is always written, also where it says what is there: an end of the lease that was not answered asks for
        // the version before, and must not come after it.
        let is_written = |held: &HeldSlots| matches!(held, HeldSlots::Until(_));
        change(&self.call(), &link.tenant, link.link_id, step, is_written).await
    }

    async fn end_lease(
        &self,
        tenant: &Tenant,
        link_id: Id,
        lease: SlotLease,
        used: u64,
    ) -> Result<(), StoreError> {
        let step = |ledger: &mut Ledger| ledger.end(lease, used);
        change(&self.call(), tenant, link_id, step, |()| true).await
    }

    async fn forget_slots(&self, tenant: &Tenant, link_id: Id) -> Result<(), StoreError> {
        let values = (tenant.as_str(), integer(link_id.as_u64())?);
        self.call().conditional(&DROP, &values).await.map(drop)
    }
}

/// Changes a link's ledger, over whatever others make of it meanwhile. The step is made anew each time: it states what is to be, so
/// that it does no harm where an unanswered try was done.
async fn change<T>(
    call: &Call<'_>,
    tenant: &Tenant,
    link_id: Id,
    step: impl Fn(&mut Ledger) -> T,
    is_written: impl Fn(&T) -> bool,
) -> Result<T, StoreError> {
    let key = (tenant.as_str(), integer(link_id.as_u64())?);
    let mut pauses = Pauses::new();
    loop {
        let row: Option<(String, i64)> = call.row(&LEDGER, key).await?;
        let (before, version): (Ledger, i64) = match &row {
            Some((ledger, version)) => (read_json(ledger)?, *version),
            None => (Ledger::default(), 0),
        };
        let mut after = before.clone();
        let answer = step(&mut after);
        if after == before && !is_written(&answer) {
            return Ok(answer);
        }
        let ledger = serde_json::to_string(&after).expect("numbers are always JSON");
        let settled = if version == 0 {
            let values = (ledger, version + 1, key.0, key.1);
            call.conditional(&FIRST, &values).await?
        } else {
            let values = (ledger, version + 1, key.0, key.1, version);
            call.conditional(&CHANGE, &values).await?
        };
        if settled.applied {
            return Ok(answer);
        }
        if !call.pause(&mut pauses).await {
            // A try that was not answered may stand.
            return Err(if settled.repeated {
                StoreError::Unknown("others were faster at the click slots until the deadline".to_owned())
            } else {
                contended("the click slots")
            });
        }
    }
}
