//! What a role needs to know of any engine behind its ports.

use std::fmt::Display;
use std::sync::Arc;

use async_trait::async_trait;

/// An engine that is open: whether it works, and its end.
#[async_trait]
pub trait Connection: Send + Sync {
    /// Whether it can be used now; the reason why not is for the operator.
    async fn probe(&self) -> Result<(), String>;
    /// Ends what is open.
    async fn close(&self);
    /// Whether it is reached over a network.
    fn is_remote(&self) -> bool;
}

/// A port, and the connection of the engine behind it.
pub struct Opened<P: ?Sized> {
    /// What the role works with.
    pub port: Arc<P>,
    /// What its readiness and its end are about.
    pub connection: Arc<dyn Connection>,
}

/// What every engine's error can tell. [`engine_errors!`](crate::engine_errors) makes one of an error that has both methods already.
pub trait EngineError: Display {
    /// The stable code.
    fn code(&self) -> &'static str;
    /// Whether waiting may help.
    fn retryable(&self) -> bool;
}

/// Makes [`Connection`]s of handles that have `probe` and `close` already, each with whether it is reached over a network.
#[macro_export]
macro_rules! connections {
    ($($handle:ty: $is_remote:literal),* $(,)?) => {$(
        #[$crate::async_trait]
        impl $crate::Connection for $handle {
            async fn probe(&self) -> Result<(), String> {
                <$handle>::probe(self).await.map_err(|error| error.to_string())
            }

            async fn close(&self) {
                <$handle>::close(self).await;
            }

            fn is_remote(&self) -> bool {
                $is_remote
            }
        }
    )*};
}

/// Makes [`EngineError`]s of errors that have `code` and `retryable` already.
#[macro_export]
macro_rules! engine_errors {
    ($($error:ty),* $(,)?) => {$(
        impl $crate::EngineError for $error {
            fn code(&self) -> &'static str {
                <$error>::code(self)
            }

            fn retryable(&self) -> bool {
                <$error>::retryable(self)
            }
        }
    )*};
}
