//! Tokens as strangers send them, keys as issuers rotate them.

#[path = "tokens/attacks.rs"]
mod attacks;
#[path = "tokens/fixture.rs"]
mod fixture;
#[path = "tokens/rotation.rs"]
mod rotation;
