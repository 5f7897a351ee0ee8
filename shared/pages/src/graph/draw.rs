//! A laid out graph as SVG. Sizes are in CSS pixels; the width of a text is guessed, for no font is at hand.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::layers::{Layout, Slot, float};
use super::{Edge, Graph, Node, NodeKind};

/// How one drawing is made.
pub(super) struct Room {
    /// The class that the style sheet shows or hides it by.
    class: &'static str,
    /// Whether layers follow each other downwards instead of to the right.
    down: bool,
    node: (f64, f64),
    /// Between two layers.
    layers: f64,
    /// Between two neighbours in a layer.
    slots: f64,
}

pub(super) const WIDE: Room = Room {
    class: "graph wide",
    down: false,
    node: (164.0, 50.0),
    layers: 88.0,
    slots: 20.0,
};

pub(super) const NARROW: Room = Room {
    class: "graph narrow",
    down: true,
    node: (104.0, 50.0),
    layers: 46.0,
    slots: 8.0,
};

/// Letters of the two fonts are about this wide.
const NAME_LETTER: f64 = 7.4;
const NOTE_LETTER: f64 = 6.2;
const EDGE: f64 = 4.0;
const ARROW: f64 = 8.0;

type Point = (f64, f64);

/// Where the middle of each slot is.
struct Places<'a> {
    room: &'a Room,
    layout: &'a Layout,
    /// Of the whole drawing, along the layers and across them.
    across: f64,
}

pub(super) fn svg(graph: &Graph, edges: &[usize], layout: &Layout, room: &Room) -> Markup {
    let places = Places::of(layout, room);
    let (width, height) = places.size();
    html! {
        svg class=(room.class) width=(px(width)) height=(px(height)) viewBox=(format!("0 0 {} {}", px(width), px(height)))
            role="group" aria-label=(graph.title) {
            title { (graph.title) }
            @for (at, &index) in edges.iter().enumerate() {
                (edge(&graph.edges[index], &places.way(at, &graph.edges[index]), room))
            }
            @for (slot, middle) in places.all() {
                @if let Slot::Node(index) = slot { (node(&graph.nodes[index], middle, room)) }
            }
        }
    }
}

impl<'a> Places<'a> {
    fn of(layout: &'a Layout, room: &'a Room) -> Self {
        let most = layout.layers.iter().map(|layer| room.length(layer));
        Self {
            room,
            layout,
            across: most.fold(0.0, f64::max),
        }
    }

    fn size(&self) -> Point {
        let layers = float(self.layout.layers.len());
        let along = layers * self.room.along() + (layers - 1.0) * self.room.layers + 2.0 * EDGE;
        self.room.turned((along, self.across + 2.0 * EDGE))
    }

    /// Every slot with its middle.
    fn all(&self) -> Vec<(Slot, Point)> {
        let mut all = Vec::new();
        for (i, layer) in self.layout.layers.iter().enumerate() {
            let along = EDGE + (self.room.along() + self.room.layers) * float(i) + self.room.along() / 2.0;
            let mut across = EDGE + (self.across - self.room.length(layer)) / 2.0;
            for slot in layer {
                let size = self.room.size(*slot);
                all.push((*slot, self.room.turned((along, across + size / 2.0))));
                across += size + self.room.slots;
            }
        }
        all
    }

    /// The points that an edge goes through, from its caller on: itself the `at`-th of those that are drawn.
    fn way(&self, at: usize, edge: &Edge) -> Vec<Point> {
        let (mut way, mut turned) = (Vec::new(), false);
        for (slot, point) in self.all() {
            let ends = slot == Slot::Node(edge.from) || slot == Slot::Node(edge.to);
            if ends || slot == Slot::Passing(at) {
                turned |= way.is_empty() && slot == Slot::Node(edge.to);
                way.push(point);
            }
        }
        if turned {
            way.reverse();
        }
        way
    }
}

impl Room {
    /// From (along the layers, across them) to (x, y), and back.
    fn turned(&self, (along, across): Point) -> Point {
        if self.down {
            (across, along)
        } else {
            (along, across)
        }
    }

    fn along(&self) -> f64 {
        self.turned(self.node).0
    }

    /// How much room a slot takes in its layer.
    fn size(&self, slot: Slot) -> f64 {
        match slot {
            Slot::Node(_) => self.turned(self.node).1,
            Slot::Passing(_) => 10.0,
        }
    }

