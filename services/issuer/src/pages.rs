//! What people see.

pub(crate) mod sign_in;

use http::StatusCode;
use pages::{Html, Page, Place, Tone, html, link_button, notice, page};

/// A page that says why it does not go on, and where to go instead.
pub(crate) fn error_page(status: StatusCode, title: &str, why: &str) -> Html {
    let body = html! {
        div.narrow {
            h1 { (title) }
            (notice(Tone::Bad, &html! { (why) }))
            (link_button("/", "To the start page"))
        }
    };
    page(&Page {
        title,
        role: crate::ROLE,
        place: Place::SignIn,
        signed_in: None,
        body,
    })
    .with_status(status)
}
