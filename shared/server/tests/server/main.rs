//! The server over real sockets: limits, slow clients, drains, readiness, owned writes.

mod authenticated;
mod drain;
mod harness;
mod limits;
mod owned;
mod problems;
mod readiness;
mod request;
