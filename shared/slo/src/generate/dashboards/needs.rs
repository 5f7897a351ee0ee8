//! Metrics that have no series on a platform on embedded engines where nothing goes wrong. Their panels say so, and the test
//! that asks every panel's query brings it about, or lists it.

/// What must happen before a panel has data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Something must go wrong.
    Fault(&'static str),
    /// An engine must be configured that `orrery up` does without.
    Engine(&'static str),
}

impl Need {
    /// The line of the panel's description, and of the list in `docs/metrics.md`.
    pub fn line(&self) -> String {
        match self {
            Self::Fault(why) => format!("needs_fault: {why}"),
            Self::Engine(which) => format!("needs_engine: {which}"),
        }
    }
}

const REDIS: Need = Need::Engine("Redis behind the shortener's caches (`shortener.cache_url`)");

const NEEDS: [(&str, Need); 16] = [
    (
        "gateway_rate_limited_total",
        Need::Fault("a tenant above its rate limit"),
    ),
    (
        "gateway_refused_total",
        Need::Fault("a request without a token, or one whose upstream is away"),
    ),
    (
        "http_server_refused_total",
        Need::Fault("a request that the edge turns away, such as one with too large a body"),
    ),
    (
        "issuer_tokens_refused_total",
        Need::Fault("a token request with a wrong key"),
    ),
    (
        "stream_dead_letters_total",
        Need::Fault("an event that its handler cannot take"),
    ),
    (
        "outbox_refusals_total",
        Need::Fault("an event that the stream refuses for what it is"),
    ),
    (
        "db_client_retries_total",
        Need::Engine("PostgreSQL, and transactions in each other's way"),
    ),
    (
        "redis_connections_total",
        Need::Engine("Redis behind the limits or the caches"),
    ),
    (
        "rate_limit_decisions_total",
        Need::Engine("Redis behind the limits (`gateway.rate_limit_url`)"),
    ),
    ("cache_shared_operations_total", REDIS),
    ("cache_limited_reads_total", REDIS),
    ("cache_shared_notices_total", REDIS),
    ("cache_shared_untold_writes_total", REDIS),
    ("cache_shared_up", REDIS),
    ("cache_origin_usual_rate", REDIS),
    ("ALERTS", Need::Fault("an alert that fires")),
];

/// Whose only engine is one that `orrery up` does without, so that what every role with an engine tells waits there too.
const WITHOUT_ENGINE: (&str, &str, Need) = (
    "gateway",
    "db_client_operation_duration_seconds",
    Need::Engine("Redis behind the limits (`gateway.rate_limit_url`)"),
);

/// What the role's metric waits for, where it waits for anything.
pub fn needs(role: &str, name: &str) -> Option<Need> {
    let (without, metric, need) = WITHOUT_ENGINE;
    if role == without && name.starts_with(metric) {
        return Some(need);
    }
    NEEDS
        .iter()
        .find(|(metric, _)| *metric == name)
        .map(|(_, need)| *need)
}

/// The metrics listed here.
pub(super) fn named() -> impl Iterator<Item = &'static str> {
    NEEDS.iter().map(|(metric, _)| *metric)
}
