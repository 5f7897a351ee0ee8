//! The engine crate on a real Redis: what it promises while all is well, and while it is not.

mod bench;
mod commands;
mod faults;
mod health;
mod quick;
mod subscriptions;