    fn length(&self, layer: &[Slot]) -> f64 {
        let slots: f64 = layer.iter().map(|slot| self.size(*slot)).sum();
        slots + (float(layer.len()) - 1.0).max(0.0) * self.slots
    }
}

fn edge(edge: &Edge, way: &[Point], room: &Room) -> Markup {
    let (Some(first), Some(last)) = (way.first(), way.last()) else {
        return html! {};
    };
    // Backwards where the arrow closes a circle.
    let forth = if room.turned(*last).0 >= room.turned(*first).0 {
        1.0
    } else {
        -1.0
    };
    // One that goes back stands beside the one that came.
    let aside = if forth < 0.0 { 9.0 } else { 0.0 };
    let way: Vec<Point> = way
        .iter()
        .map(|point| room.turned(*point))
        .map(|(along, across)| room.turned((along, across + aside)))
        .collect();
    let moved = |point: Point, by: f64| {
        let (along, across) = room.turned(point);
        room.turned((along + by * forth, across))
    };
    let (start, end) = (
        moved(way[0], room.along() / 2.0),
        moved(way[way.len() - 1], -room.along() / 2.0 - ARROW),
    );
    let mut points = way;
    if let [first, .., last] = points.as_mut_slice() {
        (*first, *last) = (start, end);
    }
    let mut line = format!("M{}", at(points[0]));
    for pair in points.windows(2) {
        let half = (room.turned(pair[1]).0 - room.turned(pair[0]).0).abs() / 2.0;
        let (one, other) = (moved(pair[0], half), moved(pair[1], -half));
        // Writing to a string cannot fail.
        let _ = write!(line, "C{} {} {}", at(one), at(other), at(pair[1]));
    }
    let width = 1.2 + 5.0 * edge.weight.clamp(0.0, 1.0).sqrt();
    let wing = |by: f64| {
        let (along, across) = room.turned(end);
        at(room.turned((along, across + by)))
    };
    let head = format!(
        "{} {} {}",
        wing(-3.5 - width / 2.0),
        wing(3.5 + width / 2.0),
        at(moved(end, ARROW))
    );
    let middle = (
        f64::midpoint(points[0].0, end.0),
        f64::midpoint(points[0].1, end.1),
    );
    html! {
        g class=(if edge.bad { "edge bad" } else { "edge" }) {
            title { (edge.told) }
            path d=(line) stroke-width=(px(width)) {}
            polygon points=(head) {}
            @if !edge.label.is_empty() {
                text x=(px(middle.0)) y=(px(middle.1 - 6.0)) text-anchor="middle" { (edge.label) }
            }
        }
    }
}

fn node(node: &Node, (x, y): Point, room: &Room) -> Markup {
    let (width, height) = room.node;
    let round = match node.kind {
        NodeKind::Service => 10.0,
        NodeKind::Engine => height / 2.0,
    };
    let inner = width - 16.0;
    let body = html! {
        title { (node.name) @if !node.note.is_empty() { ": " (node.note) } }
        rect x=(px(x - width / 2.0)) y=(px(y - height / 2.0)) width=(px(width)) height=(px(height)) rx=(px(round)) {}
        text.name x=(px(x)) y=(px(y - 3.0)) text-anchor="middle" { (cut(&node.name, inner, NAME_LETTER)) }
        text.note x=(px(x)) y=(px(y + 14.0)) text-anchor="middle" { (cut(&node.note, inner, NOTE_LETTER)) }
    };
    let class = match (node.kind, node.bad) {
        (NodeKind::Service, false) => "node",
        (NodeKind::Service, true) => "node bad",
        (NodeKind::Engine, false) => "node engine",
        (NodeKind::Engine, true) => "node engine bad",
    };
    html! {
        @match &node.href {
            Some(href) => a class=(class) href=(href) aria-label=(format!("{}: {}", node.name, node.note)) { (body) },
            None => g class=(class) { (body) },
        }
    }
}

/// As much of a text as there is room for.
fn cut(text: &str, room: f64, letter: f64) -> String {
    let most = (1..text.chars().count()).take_while(|&letters| float(letters + 1) * letter <= room);
    if float(text.chars().count()) * letter <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(most.last().unwrap_or(1)).collect();
    format!("{kept}…")
}

fn at((x, y): Point) -> String {
    format!("{},{}", px(x), px(y))
}

fn px(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    format!("{rounded}")
}
