//! What every pod of ours keeps to. Each rule returns what breaks it, in words that say what would be right.

mod network;
mod pods;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::model::{Object, Overlay, selects};
#[cfg(test)]
pub(in crate::k8s) use tests::{change, sound};

type Rule = fn(&Overlay) -> Vec<String>;

const RULES: [Rule; 14] = [
    pods::nobody_is_root,
    pods::nobody_has_privileges,
    pods::the_root_is_read_only,
    pods::everything_is_limited,
    pods::an_image_is_one_version,
    pods::nobody_has_a_token,
    pods::probes_ask_the_admin_port_and_differ,
    pods::the_grace_period_covers_the_drain,
    pods::roles_spread_over_nodes,
    one_may_always_go,
    the_autoscaler_has_the_number,
    no_secret_stands_in_a_file,
    network::every_pod_says_whom_it_talks_to,
    network::names_of_ports_are_there,
];

/// Everything that is wrong in an overlay.
pub(super) fn check(overlay: &Overlay) -> Vec<String> {
    RULES.iter().flat_map(|rule| rule(overlay)).collect()
}

/// The Deployments that serve a role.
fn roles(overlay: &Overlay) -> impl Iterator<Item = &Object> {
    overlay.workloads().filter(|object| object.role().is_some())
}

/// A line for each container that a predicate is false of.
fn containers_where(overlay: &Overlay, is_right: impl Fn(&Value) -> bool, otherwise: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for object in overlay.workloads() {
        for container in object.containers().filter(|container| !is_right(container)) {
            let name = container["name"].as_str().unwrap_or("?");
            wrong.push(format!("{}, container {name}: {otherwise}", object.title()));
        }
    }
    wrong
}

fn least(overlay: &Overlay, object: &Object) -> u64 {
    autoscaler(overlay, object).map_or_else(
        || object.spec()["replicas"].as_u64().unwrap_or(1),
        |scaler| scaler.spec()["minReplicas"].as_u64().unwrap_or(1),
    )
}

fn autoscaler<'a>(overlay: &'a Overlay, object: &Object) -> Option<&'a Object> {
    overlay.of("HorizontalPodAutoscaler").find(|scaler| {
        let target = &scaler.spec()["scaleTargetRef"];
        target["kind"] == object.kind() && target["name"] == object.name()
    })
}

/// A node must be emptied without a role being gone: two pods at least, one of which may be evicted. One that is alone by its nature
/// goes with its node.
fn one_may_always_go(overlay: &Overlay) -> Vec<String> {
    let mut wrong = Vec::new();
    for role in roles(overlay) {
        let least = least(overlay, role);
        if least < 2 && !role.is_alone() {
            wrong.push(format!(
                "{}: has {least} pod at least; two are the least that can lose one (or say why in `orrery.dev/alone`)",
                role.title()
            ));
        }
        let budget = overlay
            .of("PodDisruptionBudget")
            .find(|budget| selects(&budget.spec()["selector"], role.pod_labels()));
        let leaves_one = budget.is_some_and(|budget| {
            let (gone, kept) = (&budget.spec()["maxUnavailable"], &budget.spec()["minAvailable"]);
            gone.as_u64().is_some_and(|gone| gone >= 1 && gone < least.max(2))
                || kept.as_u64().is_some_and(|kept| kept >= 1 && kept < least)
        });
        if !leaves_one {
            wrong.push(format!(
                "{}: needs a PodDisruptionBudget that lets one pod go and keeps another",
                role.title()
            ));
        }
    }
    wrong
}

/// Whoever applies a Deployment with a number of its own sets back what the autoscaler chose under load.
fn the_autoscaler_has_the_number(overlay: &Overlay) -> Vec<String> {
    let mut wrong = Vec::new();
    for role in roles(overlay) {
        let (scaler, replicas) = (autoscaler(overlay, role), &role.spec()["replicas"]);
        if role.is_alone() {
            if scaler.is_some() || replicas != 1 || role.spec()["strategy"]["type"] != "Recreate" {
                wrong.push(format!(
                    "{}: what is alone has one replica, strategy Recreate and no autoscaler",
                    role.title()
                ));
            }
        } else if scaler.is_none() {
            wrong.push(format!("{}: has no HorizontalPodAutoscaler", role.title()));
        } else if !replicas.is_null() {
            wrong.push(format!("{}: leave `replicas` to the autoscaler", role.title()));
        }
    }
    let without = overlay.of("HorizontalPodAutoscaler").filter(|scaler| {
        let target = &scaler.spec()["scaleTargetRef"];
        !overlay
            .of("Deployment")
            .any(|object| target["kind"] == "Deployment" && target["name"] == object.name())
    });
    wrong.extend(without.map(|scaler| format!("{}: there is no such Deployment", scaler.title())));
    wrong
}

/// What is secret is made where it is used, or kept by a program for that; a repository is read by everybody.
fn no_secret_stands_in_a_file(overlay: &Overlay) -> Vec<String> {
    let is_secret = |name: &str| {
        let name = name.to_ascii_uppercase();
        ["PASSWORD", "SECRET", "_KEY", "CREDENTIAL"]
            .iter()
            .any(|word| name.ends_with(word))
    };
    let mut wrong: Vec<String> = overlay
        .of("Secret")
        .filter(|secret| secret.0["data"].is_object() || secret.0["stringData"].is_object())
        .map(|secret| format!("{}: has values; keep those out of the repository", secret.title()))
        .collect();
    let settings = overlay.settings();
    let told = settings
        .iter()
        .filter(|(name, value)| is_secret(name) || value.contains("://") && value.contains('@'));
    wrong.extend(told.map(|(name, _)| format!("ConfigMap: `{name}` belongs into a Secret")));
    wrong.extend(containers_where(
        overlay,
        |container| {
            let variables = container["env"].as_array().into_iter().flatten();
            variables
                .filter(|variable| is_secret(variable["name"].as_str().unwrap_or_default()))
                .all(|variable| variable["valueFrom"]["secretKeyRef"].is_object())
        },
        "a secret comes by `secretKeyRef`",
    ));
    wrong
}
