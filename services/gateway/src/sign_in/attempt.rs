//! A sign-in under way. It lives in the browser's cookie, so that any gateway can finish what another began.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::path::is_local;

/// 32 random bytes each for `state` and the PKCE verifier, and where to go afterwards.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) state: String,
    pub(crate) verifier: String,
    pub(crate) return_to: String,
}

impl Attempt {
    pub(crate) fn begin(return_to: String) -> Self {
        let secret = || URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        Self {
            state: secret(),
            verifier: secret(),
            return_to,
        }
    }

    /// The PKCE challenge of method S256.
    pub(crate) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.verifier))
    }

    pub(crate) fn to_cookie(&self) -> String {
        let Self {
            state,
            verifier,
            return_to,
        } = self;
        format!("{state}.{verifier}.{}", URL_SAFE_NO_PAD.encode(return_to))
    }

    /// The cookie is the client's: it is read as carefully as anything else.
    pub(crate) fn from_cookie(cookie: &str) -> Option<Self> {
        let mut parts = cookie.split('.');
        let (state, verifier, return_to) = (parts.next()?, parts.next()?, parts.next()?);
        let return_to = String::from_utf8(URL_SAFE_NO_PAD.decode(return_to).ok()?).ok()?;
        let sound =
            parts.next().is_none() && state.len() == 43 && verifier.len() == 43 && is_local(&return_to);
        sound.then(|| Self {
            state: state.to_owned(),
            verifier: verifier.to_owned(),
            return_to,
        })
    }

    /// Whether `state` is this attempt's. Hashes are compared, so that the time taken tells nothing about either text.
    pub(crate) fn is(&self, state: &str) -> bool {
        Sha256::digest(&self.state) == Sha256::digest(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_survives_its_cookie_and_knows_only_its_own_state() {
        let attempt = Attempt::begin("/ui/shortener?cursor=x".to_owned());
        let back = Attempt::from_cookie(&attempt.to_cookie()).expect("what was written");
        assert_eq!(back, attempt);
        assert!(back.is(&attempt.state));
        assert!(!back.is(&Attempt::begin("/".to_owned()).state) && !back.is(""));
    }

    #[test]
    fn a_forged_cookie_leads_nowhere_else() {
        let forge = |return_to: &str| {
            let mut attempt = Attempt::begin("/".to_owned());
            return_to.clone_into(&mut attempt.return_to);
            Attempt::from_cookie(&attempt.to_cookie())
        };
        assert!(forge("/").is_some());
        assert!(forge("//evil").is_none() && forge("https://evil").is_none());
        for cookie in ["", "a.b.c", "..", "a.b.c.d"] {
            assert!(Attempt::from_cookie(cookie).is_none(), "{cookie}");
        }
    }

    #[test]
    fn the_challenge_is_that_of_rfc_7636() {
        // Appendix B of the RFC.
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".to_owned();
        let attempt = Attempt {
            state: String::new(),
            verifier,
            return_to: String::new(),
        };
        assert_eq!(attempt.challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
