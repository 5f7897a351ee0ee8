//! What `/readyz` of every role says while an engine is away, and once it is back.

use std::time::Duration;

use testkit::engines::Kind;
use testkit::http::get;
use testkit::platform::Platform;

use super::proxied::Fault;
use crate::engines::fleet::{Fleet, GATEWAY, ISSUER, SHORTENER};

/// A loss shows within 2 s and a driver comes back within 10 s, on a machine that has nothing else to do.
const PATIENCE: Duration = Duration::from_secs(40);

/// The one thing that a role says about an engine that is away.
enum Says {
    NotReady(&'static str),
    Degraded(&'static str),
}

/// Which roles say what about a loss of this engine.
fn sayings(kind: Kind) -> Vec<(u16, Says)> {
    match kind {
        Kind::Postgres => vec![(ISSUER, Says::NotReady("/database"))],
        Kind::Redis => vec![
            (SHORTENER, Says::Degraded("degraded: cache: ")),
            (GATEWAY, Says::Degraded("degraded: redis: ")),
        ],
        Kind::Nats => vec![
            (SHORTENER, Says::Degraded("degraded: streams: ")),
            (SHORTENER, Says::Degraded("degraded: leases: ")),
        ],
        Kind::Cql => vec![(SHORTENER, Says::NotReady("/store"))],
    }
}

/// Every role says so, and the others do not. What is slow or throttled may count as lost or not.
pub(crate) async fn follows(fleet: &Fleet, kind: Kind, fault: Fault, what: &str) {
    if !fault.is_loss() {
        return;
    }
    for (role, says) in sayings(kind) {
        for process in of_role(fleet, role) {
            until(fleet, process, role, what, |status, text| match says {
                Says::NotReady(name) => status == 503 && text.contains(name),
                Says::Degraded(line) => status == 200 && text.lines().any(|l| l.starts_with(line)),
            })
            .await;
        }
    }
    let touched: Vec<u16> = sayings(kind).iter().map(|(role, _)| *role).collect();
    for role in [GATEWAY, ISSUER, SHORTENER] {
        for process in of_role(fleet, role)
            .into_iter()
            .filter(|_| !touched.contains(&role))
        {
            let (status, text) = ready(process, role).await;
            assert_eq!((status, &*text), (200, "ok\n"), "{what}: role {role}");
        }
    }
}

/// Every role is ready and misses nothing.
pub(crate) async fn is_whole(fleet: &Fleet, what: &str) {
    for role in [GATEWAY, ISSUER, SHORTENER] {
        for process in of_role(fleet, role) {
            until(fleet, process, role, what, |status, text| {
                status == 200 && text == "ok\n"
            })
            .await;
        }
    }
}

/// The status and body of a role's `/readyz`.
pub(crate) async fn ready(process: &Platform, role: u16) -> (u16, String) {
    let answer = get(format!("{}/readyz", process.admin_url(role))).send().await;
    (answer.status.as_u16(), answer.text())
}

fn of_role(fleet: &Fleet, role: u16) -> Vec<&Platform> {
    match role {
        GATEWAY => fleet.gateways.iter().collect(),
        ISSUER => vec![&fleet.issuer],
        _ => fleet.shorteners.iter().collect(),
    }
}

async fn until(fleet: &Fleet, process: &Platform, role: u16, what: &str, is_so: impl Fn(u16, &str) -> bool) {
    let mut last = (0, String::new());
    let waited = tokio::time::timeout(PATIENCE, async {
        loop {
            last = ready(process, role).await;
            if is_so(last.0, &last.1) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let in_time = waited.await.is_ok();
    assert!(
        in_time,
        "{what}: role {role} says {last:?} after {PATIENCE:?}\n{}",
        fleet.tails()
    );
}
