//! Which node stands in which layer, and in which order: the steps of Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of
//! Hierarchical System Structures" (1981), in their simplest form. Arrows that close a circle are turned around for the layout alone.

use std::collections::BTreeSet;

use super::{Graph, NODES_MAX};

/// How often layers are ordered after their neighbours; more changes little.
const SWEEPS: usize = 6;

/// Where things stand.
pub(super) struct Layout {
    /// From the first layer to the last, each from its first place on.
    pub(super) layers: Vec<Vec<Slot>>,
}

/// What stands at a place of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// A node of the graph.
    Node(usize),
    /// An arrow that goes on to a later layer, by its index among those that are drawn.
    Passing(usize),
}

/// The edges that are drawn, by their index in the graph, and where the nodes stand.
pub(super) fn of(graph: &Graph) -> (Vec<usize>, Layout) {
    let count = graph.nodes.len().min(NODES_MAX);
    let drawn = |&i: &usize| {
        let edge = &graph.edges[i];
        edge.from < count && edge.to < count && edge.from != edge.to
    };
    let edges: Vec<usize> = (0..graph.edges.len()).filter(drawn).collect();
    let pairs: Vec<(usize, usize)> = edges
        .iter()
        .map(|&i| (graph.edges[i].from, graph.edges[i].to))
        .collect();
    let forward = without_circles(count, &pairs);
    let ranks = ranks(count, &forward);
    (edges, placed(&ranks, &forward))
}

/// Each edge, turned around where it closes a circle. Nodes that nobody calls come first, then the others as they stand.
fn without_circles(count: usize, pairs: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let called: BTreeSet<usize> = pairs.iter().map(|pair| pair.1).collect();
    let mut roots: Vec<usize> = (0..count).filter(|node| !called.contains(node)).collect();
    roots.extend(called);
    let mut forward = pairs.to_vec();
    // 0: not seen, 1: on the way, 2: done.
    let mut seen = vec![0_u8; count];
    for root in roots {
        if seen[root] != 0 {
            continue;
        }
        seen[root] = 1;
        let mut way = vec![(root, 0)];
        while let Some((node, next)) = way.last_mut() {
            let Some(edge) = (*next..pairs.len()).find(|&i| pairs[i].0 == *node) else {
                seen[*node] = 2;
                way.pop();
                continue;
            };
            *next = edge + 1;
            let to = pairs[edge].1;
            match seen[to] {
                0 => {
                    seen[to] = 1;
                    way.push((to, 0));
                }
                1 => forward[edge] = (to, pairs[edge].0),
                _ => {}
            }
        }
    }
    forward
}

