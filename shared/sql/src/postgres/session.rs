//! What each connection tells the server about itself when it begins. All of it is also a bound on what a client that
//! went away can leave behind.

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::{PostgresSettings, PostgresUrl};

/// Prepared statements a connection keeps.
const STATEMENTS_KEPT: usize = 128;

/// What is longer than a body may take: past it the server ends an open transaction whose client says nothing.
const IDLE_GRACE_MS: u64 = 1_000;

/// How a connection of each use begins.
pub(super) struct Sessions {
    pub(super) reader: PgConnectOptions,
    pub(super) writer: PgConnectOptions,
    pub(super) probe: PgConnectOptions,
    pub(super) chore: PgConnectOptions,
}

impl Sessions {
    pub(super) fn of(url: &PostgresUrl, settings: &PostgresSettings) -> Self {
        let base = PgConnectOptions::new_without_pgpass()
            .host(&url.host)
            .port(url.port)
            .username(&url.user)
            .password(url.password.as_deref().unwrap_or_default())
            .database(&url.database)
            .ssl_mode(PgSslMode::Disable)
            .application_name("orrery")
            .statement_cache_capacity(STATEMENTS_KEPT)
            .options([("search_path", &*url.schema), ("synchronous_commit", "on")])
            .disable_statement_logging();
        let limited = |statement_ms: u64, lock_ms: u64| {
            // Zero would mean no limit at all.
            let (statement_ms, lock_ms) = (statement_ms.max(1), lock_ms.max(1));
            base.clone().options([
                ("statement_timeout", statement_ms),
                ("lock_timeout", lock_ms),
                (
                    "idle_in_transaction_session_timeout",
                    statement_ms + IDLE_GRACE_MS,
                ),
            ])
        };
        Self {
            reader: limited(settings.read_deadline_ms, settings.lock_timeout_ms)
                .options([("default_transaction_read_only", "on")]),
            writer: limited(settings.write_deadline_ms, settings.lock_timeout_ms),
            probe: limited(settings.probe_timeout_ms, settings.probe_timeout_ms),
            chore: limited(settings.migrate_deadline_ms, settings.lock_timeout_ms),
        }
    }
}
