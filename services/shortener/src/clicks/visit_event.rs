//! What an event of the `visits` stream carries, and how clicks are folded into it.

use std::collections::HashMap;

use identity::Tenant;
use ids::Id;
use serde::{Deserialize, Serialize};

use super::{Click, EventBounds};
use crate::visit::{Kind, Visitor};

/// The stream's name.
pub const VISITS: &str = "visits";
/// What its events say they are: the second form of click events. Fields are only ever added to it.
pub const VISITS_KIND: &str = "orrery.links.visited.v2";
/// Over how many keys, and so over at most how many partitions, links are spread.
pub const VISIT_LANES: u8 = 4;

/// How many of the latest visits of a link are looked at for one that is the same.
const ALIKE_LOOKED_AT: usize = 8;

/// Clicks on links of one lane, folded. Readers pass over fields that they do not know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VisitEvent {
    /// Who made it: 16 hexadecimal digits, others at every start of a process.
    pub producer: String,
    /// The lane, below [`VISIT_LANES`].
    pub lane: u8,
    /// Its number among the events of this producer in this lane: from 1, without gaps but for events that were lost.
    pub seq: u64,
    /// The kinds that its visits name.
    pub kinds: Vec<Kind>,
    /// The visits by link.
    pub links: Vec<LinkVisits>,
    /// The `traceparent` of the producer span of each click that is traced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub traces: Vec<String>,
}

/// Visits of one link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkVisits {
    /// Whose link.
    pub tenant: Tenant,
    /// Which link.
    pub link: Id,
    /// Its code when it was followed.
    pub code: String,
    /// When the first visit came (Unix ms).
    pub from_ms: u64,
    /// The visits as they came, the first included: how long after that (ms), how many, whose, and of which kind (its index).
    pub visits: Vec<(u64, u64, Visitor, u16)>,
}

impl LinkVisits {
    fn starting_with(click: &Click) -> Self {
        Self {
            tenant: click.destination.tenant.clone(),
            link: click.destination.link_id,
            code: click.destination.code.as_str().to_owned(),
            from_ms: click.at_ms,
            visits: Vec::new(),
        }
    }

    /// Adds a visit; whether that took a new entry. A popular link has many a millisecond, and a program that follows one link over and
    /// over is one visitor.
    fn add(&mut self, at_ms: u64, visitor: Visitor, kind: u16) -> bool {
        // A wall clock that steps back between two clicks makes the later one as early as the first.
        let after_ms = at_ms.saturating_sub(self.from_ms);
        let latest = self.visits.iter_mut().rev().take(ALIKE_LOOKED_AT);
        let alike = latest
            .take_while(|visit| visit.0 == after_ms)
            .find(|visit| visit.2 == visitor && visit.3 == kind);
        if let Some(alike) = alike {
            alike.1 += 1;
            return false;
        }
        self.visits.push((after_ms, 1, visitor, kind));
        true
    }

    /// How many visits.
    pub fn clicks(&self) -> u64 {
        self.visits
            .iter()
            .fold(0, |sum, visit| sum.saturating_add(visit.1))
    }
}

impl VisitEvent {
    /// The key that keeps its lane in order.
    pub fn key(&self) -> String {
        format!("lane-{}", self.lane)
    }

    /// The same whenever it is published again.
    pub fn id(&self) -> String {
        format!("{}-{}-{}", self.producer, self.lane, self.seq)
    }

    /// How many clicks it carries, those of robots included.
    pub fn clicks(&self) -> u64 {
        self.links
            .iter()
            .fold(0, |sum, link| sum.saturating_add(link.clicks()))
    }

    /// When its first click came (Unix ms).
    pub fn first_at_ms(&self) -> Option<u64> {
        self.links.iter().map(|link| link.from_ms).min()
    }

    /// The lane of a link: always the same one.
    pub(crate) fn lane_of(link: Id) -> u8 {
        // Ids made by one worker differ in few bits; the multiplication spreads them over the two that are taken.
        let spread = link.as_u64().wrapping_mul(0x9e37_79b9_7f4a_7c15);
        u8::try_from(spread >> 62).expect("two bits") % VISIT_LANES
    }
}

/// Numbers the events of this process.
#[derive(Debug)]
pub(crate) struct VisitProducer {
    name: String,
    last: [u64; VISIT_LANES as usize],
}

