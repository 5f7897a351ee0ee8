//! Who calls whom, drawn on the server as SVG: callers to the left of whom they call (above, on a phone).

mod draw;
mod layers;

use maud::{Markup, html};

use crate::blocks::empty;

/// What a node stands for; told apart by its shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeKind {
    /// A program that answers.
    #[default]
    Service,
    /// What keeps or carries data for programs.
    Engine,
}

/// One box of a [`Graph`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// Its name; cut where it does not fit.
    pub name: String,
    /// A few words below the name.
    pub note: String,
    /// What it is.
    pub kind: NodeKind,
    /// Where it leads; `None` for nowhere.
    pub href: Option<String>,
    /// Whether it is in trouble. The note should say so too: colour is never the only sign.
    pub bad: bool,
}

/// One arrow of a [`Graph`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Edge {
    /// Index of the node that calls.
    pub from: usize,
    /// Index of the node that is called.
    pub to: usize,
    /// How much of the traffic goes this way, from 0 to 1: its width.
    pub weight: f64,
    /// Whether calls on it fail: another colour, and dashes.
    pub bad: bool,
    /// What a pointer held over it says.
    pub told: String,
    /// Written beside it; empty for nothing.
    pub label: String,
}

/// Who calls whom. The first [`NODES_MAX`] nodes are drawn, with the edges between them; the same graph is the same drawing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// What it is about, and in a sentence what it shows: this is what is said in place of the picture.
    pub title: String,
    /// The boxes. Their order is kept where the arrows leave a choice.
    pub nodes: Vec<Node>,
    /// The arrows. One from a node to itself is left out, and so is one whose node is not there.
    pub edges: Vec<Edge>,
}

/// More boxes than this nobody reads.
pub const NODES_MAX: usize = 48;

/// The graph as a part of a page: in one drawing for wide windows and one for narrow ones. Its boxes are links; all that it says
/// should stand in a table beside it as well.
pub fn graph(graph: &Graph) -> Markup {
    html! {
        figure.graph {
            @if graph.nodes.is_empty() {
                (empty("Nothing to draw yet."))
            } @else {
                @let (edges, layout) = layers::of(graph);
                (draw::svg(graph, &edges, &layout, &draw::WIDE))
                (draw::svg(graph, &edges, &layout, &draw::NARROW))
            }
        }
    }
}
