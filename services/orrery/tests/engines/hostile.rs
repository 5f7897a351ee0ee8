//! What strangers and a fuzzer send, to a gateway of several processes on real engines.

use testkit::skips;

use super::fleet::{EngineUrls, Fleet, GATEWAY, ISSUER, SHORTENER};
use crate::shortener::fuzzed::{fuzz, schemathesis};
use crate::shortener::hostile::{Front, SHORT_LIMITS};

/// The fuzzer is one tenant, and asks faster than one may.
const FAST: [(&str, &str); 2] = [
    ("ORRERY_GATEWAY_RATE_LIMIT_REFILL_PER_SECOND", "100000"),
    ("ORRERY_GATEWAY_RATE_LIMIT_BURST", "100000"),
];

#[tokio::test]
async fn each_hostile_request_to_a_fleet_gets_its_problem_and_nothing_is_stored() {
    let Some(engines) = EngineUrls::shared("each_hostile_request_to_a_fleet") else {
        return;
    };
    let _turn = crate::turn::shared().await;
    let fleet = Fleet::start_with(&engines, &SHORT_LIMITS).await;
    let [first, second] = &fleet.gateways;
    let mut admins = vec![fleet.issuer.admin_url(ISSUER)];
    admins.extend([first, second].map(|gateway| gateway.admin_url(GATEWAY)));
    admins.extend(
        fleet
            .shorteners
            .each_ref()
            .map(|shortener| shortener.admin_url(SHORTENER)),
    );
    let front = Front {
        port: first.port_base(),
        token: fleet.token("acme").await,
        reader: fleet.issuer.token("acme", "ada", &["links:read"]).await,
        processes: fleet.all().collect(),
        admins,
    };
    front.stands_every_case().await;
}

#[tokio::test]
async fn schemathesis_finds_nothing_against_a_fleet() {
    const TEST: &str = "schemathesis_finds_nothing_against_a_fleet";
    // Every process asks the engines: on two cores that is more than a minute.
    if !skips::nightly() {
        return;
    }
    let (Some(program), Some(engines)) = (schemathesis(TEST), EngineUrls::shared(TEST)) else {
        return;
    };
    let _turn = crate::turn::shared().await;
    let fleet = Fleet::start_with(&engines, &FAST).await;
    let token = fleet.token("acme").await;
    fuzz(&program, &fleet.gateways[1].url(), &token).await;
    for process in fleet.all() {
        assert!(process.is_ready().await, "{}", process.tail());
    }
}
