//! What the console can be asked for, as plain values: pages draw them, the API writes them out. Nothing here is live.
//!
//! Units stand at the end of each name. Times are unix time by this process's clock; a number that cannot be known
//! (a percentile without requests) is `None`, never 0.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

/// Where the numbers of a service come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Scraped from the role: every request is in it, whatever share of the traces is recorded.
    Metrics,
    /// Counted from spans: only requests whose trace was recorded.
    Spans,
}

/// Rate, errors and durations over a while.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, ToSchema)]
pub struct Load {
    /// Requests a second.
    pub requests_per_s: f64,
    /// The share that failed, 0 to 1; none without requests.
    pub error_share: Option<f64>,
    /// Half of the requests took at most this long.
    pub p50_ms: Option<f64>,
    /// 95 of 100 took at most this long.
    pub p95_ms: Option<f64>,
    /// 99 of 100 took at most this long.
    pub p99_ms: Option<f64>,
}

/// What a node of the map is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum NodeKind {
    /// Sends spans itself.
    Service,
    /// A database or a cache, seen by who asks it.
    Engine,
    /// A stream, seen by who writes to it and who reads it.
    Queue,
    /// Is called and sends no spans.
    Peer,
}

/// One node of the service map.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MapNode {
    /// What edges call it; a service's is its name.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// Where its numbers come from.
    pub source: Source,
    /// How it does.
    pub load: Load,
}

/// Calls of one node to another.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct MapEdge {
    /// The id of the caller.
    pub from: String,
    /// The id of the called.
    pub to: String,
    /// How the calls do, as recorded traces show them.
    pub load: Load,
}

/// Who calls whom. Streams make circles: a service may read what it wrote.
#[derive(Debug, Clone, Default, PartialEq, Serialize, ToSchema)]
pub struct ServiceMap {
    /// How far back the numbers reach, in seconds.
    pub window_s: u64,
    /// By kind, then by name.
    pub nodes: Vec<MapNode>,
    /// By names.
    pub edges: Vec<MapEdge>,
}

/// A stretch of time of a chart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
pub struct RedPoint {
    /// When it began.
    pub at_unix_ms: u64,
    /// Requests in it.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
    /// Percentiles of their durations; none without requests.
    pub p50_ms: Option<f64>,
    /// As above.
    pub p95_ms: Option<f64>,
    /// As above.
    pub p99_ms: Option<f64>,
}

/// A chart's worth of requests: every stretch has its point, oldest first, the one under way last.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RedSeries {
    /// How long each point is, in seconds.
    pub bucket_s: u64,
    /// The points.
    pub points: Vec<RedPoint>,
}

/// One route of a service.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct RouteView {
    /// As in `GET /v1/links/{code}`; a consumer's is the name of its span; `other` is what did not fit in.
    pub route: String,
    /// Over the last five minutes.
    pub load: Load,
    /// Over the last half hour.
    pub series: RedSeries,
}

/// A service as a list shows it.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ServiceSummary {
    /// Its name: `service.name`, or the job it is scraped as.
    pub name: String,
    /// Where the numbers come from.
    pub source: Source,
    /// Over the last five minutes.
    pub load: Load,
    /// Over the last half hour.
    pub series: RedSeries,
}

/// A service with its routes.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ServiceView {
    /// All routes together.
    pub summary: ServiceSummary,
    /// Each by itself, the busiest first.
    pub routes: Vec<RouteView>,
}

/// How an objective stands; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ObjectiveState {
    /// Its budget burns so fast that somebody is woken.
    Page,
    /// Its budget burns faster than it lasts.
    Ticket,
    /// Nothing burns now, and nothing is left.
    Overspent,
    /// All is well.
    Healthy,
    /// Nobody asked for anything yet.
    NoData,
}

/// A pair of windows that an alert looks at.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct WindowView {
    /// `page` or `ticket`.
    pub severity: &'static str,
    /// The burn rate from which on both windows make the alert fire.
    pub threshold: f64,
    /// The long window, in seconds.
    pub long_s: f64,
    /// The short window, in seconds.
    pub short_s: f64,
    /// How fast the budget burnt over the long one: 1 spends it exactly by its end. None without requests.
    pub long_burn: Option<f64>,
    /// And over the short one.
    pub short_burn: Option<f64>,
    /// Whether both are above the threshold.
    pub burning: bool,
}

/// One of an objective's alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AlertView {
    /// As Alertmanager shows it.
    pub name: String,
    /// `page` or `ticket`.
    pub severity: &'static str,
    /// Whether it fires.
    pub firing: bool,
}

/// An objective at a moment.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ObjectivePoint {
    /// When.
    pub at_unix_ms: u64,
    /// What was left of the budget, 1 being all of it.
    pub budget_left: Option<f64>,
    /// The burn rate over each long window, in the order of [`ObjectiveView::windows`].
    pub long_burns: Vec<Option<f64>>,
    /// And over each short one.
    pub short_burns: Vec<Option<f64>>,
}

