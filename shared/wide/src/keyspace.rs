//! The keyspace: making it, and dropping one that a test made.

use scylla::client::session::Session;

use crate::error::Effect;
use crate::session::Inner;
use crate::{Wide, WideError};

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
    /// Changes the schema, and waits until all nodes agree on it.
    pub(crate) async fn change(&self, cql: &str) -> Result<(), WideError> {
        let session = self.session()?;
        let changing = session.query_unpaged(cql, ());
        match tokio::time::timeout(self.settings.migrate_deadline(), changing).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Effect::Write.sorted(error)),
            Err(_) => Err(WideError::Unknown(
                "the schema change was not answered".to_owned(),
            )),
        }
    }
}
