//! What can go wrong between two roles.

use http::uri::Authority;
use resilience::Retryable;

/// An exchange that did not come to an answer, or came to one that cannot be used. Texts are for the operator's log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// No connection: refused, unreachable, or not made in time. Nothing has been sent.
    #[error("{peer} cannot be reached: {cause}")]
    Unavailable {
        /// Host and port.
        peer: String,
        /// What the system said.
        cause: String,
    },
    /// Too many exchanges are in flight. Nothing has been sent.
    #[error("too many calls to other roles are in flight")]
    Saturated,
    /// The deadline passed. Whether the peer has done the work is unknown.
    #[error("no answer before the deadline")]
    Timeout,
    /// The connection broke. Whether the peer has done the work is unknown.
    #[error("the exchange with {peer} broke off: {cause}")]
    Broken {
        /// Host and port.
        peer: String,
        /// What the connection said.
        cause: String,
    },
    /// The URI is not `http://host[:port]/...`.
    #[error("only http:// URIs with a host can be called")]
    Address,
    /// Another status than the one needed.
    #[error("the answer was {0}")]
    Status(u16),
    /// A document larger than allowed.
    #[error("the answer has more than {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// A document that is not what was asked for.
    #[error("the answer cannot be read: {0}")]
    Unreadable(String),
}

impl ClientError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "upstream_unavailable",
            Self::Saturated => "upstream_saturated",
            Self::Timeout => "deadline_exceeded",
            Self::Broken { .. } => "upstream_broken",
            Self::Address => "upstream_address_invalid",
            Self::Status(_) => "upstream_refused",
            Self::TooLarge { .. } => "upstream_answer_too_large",
            Self::Unreadable(_) => "upstream_answer_unreadable",
        }
    }

    /// Whether the same call may succeed later. It may have been carried out already: see [`resilience::Effect`].
    pub fn retryable(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Saturated | Self::Timeout | Self::Broken { .. } => true,
            Self::Status(status) => matches!(status, 408 | 429 | 500..),
            Self::Address | Self::TooLarge { .. } | Self::Unreadable(_) => false,
        }
    }

    pub(crate) fn of_exchange(peer: &Authority, error: &hyper_util::client::legacy::Error) -> Self {
        let (peer, cause) = (peer.to_string(), innermost(error));
        if error.is_connect() {
            return Self::Unavailable { peer, cause };
        }
        Self::Broken { peer, cause }
    }
}

impl Retryable for ClientError {
    fn retryable(&self) -> bool {
        self.retryable()
    }
}

/// "client error (Connect)" says nothing; what the system said is at the bottom.
fn innermost(error: &hyper_util::client::legacy::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
