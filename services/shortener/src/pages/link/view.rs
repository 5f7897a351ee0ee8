//! What one link's page looks like.

use pages::{
    Html, Markup, Page, Place, Script, Tone, button, card, copy_button, disclosure, html, notice, page,
    script,
};

use super::super::charts::{PERIODS, Period, breakdown, last_hour, range};
use super::super::fields::{Purpose, fields};
use super::super::form::LinkForm;
use super::super::state::{moment, state, traits};
use super::super::{HOME, SignedIn};
use crate::http::App;
use crate::link::{Code, CountedLink};
use crate::statistics::Report;

/// The parts that are kept up to date.
pub(in super::super) const TOTALS_ID: &str = "totals";
pub(in super::super) const HOUR_ID: &str = "last-hour";

/// What just happened.
pub(in super::super) enum Said {
    Done(&'static str),
    Refused(String),
}

/// One link with all that is known of it.
pub(super) struct LinkPage<'a> {
    pub(super) app: &'a App,
    pub(super) who: &'a SignedIn,
    pub(super) counted: &'a CountedLink,
    pub(super) report: &'a Report,
    pub(super) period: Period,
    pub(super) now_ms: u64,
    pub(super) form: LinkForm,
    /// Whether the form was sent and is to be looked at again.
    pub(super) edited: bool,
    pub(super) said: Option<Said>,
}

