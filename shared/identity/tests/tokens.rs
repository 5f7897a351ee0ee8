//! Tokens as strangers send them, keys as issuers rotate them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[path = "tokens/attacks.rs"]
mod attacks;
#[path = "tokens/fixture.rs"]
mod fixture;
#[path = "tokens/rotation.rs"]
mod rotation;
