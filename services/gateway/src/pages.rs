//! The gateway's own pages.

pub(crate) mod start;