/// The event that a lane's clicks go into, until it is full.
#[derive(Default)]
struct Open {
    event: VisitEvent,
    entries: usize,
    links: HashMap<Id, usize>,
    kinds: HashMap<Kind, u16>,
}

impl VisitProducer {
    /// A producer that nobody was before.
    pub(crate) fn new() -> Self {
        Self {
            name: format!("{:016x}", rand::random::<u64>()),
            last: Default::default(),
        }
    }

    /// Folds clicks by lane and link, in the order links were first followed, into as few events as the bounds allow. The events are
    /// numbered: each must be published, and only ever as it is.
    pub(crate) fn fold(&mut self, clicks: &[Click], bounds: EventBounds) -> Vec<VisitEvent> {
        let mut done = Vec::new();
        let mut lanes: [Open; VISIT_LANES as usize] = Default::default();
        for click in clicks {
            let lane = VisitEvent::lane_of(click.destination.link_id);
            let open = &mut lanes[usize::from(lane)];
            if !open.has_room_for(click, bounds) {
                done.push(self.close(lane, std::mem::take(open)));
            }
            open.add(click);
        }
        for (lane, open) in (0..VISIT_LANES).zip(lanes) {
            if open.entries > 0 {
                done.push(self.close(lane, open));
            }
        }
        done
    }

    fn close(&mut self, lane: u8, open: Open) -> VisitEvent {
        let last = &mut self.last[usize::from(lane)];
        *last += 1;
        VisitEvent {
            producer: self.name.clone(),
            lane,
            seq: *last,
            ..open.event
        }
    }
}

impl Open {
    fn has_room_for(&self, click: &Click, bounds: EventBounds) -> bool {
        self.entries < bounds.clicks_max
            && (self.event.links.len() < bounds.links_max
                || self.links.contains_key(&click.destination.link_id))
            && (self.event.kinds.len() < bounds.kinds_max || self.kinds.contains_key(&click.visit.kind))
    }

    fn add(&mut self, click: &Click) {
        let kind = self.kind(&click.visit.kind);
        let links = &mut self.event.links;
        let place = *self.links.entry(click.destination.link_id).or_insert_with(|| {
            links.push(LinkVisits::starting_with(click));
            links.len() - 1
        });
        let new = links[place].add(click.at_ms, click.visit.visitor, kind);
        self.entries += usize::from(new);
    }

