//! The labs of the ledger's patterns, one file each. Each works on tables of its own in a PostgreSQL: what they show is the
//! engine's doing, and no stand-in would.

mod anomalies;
mod hot_account;
mod scratch;
mod two_phase_commit;

use lab::Lab;

/// Every lab of this service, in the order of the playbook.
pub fn labs() -> Vec<Box<dyn Lab>> {
    vec![
        Box::new(hot_account::HotAccount),
        Box::new(anomalies::Anomalies),
        Box::new(two_phase_commit::TwoPhaseCommit),
    ]
}
