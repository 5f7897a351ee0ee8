//! Whether there is a ledger where one is looked for, before it is read: what is missing is said in words that tell what to do.

use std::path::PathBuf;
use std::time::Duration;

use sql::{DatabaseUrl, DatabaseUrlError, PostgresUrl};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _};

use super::said;

/// How long a server may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// A table that every ledger has.
const TABLE: &str = "chain_link";

/// Why there is nothing to look at. Passwords are not told.
#[derive(Debug, thiserror::Error)]
pub enum NoLedger {
    /// Not a URL of an engine that holds ledgers.
    #[error("the ledger's database {0}")]
    Url(#[from] DatabaseUrlError),
    /// No such file.
    #[error(
        "there is no ledger in {}: no such file. Name the folder it is in with --data, or the file with --database sqlite:PATH",
        .0.display()
    )]
    NoFile(PathBuf),
    /// A file that is no database, or may not be read.
    #[error("{} cannot be read as a database: {}", .path.display(), said(.cause))]
    NotReadable {
        /// Which.
        path: PathBuf,
        /// What the engine says.
        cause: sqlx::Error,
    },
    /// No server, or it does not let us in.
    #[error(
        "PostgreSQL at {place} cannot be reached: {cause}. See that it runs, and that user, password and database are right"
    )]
    NotReachable {
        /// Host, port and database.
        place: String,
        /// What the engine says.
        cause: String,
    },
    /// A database without a ledger's tables.
    #[error("{place} holds no ledger: there is no table `chain_link`. {advice}")]
    NoTables {
        /// Where.
        place: String,
        /// What to try.
        advice: &'static str,
    },
}

/// Looks whether `url` leads to a ledger. Nothing is changed or made there.
pub async fn find(url: &str) -> Result<(), NoLedger> {
    match DatabaseUrl::parse(url)? {
        DatabaseUrl::Sqlite(path) => in_file(path).await,
        DatabaseUrl::Postgres(url) => in_schema(&url).await,
    }
}

async fn in_file(path: PathBuf) -> Result<(), NoLedger> {
    if !path.exists() {
        return Err(NoLedger::NoFile(path));
    }
    let looked = async {
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .read_only(true)
            .disable_statement_logging();
        let mut connection = options.connect().await?;
        let query = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1";
        let tables: i64 = sqlx::query_scalar(query)
            .bind(TABLE)
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok(tables > 0)
    };
    match looked.await {
        Ok(true) => Ok(()),
        Ok(false) => Err(NoLedger::NoTables {
            place: path.display().to_string(),
            advice: "It is another database, or one that payment was never started with: name payment's, usually payment.db",
        }),
        Err(cause) => Err(NoLedger::NotReadable { path, cause }),
    }
}

async fn in_schema(url: &PostgresUrl) -> Result<(), NoLedger> {
    let place = format!("{}:{}/{}", url.host, url.port, url.database);
    let looked = async {
        let mut connection = super::postgres(url).connect().await?;
        let found: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(format!("{}.{TABLE}", url.schema))
            .fetch_one(&mut connection)
            .await?;
        connection.close().await?;
        Ok::<_, sqlx::Error>(found)
    };
    let looked = match tokio::time::timeout(ANSWER_MAX, looked).await {
        Ok(looked) => looked.map_err(|cause| said(&cause)),
        Err(_) => Err(format!("no answer within {} s", ANSWER_MAX.as_secs())),
    };
    match looked {
        Ok(true) => Ok(()),
        Ok(false) => Err(NoLedger::NoTables {
            place: format!("schema {} of {place}", url.schema),
            advice: "Name the schema that payment runs with: ?schema=NAME at the end of the URL",
        }),
        Err(cause) => Err(NoLedger::NotReachable { place, cause }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_missing_is_told_with_its_place_and_what_to_do_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        let (none, other, text) = (
            folder.path().join("none.db"),
            folder.path().join("other.db"),
            folder.path().join("text.db"),
        );
        let refused = async |path: &std::path::Path| {
            let refused = find(&format!("sqlite:{}", path.display())).await.unwrap_err();
            let said = refused.to_string();
            assert!(said.contains(&path.display().to_string()), "{said}");
            said
        };
        assert!(refused(&none).await.contains("no such file. Name the folder"));
        assert!(!none.exists(), "nothing is made");
        std::fs::write(&other, "").unwrap();
        assert!(refused(&other).await.contains("holds no ledger"));
        std::fs::write(
            &text,
            "these are no pages of a database, whatever the name says".repeat(20),
        )
        .unwrap();
        assert!(refused(&text).await.contains("cannot be read as a database"));
        let said = find("postgres://me:secret@127.0.0.1:1/books?schema=payment")
            .await
            .unwrap_err()
            .to_string();
        assert!(said.contains("127.0.0.1:1/books cannot be reached"), "{said}");
        assert!(!said.contains("secret"), "{said}");
    }

    #[tokio::test]
    async fn what_is_no_database_of_ours_is_told_by_what_is_wrong_with_it() {
        for (url, words) in [
            (
                "mysql://me:secret@host/books",
                "database `mysql:` is not compiled in: use sqlite:PATH or postgres:",
            ),
            (
                "payment.db",
                "database names no engine: use sqlite:PATH or postgres:",
            ),
            ("", "database names no engine"),
            ("sqlite:", "database names no file: use sqlite:PATH"),
            ("postgres://host", "database names no user"),
            (
                "postgres://me@host/books?sslmode=require",
                "has a parameter that is not known",
            ),
        ] {
            let said = find(url).await.unwrap_err().to_string();
            assert!(said.contains(words) && !said.contains("secret"), "{url}: {said}");
        }
    }
}
