//! The gateway's own pages.

pub(crate) mod docs;
pub(crate) mod start;
pub(crate) mod trouble;