/// The length of the longest way to each node. There are no circles, so that as many rounds as nodes are enough.
fn ranks(count: usize, edges: &[(usize, usize)]) -> Vec<usize> {
    let mut ranks = vec![0; count];
    for _ in 0..count {
        let mut changed = false;
        for &(from, to) in edges {
            if ranks[to] <= ranks[from] {
                ranks[to] = ranks[from] + 1;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    ranks
}

/// Layers with the nodes of each rank and a slot for each edge that passes, ordered so that arrows cross little.
fn placed(ranks: &[usize], edges: &[(usize, usize)]) -> Layout {
    let depth = ranks.iter().max().map_or(0, |deepest| deepest + 1);
    let mut layers = vec![Vec::new(); depth];
    for (node, rank) in ranks.iter().enumerate() {
        layers[*rank].push(Slot::Node(node));
    }
    for (edge, &(from, to)) in edges.iter().enumerate() {
        for layer in &mut layers[ranks[from] + 1..ranks[to]] {
            layer.push(Slot::Passing(edge));
        }
    }
    for sweep in 0..SWEEPS {
        for step in 1..depth {
            let (here, there) = if sweep % 2 == 0 {
                (step, step - 1)
            } else {
                (depth - 1 - step, depth - step)
            };
            let places = centred(&layers[there]);
            let mut keyed: Vec<(f64, Slot)> = centred(&layers[here])
                .into_iter()
                .map(|(own, slot)| (beside(slot, edges, &places).unwrap_or(own), slot))
                .collect();
            // Stable: what ties keeps its order, and the same graph is the same drawing.
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            layers[here] = keyed.into_iter().map(|(_, slot)| slot).collect();
        }
    }
    Layout { layers }
}

/// The slots of a layer with how far each is from the layer's middle.
fn centred(layer: &[Slot]) -> Vec<(f64, Slot)> {
    let middle = (float(layer.len()) - 1.0) / 2.0;
    let placed = |(i, slot): (usize, &Slot)| (float(i) - middle, *slot);
    layer.iter().enumerate().map(placed).collect()
}

/// The mean place of a slot's neighbours in another layer.
fn beside(slot: Slot, edges: &[(usize, usize)], places: &[(f64, Slot)]) -> Option<f64> {
    let near = |other: Slot| match (slot, other) {
        (Slot::Node(a), Slot::Node(b)) => edges.contains(&(a, b)) || edges.contains(&(b, a)),
        (Slot::Node(a), Slot::Passing(e)) | (Slot::Passing(e), Slot::Node(a)) => {
            edges[e].0 == a || edges[e].1 == a
        }
        (Slot::Passing(a), Slot::Passing(b)) => a == b,
    };
    let found: Vec<f64> = places
        .iter()
        .filter(|(_, other)| near(*other))
        .map(|(place, _)| *place)
        .collect();
    (!found.is_empty()).then(|| found.iter().sum::<f64>() / float(found.len()))
}

/// Counts here are far below what a float holds exactly.
pub(super) fn float(of: usize) -> f64 {
    f64::from(u32::try_from(of).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::super::{Edge, Node};
    use super::*;

    fn layers(count: usize, edges: &[(usize, usize)]) -> Vec<Vec<Slot>> {
        let graph = Graph {
            nodes: vec![Node::default(); count],
            edges: edges
                .iter()
                .map(|&(from, to)| Edge {
                    from,
                    to,
                    ..Edge::default()
                })
                .collect(),
            ..Graph::default()
        };
        of(&graph).1.layers
    }

    fn nodes(layer: &[Slot]) -> Vec<usize> {
        let node = |slot: &Slot| match slot {
            Slot::Node(node) => Some(*node),
            Slot::Passing(_) => None,
        };
        layer.iter().filter_map(node).collect()
    }

    #[test]
    fn callers_stand_before_whom_they_call() {
        let found = layers(4, &[(0, 1), (0, 2), (2, 3), (0, 3)]);
        assert_eq!(
            found.iter().map(|layer| nodes(layer)).collect::<Vec<_>>(),
            [vec![0], vec![1, 2], vec![3]]
        );
        assert!(
            found[1].contains(&Slot::Passing(3)),
            "an arrow past a layer has its own place"
        );
    }

    #[test]
    fn circles_and_arrows_to_nowhere_are_drawn_all_the_same() {
        let found = layers(3, &[(0, 1), (1, 2), (2, 0), (1, 1), (1, 9)]);
        assert_eq!(
            found.iter().map(|layer| nodes(layer)).collect::<Vec<_>>(),
            [[0], [1], [2]]
        );
        assert_eq!(layers(2, &[(0, 1), (1, 0)]).len(), 2);
    }

    #[test]
    fn every_node_stands_somewhere_once_whatever_the_arrows() {
        let mut seed = 7_u64;
        let mut roll = |below: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            usize::try_from(seed >> 33).unwrap() % below
        };
        for _ in 0..200 {
            let count = 1 + roll(12);
            let edges: Vec<_> = (0..roll(30)).map(|_| (roll(count), roll(count))).collect();
            let mut all: Vec<usize> = layers(count, &edges)
                .iter()
                .flat_map(|layer| nodes(layer))
                .collect();
            all.sort_unstable();
            assert_eq!(all, (0..count).collect::<Vec<_>>(), "{edges:?}");
        }
    }

    #[test]
    fn layers_are_ordered_so_that_arrows_do_not_cross_for_nothing() {
        // 0 calls 3, 1 calls 2: as they stand they would cross.
        let found = layers(4, &[(0, 3), (1, 2)]);
        assert_eq!((nodes(&found[0]), nodes(&found[1])), (vec![0, 1], vec![3, 2]));
    }
}
