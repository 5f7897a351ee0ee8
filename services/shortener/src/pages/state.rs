//! How a link is doing, in words.

use pages::{Markup, Tone, badge, html};

use crate::http::show_moment;
use crate::link::{CountedLink, Lifetime};

/// A mark and a word or two.
pub(super) fn state(counted: &CountedLink, now_ms: u64) -> Markup {
    let (tone, text) = said(counted, now_ms);
    badge(tone, &text)
}

fn said(counted: &CountedLink, now_ms: u64) -> (Tone, String) {
    let (link, details) = (&counted.link, &counted.link.details);
    if details.archived {
        return (Tone::Plain, "archived".to_owned());
    }
    if link.lifetime.is_over(now_ms) {
        return (Tone::Bad, "expired".to_owned());
    }
    if details.click_cap.is_some_and(|cap| counted.clicks.count >= cap) {
        return (Tone::Bad, "used up".to_owned());
    }
    if let Some(from) = details.active_from_ms.filter(|from| *from > now_ms) {
        return (Tone::Plain, format!("from {}", minute(from)));
    }
    match link.lifetime {
        Lifetime::Permanent => (Tone::Good, "permanent".to_owned()),
        Lifetime::UntilDeleted => (Tone::Good, "active".to_owned()),
        Lifetime::Until(at_ms) => (Tone::Good, format!("until {}", minute(at_ms))),
    }
}

/// What is special about it, in a few words each.
pub(super) fn traits(counted: &CountedLink) -> Vec<String> {
    let details = &counted.link.details;
    let routes = details.routing.rules.len() + details.routing.weighted.len();
    [
        details.password.is_some().then(|| "password".to_owned()),
        details.click_cap.map(|cap| format!("at most {cap} clicks")),
        (routes > 0).then(|| format!("{routes} further destinations")),
        details
            .edge_cache_s
            .map(|seconds| format!("edges may answer for {seconds} s")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// `2027-01-01 10:30 UTC`.
pub(super) fn minute(at_ms: u64) -> String {
    let text = show_moment(at_ms);
    format!("{} {} UTC", &text[..10], &text[11..16])
}

/// A moment that programs can read too.
pub(super) fn moment(at_ms: u64) -> Markup {
    html! { time datetime=(show_moment(at_ms)) { (minute(at_ms)) } }
}
