//! Rules about a pod by itself.

use serde_json::Value;

use super::super::model::{Object, Overlay};
use super::{containers_where, roles};

/// Below this are the users of distributions; a number above is nobody's on the node.
const USER_LEAST: u64 = 10_000;
/// What a role takes beyond its drain: its stores give back what they hold (4 s), its runtime and its telemetry end (4 s).
const ENDS_MS: u64 = 8_000;

fn workloads_where(overlay: &Overlay, is_right: impl Fn(&Object) -> bool, otherwise: &str) -> Vec<String> {
    overlay
        .workloads()
        .filter(|object| !is_right(object))
        .map(|object| format!("{}: {otherwise}", object.title()))
        .collect()
}

fn list<'a>(of: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    of[name].as_array().into_iter().flatten()
}

pub(super) fn nobody_is_root(overlay: &Overlay) -> Vec<String> {
    let high = |user: &Value| user.as_u64().is_some_and(|user| user >= USER_LEAST);
    let mut wrong = workloads_where(
        overlay,
        |object| {
            let context = &object.pod()["securityContext"];
            context["runAsNonRoot"] == true && high(&context["runAsUser"]) && high(&context["runAsGroup"])
        },
        "set runAsNonRoot, and runAsUser and runAsGroup of 10000 or more",
    );
    wrong.extend(containers_where(
        overlay,
        |container| {
            let context = &container["securityContext"];
            context["runAsNonRoot"] != false
                && (context["runAsUser"].is_null() || high(&context["runAsUser"]))
        },
        "keep to the pod's user",
    ));
    wrong
}

pub(super) fn nobody_has_privileges(overlay: &Overlay) -> Vec<String> {
    let mut wrong = workloads_where(
        overlay,
        |object| {
            let pod = object.pod();
            pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
                && ["hostNetwork", "hostPID", "hostIPC"]
                    .iter()
                    .all(|of_host| pod[of_host] != true)
                && list(pod, "volumes").all(|volume| volume["hostPath"].is_null())
        },
        "set seccompProfile RuntimeDefault, and share nothing with the node",
    );
    wrong.extend(containers_where(
        overlay,
        |container| {
            let context = &container["securityContext"];
            context["allowPrivilegeEscalation"] == false
                && context["privileged"] != true
                && context["capabilities"]["drop"] == serde_json::json!(["ALL"])
                && context["capabilities"]["add"].is_null()
        },
        "set allowPrivilegeEscalation: false, drop ALL capabilities and add none",
    ));
    wrong
}

pub(super) fn the_root_is_read_only(overlay: &Overlay) -> Vec<String> {
    containers_where(
        overlay,
        |container| container["securityContext"]["readOnlyRootFilesystem"] == true,
        "set readOnlyRootFilesystem, and mount what it writes to",
    )
}

/// One that takes what it wants takes it from its neighbours.
pub(super) fn everything_is_limited(overlay: &Overlay) -> Vec<String> {
    let mut wrong = containers_where(
        overlay,
        |container| {
            ["requests", "limits"].iter().all(|list| {
                ["cpu", "memory", "ephemeral-storage"]
                    .iter()
                    .all(|what| !container["resources"][list][what].is_null())
            })
        },
        "set requests and limits of cpu, memory and ephemeral-storage",
    );
    wrong.extend(workloads_where(
        overlay,
        |object| {
            list(object.pod(), "volumes")
                .all(|volume| volume["emptyDir"].is_null() || !volume["emptyDir"]["sizeLimit"].is_null())
        },
        "give each emptyDir a sizeLimit",
    ));
    wrong
}

pub(super) fn an_image_is_one_version(overlay: &Overlay) -> Vec<String> {
    containers_where(
        overlay,
        |container| {
            let image = container["image"].as_str().unwrap_or_default();
            let name = image.rsplit('/').next().unwrap_or_default();
            let tag = name.split_once(':').map_or("latest", |(_, tag)| tag);
            image.contains("@sha256:") || tag != "latest"
        },
        "name one version of the image, by a tag other than `latest` or by its digest",
    )
}

