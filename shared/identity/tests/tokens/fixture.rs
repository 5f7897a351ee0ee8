//! An issuer under the test's thumb: its key set, whether it answers, and how often it was asked.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clock::{Clock as _, ManualClock};
use identity::{
    Claims, FetchKeys, FetchKeysError, Jwks, Principal, Scopes, SigningKey, Tenant, User, Verifier,
    VerifierSettings,
};
use tokio::sync::Semaphore;

/// 2026-11-22T00:00:00Z
pub(crate) const NOW_S: u64 = 1_795_305_600;

pub(crate) struct Issuer {
    keys: Mutex<Result<Jwks, FetchKeysError>>,
    fetches: AtomicU64,
    /// Each fetch takes one permit, so a test can hold answers back.
    pub(crate) gate: Semaphore,
}

#[async_trait]
impl FetchKeys for Issuer {
    async fn fetch(&self) -> Result<Jwks, FetchKeysError> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        self.gate.acquire().await.expect("never closed").forget();
        self.keys.lock().unwrap().clone()
    }
}

impl Issuer {
    pub(crate) fn publish<'a>(&self, keys: impl IntoIterator<Item = &'a SigningKey>) {
        *self.keys.lock().unwrap() = Ok(Jwks::of(keys));
    }

    pub(crate) fn go_down(&self) {
        *self.keys.lock().unwrap() = Err(FetchKeysError::Unreachable("connection refused".into()));
    }

    pub(crate) fn fetches(&self) -> u64 {
        self.fetches.load(Ordering::SeqCst)
    }
}

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) issuer: Arc<Issuer>,
    pub(crate) key: SigningKey,
    pub(crate) verifier: Verifier,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(VerifierSettings::default())
    }

    pub(crate) fn with(settings: VerifierSettings) -> Self {
        let clock = ManualClock::at(NOW_S * 1_000);
        let key = SigningKey::generate();
        let issuer = Arc::new(Issuer {
            keys: Mutex::new(Ok(Jwks::of([&key]))),
            fetches: AtomicU64::new(0),
            gate: Semaphore::new(1_000_000),
        });
        let verifier = Verifier::new(settings, issuer.clone(), clock.clone());
        Self {
            clock,
            issuer,
            key,
            verifier,
        }
    }

    /// Claims that pass, for a test to spoil; the token id is fixed so that only that makes a difference.
    pub(crate) fn claims(&self) -> Claims {
        let now_s = self.clock.unix_ms() / 1_000;
        let settings = self.verifier.settings();
        Claims {
            jti: "t".into(),
            ..Claims::new(&settings.issuer, &settings.audience, &ada(), now_s, 900)
        }
    }

    pub(crate) fn token(&self) -> String {
        self.key.sign(&self.claims()).unwrap()
    }

    /// Signs any header and payload text with the issuer's own key, as only a broken issuer would.
    pub(crate) fn forge(&self, header: &str, payload: &str) -> String {
        use ed25519_dalek::Signer as _;
        use ed25519_dalek::pkcs8::DecodePrivateKey as _;
        let key = ed25519_dalek::SigningKey::from_pkcs8_der(&self.key.to_pkcs8_der()).unwrap();
        let message = format!("{}.{}", b64(header), b64(payload));
        let signature = key.sign(message.as_bytes()).to_bytes();
        format!("{message}.{}", b64(signature))
    }

    pub(crate) fn good_header(&self) -> String {
        format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{}"}}"#, self.key.kid())
    }

    pub(crate) fn good_payload(&self) -> String {
        serde_json::to_string(&self.claims()).unwrap()
    }
}

pub(crate) fn ada() -> Principal {
    Principal {
        tenant: Tenant::parse("acme").unwrap(),
        user: User::parse("ada").unwrap(),
        scopes: Scopes::parse("links:read links:write").unwrap(),
    }
}

pub(crate) fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Yields until `condition` holds; the runtime's other tasks make it so.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), waiting)
        .await
        .unwrap_or_else(|_| panic!("never: {what}"));
}
