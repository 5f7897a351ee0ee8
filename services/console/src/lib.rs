#![doc = include_str!("../README.md")]

mod model;

pub use model::{
    AlertView, Attribute, Holdings, Load, MapEdge, MapNode, NodeKind, ObjectivePoint, ObjectiveState,
    ObjectiveView, RedPoint, RedSeries, RouteView, ServiceMap, ServiceSummary, ServiceView, Source, SpanLink,
    SpanView, StatusFilter, TraceLookup, TracePage, TraceQuery, TraceSummary, TraceView, WindowView,
};

/// Traces on a page unless another number is asked for.
pub const TRACES_LISTED_DEFAULT: usize = 50;

// The handle that pages and API read from (`src/console.rs`, cheap to clone, no I/O, never waits long):
//
//   impl Console {
//     pub fn map(&self) -> ServiceMap;
//     pub fn services(&self) -> Vec<ServiceSummary>;                          // by name
//     pub fn service(&self, name: &str) -> Option<ServiceView>;
//     pub fn objectives(&self) -> Vec<ObjectiveView>;                         // red ones first
//     pub fn objective(&self, name: &str) -> Option<ObjectiveView>;
//     pub fn burned_by(&self, objective: &str, limit: usize) -> Vec<TraceSummary>; // traces with a request that spent its budget, slowest first
//     pub fn traces(&self, query: &TraceQuery) -> TracePage;
//     pub fn trace(&self, trace_id: u128) -> TraceLookup;
//     pub fn changes(&self) -> tokio::sync::watch::Receiver<u64>;             // at most four a second
//     pub fn holdings(&self) -> Holdings;
//     pub fn now_unix_ms(&self) -> u64;
//   }
//   pub fn parse_trace_id(text: &str) -> Option<u128>;                        // 32 hex digits, not all zero
//
// What handlers stand on (`src/http.rs`): `App { pub console: Console, pub verifier: Verifier, pub live: pages::LiveParts }`, behind an Arc
// (`Deref`), `FromRef<App> for Verifier` as in the shortener. `pages::router(app: App) -> axum::Router` is merged into the API's router;
// `pages::LiveParts::new(&settings.live, drain)` with `config::LiveSettings { streams_max, every_ms }`.
// The scope is `identity::CONSOLE_READ` ("console:read").
