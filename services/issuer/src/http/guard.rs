//! Who may see and send the sign-in form. Anybody who can may be anybody, so: only a browser on this machine, and only a
//! form of our own.

use http::header::{HOST, HeaderName, ORIGIN};
use http::{HeaderMap, Uri};

use super::App;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

fn is_loopback(authority: &str) -> bool {
    let Ok(uri) = format!("http://{authority}/").parse::<Uri>() else {
        return false;
    };
    match uri.host() {
        Some("localhost") => true,
        Some(host) => host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

/// Whether nobody but this machine can have asked: the issuer is reachable from nowhere else, and the page was asked for by a
/// loopback name. A site that makes its own name lead to this machine (DNS rebinding) is stopped here. The name alone proves
/// nothing where others can reach us, for whoever writes a request writes its `Host`.
pub(super) fn is_local(headers: &HeaderMap, app: &App) -> bool {
    app.rules.people_may_sign_in && text(headers, HOST).is_some_and(is_loopback)
}

/// Whether a form was sent by a page of ours: browsers say so, and scripts on other sites cannot make them lie.
pub(super) fn is_own_form(headers: &HeaderMap, app: &App) -> bool {
    let own_site = text(headers, SEC_FETCH_SITE).is_none_or(|site| site == "same-origin");
    let public = app
        .rules
        .issuer
        .split_once("://")
        .map_or("", |(_, authority)| authority);
    own_site && headers.contains_key(ORIGIN) && server::same_origin(headers, public)
}
