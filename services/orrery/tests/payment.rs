//! Payment, seen from outside its process.

mod consumers;
pub(crate) mod crash;
mod durability;
pub(crate) mod money;

/// Its place among the roles.
pub(crate) const PAYMENT: u16 = 5;
/// Its stand-in processor's.
pub(crate) const PROCESSOR: u16 = 6;

/// All that there is to be allowed.
pub(crate) const SCOPES: [&str; 4] = ["ledger:read", "ledger:write", "payments:read", "payments:write"];
