//! What the page looks like.

use identity::Principal;
use pages::{
    Column, Field, Html, Input, Markup, Page, Place, SignedIn, Tone, button, card, checkbox, empty, field,
    html, link_button, notice, page, table,
};

use super::form::NewLinkForm;
use crate::http::{App, show_moment};
use crate::link::{Code, CountedLink, Lifetime};

/// What just happened.
#[derive(Clone, Debug)]
pub(super) enum Notice {
    /// A link was made; its short URL.
    Made(String),
    /// A link was deleted.
    Deleted(Code),
    /// Nothing was made, and why.
    Refused(String),
}

/// The one page there is: a form, and the list below it.
pub(super) struct ListPage<'a> {
    pub(super) app: &'a App,
    pub(super) who: &'a Principal,
    pub(super) links: &'a [CountedLink],
    pub(super) now_ms: u64,
    /// Whether this is the first page of the list.
    pub(super) first: bool,
    /// Where the next page of the list is.
    pub(super) next: Option<String>,
    pub(super) form: NewLinkForm,
    pub(super) notice: Option<Notice>,
}

impl ListPage<'_> {
    pub(super) fn draw(&self) -> Html {
        let body = html! {
            h1 { "Links" }
            @if let Some(notice) = &self.notice { (said(notice)) }
            (card("new", "A new link", &self.new_link()))
            (card("links", "Your links", &self.list()))
        };
        page(&Page {
            title: "Links",
            role: "shortener",
            place: Place::Links,
            signed_in: Some(SignedIn {
                tenant: self.who.tenant.as_str(),
                user: self.who.user.as_str(),
            }),
            body,
        })
    }

    fn new_link(&self) -> Markup {
        let form = &self.form;
        html! {
            form method="post" action="/ui/shortener" {
                input type="hidden" name="key" value=(form.key);
                (field(&Field {
                    label: "Address", name: "url", input: Input::Url, value: &form.url, error: form.error("url"),
                    hint: "An http or https address.", required: true, length_max: self.app.links.limits.url_bytes_max,
                    ..Field::default()
                }))
                div.columns {
                    (field(&Field {
                        label: "Alias", name: "alias", value: &form.alias, error: form.error("alias"),
                        hint: "3 to 64 letters, digits, _ and -. A code is generated without one.",
                        pattern: "[A-Za-z0-9_][A-Za-z0-9_\\-]*[A-Za-z0-9_]", length_max: 64, ..Field::default()
                    }))
                    (field(&Field {
                        label: "Expires (UTC)", name: "expires_at", input: Input::DateTime, value: &form.expires_at,
                        error: form.error("expires_at"), hint: "Not for a permanent link.", ..Field::default()
                    }))
                    (field(&Field {
                        label: "Tags", name: "tags", value: &form.tags, error: form.error("tags"),
                        hint: "Separated by commas.", ..Field::default()
                    }))
                }
                (checkbox("Permanent (answers 301)", "permanent", "yes", form.permanent.is_some()))
                (button("Shorten"))
            }
        }
    }

    fn list(&self) -> Markup {
        let text = |name| Column { name, number: false };
        let columns = [
            text("Short link"),
            text("Leads to"),
            text("State"),
            text("Tags"),
            Column {
                name: "Clicks",
                number: true,
            },
            text("Action"),
        ];
        let rows: Vec<Vec<Markup>> = self.links.iter().map(|counted| self.row(counted)).collect();
        html! {
            @if rows.is_empty() {
                (empty(if self.first { "No links yet. The first one is a form away." } else { "No more links." }))
            } @else {
                (table("Your links, newest first", &columns, &rows))
            }
            @if !self.first { (link_button("/ui/shortener", "Newest")) }
            @if let Some(next) = &self.next { (link_button(next, "Older")) }
        }
    }

    fn row(&self, counted: &CountedLink) -> Vec<Markup> {
        let (link, code) = (&counted.link, counted.link.code);
        let last = counted
            .clicks
            .last_at_ms
            .map(|at_ms| format!("Last: {}", show_moment(at_ms)));
        vec![
            html! { a href=(self.app.short_url(&code)) { (code) } },
            html! { a href=(link.target.as_str()) rel="noreferrer" { (link.target.as_str()) } },
            html! { (self.state(link.lifetime)) },
            html! { (link.tags.as_slice().join(", ")) },
            html! { span title=[last] { (counted.clicks.count) } },
            html! {
                form method="post" action=(format!("/ui/shortener/{code}/delete")) {
                    button.danger type="submit" aria-label=(format!("Delete {code}")) { "Delete" }
                }
            },
        ]
    }

    fn state(&self, lifetime: Lifetime) -> String {
        match lifetime {
            Lifetime::Permanent => "permanent".to_owned(),
            Lifetime::UntilDeleted => "active".to_owned(),
            Lifetime::Until(at_ms) if lifetime.is_over(self.now_ms) => {
                format!("expired {}", show_moment(at_ms))
            }
            Lifetime::Until(at_ms) => format!("until {}", show_moment(at_ms)),
        }
    }
}

fn said(what: &Notice) -> Markup {
    match what {
        Notice::Made(url) => notice(Tone::Good, &html! { "made " a href=(url) { (url) } }),
        Notice::Deleted(code) => notice(Tone::Good, &html! { "deleted " (code) }),
        Notice::Refused(why) => notice(Tone::Bad, &html! { (why) }),
    }
}
