//! What the processor does without being asked.

pub(crate) mod deliver_webhooks;
pub(crate) mod housekeeping;
