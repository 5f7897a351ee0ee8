//! The whole service over HTTP, and the port's contract on every engine there is. The first runs on files, and under
//! `ORRERY_TEST_ENGINES=real` on real engines.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]

#[path = "shortener/batches.rs"]
mod batches;
#[path = "shortener/clicks.rs"]
mod clicks;
#[path = "shortener/codes.rs"]
mod codes;
#[path = "shortener/contract.rs"]
mod contract;
#[path = "shortener/details.rs"]
mod details;
#[path = "shortener/domain_rules.rs"]
mod domain_rules;
#[path = "shortener/durable.rs"]
mod durable;
#[path = "shortener/engines.rs"]
mod engines;
#[path = "shortener/expiry.rs"]
mod expiry;
#[path = "shortener/exports.rs"]
mod exports;
#[path = "shortener/failures.rs"]
mod failures;
#[path = "shortener/filters.rs"]
mod filters;
#[path = "shortener/gates.rs"]
mod gates;
#[path = "shortener/harness.rs"]
mod harness;
#[path = "shortener/hostile.rs"]
mod hostile;
#[path = "shortener/idempotency.rs"]
mod idempotency;
#[path = "shortener/labs.rs"]
mod labs;
#[path = "shortener/life.rs"]
mod life;
#[path = "shortener/links.rs"]
mod links;
#[path = "shortener/openapi.rs"]
mod openapi;
#[path = "shortener/pages.rs"]
mod pages;
#[path = "shortener/parsing.rs"]
mod parsing;
#[path = "shortener/passwords.rs"]
mod passwords;
#[path = "shortener/previews.rs"]
mod previews;
#[path = "shortener/qr.rs"]
mod qr;
#[path = "shortener/redirects.rs"]
mod redirects;
#[path = "shortener/statistics.rs"]
mod statistics;
#[path = "shortener/tenants.rs"]
mod tenants;
