//! The shared engines of a fleet, each behind a proxy that can take it away.

use std::time::Duration;

use testkit::engines::{self, Kind};
use testkit::proxy::FaultProxy;

use crate::engines::fleet::EngineUrls;

/// How the network to an engine may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Cut,
    Stalled,
    HalfOpen,
    Slow,
    Throttled,
}

pub(crate) const FAULTS: [Fault; 5] = [
    Fault::Cut,
    Fault::Stalled,
    Fault::HalfOpen,
    Fault::Slow,
    Fault::Throttled,
];

/// Each way: ten times a usual round trip, and within every deadline.
const DELAY: Duration = Duration::from_millis(20);
/// Some small requests a second on each connection.
const BYTES_PER_S: u64 = 8_000;

/// One engine behind a proxy for each of its nodes.
pub(crate) struct Proxied {
    pub(crate) kind: Kind,
    proxies: Vec<FaultProxy>,
    url: String,
    /// What a CQL driver is told, since nodes tell it their own addresses.
    translate: String,
}

impl Fault {
    /// Whether nothing can be had of the engine meanwhile.
    pub(crate) fn is_loss(self) -> bool {
        matches!(self, Self::Cut | Self::Stalled | Self::HalfOpen)
    }
}

impl Proxied {
    /// The shared engine; `None` after skipping `test` aloud.
    pub(crate) async fn shared(kind: Kind, test: &str) -> Option<Self> {
        let base = engines::url(kind, test)?;
        let (scheme, rest) = base.split_once("://").expect("a URL");
        let (login, rest) = rest
            .split_once('@')
            .map_or(("", rest), |(login, rest)| (login, rest));
        let (nodes, path) = rest
            .split_once('/')
            .map_or((rest, ""), |(nodes, path)| (nodes, path));
        let (mut proxies, mut addresses, mut translate) = (Vec::new(), Vec::new(), Vec::new());
        for node in nodes.split(',') {
            let proxy = FaultProxy::to(node.parse().expect("an address")).await;
            addresses.push(proxy.address().to_string());
            translate.push(format!("translate={node}={}", proxy.address()));
            proxies.push(proxy);
        }
        let at = if login.is_empty() { "" } else { "@" };
        let slash = if path.is_empty() { "" } else { "/" };
        Some(Self {
            kind,
            proxies,
            url: format!("{scheme}://{login}{at}{}{slash}{path}", addresses.join(",")),
            translate: translate.join("&"),
        })
    }

    pub(crate) fn set(&self, fault: Fault) {
        for proxy in &self.proxies {
            match fault {
                Fault::Cut => proxy.cut(),
                Fault::Stalled => proxy.stall(),
                Fault::HalfOpen => proxy.half_open(),
                Fault::Slow => proxy.slow(DELAY),
                Fault::Throttled => proxy.throttle(BYTES_PER_S),
            }
        }
    }

    pub(crate) fn heal(&self) {
        for proxy in &self.proxies {
            proxy.heal();
        }
    }
}

/// All four, and where a fleet of its own name finds them.
pub(crate) async fn all(test: &str) -> Option<([Proxied; 4], EngineUrls)> {
    let all = [
        Proxied::shared(Kind::Postgres, test).await?,
        Proxied::shared(Kind::Redis, test).await?,
        Proxied::shared(Kind::Nats, test).await?,
        Proxied::shared(Kind::Cql, test).await?,
    ];
    let [postgres, redis, nats, cql] = &all;
    let mut urls = EngineUrls::of(&postgres.url, &redis.url, &nats.url, &cql.url);
    urls.cql = format!("{}?{}", urls.cql, cql.translate);
    Some((all, urls))
}
