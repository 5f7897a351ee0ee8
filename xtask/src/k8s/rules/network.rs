//! Rules about who reaches whom.

use serde_json::{Value, json};

use super::super::model::{Overlay, selects};

fn has_both_directions(policy: &Value) -> bool {
    let types = policy["policyTypes"].as_array();
    types.is_some_and(|types| types.contains(&json!("Ingress")) && types.contains(&json!("Egress")))
}

/// Nothing is reached by default; what a pod needs stands in a policy of its own.
pub(super) fn every_pod_says_whom_it_talks_to(overlay: &Overlay) -> Vec<String> {
    let mut wrong = Vec::new();
    let shut = overlay.of("NetworkPolicy").any(|policy| {
        let spec = policy.spec();
        has_both_directions(spec) && spec["podSelector"] == json!({}) && spec["ingress"].is_null()
    });
    if !shut {
        wrong.push("no NetworkPolicy shuts every pod by default, in both directions".to_owned());
    }
    for workload in overlay.workloads() {
        let own = overlay.of("NetworkPolicy").any(|policy| {
            let selector = &policy.spec()["podSelector"];
            selector != &json!({})
                && selects(selector, workload.pod_labels())
                && has_both_directions(policy.spec())
        });
        if !own {
            wrong.push(format!(
                "{}: needs a NetworkPolicy of its own, for both directions",
                workload.title()
            ));
        }
    }
    for policy in overlay.of("NetworkPolicy") {
        for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
            let rules = policy.spec()[direction].as_array().into_iter().flatten();
            let open = rules
                .filter(|rule| rule[peers].is_null() || rule["ports"].is_null())
                .count();
            // The gateway is there for everybody; nothing else is, and nobody reaches out to everybody.
            if open > usize::from(policy.name() == "gateway" && direction == "ingress") {
                wrong.push(format!(
                    "{}: each rule of {direction} names its peers and its ports",
                    policy.title()
                ));
            }
        }
    }
    wrong
}

/// A Service whose selector or port meets no pod answers nobody, and nothing says why.
pub(super) fn names_of_ports_are_there(overlay: &Overlay) -> Vec<String> {
    let mut wrong = Vec::new();
    for service in overlay.of("Service") {
        let selector = &service.spec()["selector"];
        let Some(workload) = overlay
            .workloads()
            .find(|workload| selector.is_object() && selects(selector, workload.pod_labels()))
        else {
            wrong.push(format!("{}: its selector meets no pod", service.title()));
            continue;
        };
        for port in service.spec()["ports"].as_array().into_iter().flatten() {
            let name = port["targetPort"].as_str().unwrap_or_default();
            if workload
                .port(name)
                .is_none_or(|number| port["port"].as_u64() != Some(number))
            {
                wrong.push(format!(
                    "{}: port `{name}` is not the one that {} has under that name",
                    service.title(),
                    workload.title()
                ));
            }
        }
    }
    wrong
}
