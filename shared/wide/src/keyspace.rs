//! The keyspace: making it, and dropping one that a test made.

use std::collections::HashMap;

use scylla::client::session::Session;
use scylla::errors::{DbError, ExecutionError, RequestAttemptError};
use tokio::time::timeout;

use crate::error::Effect;
use crate::migrate::CREATE_STATE;
use crate::session::Inner;
use crate::{Level, Statement, Wide, WideError};

/// Which server speaks CQL here. They differ in how a keyspace is made and in what they tell of a conditional write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Apache Cassandra.
    Cassandra,
    /// ScyllaDB.
    ScyllaDb,
}

impl Dialect {
    /// Statements that make `keyspace`, to be tried in order until one is understood. ScyllaDB through 2025.3 refuses conditional
    /// writes where tablets are on, and versions before tablets do not know the word.
    pub(crate) fn create_keyspace(self, keyspace: &str, replication: u8) -> Vec<String> {
        let plain = format!(
            "CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = \
             {{'class': 'NetworkTopologyStrategy', 'replication_factor': {replication}}}"
        );
        match self {
            Self::Cassandra => vec![plain],
            Self::ScyllaDb => vec![format!("{plain} AND tablets = {{'enabled': false}}"), plain],
        }
    }
}

pub(crate) async fn dialect(session: &Session) -> Result<Dialect, WideError> {
    let query = "SELECT table_name FROM system_schema.tables \
                 WHERE keyspace_name = 'system' AND table_name = 'scylla_local'";
    let answer = session
        .query_unpaged(query, ())
        .await
        .map_err(|error| Effect::Read.sorted(error))?;
    let rows = answer
        .into_rows_result()
        .map_err(|error| WideError::Unexpected(error.to_string()))?;
    Ok(if rows.rows_num() > 0 {
        Dialect::ScyllaDb
    } else {
        Dialect::Cassandra
    })
}

impl Wide {
    /// Says it aloud when the keyspace was made with other copies than the URL asks for: changing them is the operator's work,
    /// since data must be copied before the levels are true again.
    pub(crate) async fn warn_of_copies(&self) -> Result<(), WideError> {
        const COPIES: Statement = Statement::read(
            "keyspace_copies",
            "SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = ?",
            Level::One,
        );
        let row: Option<(HashMap<String, String>,)> = self.row(&COPIES, (self.keyspace(),)).await?;
        let wanted = self.inner.url.replication;
        for (datacenter, copies) in row.into_iter().flat_map(|(map,)| map) {
            if copies.parse().is_ok_and(|copies: u8| copies != wanted) {
                let keyspace = self.keyspace();
                tracing::warn!(
                    keyspace,
                    datacenter,
                    copies,
                    wanted,
                    "the keyspace keeps other copies than asked for"
                );
            }
        }
        Ok(())
    }

    /// Drops the keyspace with all it holds. For tests: `name` must be [`Wide::keyspace`] once more, so that nobody drops one
    /// by a slip.
    pub async fn drop_keyspace(&self, name: &str) -> Result<(), WideError> {
        if name != self.keyspace() {
            let told = format!("`{name}` is not this session's keyspace");
            return Err(WideError::Unexpected(told));
        }
        self.inner
            .change(&format!("DROP KEYSPACE IF EXISTS {name}"))
            .await
    }
}

impl Inner {
    /// Whether the keyspace holds `table`, as far as the node that is asked knows.
    pub(crate) async fn has_table(&self, table: &str) -> Result<bool, WideError> {
        let query = format!(
            "SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{}' AND table_name = '{table}'",
            self.url.keyspace
        );
        let session = self.session()?;
        let answer = match timeout(self.settings.read_deadline(), session.query_unpaged(query, ())).await {
            Ok(answer) => answer.map_err(|error| Effect::Read.sorted(error))?,
            Err(_) => return Err(WideError::Deadline),
        };
        let rows = answer
            .into_rows_result()
            .map_err(|error| WideError::Unexpected(error.to_string()))?;
        Ok(rows.rows_num() > 0)
    }

    /// Makes the keyspace, and in it the table that remembers what was done to it.
    pub(crate) async fn make_keyspace(&self) -> Result<(), WideError> {
        let mut outcome = Ok(());
        for cql in self
            .dialect
            .create_keyspace(&self.url.keyspace, self.url.replication)
        {
            outcome = self.change(&cql).await;
            if !matches!(outcome, Err(WideError::Unexpected(_))) {
                break;
            }
        }
        outcome?;
        self.change(&self.text(CREATE_STATE)).await
    }

    /// Changes the schema, and waits until all nodes agree on it. What is there already, or gone already, is fine.
    pub(crate) async fn change(&self, cql: &str) -> Result<(), WideError> {
        let session = self.session()?;
        match timeout(self.settings.change_deadline(), session.query_unpaged(cql, ())).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(ExecutionError::SchemaAgreementError(error))) => Err(WideError::Unknown(format!(
                "the nodes do not agree on the schema: {error}"
            ))),
            Ok(Err(error)) if was_done_before(&error) => {
                tracing::warn!(keyspace = self.url.keyspace, %error, "a schema change had been made before");
                Ok(())
            }
            Ok(Err(error)) => Err(Effect::Write.sorted(error)),
            Err(_) => Err(WideError::Unknown(
                "the schema change was not answered".to_owned(),
            )),
        }
    }
}

/// A step that was cut short is repeated from its first statement, and not every server has `IF [NOT] EXISTS` for a column.
fn was_done_before(error: &ExecutionError) -> bool {
    let ExecutionError::LastAttemptError(RequestAttemptError::DbError(error, message)) = error else {
        return false;
    };
    match error {
        DbError::AlreadyExists { .. } => true,
        DbError::Invalid => {
            message.contains("already exists")
                || message.contains("conflicts with an existing column")
                || message.contains("was not found in table")
        }
        _ => false,
    }
}
