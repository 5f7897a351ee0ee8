//! Holding settlements against the ledger, and putting differences right.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use clock::SharedClock;
use identity::Tenant;
use ids::Id;
use leases::{Leadership, LeasedIds};
use time::{Date, OffsetDateTime};

use super::GroupCommit;
use super::payments::PaymentError;
use crate::error::LedgerError;
use crate::payment::referred;
use crate::processor::{ProcessorClient, SettlementError, SettlementRow};
use crate::protocol::saga::State;
use crate::reconciliation::{BreakKind, Day, Difference, Movement, OVERLAP_MS, differences};
use crate::store::StoreError;
use crate::store::payments::SharedPayments;
use crate::store::reconciliation::{
    Break, BreakState, MOVEMENTS_MAX, NewReconciliation, REFERENCES_MAX, Reconciliation,
    SharedReconciliations,
};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Why a day was not judged.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ReconcileError {
    /// No settlement to be had, or none that can be read.
    #[error(transparent)]
    Settlement(#[from] SettlementError),
    /// The store failed, or somebody else leads.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No id could be issued.
    #[error("no id can be issued now: {0}")]
    Id(#[from] ids::IdError),
}

impl ReconcileError {
    /// The stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Settlement(error) => error.code(),
            Self::Store(error) => error.code(),
            Self::Id(_) => "id_unavailable",
        }
    }
}

/// Judges days, and puts right what differs.
#[derive(Clone)]
pub(crate) struct Reconciler {
    /// The port.
    pub store: SharedReconciliations,
    /// Whether a charge was sent back because its payment failed.
    pub payments: SharedPayments,
    /// Where adjustments are posted.
    pub commits: GroupCommit,
    /// Publishes settlements.
    pub processor: ProcessorClient,
    /// Ids of breaks and adjustments.
    pub ids: LeasedIds,
    /// What day it is.
    pub clock: SharedClock,
    /// Most lines of a settlement.
    pub rows_max: usize,
    /// Whether the day that is not over is judged too, as far as it can be.
    pub judges_today: bool,
    /// Who sees what is about no payment of ours.
    pub operator: Tenant,
    /// Whether no operator is set: then everybody is trusted as one.
    pub is_open: bool,
}

impl Reconciler {
    /// Whether a tenant may see and change what is of all tenants together.
    pub(crate) fn trusts(&self, tenant: &Tenant) -> bool {
        self.is_open || *tenant == self.operator
    }

    /// Judges the next day that is over and was not judged; `false` where there is none, or its settlement is not published yet.
    ///
    /// After a standstill all days since the last one are judged, one after another; the first of all is the day of the first movement. Where the day
    /// that is not over is next, it stays so.
    pub(crate) async fn judge_next(&self, leadership: &Leadership) -> Result<bool, ReconcileError> {
        // Before anything is asked of anybody: a leader that was stopped past its time goes no further.
        self.store.looked(leadership, self.clock.unix_ms()).await?;
        let (reached, first_ms) = self.store.reached().await?;
        let next = match (reached.as_deref().and_then(parse_day), first_ms) {
            (Some(day), _) => day.next_day(),
            (None, Some(first_ms)) => Some(day_of(first_ms)),
            (None, None) => None,
        };
        let today = day_of(self.clock.unix_ms());
        let is_judged = |day: &Date| *day < today || (self.judges_today && *day == today);
        let Some(day) = next.filter(is_judged) else {
            return Ok(false);
        };
        let Some(lines) = self.processor.settlement(&show_day(day), self.rows_max).await? else {
            return Ok(false);
        };
        if day == today {
            self.judge_so_far(leadership, day, lines).await?;
            return Ok(false);
        }
        let new = self.judge(day, lines).await?;
        self.store.record(leadership, self.clock.unix_ms(), &new).await?;
        tracing::info!(
            day = new.of.day,
            lines = new.of.lines,
            breaks = new.breaks.len(),
            "a settlement was held against the ledger"
        );
        Ok(true)
    }

    async fn judge(
        &self,
        date: Date,
        lines: Vec<SettlementRow>,
    ) -> Result<NewReconciliation, ReconcileError> {
        let name = show_day(date);
        let day = self.gathered(date, lines).await?;
        let (found, fits) = differences(&day);
        let breaks = self.open_breaks(&name, found).await?;
        Ok(NewReconciliation {
            of: Reconciliation {
                day: name,
                lines: day.lines.len() as u64,
                fits: fits as u64,
                at_ms: self.clock.unix_ms(),
            },
            lines: day.lines,
            breaks,
        })
    }

    /// Lists what is wrong whatever else the day brings. Until it is over nothing is missing: the other side may be on its way.
    async fn judge_so_far(
        &self,
        leadership: &Leadership,
        date: Date,
        lines: Vec<SettlementRow>,
    ) -> Result<(), ReconcileError> {
        let name = show_day(date);
        let (mut found, _) = differences(&self.gathered(date, lines).await?);
        found.retain(|found| matches!(found.kind, BreakKind::AmountDiffers | BreakKind::CurrencyDiffers));
        let breaks = self.open_breaks(&name, found).await?;
        if breaks.is_empty() {
            return Ok(());
        }
        self.store
            .record_early(leadership, self.clock.unix_ms(), &breaks)
            .await?;
        tracing::info!(
            day = name,
            breaks = breaks.len(),
            "the settlement of a day that is not over differs already"
        );
        Ok(())
    }

