//! Signing in: authorization code with PKCE (RFC 7636) at the issuer. The browser ends with a cookie that holds the token.

mod attempt;
mod exchange;

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{HOST, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use maud::html;
use pages::{Page, Place, Tone};
use serde::Deserialize;
use server::Query;
use url::form_urlencoded;

use crate::error::Refusal;
use crate::gateway::Gateway;
use crate::headers::cookies;
use crate::path::is_local;
use attempt::Attempt;

/// Where the issuer sends the browser back to.
pub(crate) const CALLBACK: &str = "/ui/callback";
/// Where a browser starts.
pub(crate) const LOGIN: &str = "/ui/login";
/// Where it ends its session.
pub(crate) const LOGOUT: &str = "/ui/logout";
/// How the issuer knows us. A public client: PKCE stands in for a secret.
pub(crate) const CLIENT_ID: &str = "orrery-gateway";
/// What a session may do. Not `openid`: who it is stands in the access token, and an ID token would be thrown away.
const SCOPE: &str =
    "links:read links:write ledger:read ledger:write payments:read payments:write console:read";
/// Where people land who did not come from anywhere.
const HOME: &str = "/ui/shortener";

#[derive(Debug, Deserialize)]
pub(crate) struct LoginQuery {
    return_to: Option<String>,
}

/// What the issuer sends back (RFC 6749, and `iss` of RFC 9207); other parameters are left alone.
#[derive(Debug, Deserialize)]
pub(crate) struct CallbackQuery {
    code: Option<String>,
    state: Option<String>,
    iss: Option<String>,
    error: Option<String>,
}

/// The sign-in address that leads back to `return_to`.
pub(crate) fn login_url(return_to: &str) -> String {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("return_to", return_to)
        .finish();
    format!("{LOGIN}?{query}")
}

/// `GET /ui/login`: off to the issuer, with a cookie that the callback compares.
pub(crate) async fn login(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    Query(query): Query<LoginQuery>,
) -> Response {
    let return_to = query
        .return_to
        .filter(|target| is_local(target))
        .unwrap_or_else(|| HOME.to_owned());
    let public = &gateway.public;
    // The issuer sends the browser back to the public address; begun under another name, the cookie would not be there.
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    if host.is_some_and(|host| !host.eq_ignore_ascii_case(public.authority.as_str())) {
        return to(&format!("{}{}", public.text(), login_url(&return_to)), []);
    }
    let attempt = Attempt::begin(return_to);
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("client_id", CLIENT_ID)
        .append_pair("redirect_uri", &format!("{}{CALLBACK}", public.text()))
        .append_pair("scope", SCOPE)
        .append_pair("state", &attempt.state)
        .append_pair("code_challenge", &attempt.challenge())
        .append_pair("code_challenge_method", "S256")
        .finish();
    let cookie = gateway
        .cookies
        .set_sign_in(&attempt.to_cookie(), gateway.sign_in_s);
    to(&format!("{}/oauth2/authorize?{query}", public.text()), [cookie])
}

/// Why a sign-in came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SignInError {
    #[error("This sign-in was not begun in this browser, or took too long.")]
    NotBegunHere,
    #[error("The answer came from another issuer than ours.")]
    WrongIssuer,
    #[error("The issuer did not let you in.")]
    Denied,
    #[error("The issuer cannot be reached at the moment.")]
    IssuerUnavailable,
    #[error("The issuer did not accept the sign-in. It may have been used already.")]
    CodeRefused,
    #[error("The issuer's token is not one that we accept.")]
    BadToken,
}

impl SignInError {
    fn code(self) -> &'static str {
        match self {
            Self::NotBegunHere => "not_begun_here",
            Self::WrongIssuer => "wrong_issuer",
            Self::Denied => "denied",
            Self::IssuerUnavailable => "issuer_unavailable",
            Self::CodeRefused => "code_refused",
            Self::BadToken => "bad_token",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::NotBegunHere | Self::WrongIssuer | Self::CodeRefused => StatusCode::BAD_REQUEST,
            Self::Denied => StatusCode::FORBIDDEN,
            Self::IssuerUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::BadToken => StatusCode::BAD_GATEWAY,
        }
    }
}

/// `GET /ui/callback`: the code becomes a token, the token a cookie.
pub(crate) async fn callback(
    State(gateway): State<Arc<Gateway>>,
    headers: HeaderMap,
    Query(query): Query<CallbackQuery>,
) -> Response {
    let attempt = cookies::read(&headers, &gateway.cookies.sign_in).and_then(Attempt::from_cookie);
    match finish(&gateway, attempt, query).await {
        Ok((session, return_to)) => {
            gateway.metrics.sign_in("ok");
            to(&return_to, [Some(session), gateway.cookies.end_sign_in()])
        }
        Err(error) => {
            gateway.metrics.sign_in(error.code());
            failed(&gateway, error)
        }
    }
}

async fn finish(
    gateway: &Gateway,
    attempt: Option<Attempt>,
    query: CallbackQuery,
) -> Result<(HeaderValue, String), SignInError> {
    // The state is compared first: before that, nothing in the query is known to be meant for this browser.
    let state = query.state.ok_or(SignInError::NotBegunHere)?;
    let attempt = attempt
        .filter(|attempt| attempt.is(&state))
        .ok_or(SignInError::NotBegunHere)?;
    // Ours always says who it is (RFC 9207), so an answer without it is another's.
    if query.iss.as_deref() != Some(gateway.verifier.settings().issuer.as_str()) {
        return Err(SignInError::WrongIssuer);
    }
    if query.error.is_some() {
        return Err(SignInError::Denied);
    }
    let code = query.code.ok_or(SignInError::Denied)?;
    let token = exchange::code_for_token(gateway, &code, &attempt.verifier).await?;
    gateway
        .verifier
        .verify(&token.access_token)
        .await
        .map_err(|_| SignInError::BadToken)?;
    let session = gateway.cookies.set_session(&token.access_token, token.expires_in);
    Ok((session.ok_or(SignInError::BadToken)?, attempt.return_to))
}

/// `POST /ui/logout`: from our own pages only, or any site could sign people out.
pub(crate) async fn logout(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Response {
    if !server::same_origin(&headers, gateway.public.authority.as_str()) {
        gateway.metrics.refused("gateway", Refusal::Csrf.code());
        return Refusal::Csrf.into_response();
    }
    to("/", [gateway.cookies.end_session()])
}

fn to<const N: usize>(target: &str, cookies: [Option<HeaderValue>; N]) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    if let Ok(target) = HeaderValue::from_str(target) {
        headers.insert(LOCATION, target);
    }
    headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // The way back carries the code: no page may learn it from the address it came from.
    headers.insert(
        http::header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    for cookie in cookies.into_iter().flatten() {
        headers.append(SET_COOKIE, cookie);
    }
    response
}

fn failed(gateway: &Gateway, error: SignInError) -> Response {
    let body = html! {
        h1 { "Not signed in" }
        (pages::notice(Tone::Bad, &html! { (error) }))
        p { (pages::link_button(LOGIN, "Try again")) }
    };
    let page = Page {
        title: "Not signed in",
        role: "gateway",
        place: Place::SignIn,
        signed_in: None,
        body,
    };
    let mut response = pages::page(&page).with_status(error.status()).into_response();
    if let Some(end) = gateway.cookies.end_sign_in() {
        response.headers_mut().append(SET_COOKIE, end);
    }
    response
}
