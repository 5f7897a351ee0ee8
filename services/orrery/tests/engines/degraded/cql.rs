//! Without the link store: what is remembered goes on being followed, everything else is refused.

use http::{Method, StatusCode};

use super::{Person, assert_refused, eventually, is_whole, leads_to, readiness, target};
use crate::engines::faults::proxied::{self, Fault};
use crate::engines::fleet::Fleet;

/// Redirects at each gateway while the store is away; they take longer than a value is near.
const FOLLOWS: usize = 200;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_store_remembered_links_are_followed_and_all_else_is_503() {
    let test = "without_its_store_remembered_links_are_followed_and_all_else_is_503";
    let _turn = crate::turn::shared().await;
    let Some((engines, urls)) = proxied::all(test).await else {
        return;
    };
    let [_, _, _, cql] = &engines;
    let settings = [("ORRERY_SERVER_REQUEST_DEADLINE_MS_DEFAULT", "3000")];
    let fleet = Fleet::start_with(&urls, &settings).await;
    let people = Person::both(&fleet).await;
    people[0].make("hot").await;
    people[0].make("cold").await;
    for person in &people {
        assert!(leads_to(&person.follow("hot").await, &target("hot")));
    }

    cql.set(Fault::Cut);
    for shortener in &fleet.shorteners {
        eventually("it is not ready", &fleet, async || {
            let (status, said) = readiness(shortener).await;
            status == 503 && said.contains("/store")
        })
        .await;
    }
    for person in &people {
        for turn in 0..FOLLOWS {
            let followed = person.follow("hot").await;
            assert!(leads_to(&followed, &target("hot")), "{turn}: {}", followed.text());
        }
        // Nobody here knows whether these are there: 404 would be a lie.
        assert_refused(&person.follow("cold").await);
        assert_refused(&person.follow("nobody-made-this").await);
        assert_refused(&person.managed(Method::GET, "/v1/links").await);
        assert_refused(&person.managed(Method::GET, "/v1/links/hot").await);
        assert_refused(&person.managed(Method::DELETE, "/v1/links/hot").await);
        assert_refused(&person.ask_for("wanted").await);
    }

    cql.heal();
    for shortener in &fleet.shorteners {
        eventually("it is ready by itself", &fleet, async || {
            is_whole(shortener).await
        })
        .await;
    }
    for person in &people {
        assert!(leads_to(&person.follow("cold").await, &target("cold")));
        let missing = person.follow("nobody-made-this").await;
        assert_eq!(missing.status, StatusCode::NOT_FOUND, "{}", missing.text());
        // The same key at either gateway: one link.
        person.make("wanted").await;
    }
    // Both followed it once before and every time while the store was away.
    let clicks = 2 + 2 * FOLLOWS as u64;
    eventually("each click is counted", &fleet, async || {
        people[0].clicks("hot").await >= clicks
    })
    .await;
    assert_eq!(people[1].clicks("hot").await, clicks);
}
