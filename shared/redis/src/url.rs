//! The URL that a setting names a Redis by: `redis://[[user]:password@]host[:port][/DB][?prefix=NAME]`.

use percent_encoding::percent_decode_str;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo};
use url::Url;

const PREFIX_BYTES_MAX: usize = 64;

/// A URL that leads to no Redis. The texts never repeat it: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}: use redis://[:password@]host:port/DB?prefix=NAME")]
pub struct UrlError {
    detail: String,
}

/// Where a Redis is and what our keys there begin with. Its `Debug` hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    host: String,
    port: u16,
    database: i64,
    user: Option<String>,
    password: Option<String>,
    prefix: String,
}

impl RedisUrl {
    /// Reads a URL.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let url = Url::parse(text).map_err(|error| wrong(format!("not a URL ({error})")))?;
        if url.scheme() != "redis" {
            return Err(wrong(format!("`{}:` is not redis", url.scheme())));
        }
        let host = url.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong("no host".to_owned()))?;
        let database = match url.path().trim_start_matches('/') {
            "" => 0,
            number => number
                .parse::<u16>()
                .map_err(|_| wrong("the database is not a number".to_owned()))?,
        };
        let mut prefix = "orrery".to_owned();
        for (name, value) in url.query_pairs() {
            match &*name {
                "prefix" => prefix = value.into_owned(),
                other => return Err(wrong(format!("`{other}` is no parameter of it"))),
            }
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if prefix.is_empty() || prefix.len() > PREFIX_BYTES_MAX || !prefix.bytes().all(plain) {
            return Err(wrong(format!(
                "a prefix is 1 to {PREFIX_BYTES_MAX} letters, digits, `_`, `-` and `.`"
            )));
        }
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(6_379),
            database: i64::from(database),
            user: decoded(Some(url.username()).filter(|user| !user.is_empty()))?,
            password: decoded(url.password())?,
            prefix,
        })
    }

    /// What every key and channel begins with.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// `host:port`, for logs and errors.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    pub(crate) fn info(&self, protocol: ProtocolVersion) -> Result<ConnectionInfo, UrlError> {
        let mut settings = RedisConnectionInfo::default()
            .set_db(self.database)
            .set_protocol(protocol);
        if let Some(user) = &self.user {
            settings = settings.set_username(user);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        let info = ConnectionAddr::Tcp(self.host.clone(), self.port).into_connection_info();
        // The driver's own words could repeat what it was given.
        let info = info.map_err(|_| wrong("the driver does not take it".to_owned()))?;
        Ok(info.set_redis_settings(settings))
    }
}

impl std::fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "redis://{}/{}?prefix={}",
            self.address(),
            self.database,
            self.prefix
        )
    }
}

fn wrong(detail: String) -> UrlError {
    UrlError { detail }
}

fn decoded(text: Option<&str>) -> Result<Option<String>, UrlError> {
    let Some(text) = text else { return Ok(None) };
    let text = percent_decode_str(text).decode_utf8();
    text.map(|text| Some(text.into_owned()))
        .map_err(|_| wrong("the user or the password is not UTF-8".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_where_and_under_which_prefix() {
        let url = RedisUrl::parse("redis://:s%40crit@[::1]:7000/3?prefix=t_1").expect("a URL");
        assert_eq!((url.prefix(), url.address().as_str()), ("t_1", "::1:7000"));
        assert_eq!((url.database, url.password.as_deref()), (3, Some("s@crit")));
        assert!(!format!("{url:?}").contains("crit"));
        let short = RedisUrl::parse("redis://h").expect("a URL");
        assert_eq!((short.prefix(), short.address().as_str()), ("orrery", "h:6379"));
    }

    #[test]
    fn a_refused_url_is_never_repeated() {
        for bad in [
            "redis://u:secret@h/x",
            "redis://u:secret@h/1?pool=9",
            "redis://u:secret@h?prefix=a:b",
            "redis://u:secret@h?prefix=",
            "rediss://u:secret@h",
            "redis:",
            "u:secret@h",
            "",
        ] {
            let error = RedisUrl::parse(bad).expect_err(bad).to_string();
            assert!(
                error.contains("redis://[") && !error.contains("secret"),
                "{bad}: {error}"
            );
        }
    }
}
