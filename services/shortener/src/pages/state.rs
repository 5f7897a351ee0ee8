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
    if is_blocked(link, bad, now_ms) {
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

/// Whether nobody is led on, for every place became known as bad since it was stored. Until a link's time has come its fallback is
/// one of them.
fn is_blocked(link: &Link, bad: &BadUrls, now_ms: u64) -> bool {
    let waits = link
        .details
        .active_from_ms
        .is_some_and(|from_ms| from_ms > now_ms);
    let until_then = link.details.fallback.as_ref().filter(|_| waits);
    let mut everywhere = places(link).chain(until_then);
    bad.has_some() && everywhere.all(|url| bad.contains(url.as_str()))
}

/// Whether some are not led on, or will not be.
fn is_partly_blocked(link: &Link, bad: &BadUrls, now_ms: u64) -> bool {
    let mut all = places(link).chain(&link.details.fallback);
    bad.has_some() && !is_blocked(link, bad, now_ms) && all.any(|url| bad.contains(url.as_str()))
}

/// What is special about it, in a few words each.
pub(super) fn traits(counted: &CountedLink, bad: &BadUrls, now_ms: u64) -> Vec<String> {
    let details = &counted.link.details;
    let routes = details.routing.rules.len() + details.routing.weighted.len();
    [
        is_partly_blocked(&counted.link, bad, now_ms)
            .then(|| "partly blocked: known to be harmful".to_owned()),
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

#[cfg(test)]
mod tests {
    use identity::Tenant;
    use ids::Id;

    use super::*;
    use crate::link::{Clicks, Code, Details, KnownBad, Tags};

    const GOOD: &str = "https://good.example/";
    const EVIL: &str = "https://evil.example/";
    const NOW_MS: u64 = 1_000;

    fn url(text: &str) -> TargetUrl {
        TargetUrl::from_store(text.to_owned())
    }

    fn link(target: &str, fallback: Option<&str>, active_from_ms: u64) -> CountedLink {
        let details = Details {
            active_from_ms: Some(active_from_ms),
            fallback: fallback.map(url),
            ..Details::default()
        };
        let link = Link {
            id: Id::from_u64(7).unwrap(),
            tenant: Tenant::parse("acme").unwrap(),
            code: Code::parse("rust").unwrap(),
            target: url(target),
            lifetime: Lifetime::UntilDeleted,
            tags: Tags::default(),
            created_at_ms: 1,
            updated_at_ms: 1,
            revision: 1,
            details,
        };
        CountedLink {
            link,
            clicks: Clicks::default(),
        }
    }

    #[test]
    fn a_link_whose_time_has_not_come_is_blocked_only_if_its_fallback_is_too() {
        const BLOCKED: &str = "blocked: known to be harmful";
        const WAITS: &str = "from 1970-01-01 00:00 UTC";
        let bad = BadUrls::default();
        bad.replace(KnownBad::parse("evil.example").0);
        for (target, fallback, from_ms, state, partly) in [
            (EVIL, Some(GOOD), NOW_MS + 1, WAITS, true),
            (EVIL, Some(GOOD), NOW_MS, BLOCKED, false),
            (EVIL, Some(EVIL), NOW_MS + 1, BLOCKED, false),
            (EVIL, None, NOW_MS + 1, BLOCKED, false),
            (GOOD, Some(EVIL), NOW_MS + 1, WAITS, true),
            (GOOD, Some(GOOD), NOW_MS + 1, WAITS, false),
        ] {
            let link = link(target, fallback, from_ms);
            let traits = traits(&link, &bad, NOW_MS);
            let found = traits.iter().any(|one| one.starts_with("partly blocked"));
            assert_eq!(
                (said(&link, &bad, NOW_MS).1.as_str(), found),
                (state, partly),
                "{target} {fallback:?} {from_ms}"
            );
        }
    }
}
