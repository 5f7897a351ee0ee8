//! Logs of visits as producers, spools and retries make them.

use identity::Tenant;
use ids::Id;
use proptest::prelude::*;

use crate::clicks::{LinkVisits, VisitEvent};
use crate::statistics::{DAY_MS, LATENESS_MS, MINUTE_MS};
use crate::visit::{Browser, Country, Device, Kind, Visitor};

/// A day that begins at `START_MS`.
pub(super) const START_MS: u64 = 20_000 * DAY_MS;

/// One click as somebody made it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    pub tenant: u8,
    pub link: u64,
    pub at_ms: u64,
    pub visitor: u64,
    pub kind: u16,
    pub count: u64,
}

/// An event at its place in a log.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub position: u64,
    pub published_ms: u64,
    pub event: VisitEvent,
}

pub(super) fn tenant(number: u8) -> Tenant {
    Tenant::parse(["acme", "zeta"][usize::from(number)]).unwrap()
}

/// The kinds that visits are of; the last two are robots.
pub(super) fn kinds() -> Vec<Kind> {
    let kind = |country, device, browser, referrer: Option<&str>, bot| Kind {
        country: Country::parse(country),
        device,
        browser,
        bot,
        referrer: referrer.map(Into::into),
    };
    vec![
        kind(
            "DE",
            Device::Mobile,
            Browser::Firefox,
            Some("news.example"),
            false,
        ),
        kind("DE", Device::Desktop, Browser::Chrome, None, false),
        kind("", Device::Other, Browser::Other, None, false),
        kind(
            "US",
            Device::Mobile,
            Browser::Safari,
            Some("search.example"),
            false,
        ),
        kind("US", Device::Other, Browser::Other, None, true),
        kind("", Device::Desktop, Browser::Chrome, Some("bot.example"), true),
    ]
}

/// An event of some clicks; clicks on one link stand together.
pub(super) fn event(producer: u8, seq: u64, clicks: &[Made]) -> VisitEvent {
    let mut links: Vec<LinkVisits> = Vec::new();
    for made in clicks {
        let link = Id::from_u64(made.link).unwrap();
        let place = links
            .iter()
            .position(|visits| visits.link == link)
            .unwrap_or_else(|| {
                links.push(LinkVisits {
                    tenant: tenant(made.tenant),
                    link,
                    code: format!("code-{link}"),
                    // Not the first click's time: the reader must add up what is written.
                    from_ms: START_MS - DAY_MS,
                    visits: Vec::new(),
                });
                links.len() - 1
            });
        let after_ms = made.at_ms - links[place].from_ms;
        links[place]
            .visits
            .push((after_ms, made.count, Visitor(made.visitor), made.kind));
    }
    VisitEvent {
        producer: format!("{producer:016x}"),
        lane: 1,
        seq,
        kinds: kinds(),
        links,
        traces: Vec::new(),
    }
}

/// Clicks over about two days, with how long each waits until it is published (ms).
pub(super) fn clicks(wait_ms_max: u64) -> impl Strategy<Value = Vec<(Made, u64)>> {
    let made = (0_u64..6, 0_u64..2 * DAY_MS, 0_u64..25, 0_u16..6, 1_u64..4);
    let made = made.prop_map(|(link, after_ms, visitor, kind, count)| Made {
        // A link is one tenant's.
        tenant: u8::from(link >= 4),
        link: link + 1,
        at_ms: START_MS + after_ms,
        visitor,
        kind,
        count,
    });
    prop::collection::vec((made, 0..=wait_ms_max), 1..120)
}

/// Waits that keep every click in time.
pub(super) fn clicks_in_time() -> impl Strategy<Value = Vec<(Made, u64)>> {
    clicks(LATENESS_MS)
}

/// Makes a log: clicks are published when they have waited, `sizes` of them an event, by one of three producers each; `again` says after how many more
/// events which earlier one is published once more.
pub(super) fn log(mut clicks: Vec<(Made, u64)>, sizes: &[usize], again: &[(usize, usize)]) -> Vec<Entry> {
    clicks.sort_by_key(|(made, wait_ms)| made.at_ms + wait_ms);
    let mut sizes = sizes.iter().copied().cycle();
    let mut seqs = [0_u64; 3];
    let mut published: Vec<(u64, VisitEvent)> = Vec::new();
    let mut rest = clicks.as_slice();
    while !rest.is_empty() {
        let (now, later) = rest.split_at(sizes.next().unwrap_or(1).clamp(1, rest.len()));
        let producer = published.len() % 3;
        seqs[producer] += 1;
        let made: Vec<Made> = now.iter().map(|(made, _)| *made).collect();
        let published_ms = now
            .iter()
            .map(|(made, wait_ms)| made.at_ms + wait_ms)
            .max()
            .unwrap_or(0)
            + 40;
        let producer = u8::try_from(producer).unwrap();
        published.push((published_ms, event(producer, seqs[usize::from(producer)], &made)));
        rest = later;
    }
    for &(which, after) in again {
        let which = which % published.len();
        let place = (which + 1 + after).min(published.len());
        let published_ms = published[place - 1].0;
        let copy = published[which].1.clone();
        published.insert(place, (published_ms, copy));
    }
    // Positions may have gaps.
    let entries = published.into_iter().zip((1..).step_by(2));
    entries
        .map(|((published_ms, event), position)| Entry {
            position,
            published_ms,
            event,
        })
        .collect()
}

/// How many clicks go into an event.
pub(super) fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(1_usize..9, 1..12)
}

/// Which events are published again, and after how many more.
pub(super) fn again() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0_usize..1_000, 0_usize..30), 0..12)
}

/// The minute of its day that a moment lies in.
pub(super) fn minute(at_ms: u64) -> u16 {
    u16::try_from(at_ms % DAY_MS / MINUTE_MS).unwrap()
}
