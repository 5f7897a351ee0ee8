//! Reads a service's tables by SQL of one's own, past the service: what it says of itself is not evidence.
//!
//! Each query gives one text a row, a JSON object. All queries of a database see one moment.

use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::Duration;

use futures::{Stream, TryStreamExt as _};
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _};
use tokio::time::timeout;

use crate::DrillError;

/// Reading everything may take so long.
const READ_WITHIN: Duration = Duration::from_secs(30);
/// Rows of one query that are read at most: a drill is short. More are an error: a part of the books is no evidence.
const ROWS_MAX: usize = 1_000_000;

/// Where tables stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Database {
    /// A file, in use by its service meanwhile.
    Sqlite(PathBuf),
    /// A schema of a server.
    Postgres {
        /// `postgres://USER@HOST:PORT/DATABASE`.
        url: String,
        /// The schema.
        schema: String,
    },
}

impl Database {
    /// Reads `sqlite:PATH` and `postgres://..?schema=NAME`.
    pub(crate) fn parse(url: &str) -> Option<Self> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            return Some(Self::Sqlite(path.into()));
        }
        let (url, parameters) = url.split_once('?').unwrap_or((url, ""));
        let schema = parameters
            .split('&')
            .find_map(|parameter| parameter.strip_prefix("schema="))
            .unwrap_or("public");
        url.starts_with("postgres").then(|| Self::Postgres {
            url: url.to_owned(),
            schema: schema.to_owned(),
        })
    }

    /// Every row of every query, as of one moment.
    pub(crate) async fn rows(&self, queries: &[String]) -> Result<Vec<String>, DrillError> {
        let reading = async {
            match self {
                Self::Sqlite(path) => {
                    let options = SqliteConnectOptions::new().filename(path).read_only(true);
                    let mut connection = options.connect().await?;
                    let mut moment = connection.begin().await?;
                    let mut rows = Vec::new();
                    for query in queries {
                        let mut found = sqlx::query_scalar(AssertSqlSafe(query.as_str())).fetch(&mut *moment);
                        take(&mut found, &mut rows, ROWS_MAX).await?;
                    }
                    moment.rollback().await?;
                    connection.close().await?;
                    Ok::<_, sqlx::Error>(rows)
                }
                Self::Postgres { url, schema } => {
                    let mut connection = postgres(url, schema)?.connect().await?;
                    let mut moment = connection
                        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                        .await?;
                    let mut rows = Vec::new();
                    for query in queries {
                        let mut found = sqlx::query_scalar(AssertSqlSafe(query.as_str())).fetch(&mut *moment);
                        take(&mut found, &mut rows, ROWS_MAX).await?;
                    }
                    moment.rollback().await?;
                    connection.close().await?;
                    Ok(rows)
                }
            }
        };
        match timeout(READ_WITHIN, reading).await {
            Ok(read) => read.map_err(|error| self.unobserved(error.to_string())),
            Err(_) => Err(self.unobserved(format!("not within {READ_WITHIN:?}"))),
        }
    }

    /// Drops the schema that a drill has made on a server that others go on using.
    pub(crate) async fn drop_schema(&self) -> Result<(), DrillError> {
        let Self::Postgres { url, schema } = self else {
            return Ok(());
        };
        let dropping = async {
            let mut connection = postgres(url, schema)?.connect().await?;
            let statement = format!("DROP SCHEMA IF EXISTS \"{schema}\" CASCADE");
            sqlx::raw_sql(AssertSqlSafe(statement))
                .execute(&mut connection)
                .await?;
            connection.close().await
        };
        match timeout(READ_WITHIN, dropping).await {
            Ok(dropped) => dropped.map_err(|error| self.unobserved(error.to_string())),
            Err(_) => Err(self.unobserved(format!("not within {READ_WITHIN:?}"))),
        }
    }

    fn unobserved(&self, reason: String) -> DrillError {
        let what = match self {
            Self::Sqlite(path) => format!("the database {}", path.display()),
            Self::Postgres { schema, .. } => format!("the schema {schema}"),
        };
        DrillError::Unobserved { what, reason }
    }
}

/// All rows of one query; an error where there are more than `most`.
async fn take(
    found: &mut (impl Stream<Item = Result<String, sqlx::Error>> + Unpin),
    rows: &mut Vec<String>,
    most: usize,
) -> Result<(), sqlx::Error> {
    let before = rows.len();
    while let Some(row) = found.try_next().await? {
        if rows.len() - before == most {
            let reason = format!("one query has more than {most} rows: a part of them is no evidence");
            return Err(sqlx::Error::Protocol(reason));
        }
        rows.push(row);
    }
    Ok(())
}

fn postgres(url: &str, schema: &str) -> Result<PgConnectOptions, sqlx::Error> {
    Ok(PgConnectOptions::from_str(url)?.options([("search_path", schema)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_in_use_is_read_at_one_moment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
        let mut owner = options.connect().await.unwrap();
        sqlx::raw_sql("CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1), (2)")
            .execute(&mut owner)
            .await
            .unwrap();
        let database = Database::parse(&format!("sqlite:{}", path.display())).unwrap();
        let query = "SELECT json_object('observed', 'account', 'id', id) FROM t".to_owned();
        let rows = database.rows(&[query]).await.unwrap();
        assert_eq!(rows[1], r#"{"observed":"account","id":2}"#);
        let wrong = database
            .rows(&["SELECT nothing FROM t".to_owned()])
            .await
            .unwrap_err();
        assert!(wrong.to_string().contains("nothing"), "{wrong}");
    }

    #[tokio::test]
    async fn more_rows_than_are_read_are_an_error_and_never_cut_off() {
        let found = || futures::stream::iter(["a", "b", "c"].map(|row| Ok(row.to_owned())));
        let mut rows = vec!["of an earlier query".to_owned()];
        take(&mut found(), &mut rows, 3).await.unwrap();
        assert_eq!(rows.len(), 4);
        let cut = take(&mut found(), &mut rows, 2).await.unwrap_err();
        assert!(cut.to_string().contains("more than 2 rows"), "{cut}");
    }

    #[test]
    fn a_setting_says_where_tables_stand() {
        let parsed = Database::parse("postgres://orrery@127.0.0.1:1/orrery?schema=drill_1");
        let expected = Database::Postgres {
            url: "postgres://orrery@127.0.0.1:1/orrery".to_owned(),
            schema: "drill_1".to_owned(),
        };
        assert_eq!(parsed, Some(expected));
        assert_eq!(Database::parse("scylla://x/y"), None);
    }
}
