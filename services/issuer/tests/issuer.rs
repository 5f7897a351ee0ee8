//! The issuer from outside: over HTTP, on its database file, and its port's contract.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[path = "issuer/clients.rs"]
mod clients;
#[path = "issuer/contract.rs"]
mod contract;
#[path = "issuer/keys.rs"]
mod keys;
#[path = "issuer/on_postgres.rs"]
mod on_postgres;
#[path = "issuer/registry.rs"]
mod registry;
#[path = "issuer/service.rs"]
mod service;
#[path = "issuer/sign_in.rs"]
mod sign_in;
#[path = "issuer/sign_in_attacks.rs"]
mod sign_in_attacks;
#[path = "issuer/token_endpoint.rs"]
mod token_endpoint;
#[path = "issuer/upgrade.rs"]
mod upgrade;