    /// All that a day is judged by.
    async fn gathered(&self, date: Date, lines: Vec<SettlementRow>) -> Result<Day, ReconcileError> {
        let name = show_day(date);
        let start_ms = start_ms(date);
        let due = start_ms.saturating_sub(OVERLAP_MS)..(start_ms + DAY_MS).saturating_sub(OVERLAP_MS);
        let due = self.movements(due).await?;
        let references: BTreeSet<String> = lines.iter().map(|line| line.reference.clone()).collect();
        let references: Vec<String> = references.into_iter().collect();
        let mut day = Day {
            due,
            ..Day::default()
        };
        for chunk in references.chunks(REFERENCES_MAX) {
            let named = self.store.named(chunk).await?;
            day.named
                .extend(named.into_iter().map(|ours| (ours.reference.clone(), ours)));
            day.earlier.extend(self.store.earlier(chunk, &name).await?);
        }
        let due: Vec<String> = day.due.iter().map(|ours| ours.reference.clone()).collect();
        for chunk in due.chunks(REFERENCES_MAX) {
            day.earlier.extend(self.store.earlier(chunk, &name).await?);
        }
        day.returned = self.returned(&references, &day.named).await?;
        day.lines = lines;
        Ok(day)
    }

    /// All of a stretch of time, page by page.
    async fn movements(&self, range: Range<u64>) -> Result<Vec<Movement>, ReconcileError> {
        let mut all: Vec<Movement> = Vec::new();
        loop {
            let page = self.store.movements(range.clone(), all.last(), MOVEMENTS_MAX);
            let page = page.await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    /// Which of the references that are no movements are of payments that failed after their charge, which was sent back.
    async fn returned(
        &self,
        references: &[String],
        named: &BTreeMap<String, Movement>,
    ) -> Result<BTreeSet<String>, ReconcileError> {
        let unknown = references
            .iter()
            .filter(|reference| !named.contains_key(*reference));
        let ids: BTreeSet<Id> = unknown
            .filter_map(|reference| referred(reference.split("/return/").next()?))
            .collect();
        let ids: Vec<Id> = ids.into_iter().collect();
        let mut returned = BTreeSet::new();
        for chunk in ids.chunks(REFERENCES_MAX) {
            let payments = self.payments.find(chunk).await?;
            let failed = payments
                .iter()
                .filter(|payment| payment.saga.state == State::Failed && payment.saga.to_return > 0);
            returned.extend(failed.map(crate::payment::Payment::reference));
        }
        Ok(returned)
    }

    /// A break for each difference that was not listed while the day went on.
    async fn open_breaks(&self, day: &str, found: Vec<Difference>) -> Result<Vec<Break>, ReconcileError> {
        let listed = self.store.listed(day).await?;
        found
            .into_iter()
            .filter(|found| !listed.contains(&(found.kind, found.reference.clone())))
            .map(|found| self.open_break(day, found))
            .collect()
    }

    fn open_break(&self, day: &str, found: Difference) -> Result<Break, ReconcileError> {
        let ours = found.ours.as_ref();
        Ok(Break {
            tenant: ours.map_or_else(|| self.operator.clone(), |ours| ours.tenant.clone()),
            id: self.ids.next()?,
            day: day.to_owned(),
            kind: found.kind,
            movement: found.movement,
            payment_id: ours.map(|ours| ours.payment_id),
            expected: ours.map(|ours| (ours.amount, ours.currency)),
            reference: found.reference,
            charge_id: found.charge_id,
            found: found.found,
            state: BreakState::Open,
            note: None,
            adjustment_id: None,
            resolved_at_ms: None,
        })
    }
}

/// Why a break was not resolved.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ResolveError {
    /// No such break in this tenant.
    #[error("there is no such break")]
    NotFound,
    /// Something was done about it already.
    #[error("this break is resolved already")]
    NotOpen,
    /// The ledger said no.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Something failed.
    #[error(transparent)]
    Failed(#[from] PaymentError),
}

impl From<StoreError> for ResolveError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<ResolveError> for problem::Problem {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::NotFound => Self::not_found(error.to_string()),
            ResolveError::NotOpen => Self::conflict("break_resolved", error.to_string()),
            ResolveError::Ledger(error) => error.into(),
            ResolveError::Failed(error) => error.into(),
        }
    }
}

fn day_of(unix_ms: u64) -> Date {
    let seconds = i64::try_from(unix_ms / 1_000).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).map_or(Date::MAX, OffsetDateTime::date)
}

fn start_ms(day: Date) -> u64 {
    let seconds = day.midnight().assume_utc().unix_timestamp();
    u64::try_from(seconds).unwrap_or_default() * 1_000
}

fn show_day(day: Date) -> String {
    format!("{:04}-{:02}-{:02}", day.year(), u8::from(day.month()), day.day())
}

/// `2026-11-22`.
pub(crate) fn parse_day(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-');
    let year = parts.next()?.parse().ok()?;
    let month: u8 = parts.next()?.parse().ok()?;
    let day = parts.next()?.parse().ok()?;
    let read = Date::from_calendar_date(year, time::Month::try_from(month).ok()?, day).ok()?;
    (show_day(read) == text).then_some(read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_of_utc_and_read_as_they_are_shown() {
        let day = parse_day("2026-11-22").unwrap();
        assert_eq!(show_day(day), "2026-11-22");
        assert_eq!(day_of(start_ms(day)), day);
        assert_eq!(day_of(start_ms(day) + DAY_MS - 1), day);
        assert_eq!(day_of(start_ms(day) + DAY_MS), day.next_day().unwrap());
        for text in [
            "",
            "2026-11-31",
            "2026-1-2",
            "26-11-22",
            "2026-11-22x",
            "tomorrow",
        ] {
            assert_eq!(parse_day(text), None, "{text}");
        }
    }
}
