//! What people see who follow a link that does not simply lead on. They need no account, and nothing here says whose link it is.

use pages::{Html, Markup, Page, Place, button, card, html, link_button, page};
use problem::Problem;

use crate::http::{PreviewBody, PreviewState};
use crate::link::Code;

fn small(title: &str, body: &Markup) -> Html {
    page(&Page {
        title,
        role: "shortener",
        // No place in the navigation, and no invitation to sign in: visitors have no account.
        place: Place::SignIn,
        signed_in: None,
        body: html! { div.narrow { (body) } },
    })
}

/// A link that leads nowhere, and why.
pub(crate) fn closed(problem: &Problem) -> Html {
    let (title, words) = match problem.code() {
        "not_found" => (
            "No such link",
            "There is no link at this address. It may be mistyped, or its owner has deleted it.",
        ),
        "gone" => (
            "This link has expired",
            "Its owner let it end, and it leads nowhere any more.",
        ),
        "link_archived" => (
            "This link is archived",
            "Its owner has put it away. It may come back.",
        ),
        "link_not_active_yet" => (
            "This link is not open yet",
            "Its time has not come. Try again later.",
        ),
        "click_cap_reached" => (
            "This link is used up",
            "It was for a limited number of visits, and all of them are taken.",
        ),
        "robot_refused" => (
            "Not for robots",
            "This link is for a limited number of visitors, and your program says that it is a robot.",
        ),
        "known_bad_url" => (
            "This link is blocked",
            "Where it leads is known to be harmful, so nobody is led there.",
        ),
        _ => ("This link cannot be followed", problem.detail()),
    };
    small(title, &html! { h1 { (title) } p.lead { (words) } })
}

/// The form of a link with a password; says what was wrong with the last try.
pub(crate) fn password(code: &Code, problem: &Problem) -> Html {
    let title = "This link has a password";
    let error = match problem.code() {
        "password_wrong" => Some("This is not the password, or there is no such link.".to_owned()),
        "too_many_password_tries" => {
            let wait = problem.retry_after_hint().unwrap_or_default().as_secs().max(1);
            Some(format!("Too many passwords were tried. Wait {wait} seconds."))
        }
        _ => None,
    };
    let form = html! {
        form method="post" action=(format!("/{code}")) {
            div.field {
                label for="password" { "Password" }
                input type="password" id="password" name="password" autocomplete="off" required autofocus
                    aria-describedby=[error.as_ref().map(|_| "password-error")]
                    aria-invalid=[error.as_ref().map(|_| "true")];
                @if let Some(error) = &error { p.error id="password-error" role="alert" { (error) } }
            }
            (button("Open"))
        }
    };
    small(
        title,
        &html! {
            h1 { (title) }
            p.lead { "Whoever gave you the link can tell you." }
            (card("unlock", "Open the link", &form))
        },
    )
}

/// What can be told about a link before it is followed.
pub(crate) fn preview(preview: &PreviewBody) -> Html {
    let words = match preview.state {
        PreviewState::Open => "This link leads to:",
        PreviewState::Fallback => "This link is out of its time, and leads to:",
        PreviewState::Password => "This link asks for a password before it tells where it leads.",
        PreviewState::Limited => {
            "This link may be followed a limited number of times, so it does not tell where it leads."
        }
        PreviewState::Archived => "This link is archived and leads nowhere.",
        PreviewState::NotYet => "This link is not open yet.",
        PreviewState::Expired => "This link has expired and leads nowhere.",
        PreviewState::Blocked => "Where this link leads is known to be harmful, so nobody is led there.",
    };
    let follows = matches!(
        preview.state,
        PreviewState::Open | PreviewState::Fallback | PreviewState::Password | PreviewState::Limited
    );
    small(
        "Where a link leads",
        &html! {
            h1 { "Where this link leads" }
            p.lead { (words) }
            @if let (Some(url), Some(host)) = (&preview.url, &preview.host) {
                dl {
                    dt { "Host" } dd { code { (host) } }
                    dt { "Address" } dd { code { (url) } }
                }
            }
            @if preview.international {
                div.notice.bad role="alert" {
                    strong { "Look twice: " }
                    "the host's name has letters that may look like those of another name. It is shown as computers spell it."
                }
            }
            @if preview.varies { p { "Visitors from elsewhere, or with other devices, may be led to other places." } }
            @if follows { div.actions { (link_button(&preview.short_url, "Follow it")) } }
        },
    )
}
