//! The issuer's use cases: the rules, no I/O but the port's.

pub(crate) mod authorize;
pub(crate) mod client_credentials;
pub(crate) mod exchange_code;
pub(crate) mod manage_keys;
pub(crate) mod rotate_keys;
pub(crate) mod sign_token;
pub(crate) mod token_request;
