//! The URL that a setting names a database by.

use std::fmt;
use std::path::{Path, PathBuf};

use percent_encoding::percent_decode_str;
use url::Url;

/// PostgreSQL cuts longer names off, silently.
const NAME_LENGTH_MAX: usize = 63;

/// A URL that leads to no file of ours. The texts read on after a setting's name, and never repeat a URL: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// `sqlite:` and nothing more.
    #[error("names no file: use sqlite:PATH")]
    NoFile,
    /// Another engine's, where only a file will do.
    #[error("`{0}:` is not compiled in: use sqlite:PATH")]
    OtherEngine(String),
}

/// A URL that leads to no database of ours; as careful as [`UrlError`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatabaseUrlError {
    /// A `sqlite:` one.
    #[error(transparent)]
    Sqlite(#[from] UrlError),
    /// Of no engine at all, such as a path alone.
    #[error("names no engine: use sqlite:PATH or postgres://USER@HOST/DATABASE")]
    NoEngine,
    /// Of neither engine.
    #[error("`{0}:` is not compiled in: use sqlite:PATH or postgres://USER@HOST/DATABASE")]
    UnknownEngine(String),
    /// A `postgres:` one that is not complete or says what is not understood.
    #[error("{0}: use postgres://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME")]
    Postgres(&'static str),
}

/// The engine that a URL chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite:PATH`.
    Sqlite(PathBuf),
    /// `postgres://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME`.
    Postgres(PostgresUrl),
}

impl DatabaseUrl {
    /// Reads either.
    pub fn parse(url: &str) -> Result<Self, DatabaseUrlError> {
        match scheme(url) {
            "sqlite" => Ok(Self::Sqlite(sqlite_path(url)?)),
            "postgres" | "postgresql" => postgres_url(url).map(Self::Postgres),
            "" => Err(DatabaseUrlError::NoEngine),
            other => Err(DatabaseUrlError::UnknownEngine(other.to_owned())),
        }
    }
}

/// Where a PostgreSQL database is, and who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    /// A name or an address.
    pub host: String,
    /// 5432 unless said.
    pub port: u16,
    /// Who asks.
    pub user: String,
    /// Never shown.
    pub password: Option<String>,
    /// Which of the server's databases.
    pub database: String,
    /// The schema that everything is in; `public` unless said.
    pub schema: String,
}

impl PostgresUrl {
    /// The database and, where it is not the default, the schema: as metrics and spans name it.
    pub fn name(&self) -> String {
        if self.schema == "public" {
            self.database.clone()
        } else {
            format!("{}|{}", self.database, self.schema)
        }
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresUrl")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user", &self.user)
            .field("database", &self.database)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// The file behind `sqlite:PATH`.
pub fn sqlite_path(url: &str) -> Result<PathBuf, UrlError> {
    match url.strip_prefix("sqlite:") {
        Some("") => Err(UrlError::NoFile),
        Some(path) => Ok(Path::new(path).to_owned()),
        None => Err(UrlError::OtherEngine(scheme(url).to_owned())),
    }
}

/// What `postgres://USER:PASSWORD@HOST:PORT/DATABASE?schema=NAME` says; `postgresql:` is the same.
pub(crate) fn postgres_url(url: &str) -> Result<PostgresUrl, DatabaseUrlError> {
    if !matches!(scheme(url), "postgres" | "postgresql") {
        return Err(DatabaseUrlError::Postgres("is no postgres: URL"));
    }
    let url = Url::parse(url).map_err(|_| DatabaseUrlError::Postgres("is no URL"))?;
    let host = match url.host_str() {
        None | Some("") => return Err(DatabaseUrlError::Postgres("names no host")),
        Some(host) => host.trim_start_matches('[').trim_end_matches(']').to_owned(),
    };
    let user = decoded(url.username())?;
    if user.is_empty() {
        return Err(DatabaseUrlError::Postgres("names no user"));
    }
    let database = decoded(url.path().trim_start_matches('/'))?;
    if database.is_empty() || database.contains('/') {
        return Err(DatabaseUrlError::Postgres("names no database"));
    }
    let mut schema = "public".to_owned();
    for (key, value) in url.query_pairs() {
        if key != "schema" {
            return Err(DatabaseUrlError::Postgres("has a parameter that is not known"));
        }
        if !is_plain_name(&value) {
            return Err(DatabaseUrlError::Postgres(
                "names a schema that is not of a-z, 0-9 and _, 63 at most, a letter first",
            ));
        }
        schema = value.into_owned();
    }
    Ok(PostgresUrl {
        host,
        port: url.port().unwrap_or(5432),
        user,
        password: url.password().map(decoded).transpose()?,
        database,
        schema,
    })
}

/// Empty without a colon: what stands there then may be anything, and is not repeated.
fn scheme(url: &str) -> &str {
    url.split_once(':').map_or("", |(scheme, _)| scheme)
}

fn decoded(part: &str) -> Result<String, DatabaseUrlError> {
    let decoded = percent_decode_str(part).decode_utf8();
    decoded
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| DatabaseUrlError::Postgres("holds bytes that are no text"))
}

/// A name that means the same with and without quotes.
fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= NAME_LENGTH_MAX
        && name.bytes().all(plain)
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_url_of_ours_leads_to_a_file_and_a_password_is_never_repeated() {
        assert_eq!(sqlite_path("sqlite:/a/b.db").unwrap(), Path::new("/a/b.db"));
        assert_eq!(sqlite_path("sqlite:"), Err(UrlError::NoFile));
        let error = sqlite_path("postgres://user:secret@host/db")
            .unwrap_err()
            .to_string();
        assert!(error.contains("postgres") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn the_scheme_chooses_the_engine() {
        let sqlite = DatabaseUrl::parse("sqlite:links.db").unwrap();
        assert_eq!(sqlite, DatabaseUrl::Sqlite("links.db".into()));
        let DatabaseUrl::Postgres(url) =
            DatabaseUrl::parse("postgres://me:s%40crt@[::1]:6543/links?schema=test_1").unwrap()
        else {
            panic!("another engine");
        };
        assert_eq!((&*url.host, url.port, &*url.user), ("::1", 6543, "me"));
        assert_eq!(url.password.as_deref(), Some("s@crt"));
        assert_eq!(url.name(), "links|test_1");
        assert!(!format!("{url:?}").contains("crt"));
        assert_eq!(
            DatabaseUrl::parse("mysql://x:secret@y/z"),
            Err(DatabaseUrlError::UnknownEngine("mysql".to_owned()))
        );
    }

    #[test]
    fn a_postgres_url_says_where_and_nothing_that_is_not_understood() {
        let url = postgres_url("postgresql://me@db/links").unwrap();
        assert_eq!(
            (url.port, &*url.schema, url.password.as_deref()),
            (5432, "public", None)
        );
        assert_eq!(url.name(), "links");
        for wrong in [
            "postgres://me:secret@/links",
            "postgres://db/links?password=secret",
            "postgres://me:secret@db",
            "postgres://me:secret@db/links?sslmode=require",
            "postgres://me:secret@db/links?schema=x%22%3B--secret",
            "postgres://me:secret@db/links?schema=",
            "postgres://me:secret@db:port/links",
        ] {
            let error = postgres_url(wrong).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{wrong}: {error}");
        }
    }
}
