//! The processor's use cases: the rules, no I/O but the port's.

pub(crate) mod look_up;
pub(crate) mod perform;
pub(crate) mod settle;
