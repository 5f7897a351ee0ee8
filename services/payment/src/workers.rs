//! What runs beside the requests.

mod audit;
mod collect_claims;
mod deliver_webhooks;
mod expire_holds;
mod feed;
mod notify;
mod overwrite_traces;
mod payment_events;
mod receipts;
mod reconcile;
mod run_sagas;

pub(crate) use audit::AuditBooks;
pub(crate) use collect_claims::ClaimCollector;
pub(crate) use deliver_webhooks::DeliverWebhooks;
pub(crate) use expire_holds::ExpireHolds;
pub(crate) use feed::{FEED_DUTY, FEED_GROUP, FEED_STREAM, FeedLedger, LetGo};
pub(crate) use notify::{NOTIFY_GROUP, NotifyMerchants};
pub(crate) use overwrite_traces::OverwriteTraces;
pub(crate) use payment_events::STREAM;
pub(crate) use receipts::{IssueReceipts, RECEIPTS_GROUP};
pub(crate) use reconcile::{RECONCILE_DUTY, ReconcileDays};
pub(crate) use run_sagas::RunSagas;

#[cfg(test)]
mod tests;
