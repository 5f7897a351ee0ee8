//! Proof that a sign-in form was drawn by this issuer, for this very request, not long ago: the guard against forms that
//! another site sends in a visitor's name.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac};
use sha2::Sha256;

use crate::operations::authorize::AuthorizeRequest;

/// Signs forms with a key that every process of an issuer has: whichever of them drew a form, any of them takes it.
#[derive(Clone)]
pub(crate) struct FormTokens {
    key: [u8; 32],
}

impl FormTokens {
    pub(crate) fn keyed(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// The token of a form for `request`, good until `expires_ms`.
    pub(crate) fn make(&self, request: &AuthorizeRequest, expires_ms: u64) -> String {
        let mac = URL_SAFE_NO_PAD.encode(self.mac(request, expires_ms).finalize().into_bytes());
        format!("{expires_ms}.{mac}")
    }

    /// Whether `token` was made for `request` and is still good.
    pub(crate) fn check(&self, token: &str, request: &AuthorizeRequest, now_ms: u64) -> bool {
        let Some((expires, mac)) = token.split_once('.') else {
            return false;
        };
        let (Ok(expires_ms), Ok(mac)) = (expires.parse::<u64>(), URL_SAFE_NO_PAD.decode(mac)) else {
            return false;
        };
        now_ms < expires_ms && self.mac(request, expires_ms).verify_slice(&mac).is_ok()
    }

    fn mac(&self, request: &AuthorizeRequest, expires_ms: u64) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        let scopes = request.scopes.to_string();
        let parts = [&request.redirect_uri, &request.challenge, &scopes].map(|part| Some(part.as_str()));
        for part in parts
            .into_iter()
            .chain([request.state.as_deref(), request.nonce.as_deref()])
        {
            // Lengths first, so that two requests never run together into the same text.
            mac.update(&part.map_or(u64::MAX, |part| part.len() as u64).to_be_bytes());
            mac.update(part.unwrap_or_default().as_bytes());
        }
        mac.update(&expires_ms.to_be_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_request_and_its_time_only() {
        let request = AuthorizeRequest {
            redirect_uri: "http://127.0.0.1/cb".into(),
            challenge: "c".into(),
            scopes: identity::Scopes::none(),
            state: Some("ab".into()),
            nonce: Some("c".into()),
        };
        let tokens = FormTokens::keyed([1; 32]);
        let token = tokens.make(&request, 100);
        assert!(tokens.check(&token, &request, 99));
        assert!(!tokens.check(&token, &request, 100));
        assert!(!tokens.check(&token.replace("100.", "900."), &request, 99));
        assert!(
            !FormTokens::keyed([2; 32]).check(&token, &request, 99),
            "another issuer"
        );
        let shifted = AuthorizeRequest {
            state: Some("a".into()),
            nonce: Some("bc".into()),
            ..request.clone()
        };
        assert!(!tokens.check(&token, &shifted, 99));
        for bad in ["", ".", "100", "100.", "x.y", "100.!!"] {
            assert!(!tokens.check(bad, &request, 99), "{bad}");
        }
    }
}
