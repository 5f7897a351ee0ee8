//! How a link is doing, in words.

use pages::{Markup, Tone, badge, html};

use crate::http::show_moment;
use crate::link::{CountedLink, Lifetime, Link, TargetUrl};
use crate::operations::BadUrls;

/// A mark and a word or two.
pub(super) fn state(counted: &CountedLink, bad: &BadUrls, now_ms: u64) -> Markup {
    let (tone, text) = said(counted, bad, now_ms);
    badge(tone, &text)
}

fn said(counted: &CountedLink, bad: &BadUrls, now_ms: u64) -> (Tone, String) {
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
    if is_blocked(link, bad) {
        return (Tone::Bad, "blocked: known to be harmful".to_owned());
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

/// Wherever it may lead in its time. Whom no rule fits is led to its own address, unless shares take everybody.
fn places(link: &Link) -> impl Iterator<Item = &TargetUrl> {
    let routing = &link.details.routing;
    let own = routing.weighted.is_empty().then_some(&link.target);
    own.into_iter()
        .chain(routing.rules.iter().map(|rule| &rule.to))
        .chain(routing.weighted.iter().map(|share| &share.to))
}

/// Whether nobody is led on, for every place became known as bad since it was stored.
fn is_blocked(link: &Link, bad: &BadUrls) -> bool {
    bad.has_some() && places(link).all(|url| bad.contains(url.as_str()))
}

/// Whether some are not led on, or will not be.
fn is_partly_blocked(link: &Link, bad: &BadUrls) -> bool {
    let mut all = places(link).chain(&link.details.fallback);
    bad.has_some() && !is_blocked(link, bad) && all.any(|url| bad.contains(url.as_str()))
}

/// What is special about it, in a few words each.
pub(super) fn traits(counted: &CountedLink, bad: &BadUrls) -> Vec<String> {
    let details = &counted.link.details;
    let routes = details.routing.rules.len() + details.routing.weighted.len();
    [
        is_partly_blocked(&counted.link, bad).then(|| "partly blocked: known to be harmful".to_owned()),
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
