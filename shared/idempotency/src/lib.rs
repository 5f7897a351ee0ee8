//! Idempotency keys: one effect, one answer