    fn kind(&mut self, kind: &Kind) -> u16 {
        if let Some(index) = self.kinds.get(kind) {
            return *index;
        }
        let index = u16::try_from(self.event.kinds.len()).expect("the bounds allow no more kinds");
        self.event.kinds.push(kind.clone());
        self.kinds.insert(kind.clone(), index);
        index
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::link::{Code, Lifetime};
    use crate::operations::Destination;
    use crate::visit::{Browser, Country, Device, REFERRER_BYTES_MAX, ReferrerHost, Visit};

    const BOUNDS: EventBounds = EventBounds {
        clicks_max: 5,
        links_max: 2,
        kinds_max: 2,
        traces_max: 0,
    };

    fn click(link: u64, at_ms: u64, visitor: u64, device: Device) -> Click {
        let destination = Destination {
            link_id: Id::from_u64(link).unwrap(),
            tenant: Tenant::parse("acme").unwrap(),
            code: Code::parse("abc").unwrap(),
            location: HeaderValue::from_static("https://example.com/"),
            lifetime: Lifetime::UntilDeleted,
            gates: None,
        };
        let kind = Kind {
            device,
            ..Kind::default()
        };
        Click {
            destination: Arc::new(destination),
            at_ms,
            visit: Visit {
                kind,
                visitor: Visitor(visitor),
            },
            context: None,
        }
    }

    #[test]
    fn the_same_visitor_in_the_same_millisecond_is_one_entry_and_another_kind_is_not() {
        let clicks = [
            click(1, 100, 7, Device::Mobile),
            click(1, 100, 8, Device::Mobile),
            click(1, 100, 7, Device::Mobile),
            click(1, 100, 7, Device::Desktop),
            click(1, 99, 7, Device::Desktop),
            click(1, 105, 7, Device::Desktop),
        ];
        let events = VisitProducer::new().fold(&clicks, BOUNDS);
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].links[0].from_ms, 100);
        assert_eq!(
            events[0].links[0].visits,
            [
                (0, 2, Visitor(7), 0),
                (0, 1, Visitor(8), 0),
                (0, 2, Visitor(7), 1),
                (5, 1, Visitor(7), 1)
            ]
        );
        assert_eq!((events[0].clicks(), events[0].first_at_ms()), (6, Some(100)));
    }

    #[test]
    fn events_are_numbered_by_lane_without_gaps_and_name_their_lane() {
        let mut producer = VisitProducer::new();
        let clicks: Vec<Click> = (1..40)
            .map(|link| click(link, link, link, Device::Other))
            .collect();
        let mut events = producer.fold(&clicks, BOUNDS);
        events.extend(producer.fold(&clicks, BOUNDS));
        for lane in 0..VISIT_LANES {
            let of_lane: Vec<&VisitEvent> = events.iter().filter(|event| event.lane == lane).collect();
            assert!(of_lane.len() > 2, "every lane has links");
            for (event, seq) in of_lane.iter().zip(1..) {
                assert_eq!(event.seq, seq);
                assert_eq!(event.id(), format!("{}-{lane}-{seq}", producer.name));
                assert_eq!(event.key(), format!("lane-{lane}"));
                assert!(
                    event
                        .links
                        .iter()
                        .all(|visits| VisitEvent::lane_of(visits.link) == lane)
                );
            }
        }
        assert_ne!(VisitProducer::new().name, producer.name);
        assert!(producer.fold(&[], BOUNDS).is_empty());
    }

    proptest! {
        #[test]
        fn no_click_is_lost_or_made_up_and_no_event_grows_past_its_bounds(
            clicks in prop::collection::vec((1_u64..6, 0_u64..20, 1_u64..4, 0_usize..4), 0..80),
        ) {
            let clicks: Vec<Click> = clicks
                .into_iter()
                .map(|(link, at_ms, visitor, device)| click(link, at_ms, visitor, Device::ALL[device]))
                .collect();
            let events = VisitProducer::new().fold(&clicks, BOUNDS);
            let mut unfolded = HashMap::<(Id, Visitor, Kind), u64>::new();
            for event in &events {
                let entries: usize = event.links.iter().map(|link| link.visits.len()).sum();
                prop_assert!(entries <= 5 && event.links.len() <= 2 && event.kinds.len() <= 2);
                for link in &event.links {
                    for (_, count, visitor, kind) in &link.visits {
                        let kind = event.kinds[usize::from(*kind)].clone();
                        *unfolded.entry((link.link, *visitor, kind)).or_default() += count;
                    }
                }
            }
            for click in &clicks {
                let of = (click.destination.link_id, click.visit.visitor, click.visit.kind.clone());
                *unfolded.entry(of).or_default() -= 1;
            }
            prop_assert!(unfolded.values().all(|left| *left == 0));
        }
    }

    #[test]
    fn the_largest_event_is_no_larger_than_its_bounds_say_and_by_default_fits_the_stream() {
        let bounds = crate::config::ClickSettings::default().event_bounds();
        let link = LinkVisits {
            tenant: Tenant::parse(&"t".repeat(64)).unwrap(),
            link: Id::from_u64((1 << 63) - 1).unwrap(),
            code: "c".repeat(64),
            from_ms: 4_000_000_000_000,
            visits: Vec::new(),
        };
        let kind = Kind {
            country: Country::parse("DE"),
            device: Device::Desktop,
            browser: Browser::Firefox,
            bot: true,
            referrer: Some(ReferrerHost::from("r".repeat(REFERRER_BYTES_MAX))),
        };
        let mut event = VisitEvent {
            producer: "f".repeat(16),
            lane: 3,
            seq: u64::MAX,
            kinds: vec![kind; bounds.kinds_max],
            links: vec![link; bounds.links_max],
            traces: vec!["0".repeat(55); bounds.traces_max],
        };
        // The first and the last click of an event may lie months apart.
        event.links[0].visits = vec![(9_999_999_999, 65_536, Visitor(u64::MAX), 999); bounds.clicks_max];
        let bytes = serde_json::to_vec(&event).unwrap().len();
        let most = bounds.bytes_max();
        assert!(bytes <= most && bytes > most / 10 * 9, "{bytes} of {most} bytes");
        assert!(most <= streams::StreamSettings::default().event_bytes_max as usize);
    }
}
