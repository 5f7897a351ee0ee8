//! Payment from outside: its API over HTTP, its ports' contracts, its tables under attack, its ledger against a naive model, and its labs.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]
#![expect(
    clippy::assigning_clones,
    clippy::cast_possible_wrap,
    clippy::duration_suboptimal_units,
    clippy::format_collect,
    clippy::format_push_string,
    clippy::similar_names,
    clippy::struct_excessive_bools,
    clippy::trivially_copy_pass_by_ref,
    reason = "what they ask for would make no test plainer"
)]

#[path = "payment/accounts.rs"]
mod accounts;
#[path = "payment/adjustments.rs"]
mod adjustments;
#[path = "payment/attacks_called.rs"]
mod attacks_called;
#[path = "payment/attacks_forged.rs"]
mod attacks_forged;
#[path = "payment/attacks_postgres.rs"]
mod attacks_postgres;
#[path = "payment/attacks_sqlite.rs"]
mod attacks_sqlite;
#[path = "payment/batches.rs"]
mod batches;
#[path = "payment/books.rs"]
mod books;
#[path = "payment/cards.rs"]
mod cards;
#[path = "payment/clocks_postgres.rs"]
mod clocks_postgres;
#[path = "payment/contract.rs"]
mod contract;
#[path = "payment/engines.rs"]
mod engines;
#[path = "payment/failures.rs"]
mod failures;
#[path = "payment/fresh_database.rs"]
mod fresh_database;
#[path = "payment/harness.rs"]
mod harness;
#[path = "payment/holds.rs"]
mod holds;
#[path = "payment/hostile.rs"]
mod hostile;
#[path = "payment/labs.rs"]
mod labs;
#[path = "payment/openapi.rs"]
mod openapi;
#[path = "payment/pages.rs"]
mod pages;
#[path = "payment/pages_webhooks.rs"]
mod pages_webhooks;
#[path = "payment/payments.rs"]
mod payments;
#[path = "payment/processor_webhooks.rs"]
mod processor_webhooks;
#[path = "payment/properties.rs"]
mod properties;
#[path = "payment/reads.rs"]
mod reads;
#[path = "payment/reconciliation.rs"]
mod reconciliation;
#[path = "payment/replays.rs"]
mod replays;
#[path = "payment/saga_matrix.rs"]
mod saga_matrix;
#[path = "payment/saga_store.rs"]
mod saga_store;
#[path = "payment/tenants.rs"]
mod tenants;
#[path = "payment/till.rs"]
mod till;
#[path = "payment/transfers.rs"]
mod transfers;
#[path = "payment/vault.rs"]
mod vault;
#[path = "payment/vault_traces.rs"]
mod vault_traces;
#[path = "payment/verify.rs"]
mod verify;
#[path = "payment/webhook_store.rs"]
mod webhook_store;
#[path = "payment/webhooks.rs"]
mod webhooks;
