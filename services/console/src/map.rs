//! Who calls whom, as spans tell it: a bounded number of edges, each with the last minutes of its calls.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use crate::model::{Load, MapEdge, MapNode, NodeKind, ServiceMap, Source};
use crate::red::{BUCKET_S, Ended, Histogram, RECENT_S, Series};
use crate::traces::Call;

/// Edges told apart; calls along further ones are not drawn.
const EDGES_MAX: usize = 256;
/// Addresses known to be a service's.
const PEERS_MAX: usize = 256;

/// Something that sends no spans of its own, or does not need to: what a span was sent to, or came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Other {
    pub(crate) kind: NodeKind,
    /// What edges call it.
    pub(crate) id: Arc<str>,
    /// What people call it.
    pub(crate) name: Arc<str>,
}

/// Which way a span's traffic went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    To,
    From,
}

#[derive(Debug, Default)]
struct Edge {
    calls: Series,
}

/// The edges.
#[derive(Debug, Default)]
pub(crate) struct CallMap {
    edges: HashMap<(Arc<str>, Arc<str>), Edge>,
    others: HashMap<Arc<str>, Other>,
    /// `peer:host:port` of services that send spans: what a caller alone knows as an address.
    known_peers: HashMap<Arc<str>, Arc<str>>,
}

impl CallMap {
    /// Calls between services.
    pub(crate) fn called(&mut self, calls: Vec<Call>) {
        for call in calls {
            if let Some(peer) = &call.peer
                && self.known_peers.len() < PEERS_MAX
            {
                let address: Arc<str> = peer_id(peer).into();
                self.known_peers.insert(address, call.to.clone());
            }
            self.count(call.from, call.to, call.ended);
        }
    }

    /// Calls of what is no service.
    pub(crate) fn used(&mut self, service: &Arc<str>, other: &Other, way: Way, ended: Ended) {
        if !self.others.contains_key(&other.id) {
            if self.others.len() >= EDGES_MAX {
                return;
            }
            self.others.insert(other.id.clone(), other.clone());
        }
        match way {
            Way::To => self.count(service.clone(), other.id.clone(), ended),
            Way::From => self.count(other.id.clone(), service.clone(), ended),
        }
    }

    fn count(&mut self, from: Arc<str>, to: Arc<str>, ended: Ended) {
        let key = (from, to);
        if !self.edges.contains_key(&key) && self.edges.len() >= EDGES_MAX {
            return;
        }
        let mut histogram = Histogram::default();
        histogram.observe(ended.took, 1);
        let edge = self.edges.entry(key).or_default();
        edge.calls.add(ended.at_s, u32::from(ended.failed), &histogram);
    }

    /// Lets go of what the map does not show any more.
    pub(crate) fn forget(&mut self, now_s: u64) {
        let oldest = now_s.saturating_sub(RECENT_S + BUCKET_S);
        self.edges.retain(|_, edge| {
            edge.calls.forget(oldest);
            !edge.calls.is_empty()
        });
        let edges = &self.edges;
        let in_use = |id: &Arc<str>| edges.keys().any(|(from, to)| from == id || to == id);
        self.others.retain(|id, _| in_use(id));
        self.known_peers.retain(|_, service| in_use(service));
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        let edges: usize = self
            .edges
            .iter()
            .map(|((from, to), edge)| from.len() + to.len() + 128 + edge.calls.bytes())
            .sum();
        edges + 128 * (self.others.len() + self.known_peers.len())
    }

    /// The map of the last minutes; `loads` says how each service does by itself.
    pub(crate) fn drawn(
        &self,
        now_s: u64,
        lasted_s: f64,
        loads: &BTreeMap<Arc<str>, (Source, Load)>,
    ) -> ServiceMap {
        let window_s = RECENT_S;
        let load = |series: &Series| series.load(now_s.saturating_sub(window_s), window_s, lasted_s);
        let mut map = ServiceMap {
            window_s,
            ..ServiceMap::default()
        };
        for (name, (source, load)) in loads {
            map.nodes.push(service_node(name, *source, *load));
        }
        let shown = |id: &Arc<str>| !self.known_peers.contains_key(id);
        for ((from, to), edge) in self.edges.iter().filter(|((_, to), _)| shown(to)) {
            for end in [from, to] {
                let is_there = map.nodes.iter().any(|node| *node.id == **end);
                if !is_there {
                    map.nodes.push(self.other_node(end, &load));
                }
            }
            map.edges.push(MapEdge {
                from: from.to_string(),
                to: to.to_string(),
                load: load(
                    self.as_its_caller_saw_it(from, to)
                        .as_ref()
                        .unwrap_or(&edge.calls),
                ),
            });
        }
        map.nodes
            .sort_by(|one, two| (rank(one.kind), &one.name).cmp(&(rank(two.kind), &two.name)));
        map.edges
            .sort_by(|one, two| (&one.from, &one.to).cmp(&(&two.from, &two.to)));
        map
    }

    /// The calls of a service by address: one that is gone answers nothing and sends no spans, and only its callers know.
    fn as_its_caller_saw_it(&self, from: &Arc<str>, to: &Arc<str>) -> Option<Series> {
        let mut seen = Series::default();
        let addresses = self.known_peers.iter().filter(|(_, service)| *service == to);
        for (address, _) in addresses {
            if let Some(edge) = self.edges.get(&(from.clone(), address.clone())) {
                seen.merge(&edge.calls);
            }
        }
        (!seen.is_empty()).then_some(seen)
    }

    /// How an engine does is how the calls to it do.
    fn other_node(&self, id: &Arc<str>, load: &impl Fn(&Series) -> Load) -> MapNode {
        let Some(other) = self.others.get(id) else {
            // It called and was never asked for anything itself.
            return service_node(id, Source::Spans, Load::default());
        };
        let mut all = Series::default();
        for (_, edge) in self.edges.iter().filter(|((_, to), _)| to == id) {
            all.merge(&edge.calls);
        }
        MapNode {
            id: other.id.to_string(),
            name: other.name.to_string(),
            kind: other.kind,
            source: Source::Spans,
            load: load(&all),
        }
    }
}

/// The id of an address that was called.
pub(crate) fn peer_id(address: &str) -> String {
    format!("peer:{address}")
}

fn service_node(name: &str, source: Source, load: Load) -> MapNode {
    MapNode {
        id: name.to_owned(),
        name: name.to_owned(),
        kind: NodeKind::Service,
        source,
        load,
    }
}

fn rank(kind: NodeKind) -> u8 {
    match kind {
        NodeKind::Service => 0,
        NodeKind::Engine => 1,
        NodeKind::Queue => 2,
        NodeKind::Peer => 3,
    }
}