/// No pod of ours talks to Kubernetes, so none can be made to. Variables that Kubernetes adds could be taken for settings.
pub(super) fn nobody_has_a_token(overlay: &Overlay) -> Vec<String> {
    let mut wrong = workloads_where(
        overlay,
        |object| {
            let pod = object.pod();
            pod["automountServiceAccountToken"] == false && pod["enableServiceLinks"] == false
        },
        "set automountServiceAccountToken: false and enableServiceLinks: false",
    );
    for role in roles(overlay) {
        let account = &role.pod()["serviceAccountName"];
        let own = overlay
            .of("ServiceAccount")
            .any(|of| account == of.name() && of.0["automountServiceAccountToken"] == false);
        if account != role.name() || !own {
            wrong.push(format!(
                "{}: needs a ServiceAccount of its own, without a token",
                role.title()
            ));
        }
    }
    wrong
}

/// A role that an engine's loss restarts over and over serves even less; one that is sent requests while it cannot serve any
/// loses them; one that is killed while it migrates starts from the beginning.
pub(super) fn probes_ask_the_admin_port_and_differ(overlay: &Overlay) -> Vec<String> {
    const PATHS: [(&str, &str); 3] = [
        ("startupProbe", "/livez"),
        ("livenessProbe", "/livez"),
        ("readinessProbe", "/readyz"),
    ];
    let mut wrong = Vec::new();
    for role in roles(overlay) {
        for container in role.containers() {
            for (probe, path) in PATHS {
                let asked = &container[probe]["httpGet"];
                if asked["path"] != path || asked["port"] != "admin" {
                    wrong.push(format!(
                        "{}: its {probe} asks {path} of the port `admin`",
                        role.title()
                    ));
                }
            }
            let patience_s = |probe: &str| {
                let of = |name: &str, default| container[probe][name].as_u64().unwrap_or(default);
                of("periodSeconds", 10) * of("failureThreshold", 3)
            };
            if patience_s("startupProbe") < 120 || patience_s("readinessProbe") >= patience_s("livenessProbe")
            {
                wrong.push(format!(
                    "{}: a start may take 2 minutes, and a pod leaves its Service long before it is restarted",
                    role.title()
                ));
            }
        }
    }
    wrong
}

/// A role that is killed half-way through its drain breaks its promise to whoever waits for an answer.
pub(super) fn the_grace_period_covers_the_drain(overlay: &Overlay) -> Vec<String> {
    let settings = overlay.settings();
    let set = |name: &str, default: u64| {
        let found = settings.iter().find(|(of, _)| of == name);
        found.and_then(|(_, value)| value.parse().ok()).unwrap_or(default)
    };
    let notice_ms = set("ORRERY_SERVER_DRAIN_NOTICE_MS", 500);
    let drain_ms = set("ORRERY_SERVER_DRAIN_DEADLINE_MS", 10_000);
    let needed_s = (notice_ms + drain_ms + ENDS_MS).div_ceil(1_000);
    let mut wrong = Vec::new();
    if notice_ms < 2_000 {
        wrong.push(
            "ORRERY_SERVER_DRAIN_NOTICE_MS: 2000 at least, for that is how long nodes may go on sending"
                .to_owned(),
        );
    }
    for role in roles(overlay) {
        let grace_s = role.pod()["terminationGracePeriodSeconds"].as_u64().unwrap_or(30);
        if grace_s < needed_s {
            wrong.push(format!(
                "{}: terminationGracePeriodSeconds is {grace_s}; notice, drain and end take up to {needed_s} s",
                role.title()
            ));
        }
    }
    wrong
}

pub(super) fn roles_spread_over_nodes(overlay: &Overlay) -> Vec<String> {
    let spreads = |role: &Object, over: &str| {
        list(role.pod(), "topologySpreadConstraints").any(|constraint| constraint["topologyKey"] == over)
    };
    let mut wrong = Vec::new();
    for role in roles(overlay) {
        if !spreads(role, "kubernetes.io/hostname") {
            wrong.push(format!("{}: its pods do not spread over nodes", role.title()));
        }
        if overlay.name == "production" && !spreads(role, "topology.kubernetes.io/zone") {
            wrong.push(format!("{}: its pods do not spread over zones", role.title()));
        }
    }
    wrong
}
