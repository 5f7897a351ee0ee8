//! What callers prove themselves with, and what webhooks are signed with: from the settings, else from files, made at first need.

use std::path::Path;

use identity::secret_file;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use webhooks::Secret;

use crate::config::Settings;
use crate::error::ProcessorError;

/// How long an API secret may be.
const API_SECRET_BYTES: std::ops::RangeInclusive<usize> = 32..=256;

/// Both secrets. The binary hands them to the service that uses the processor, where one data folder holds both.
#[derive(Clone)]
pub struct Secrets {
    api: String,
    webhooks: Vec<Secret>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets(***)")
    }
}

impl Secrets {
    /// Reads them, and makes those that nobody set and that have no file yet.
    pub fn open(settings: &Settings) -> Result<Self, ProcessorError> {
        let (api, set_webhooks) = (settings.api_secret.expose(), settings.webhook_secret.expose());
        let api = if api.is_empty() {
            from_file(&settings.api_secret_file, || {
                let random: [u8; 32] = rand::random();
                format!("psk_{}", hex::encode(random))
            })?
        } else {
            api.to_owned()
        };
        check_api(&api)?;
        let text = if set_webhooks.is_empty() {
            from_file(&settings.webhook_secret_file, || Secret::generate().to_text())?
        } else {
            set_webhooks.to_owned()
        };
        Ok(Self {
            api,
            webhooks: parse_webhooks(&text)?,
        })
    }

    /// What callers send as bearer token.
    pub fn api_secret(&self) -> &str {
        &self.api
    }

    /// What webhooks are signed with: the first, `whsec_` and base64.
    pub fn webhook_secret(&self) -> String {
        self.webhooks.first().map(Secret::to_text).unwrap_or_default()
    }

    pub(crate) fn webhooks(&self) -> &[Secret] {
        &self.webhooks
    }

    /// Whether a caller knows the API secret. Hashes are compared, in constant time, so that not even its length shows.
    pub(crate) fn admits(&self, token: &str) -> bool {
        let (given, own) = (Sha256::digest(token), Sha256::digest(&self.api));
        given.as_slice().ct_eq(own.as_slice()).into()
    }
}

/// Whether the secrets that are set are ones; no file is opened.
pub(crate) fn check(settings: &Settings) -> Result<(), ProcessorError> {
    let (api, webhooks) = (settings.api_secret.expose(), settings.webhook_secret.expose());
    if !api.is_empty() {
        check_api(api)?;
    }
    if !webhooks.is_empty() {
        parse_webhooks(webhooks)?;
    }
    Ok(())
}

fn check_api(secret: &str) -> Result<(), ProcessorError> {
    if API_SECRET_BYTES.contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(());
    }
    Err(ProcessorError::Setting {
        setting: "api_secret",
        detail: "must be 32 to 256 visible ASCII characters".to_owned(),
    })
}

fn parse_webhooks(text: &str) -> Result<Vec<Secret>, ProcessorError> {
    let wrong = |detail: String| ProcessorError::Setting {
        setting: "webhook_secret",
        detail,
    };
    let secrets: Result<Vec<Secret>, _> = text.split_ascii_whitespace().map(Secret::parse).collect();
    let secrets = secrets.map_err(|error| wrong(error.to_string()))?;
    if (1..=webhooks::SIGNATURES_MAX).contains(&secrets.len()) {
        Ok(secrets)
    } else {
        Err(wrong("must be 1 to 8 secrets, separated by spaces".to_owned()))
    }
}

/// Of several processes that do so at once one is first, and the others take its secret.
fn from_file(path: &str, make: impl FnOnce() -> String) -> Result<String, ProcessorError> {
    let path = Path::new(path);
    let unreadable = |source| ProcessorError::SecretFile {
        path: path.to_owned(),
        source,
    };
    match secret_file::read(path).map_err(unreadable)? {
        Some(text) => Ok(text),
        None => secret_file::make(path, &make()).map_err(unreadable),
    }
}
