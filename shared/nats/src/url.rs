//! The URL that a setting names a NATS by: `nats://[user:password@|token@]host:port[,host:port]?prefix=NAME`.

use std::fmt;

use percent_encoding::percent_decode_str;

const PREFIX_BYTES_MAX: usize = 64;

/// The port where the URL names none.
const PORT: u16 = 4_222;

/// A URL that leads to no NATS. The texts never repeat it: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}: use nats://host:port?prefix=NAME")]
pub struct UrlError {
    detail: String,
}

/// Where a NATS is and what our names there begin with. Its `Debug` hides the password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct NatsUrl {
    pub(crate) servers: Vec<String>,
    pub(crate) login: Option<Login>,
    /// What every stream, bucket and subject of ours begins with.
    pub(crate) prefix: String,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Login {
    Token(String),
    Password { user: String, password: String },
}

impl NatsUrl {
    /// Reads a URL.
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        let rest = text.strip_prefix("nats://").ok_or_else(|| {
            let scheme = text.split(':').next().filter(|_| text.contains(':'));
            wrong(scheme.map_or_else(
                || "not a URL".to_owned(),
                |scheme| format!("`{scheme}:` is not nats"),
            ))
        })?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (login, hosts) = match place.rsplit_once('@') {
            Some((login, hosts)) => (Some(read_login(login)?), hosts),
            None => (None, place),
        };
        let servers = hosts
            .trim_end_matches('/')
            .split(',')
            .map(server)
            .collect::<Result<Vec<_>, _>>()?;
        let mut prefix = "orrery";
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            if name != "prefix" {
                return Err(wrong(format!("`{name}` is no parameter of it")));
            }
            prefix = value;
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if prefix.is_empty() || prefix.len() > PREFIX_BYTES_MAX || !prefix.bytes().all(plain) {
            return Err(wrong(format!(
                "a prefix is 1 to {PREFIX_BYTES_MAX} letters, digits, `_` and `-`"
            )));
        }
        Ok(Self {
            servers,
            login,
            prefix: prefix.to_owned(),
        })
    }
}

impl fmt::Debug for NatsUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsUrl")
            .field("servers", &self.servers)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// `host` or `host:port`, the host perhaps `[v6]`.
fn server(text: &str) -> Result<String, UrlError> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            let port = port
                .parse::<u16>()
                .map_err(|_| wrong("the port is not a number".to_owned()))?;
            (host, port)
        }
        _ => (text, PORT),
    };
    if host.is_empty() || host.contains(['/', ' ']) {
        return Err(wrong("no host".to_owned()));
    }
    Ok(format!("nats://{host}:{port}"))
}

fn read_login(text: &str) -> Result<Login, UrlError> {
    let decoded = |text: &str| {
        let text = percent_decode_str(text).decode_utf8();
        text.map(std::borrow::Cow::into_owned)
            .map_err(|_| wrong("the login is not a text".to_owned()))
    };
    Ok(match text.split_once(':') {
        Some((user, password)) => Login::Password {
            user: decoded(user)?,
            password: decoded(password)?,
        },
        None => Login::Token(decoded(text)?),
    })
}

fn wrong(detail: String) -> UrlError {
    UrlError { detail }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_servers_a_login_and_a_prefix() {
        let url = NatsUrl::parse("nats://me:p%40ss@a:1,b,[::1]:3?prefix=mine").unwrap();
        assert_eq!(url.servers, ["nats://a:1", "nats://b:4222", "nats://[::1]:3"]);
        assert_eq!(url.prefix, "mine");
        let login = Login::Password {
            user: "me".to_owned(),
            password: "p@ss".to_owned(),
        };
        assert!(url.login == Some(login));
        assert!(NatsUrl::parse("nats://secret@a").unwrap().login == Some(Login::Token("secret".to_owned())));
        assert_eq!(NatsUrl::parse("nats://a").unwrap().prefix, "orrery");
        assert!(!format!("{url:?}").contains("ss"));
    }

    #[test]
    fn what_leads_nowhere_is_refused_and_a_password_is_never_repeated() {
        for text in [
            "redis://me:secret@a",
            "nats://me:secret@",
            "nats://me:secret@a:port",
            "nats://me:secret@a?prefix=",
            "nats://me:secret@a?prefix=a.b",
            "nats://me:secret@a?other=1",
            "secret",
        ] {
            let error = NatsUrl::parse(text).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