/// An objective, how it stands and how it came there.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ObjectiveView {
    /// Its name: `shortener-redirects-available`.
    pub name: String,
    /// Whose promise it is.
    pub service: String,
    /// What people call it.
    pub title: String,
    /// What is promised.
    pub description: String,
    /// The share of good requests that is promised, 0 to 1.
    pub target: f64,
    /// Over how long, in seconds, divided as the windows are.
    pub window_s: f64,
    /// Every window is divided by this (`console.slo_scale`): 1 but for tests and drills.
    pub window_divisor: u32,
    /// How it stands.
    pub state: ObjectiveState,
    /// What is left of the budget: 1 all of it, below 0 overspent.
    pub budget_left: Option<f64>,
    /// The windows its alerts look at.
    pub windows: Vec<WindowView>,
    /// Its alerts.
    pub alerts: Vec<AlertView>,
    /// What to do: a page of the repository.
    pub runbook: String,
    /// The last hour, oldest first.
    pub history: Vec<ObjectivePoint>,
}

/// What is asked of a trace. Of a service, a route, a status or a failure, one span must have all that is asked for;
/// then the duration is that span's, else the whole trace's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceQuery {
    /// `service.name`.
    pub service: Option<String>,
    /// `GET /v1/links/{code}`, or the path alone.
    pub route: Option<String>,
    /// The answer's status: `404`, or a class: `5xx`.
    pub status: Option<StatusFilter>,
    /// Only what failed.
    pub failed: bool,
    /// At least so long.
    pub duration_min: Option<Duration>,
    /// At most so long.
    pub duration_max: Option<Duration>,
    /// At most so many; 0 is [`crate::TRACES_LISTED_DEFAULT`].
    pub limit: usize,
    /// Only those older than this: [`TracePage::next`] of the page before.
    pub before: Option<u64>,
    /// The slowest first instead of the newest; such a list has no next page.
    pub slowest_first: bool,
}

/// One status or a class of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusFilter {
    /// This one.
    Is(u16),
    /// Those of a hundred: 5 for 500 to 599.
    Class(u16),
}

/// A trace as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TraceSummary {
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// The service of its first span.
    pub service: String,
    /// The name of its first span, as in `GET /{code}`.
    pub name: String,
    /// The status that its first span was answered with.
    pub status: Option<u16>,
    /// Whether any span in it failed.
    pub failed: bool,
    /// When it began.
    pub started_unix_ms: u64,
    /// From its first moment to its last.
    pub duration_us: u64,
    /// Spans that have come.
    pub spans: usize,
    /// Who took part, in the order of appearance.
    pub services: Vec<String>,
}

/// A page of traces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct TracePage {
    /// The newest first.
    pub traces: Vec<TraceSummary>,
    /// What the next page is asked for with; none on the last one.
    pub next: Option<u64>,
}

/// Whether there is such a trace.
#[derive(Debug, Clone, PartialEq)]
pub enum TraceLookup {
    /// Here it is; more of it may still come.
    Found(Box<TraceView>),
    /// It was here and gave way to newer ones.
    Evicted,
    /// Nothing of it has come: not recorded, not here yet, or long gone.
    Unknown,
}

/// A trace, whole.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct TraceView {
    /// As in lists.
    pub summary: TraceSummary,
    /// Depth first, each after its parent, siblings by their begin.
    pub spans: Vec<SpanView>,
    /// Spans of it that were not taken, since a trace may have only so many.
    pub spans_refused: u64,
    /// Whether the span that everything began with has come, and no parent is missing.
    pub complete: bool,
}

/// One span of a trace.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a thing of its own that a reader asks about"
)]
pub struct SpanView {
    /// 16 hexadecimal digits.
    pub span_id: String,
    /// The parent it names, present or not.
    pub parent_span_id: Option<String>,
    /// 0 for one that nothing present stands above.
    pub depth: usize,
    /// Its parent has not come (or the parents go in a circle).
    pub orphan: bool,
    /// `service.name`.
    pub service: String,
    /// Its name.
    pub name: String,
    /// `server`, `client`, `producer`, `consumer` or `internal`.
    pub kind: &'static str,
    /// From the begin of the trace; below 0 where clocks disagree.
    pub offset_us: i64,
    /// How long it took.
    pub duration_us: u64,
    /// That less what its children cover.
    pub self_us: u64,
    /// Whether the trace would have ended sooner had this been quicker.
    pub critical: bool,
    /// Of all critical ones it waited or worked longest by itself.
    pub slowest: bool,
    /// Whether it failed.
    pub failed: bool,
    /// What it says about that.
    pub error: Option<String>,
    /// What it is about.
    pub attributes: Vec<Attribute>,
    /// What else caused it.
    pub links: Vec<SpanLink>,
}

/// A name and what it says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Attribute {
    /// By OpenTelemetry's conventions: `http.route`.
    pub name: String,
    /// As text, cut where it was too long.
    pub value: String,
}

/// Another span that caused this one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct SpanLink {
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
}

/// What the console holds and how much it may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct Holdings {
    /// Traces here.
    pub traces: usize,
    /// Spans here.
    pub spans: usize,
    /// Bytes they take, charts included.
    pub bytes: usize,
    /// The most it may be.
    pub bytes_max: usize,
    /// Spans that came since the start.
    pub spans_received: u64,
    /// Spans that gave way.
    pub spans_evicted: u64,
}
