//! What can go wrong in the console. Nothing of it concerns a program that sends spans.

use server::ServeError;

use crate::config::SettingError;

/// Why the console could not run.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// A setting that cannot be used.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The port of OTLP over gRPC cannot be had.
    #[error("console.grpc_address: {address} cannot be bound: {cause}; choose another, or none")]
    GrpcPort {
        /// Host and port.
        address: String,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A part that never ends by itself ended.
    #[error("the console's {part} ended: {cause}")]
    PartEnded {
        /// Which.
        part: &'static str,
        /// Why, as far as is known.
        cause: String,
    },
    /// The listeners could not be served.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

impl ConsoleError {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Setting(_) => "setting_refused",
            Self::GrpcPort { .. } => "grpc_port_unavailable",
            Self::PartEnded { .. } => "part_ended",
            Self::Serve(error) => error.code(),
        }
    }

    /// Never: all need an operator.
    pub fn retryable(&self) -> bool {
        false
    }
}
