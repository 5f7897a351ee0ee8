//! What the service needs of any engine beside its port.

use async_trait::async_trait;

use crate::store::{Database, StoreError};

/// Whether it works, and its end.
#[async_trait]
pub(crate) trait Connection: Send + Sync {
    /// Whether it can be used now; the reason is for the operator.
    async fn probe(&self) -> Result<(), String>;
    /// Ends what is open.
    async fn close(&self);
    /// Whether it is reached over a network.
    fn is_remote(&self) -> bool {
        true
    }
}

#[async_trait]
impl Connection for Database {
    async fn probe(&self) -> Result<(), String> {
        Database::probe(self).await.map_err(|error| error.to_string())
    }

    async fn close(&self) {
        Database::close(self).await;
    }

    fn is_remote(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

#[async_trait]
impl Connection for sql::Sqlite {
    async fn probe(&self) -> Result<(), String> {
        sql::Sqlite::probe(self).await.map_err(|error| error.to_string())
    }

    async fn close(&self) {
        sql::Sqlite::close(self).await;
    }

    fn is_remote(&self) -> bool {
        false
    }
}

#[async_trait]
impl Connection for nats::Nats {
    async fn probe(&self) -> Result<(), String> {
        nats::Nats::probe(self).await.map_err(|error| error.to_string())
    }

    async fn close(&self) {
        nats::Nats::close(self).await;
    }
}

/// What every engine's error can tell.
pub(crate) trait EngineError: std::fmt::Display {
    fn code(&self) -> &'static str;
    fn retryable(&self) -> bool;
}

macro_rules! engine_errors {
    ($($error:ty),* $(,)?) => {$(
        impl EngineError for $error {
            fn code(&self) -> &'static str {
                <$error>::code(self)
            }

            fn retryable(&self) -> bool {
                <$error>::retryable(self)
            }
        }
    )*};
}

engine_errors![StoreError, nats::NatsError, sql::SqlError, streams::StreamError];
