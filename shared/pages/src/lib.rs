#![doc = include_str!("../README.md")]

mod assets;
mod blocks;
mod chart;
mod gauges;
mod graph;
mod html;
mod layout;
mod timeline;

pub use assets::assets_router;
pub use blocks::{
    Column, Field, Input, Script, Tone, badge, button, card, checkbox, code_block, copy_button, disclosure,
    empty, field, hero, link_button, notice, orrery, script, shares, table,
};
pub use chart::{Chart, ChartKind, Scale, Series, chart, chart_file, number};
pub use gauges::{meter, sparkline};
pub use graph::{Edge, Graph, NODES_MAX, Node, NodeKind, graph};
pub use html::Html;
pub use layout::{Page, Place, SignedIn, page};
pub use maud::{Markup, html};
pub use timeline::{Stretch, TimelineRow, timeline};
