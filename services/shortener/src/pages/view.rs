//! What the list of links looks like, and the form above it.

use pages::{
    Column, Field, Html, Input, Markup, Page, Place, Script, Tone, button, card, copy_button, empty, html,
    link_button, notice, page, script, table,
};

use super::fields::{Purpose, fields};
use super::form::LinkForm;
use super::state::{minute, state, traits};
use super::{HOME, SignedIn, Wanted};
use crate::http::App;
use crate::link::{Code, CountedLink};

/// What just happened.
#[derive(Clone, Debug)]
pub(super) enum Notice {
    /// A link was made.
    Made(Code),
    /// A link was deleted.
    Deleted(Code),
    /// Nothing was done, and why.
    Refused(String),
}

/// A form, and the list below it.
pub(super) struct ListPage<'a> {
    pub(super) app: &'a App,
    pub(super) who: &'a SignedIn,
    pub(super) links: &'a [CountedLink],
    pub(super) now_ms: u64,
    /// Whether this is the first page of the list.
    pub(super) first: bool,
    /// Which links were looked for.
    pub(super) wanted: &'a Wanted,
    /// Where the next page of the list is.
    pub(super) next: Option<String>,
    pub(super) form: LinkForm,
    pub(super) notice: Option<Notice>,
}

impl ListPage<'_> {
    pub(super) fn draw(&self) -> Html {
        let body = html! {
            h1 { "Links" }
            @if let Some(notice) = &self.notice { (self.said(notice)) }
            (card("new", "A new link", &self.new_link()))
            (card("links", &self.title(), &self.list()))
            (script("shortener", Script::Copy))
        };
        page(&Page {
            title: "Links",
            role: "shortener",
            place: Place::Links,
            signed_in: Some(self.who.shown()),
            body,
        })
        .with_scripts()
    }

    fn said(&self, what: &Notice) -> Markup {
        match what {
            Notice::Made(code) => {
                let url = self.app.short_url(code);
                let body = html! {
                    "made " a href=(url) { (url) } " "
                    span.beside {
                        (copy_button(&url, &format!("Copy {url}")))
                        a href=(format!("{HOME}/{code}")) { "Watch it, get its QR code" }
                    }
                };
                notice(Tone::Good, &body)
            }
            Notice::Deleted(code) => notice(Tone::Good, &html! { "deleted " (code) }),
            Notice::Refused(why) => notice(Tone::Bad, &html! { (why) }),
        }
    }

    fn new_link(&self) -> Markup {
        html! {
            form method="post" action=(HOME) {
                input type="hidden" name="key" value=(self.form.key);
                (fields(&self.form, &self.app.links.limits, Purpose::New))
                (button("Shorten"))
            }
        }
    }

    /// Everybody's of the tenant, whoever looks.
    fn title(&self) -> String {
        let all = *self.wanted == Wanted::default();
        let what = if all { "All links" } else { "Links" };
        format!("{what} of {}", self.who.shown().tenant)
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
        let nothing = match (self.first, *self.wanted == Wanted::default(), &self.next) {
            (_, _, Some(_)) => "None among those that were looked at. There are older ones.",
            (true, true, None) => "No links yet. The first one is a form away.",
            (true, false, None) => "No link is like that.",
            (false, _, None) => "No more links.",
        };
        html! {
            (self.search())
            @if rows.is_empty() {
                (empty(nothing))
            } @else {
                (table(&format!("{}, newest first", self.title()), &columns, &rows))
            }
            div.pager {
                @if !self.first { (link_button(&self.wanted.address(None), "Newest")) }
                @if let Some(next) = &self.next { (link_button(next, "Older")) }
            }
        }
    }

    fn search(&self) -> Markup {
        let wanted = self.wanted;
        let field = |label, name, input, value| {
            let field = Field {
                label,
                name,
                input,
                value,
                length_max: 200,
                ..Field::default()
            };
            pages::field(&field)
        };
        html! {
            form.search method="get" action=(HOME) role="search" {
                (field("Search", "q", Input::Search, &wanted.q))
                (field("Tag", "tag", Input::Text, &wanted.tag))
                (pages::checkbox("Archived", "archived", "yes", wanted.archived.is_some()))
                button.quiet type="submit" { "Find" }
                @if *wanted != Wanted::default() { a href=(HOME) { "All links" } }
            }
        }
    }

    fn tags(counted: &CountedLink) -> Markup {
        let tags = counted.link.tags.as_slice();
        let found = |tag: &String| {
            let wanted = Wanted {
                tag: tag.clone(),
                ..Wanted::default()
            };
            wanted.address(None)
        };
        html! {
            @if !tags.is_empty() { div.tags { @for tag in tags { a.tag href=(found(tag)) { (tag) } } } }
        }
    }

    fn row(&self, counted: &CountedLink) -> Vec<Markup> {
        let (link, code) = (&counted.link, counted.link.code);
        let url = self.app.short_url(&code);
        let last = counted
            .clicks
            .last_at_ms
            .map(|at_ms| format!("Last: {}", minute(at_ms)));
        let bad = &self.app.links.bad_urls;
        let traits = traits(counted, bad, self.now_ms);
        vec![
            html! { a href=(url) { (code) } (copy_button(&url, &format!("Copy {url}"))) },
            html! {
                @if let Some(title) = &link.details.title { p.name { (title) } }
                a href=(link.target.as_str()) rel="noreferrer" { (link.target.as_str()) }
            },
            html! { (state(counted, bad, self.now_ms)) @if !traits.is_empty() { p.hint { (traits.join(", ")) } } },
            Self::tags(counted),
            html! { span title=[last] { (counted.clicks.count) } },
            html! { a.button.quiet href=(format!("{HOME}/{code}")) aria-label=(format!("Details of {code}")) { "Details" } },
        ]
    }
}
