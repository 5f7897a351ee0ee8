//! The gateway over real sockets: clients on one side, upstreams made here on the other.

mod access;
mod bodies;
mod client;
mod docs;
mod failures;
mod forwarding;
mod front;
mod rate_limit;
mod shared_limit;
mod sign_in;
mod smuggling;
mod start_page;
mod upstreams;