impl LinkPage<'_> {
    pub(super) fn draw(&self) -> Html {
        let (link, code) = (&self.counted.link, self.counted.link.code);
        let name = link.details.title.as_deref().unwrap_or(code.as_str());
        let body = html! {
            p.back { a href=(HOME) { "All links" } }
            h1 { (name) }
            @match &self.said {
                Some(Said::Done(what)) => (notice(Tone::Good, &html! { (what) })),
                Some(Said::Refused(why)) => (notice(Tone::Bad, &html! { (why) })),
                None => {}
            }
            div.sheet {
                (card("link", "The link", &self.about()))
                (card("qr", "QR code", &self.qr()))
            }
            (card("clicks", "Clicks", &self.clicks()))
            (card("edit", "Change it", &self.forms()))
            (script("shortener", Script::Copy))
            (script("shortener", Script::Live))
        };
        page(&Page {
            title: name,
            role: "shortener",
            place: Place::Links,
            signed_in: Some(self.who.shown()),
            body,
        })
        .with_scripts()
    }

    fn about(&self) -> Markup {
        let (link, details) = (&self.counted.link, &self.counted.link.details);
        let url = self.app.short_url(&link.code);
        let bad = &self.app.links.bad_urls;
        let traits = traits(self.counted, bad, self.now_ms);
        html! {
            p.short { a href=(url) { (url) } " " (copy_button(&url, &format!("Copy {url}"))) }
            dl {
                dt { "Leads to" } dd { a href=(link.target.as_str()) rel="noreferrer" { (link.target.as_str()) } }
                dt { "State" } dd { (state(self.counted, bad, self.now_ms)) @for one in &traits { br; (one) } }
                @if let Some(fallback) = &details.fallback {
                    dt { "Otherwise to" } dd { a href=(fallback.as_str()) rel="noreferrer" { (fallback.as_str()) } }
                }
                @if !link.tags.as_slice().is_empty() { dt { "Tags" } dd { (link.tags.as_slice().join(", ")) } }
                @if let Some(owner) = &details.owner { dt { "Owner" } dd { (owner.as_str()) } }
                dt { "Made" } dd { (moment(link.created_at_ms)) }
                @if link.updated_at_ms != link.created_at_ms { dt { "Changed" } dd { (moment(link.updated_at_ms)) } }
                @if let Some(notes) = &details.notes {
                    dt { "Notes" } dd { @for line in notes.lines() { (line) br; } }
                }
            }
        }
    }

    fn qr(&self) -> Markup {
        let code = &self.counted.link.code;
        let at = |query: &str| format!("/v1/links/{code}/qr?{query}");
        html! {
            img.qr src=(at("format=svg")) width="192" height="192" alt=(format!("QR code of {}", self.app.short_url(code)));
            p.hint {
                a href=(at("format=svg&size=512")) download=(format!("{code}.svg")) { "SVG" } " · "
                a href=(at("format=png&size=1024")) download=(format!("{code}.png")) { "PNG" }
            }
        }
    }

    fn clicks(&self) -> Markup {
        let code = &self.counted.link.code;
        let report = self.report;
        let title = PERIODS
            .iter()
            .find(|(_, period)| *period == self.period)
            .map_or("", |(name, _)| name);
        html! {
            div data-live=(format!("{HOME}/{code}/live")) {
                p.live data-live-state hidden { (pages::badge(Tone::Good, "live")) }
                div id=(TOTALS_ID) { (totals(self.counted)) }
                div id=(HOUR_ID) { (last_hour(report)) }
            }
            nav.periods aria-label="Period" {
                ul {
                    @for (name, period) in &PERIODS {
                        li { a href=(format!("{HOME}/{code}?period={}#clicks", period.word)) aria-current=[(*period == self.period).then_some("true")] { (name) } }
                    }
                }
            }
            (range(report, &format!("The last {}", title.trim_start_matches("a "))))
            dl.figures {
                div { dt { "Visitors" } dd { (report.uniques) } }
                div { dt { "Robots" } dd { (report.bots) } }
                @if report.late > 0 { div { dt { "Too late to place" } dd { (report.late) } } }
            }
            p.hint { "Visitors are told apart for one day at a time, about; robots are not among the clicks." }
            div.grid.pairs {
                (breakdown("Referrers", "none given", &report.referrers))
                (breakdown("Countries", "not known", &report.countries))
                (breakdown("Devices", "not known", &report.devices))
                (breakdown("Browsers", "not known", &report.browsers))
            }
        }
    }

    fn forms(&self) -> Markup {
        let (code, details) = (&self.counted.link.code, &self.counted.link.details);
        let has_password = details.password.is_some();
        let at = |verb: &str| format!("{HOME}/{code}/{verb}");
        let edit = html! {
            form method="post" action=(format!("{HOME}/{code}")) {
                input type="hidden" name="revision" value=(self.form.revision);
                (fields(&self.form, &self.app.links.limits, Purpose::Change { has_password }))
                (button("Save"))
            }
        };
        html! {
            (disclosure("change", "Address, tags and options", self.edited, &edit))
            div.verbs {
                @if details.archived {
                    form method="post" action=(at("restore")) { button.quiet type="submit" { "Restore" } }
                } @else {
                    form method="post" action=(at("archive")) { button.quiet type="submit" { "Archive" } }
                }
                (disclosure("delete", "Delete", false, &html! {
                    form method="post" action=(at("delete")) {
                        p { "Its clicks are forgotten with it. A generated code is never used again; an alias is free for others." }
                        button.danger type="submit" { "Delete " (code) " for good" }
                    }
                }))
            }
        }
    }
}

/// What is shown where there is no such link, or another tenant's.
pub(super) fn missing(who: &SignedIn, code: &Code) -> Html {
    let body = html! {
        h1 { "No such link" }
        p.lead { "There is no link " code { (code) } " among those of " (who.shown().tenant) ". It may have been deleted." }
        p { a href=(HOME) { "All links" } }
    };
    page(&Page {
        title: "No such link",
        role: "shortener",
        place: Place::Links,
        signed_in: Some(who.shown()),
        body,
    })
    .with_status(http::StatusCode::NOT_FOUND)
}

/// How often it was followed, ever.
pub(in super::super) fn totals(counted: &CountedLink) -> Markup {
    html! {
        dl.figures {
            div { dt { "Clicks in all" } dd.number { (counted.clicks.count) } }
            div { dt { "Last" } dd { @match counted.clicks.last_at_ms { Some(at_ms) => (moment(at_ms)), None => "never" } } }
        }
    }
}
