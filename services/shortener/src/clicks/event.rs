//! What an event of the `clicks` stream carries.

use std::collections::HashMap;

use identity::Tenant;
use ids::Id;
use serde::{Deserialize, Serialize};

use super::Click;
use crate::store::{ClickBatch, LinkClicks};

/// The stream's name.
pub(crate) const STREAM: &str = "clicks";

/// Every click that was gathered since the last event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClickEvent {
    /// The clicks by link.
    pub links: Vec<LinkTimes>,
    /// The `traceparent` of the producer span of each click that is traced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<String>,
}

/// Clicks on one link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LinkTimes {
    /// Whose link.
    pub tenant: Tenant,
    /// Which link.
    pub link: Id,
    /// Its code when it was followed.
    pub code: String,
    /// When the first click came (Unix ms).
    pub from_ms: u64,
    /// The clicks as they came, the first included: how long after that (ms), and how many.
    pub after_ms: Vec<(u64, u64)>,
}

impl LinkTimes {
    fn starting_with(click: &Click) -> Self {
        Self {
            tenant: click.destination.tenant.clone(),
            link: click.destination.link_id,
            code: click.destination.code.as_str().to_owned(),
            from_ms: click.at_ms,
            after_ms: Vec::new(),
        }
    }

    /// A popular link has hundreds of clicks a millisecond: those stand as one pair.
    fn add(&mut self, at_ms: u64) {
        // A wall clock that steps back between two clicks makes the later one as early as the first.
        let after_ms = at_ms.saturating_sub(self.from_ms);
        match self.after_ms.last_mut() {
            Some((same, clicks)) if *same == after_ms => *clicks += 1,
            _ => self.after_ms.push((after_ms, 1)),
        }
    }

    fn clicks(&self) -> u64 {
        self.after_ms.iter().map(|(_, clicks)| clicks).sum()
    }
}

/// How large one event may become.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_field_names, reason = "they are bounds")]
pub(crate) struct EventBounds {
    /// Most clicks that are not alike.
    pub clicks_max: usize,
    /// Most links.
    pub links_max: usize,
    /// Most kinds of visits.
    pub kinds_max: usize,
    /// Most traces.
    pub traces_max: usize,
}

impl EventBounds {
    /// The largest event within them, as JSON: the longest tenants, codes and referrers, and no two clicks alike.
    pub(crate) fn bytes_max(&self) -> usize {
        const EVENT: usize = 128;
        const LINK: usize = 224;
        const CLICK: usize = 48;
        const KIND: usize = 192;
        const TRACE: usize = 60;
        [
            (self.links_max, LINK),
            (self.clicks_max, CLICK),
            (self.kinds_max, KIND),
            (self.traces_max, TRACE),
        ]
        .iter()
        .fold(EVENT, |sum, (most, bytes)| {
            sum.saturating_add(most.saturating_mul(*bytes))
        })
    }
}

impl ClickEvent {
    /// Folds clicks by link, in the order links were first followed, into as few events as the bounds allow.
    pub(crate) fn fold(clicks: &[Click], bounds: EventBounds) -> Vec<Self> {
        let mut events = Vec::new();
        let mut places: HashMap<Id, usize> = HashMap::new();
        let mut open = Self::default();
        let mut folded = 0;
        for click in clicks {
            let link = &click.destination;
            let place = places.get(&link.link_id).copied();
            if folded == bounds.clicks_max || (place.is_none() && open.links.len() == bounds.links_max) {
                events.push(std::mem::take(&mut open));
                places.clear();
                folded = 0;
            }
            let place = *places.entry(link.link_id).or_insert_with(|| {
                open.links.push(LinkTimes::starting_with(click));
                open.links.len() - 1
            });
            open.links[place].add(click.at_ms);
            folded += 1;
        }
        events.extend((folded > 0).then_some(open));
        events
    }

    /// What the store adds to the counts.
    pub(crate) fn sums(&self, event_id: &str, counted_at_ms: u64) -> ClickBatch {
        let sum = |times: &LinkTimes| LinkClicks {
            tenant: times.tenant.clone(),
            link_id: times.link,
            count: times.clicks(),
            last_at_ms: times.from_ms
                + times
                    .after_ms
                    .iter()
                    .map(|(after_ms, _)| *after_ms)
                    .max()
                    .unwrap_or(0),
        };
        ClickBatch {
            event_id: event_id.to_owned(),
            counted_at_ms,
            links: self.links.iter().map(sum).collect(),
        }
    }

    /// How many clicks it carries.
    pub(crate) fn clicks(&self) -> u64 {
        self.links.iter().map(LinkTimes::clicks).sum()
    }

    /// When its first click came (Unix ms).
    pub(crate) fn first_at_ms(&self) -> Option<u64> {
        self.links.iter().map(|times| times.from_ms).min()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::HeaderValue;

    use super::*;
    use crate::link::{Code, Lifetime};
    use crate::operations::Destination;

    fn click(link: u64, at_ms: u64) -> Click {
        let destination = Destination {
            link_id: Id::from_u64(link).unwrap(),
            tenant: Tenant::parse("acme").unwrap(),
            code: Code::parse("abc").unwrap(),
            location: HeaderValue::from_static("https://example.com/"),
            lifetime: Lifetime::UntilDeleted,
            gates: None,
        };
        Click {
            destination: Arc::new(destination),
            at_ms,
            visit: crate::visit::Visit::default(),
            context: None,
        }
    }

    const BOUNDS: EventBounds = EventBounds {
        clicks_max: 5,
        links_max: 2,
        kinds_max: 2,
        traces_max: 0,
    };

    #[test]
    fn clicks_are_folded_by_link_and_none_is_lost() {
        let clicks = [
            click(1, 100),
            click(1, 100),
            click(2, 101),
            click(1, 105),
            click(1, 99),
        ];
        let events = ClickEvent::fold(&clicks, BOUNDS);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].links[0].after_ms, [(0, 2), (5, 1), (0, 1)]);
        assert_eq!(events[0].clicks(), 5);
        let sums = events[0].sums("e1", 200);
        assert_eq!((sums.links[0].count, sums.links[0].last_at_ms), (4, 105));
        assert_eq!(events[0].first_at_ms(), Some(100));
    }

    #[test]
    fn an_event_never_grows_past_its_bounds() {
        let clicks: Vec<Click> = (0..50).map(|number| click(1 + number % 5, number)).collect();
        let events = ClickEvent::fold(&clicks, BOUNDS);
        assert!(
            events
                .iter()
                .all(|event| event.clicks() <= 5 && event.links.len() <= 2)
        );
        assert_eq!(events.iter().map(ClickEvent::clicks).sum::<u64>(), 50);
        assert!(ClickEvent::fold(&[], BOUNDS).is_empty());
    }
}
