use crate::{Fingerprint, IdempotencyKey};

/// What a request says so that its effect happens once: the key, and what was asked for under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotent {
    /// The client's key; unique per tenant and user, not by itself.
    pub key: IdempotencyKey,
    /// What this request asks for.
    pub fingerprint: Fingerprint,
}

impl Idempotent {
    /// The argument for a request with this key.
    pub fn new(key: IdempotencyKey, fingerprint: Fingerprint) -> Self {
        Self { key, fingerprint }
    }
}

/// What the work answers: its result, and whether this call had the effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<T> {
    /// This call had the effect.
    Fresh(T),
    /// An earlier call with the same key had it; this is what that one answered.
    Replayed(T),
}

impl<T> Outcome<T> {
    /// The answer, which is the same either way.
    pub fn get(&self) -> &T {
        match self {
            Self::Fresh(answer) | Self::Replayed(answer) => answer,
        }
    }

    /// Whether an earlier call had the effect.
    pub fn is_replay(&self) -> bool {
        matches!(self, Self::Replayed(_))
    }
}
