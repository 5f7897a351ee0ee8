//! What can go wrong with a call to a stranger.

use crate::address::AddressKind;
use crate::target::RefusedUrl;

/// Why there is no answer that counts. The texts may be shown to whoever chose the address: they name neither our network nor the
/// address that was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// The URL itself. Nothing was sent.
    #[error(transparent)]
    Url(#[from] RefusedUrl),
    /// The host leads where nobody may lead us. Nothing was sent.
    #[error("the host resolves to {0}")]
    Address(AddressKind),
    /// Plain HTTP that does not lead to this machine. Nothing was sent.
    #[error("http is only for this machine; use https")]
    Plain,
    /// No address for the host.
    #[error("the host does not resolve: {0}")]
    Unresolved(String),
    /// No connection.
    #[error("no connection: {0}")]
    Unreachable(String),
    /// No TLS: a certificate that is not trusted or not the host's, or no common version.
    #[error("TLS failed: {0}")]
    Tls(String),
    /// Not in time.
    #[error("no answer in time ({stage})")]
    Timeout {
        /// What was being waited for.
        stage: &'static str,
    },
    /// The connection broke, or what came over it is no HTTP, or too much of it.
    #[error("the exchange broke off: {0}")]
    Broken(String),
    /// A redirect, which is not followed.
    #[error("the answer was a redirect ({0}), and redirects are not followed")]
    Redirect(u16),
    /// Too many exchanges are in flight. Nothing was sent.
    #[error("too many calls are in flight")]
    Saturated,
}

impl OutboundError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Url(refused) => refused.code(),
            Self::Address(_) => "address_refused",
            Self::Plain => "https_required",
            Self::Unresolved(_) => "host_unresolved",
            Self::Unreachable(_) => "unreachable",
            Self::Tls(_) => "tls_failed",
            Self::Timeout { .. } => "timeout",
            Self::Broken(_) => "exchange_broken",
            Self::Redirect(_) => "redirect_refused",
            Self::Saturated => "saturated",
        }
    }

    /// Whether the address itself was refused, as opposed to a call that went wrong.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Url(_) | Self::Address(_) | Self::Plain)
    }
}

/// What an I/O error is, in words: its kind where that says something, else what the system says.
pub(crate) fn said(error: &std::io::Error) -> String {
    let kind = error.kind().to_string();
    // The kind that has no name of its own.
    if kind == "uncategorized error" || kind == "other error" {
        error.to_string()
    } else {
        kind
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn a_kind_without_a_name_is_told_as_the_system_tells_it() {
        assert_eq!(
            said(&Error::from(ErrorKind::ConnectionRefused)),
            "connection refused"
        );
        // ENOANO: none of the standard library's kinds.
        let nameless = Error::from_raw_os_error(55);
        assert_eq!(
            nameless.kind().to_string(),
            "uncategorized error",
            "as it stands there"
        );
        assert!(!said(&nameless).contains("uncategorized"));
        let look_up = Error::other("failed to lookup address information: Name or service not known");
        assert!(said(&look_up).contains("Name or service not known"));
    }
}
