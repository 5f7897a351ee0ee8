//! What the issuer does without being asked.

pub(crate) mod housekeeping;
