#![doc = include_str!("../README.md")]

mod breaker;
mod budget;
mod connection;
mod deadline;
mod retry;

pub use breaker::{Breaker, BreakerSettings};
pub use budget::{BudgetSettings, RetryBudget};
pub use connection::{Connection, EngineError, Opened};
pub use deadline::{DEADLINE_HEADER, Deadline};
pub use retry::{Effect, RetryPolicy, Retryable, retry};

/// For [`connections!`].
#[doc(hidden)]
pub use async_trait::async_trait;
