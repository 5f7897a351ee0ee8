//! A local OIDC issuer: tokens, key set, sign-in page
