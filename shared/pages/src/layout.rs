//! The frame of every page: header with navigation, one `main`, footer.

use maud::{DOCTYPE, Markup, html};

use crate::assets;
use crate::html::Html;

/// Which entry of the navigation the page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The start page.
    Start,
    /// The shortener's pages.
    Links,
    /// Payment's pages: accounts, payments, books, webhooks.
    Payment,
    /// The console: what the platform does, and how well.
    Console,
    /// The documents of every API.
    Docs,
    /// The sign-in page: no entry, and no invitation to sign in.
    SignIn,
}

/// Who is signed in, as the header shows it.
#[derive(Clone, Copy, Debug)]
pub struct SignedIn<'a> {
    /// The tenant.
    pub tenant: &'a str,
    /// The user.
    pub user: &'a str,
}

/// What makes a page.
#[derive(Clone, Debug)]
pub struct Page<'a> {
    /// The page's name: the tab shows it before ` · Orrery`.
    pub title: &'a str,
    /// The role that serves it: its assets are at `/ui/<role>/assets/`.
    pub role: &'a str,
    /// Where in the navigation it is.
    pub place: Place,
    /// Who is signed in, if anybody: shows the name and a sign-out button (`POST /ui/logout`), else a link to `/ui/login`.
    pub signed_in: Option<SignedIn<'a>>,
    /// What stands in `main`. It brings its own `h1`.
    pub body: Markup,
}

/// Draws the page.
pub fn page(page: &Page<'_>) -> Html {
    let style = assets::url(page.role, "style.css");
    let logo = assets::url(page.role, "logo.svg");
    Html::new(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (page.title) " · Orrery" }
                link rel="icon" type="image/svg+xml" href=(logo);
                link rel="stylesheet" href=(style);
            }
            body {
                a.skip href="#main" { "Skip to content" }
                (header(page, &logo))
                main #main tabindex="-1" { (page.body) }
                footer { p { "Orrery: a working model of a distributed system." } }
            }
        }
    })
}

fn header(page: &Page<'_>, logo: &str) -> Markup {
    html! {
        header {
            div.bar {
                a.brand href="/" { img src=(logo) alt="" width="32" height="32"; "Orrery" }
                nav aria-label="Main" {
                    ul {
                        li { (entry("/", "Start", page.place == Place::Start)) }
                        li { (entry("/ui/shortener", "Links", page.place == Place::Links)) }
                        li { (entry("/ui/payment", "Payments", page.place == Place::Payment)) }
                        li { (entry("/ui/console", "Console", page.place == Place::Console)) }
                        li { (entry("/docs", "API", page.place == Place::Docs)) }
                    }
                }
                div.who { (who(page)) }
            }
        }
    }
}

fn entry(href: &str, text: &str, current: bool) -> Markup {
    html! { a href=(href) aria-current=[current.then_some("page")] { (text) } }
}

fn who(page: &Page<'_>) -> Markup {
    html! {
        @if let Some(who) = &page.signed_in {
            span.name title="Signed in: user and tenant" { (who.user) " · " (who.tenant) }
            form method="post" action="/ui/logout" { button.quiet type="submit" { "Sign out" } }
        } @else if page.place != Place::SignIn {
            a.button.quiet href="/ui/login" { "Sign in" }
        }
    }
}
