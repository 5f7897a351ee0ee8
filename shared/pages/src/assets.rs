//! The style sheet, the logo and the scripts, embedded in the binary and served by each role under its own prefix.

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

const BASE_STYLE: &str = include_str!("../assets/style.css");
/// How charts look, whether in a page or in a file of their own.
pub(crate) const CHART_STYLE: &str = include_str!("../assets/chart.css");
const STYLE: &str = concat!(
    include_str!("../assets/style.css"),
    include_str!("../assets/chart.css"),
    include_str!("../assets/watch.css")
);
const LOGO: &str = include_str!("../assets/logo.svg");
const COPY: &str = include_str!("../assets/copy.js");
const LIVE: &str = include_str!("../assets/live.js");

/// Changes when an asset does: it is in the asset's URL, so browsers may keep what they have for ever (FNV-1a, 64 bits).
pub(crate) const VERSION: u64 = {
    let files = [STYLE, LOGO, COPY, LIVE];
    let (mut i, mut hash) = (0, 0xcbf2_9ce4_8422_2325);
    while i < files.len() {
        hash = fnv1a(files[i].as_bytes(), hash);
        i += 1;
    }
    hash
};

const fn fnv1a(bytes: &[u8], mut hash: u64) -> u64 {
    let mut i = 0;
    while i < bytes.len() {
        hash = (hash ^ bytes[i] as u64).wrapping_mul(0x0100_0000_01b3);
        i += 1;
    }
    hash
}

/// The head of the style sheet: the names of the colours, light and dark.
pub(crate) fn colours() -> &'static str {
    BASE_STYLE.split_once("\n*,").map_or(BASE_STYLE, |(head, _)| head)
}

/// The URL of an asset as pages of `role` name it.
pub(crate) fn url(role: &str, file: &str) -> String {
    format!("/ui/{role}/assets/{file}?v={VERSION:016x}")
}

/// Routes `/ui/<role>/assets/style.css`, `logo.svg` and the scripts; merge it into the role's router. Needs no sign-in.
pub fn assets_router<S: Clone + Send + Sync + 'static>(role: &str) -> Router<S> {
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    let files = [
        ("style.css", "text/css; charset=utf-8", STYLE),
        ("logo.svg", "image/svg+xml", LOGO),
        ("copy.js", SCRIPT, COPY),
        ("live.js", SCRIPT, LIVE),
    ];
    files
        .into_iter()
        .fold(Router::new(), |router, (file, kind, body)| {
            router.route(
                &format!("/ui/{role}/assets/{file}"),
                get(async move || asset(kind, body)),
            )
        })
}

fn asset(content_type: &'static str, body: &'static str) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (
            CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        ),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    (headers, body)
}
