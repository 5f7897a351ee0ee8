//! Checking an authorization request (RFC 6749, section 4.1; PKCE: RFC 7636) and answering it with a code.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use identity::{
    CONSOLE_READ, LEDGER_READ, LEDGER_WRITE, LINKS_READ, LINKS_WRITE, PAYMENTS_READ, PAYMENTS_WRITE,
    Principal, Scopes,
};
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::config::Rules;
use crate::error::IssuerError;
use crate::params::Params;
use crate::store::{CodeHash, Grant, Store};

/// The only client: the gateway. Public, so it proves itself by PKCE and by where its answers go.
pub const CLIENT_ID: &str = "orrery-gateway";

/// What a person may grant.
pub(crate) const SCOPES: [&str; 7] = [
    LINKS_READ,
    LINKS_WRITE,
    LEDGER_READ,
    LEDGER_WRITE,
    PAYMENTS_READ,
    PAYMENTS_WRITE,
    CONSOLE_READ,
];
/// Asks for an ID token; nothing a person grants.
pub(crate) const OPENID: &str = "openid";

const STATE_BYTES_MAX: usize = 512;
const NONCE_BYTES_MAX: usize = 256;
/// An S256 challenge is the base64url of 32 bytes.
const CHALLENGE_BYTES: usize = 43;

/// A request that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuthorizeRequest {
    pub(crate) redirect_uri: String,
    pub(crate) challenge: String,
    pub(crate) scopes: Scopes,
    pub(crate) state: Option<String>,
    pub(crate) nonce: Option<String>,
}

/// Why a request was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Client or address are not known: the answer must not go there, the person is told.
    Shown(&'static str),
    /// The answer goes to the client's address.
    Sent { location: String },
}

/// Checks a request. Client and address first: until both are known, nothing may be sent anywhere.
pub(crate) fn check(params: &Params, rules: &Rules) -> Result<AuthorizeRequest, Refusal> {
    if params.get("client_id") != Some(CLIENT_ID) {
        return Err(Refusal::Shown(
            "The request comes from a client that is not known here.",
        ));
    }
    let redirect_uri = params.get("redirect_uri").unwrap_or_default();
    if !rules.redirect_uris.iter().any(|known| known == redirect_uri) {
        return Err(Refusal::Shown(
            "The request would send its answer to an address that is not known here.",
        ));
    }
    let state = params.get("state").filter(|state| state.len() <= STATE_BYTES_MAX);
    let refuse = |error: &str, why: &str| {
        Err(Refusal::Sent {
            location: error_location(redirect_uri, rules, state, error, why),
        })
    };
    if params.is_repeated() {
        return refuse("invalid_request", "a parameter is repeated");
    }
    if params.get("state").is_some() && state.is_none() {
        return refuse("invalid_request", "state is too long");
    }
    if params.get("response_type") != Some("code") {
        return refuse("unsupported_response_type", "only response_type=code is answered");
    }
    if params.get("code_challenge_method") != Some("S256") {
        return refuse("invalid_request", "code_challenge_method must be S256");
    }
    let challenge = params.get("code_challenge").unwrap_or_default();
    let decoded = URL_SAFE_NO_PAD
        .decode(challenge)
        .is_ok_and(|bytes| bytes.len() == 32);
    if challenge.len() != CHALLENGE_BYTES || !decoded {
        return refuse(
            "invalid_request",
            "code_challenge must be the base64url of a SHA-256",
        );
    }
    let nonce = params.get("nonce");
    if nonce.is_some_and(|nonce| nonce.len() > NONCE_BYTES_MAX) {
        return refuse("invalid_request", "nonce is too long");
    }
    let wanted = params
        .get("scope")
        .map_or_else(|| Scopes::of(SCOPES), Scopes::parse);
    let known = |scopes: &Scopes| {
        scopes
            .iter()
            .all(|scope| scope == OPENID || SCOPES.contains(&scope))
    };
    let Some(scopes) = wanted.ok().filter(known) else {
        return refuse(
            "invalid_scope",
            "known are links:read, links:write, ledger:read, ledger:write, payments:read, payments:write, console:read and openid",
        );
    };
    Ok(AuthorizeRequest {
        redirect_uri: redirect_uri.to_owned(),
        challenge: challenge.to_owned(),
        scopes,
        state: state.map(str::to_owned),
        nonce: nonce.map(str::to_owned),
    })
}

/// Makes a code for `principal` and says where to send it. `None`: too many codes wait already.
pub(crate) async fn grant(
    store: &dyn Store,
    rules: &Rules,
    request: AuthorizeRequest,
    principal: Principal,
    now_ms: u64,
) -> Result<Option<String>, IssuerError> {
    let code = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let mut answer = vec![("code", code.as_str())];
    answer.extend(request.state.as_deref().map(|state| ("state", state)));
    let location = location(&request.redirect_uri, rules, &answer);
    let grant = Grant {
        client_id: CLIENT_ID.to_owned(),
        redirect_uri: request.redirect_uri,
        challenge: request.challenge,
        tenant: principal.tenant,
        user: principal.user,
        scopes: principal.scopes,
        nonce: request.nonce,
        expires_ms: now_ms.saturating_add(rules.code_lifetime_ms),
    };
    let kept = store.put_code(&code_hash(&code), &grant, rules.codes_max).await?;
    Ok(kept.then_some(location))
}

/// What is stored of a code.
pub(crate) fn code_hash(code: &str) -> CodeHash {
    Sha256::digest(code).into()
}

/// Where to send an error (RFC 6749, section 4.1.2.1).
pub(crate) fn error_location(
    redirect_uri: &str,
    rules: &Rules,
    state: Option<&str>,
    error: &str,
    description: &str,
) -> String {
    let mut answer = vec![("error", error), ("error_description", description)];
    answer.extend(state.map(|state| ("state", state)));
    location(redirect_uri, rules, &answer)
}

/// The answer as a query, with `iss` (RFC 9207) so that the client knows whose answer it is.
fn location(redirect_uri: &str, rules: &Rules, answer: &[(&str, &str)]) -> String {
    // The addresses were parsed when the settings were checked; one that no longer parses is sent as it is.
    let Ok(mut url) = Url::parse(redirect_uri) else {
        return redirect_uri.to_owned();
    };
    url.query_pairs_mut()
        .extend_pairs(answer)
        .append_pair("iss", &rules.issuer);
    url.into()
}
