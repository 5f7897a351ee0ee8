#![doc = include_str!("../README.md")]

mod secret;
mod signature;

pub use secret::{SECRET_BYTES_MAX, SECRET_BYTES_MIN, Secret, SecretError};
pub use signature::{
    Headers, ID_BYTES_MAX, ID_HEADER, SIGNATURE_HEADER, SIGNATURES_MAX, SignError, TIMESTAMP_HEADER,
    TOLERANCE_S, VerifyError, sign, verify,
};
