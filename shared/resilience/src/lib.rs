#![doc = include_str!("../README.md")]

mod breaker;
mod budget;
mod deadline;
mod retry;

pub use breaker::{Breaker, BreakerSettings};
pub use budget::{BudgetSettings, RetryBudget};
pub use deadline::{DEADLINE_HEADER, Deadline};
pub use retry::{Effect, RetryPolicy, Retryable, retry};
