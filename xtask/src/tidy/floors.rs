//! The ordered list of crates: a crate may use only crates that stand before it.

use serde_json::Value;

use crate::run::{cargo, prints};

/// The floors, lowest first; inside a floor, the order stands too.
const FLOORS: &[&[&str]] = &[
    &[
        "planted-bugs",
        "clock",
        "ids",
        "problem",
        "config",
        "history",
        "sketches",
        "card-numbers",
    ],
    &["telemetry", "resilience", "identity", "webhooks"],
    &["server", "client", "outbound", "pages", "fault-proxy"],
    &["sql", "wide", "redis-engine", "nats"],
    &["streams", "leases"],
    &["cache", "limits", "outbox", "idempotency"],
    &["slo", "load", "lab"],
    &["gateway", "issuer", "shortener", "payment", "processor"],
    &["console", "chaos"],
    &["orrery"],
];

/// Stand outside the floors: nothing that ships may depend on them.
const OUTSIDE: &[&str] = &["engines", "testkit", "xtask"];

const SERVICES: &[&str] = &["gateway", "issuer", "shortener", "payment", "processor"];

pub(super) fn check() -> Result<Vec<String>, String> {
    let text = prints(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&text).map_err(|e| format!("cargo metadata: {e}"))?;
    let packages = metadata["packages"]
        .as_array()
        .ok_or("cargo metadata lists no packages")?;
    let mut uses = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            // Only what stands in this workspace has a path; development dependencies may point anywhere.
            if dependency["path"].is_string() && dependency["kind"].as_str() != Some("dev") {
                uses.push((name, dependency["name"].as_str().unwrap_or_default()));
            }
        }
    }
    let names: Vec<&str> = packages.iter().filter_map(|p| p["name"].as_str()).collect();
    Ok(judge(&names, &uses))
}

fn judge(names: &[&str], uses: &[(&str, &str)]) -> Vec<String> {
    let order: Vec<&str> = FLOORS.concat();
    let place = |name: &str| order.iter().position(|n| *n == name);
    let mut wrong = Vec::new();
    for name in names {
        if place(name).is_none() && !OUTSIDE.contains(name) {
            wrong.push(format!(
                "crate `{name}` stands on no floor: give it a place in xtask/src/tidy/floors.rs"
            ));
        }
    }
    for (user, used) in uses {
        if OUTSIDE.contains(used) && !OUTSIDE.contains(user) {
            wrong.push(format!(
                "`{user}` depends on `{used}`, which is for tests and chores only: make it a dev-dependency"
            ));
        } else if SERVICES.contains(user) && SERVICES.contains(used) {
            wrong.push(format!(
                "`{user}` depends on `{used}`: no service imports another; they speak HTTP or streams"
            ));
        } else if let (Some(from), Some(to)) = (place(user), place(used))
            && to >= from
        {
            wrong.push(format!("`{user}` depends on `{used}`, which does not stand before it in the ordered crate list (ARCHITECTURE.md, \"The floors\")"));
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn an_arrow_that_points_down_is_fine_and_one_that_points_up_is_named() {
        assert!(judge(&["clock", "ids"], &[("ids", "clock")]).is_empty());
        assert_eq!(judge(&["clock", "ids"], &[("clock", "ids")]).len(), 1);
    }

    #[test]
    fn two_services_never_import_each_other() {
        let wrong = judge(&["gateway", "shortener"], &[("shortener", "gateway")]);
        assert!(wrong[0].contains("no service imports another"), "{wrong:?}");
    }

    #[test]
    fn what_ships_does_not_depend_on_testkit() {
        assert!(judge(&["cache", "testkit"], &[("cache", "testkit")])[0].contains("dev-dependency"));
    }

    #[test]
    fn a_crate_without_a_floor_is_refused() {
        assert!(judge(&["utils"], &[])[0].contains("no floor"));
    }
}
