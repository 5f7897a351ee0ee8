//! Each rule, broken once.

use serde_json::{Value, json};

use super::super::model::{Object, Overlay};
use super::check;

fn role(name: &str, port: u64) -> [Value; 6] {
    let labels = json!({"app.kubernetes.io/name": name});
    let secret = json!({"secretKeyRef": {"name": "orrery-issuer", "key": "ORRERY_ISSUER_API_KEY_SECRET"}});
    let limits = json!({"cpu": "1", "memory": "64Mi", "ephemeral-storage": "64Mi"});
    let admin = if name == "gateway" { 8091 } else { port + 1 };
    let probe = |path: &str, period: u64, failures: u64| json!({"httpGet": {"path": path, "port": "admin"}, "periodSeconds": period, "failureThreshold": failures});
    let container = json!({
        "name": name, "image": "orrery:0.1.0", "args": ["serve", name],
        "ports": [{"name": "api", "containerPort": port}, {"name": "admin", "containerPort": admin}],
        "env": [{"name": "ORRERY_ISSUER_API_KEY_SECRET", "valueFrom": secret}],
        "startupProbe": probe("/livez", 1, 150),
        "livenessProbe": probe("/livez", 10, 3),
        "readinessProbe": probe("/readyz", 2, 1),
        "resources": {"requests": limits, "limits": limits},
        "securityContext": {
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]},
        },
    });
    let pod = json!({
        "serviceAccountName": name, "automountServiceAccountToken": false, "enableServiceLinks": false,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"},
        },
        "topologySpreadConstraints": [
            {"topologyKey": "kubernetes.io/hostname"}, {"topologyKey": "topology.kubernetes.io/zone"},
        ],
        "containers": [container],
        "volumes": [{"name": "data", "emptyDir": {"sizeLimit": "16Mi"}}],
    });
    let annotations = json!({"prometheus.io/port": admin.to_string()});
    let of = |kind: &str, spec: Value| json!({"kind": kind, "metadata": {"name": name}, "spec": spec});
    [
        of(
            "Deployment",
            json!({"template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod}}),
        ),
        of(
            "Service",
            json!({"selector": labels, "ports": [{"port": port, "targetPort": "api"}]}),
        ),
        json!({"kind": "ServiceAccount", "metadata": {"name": name}, "automountServiceAccountToken": false}),
        of(
            "PodDisruptionBudget",
            json!({"selector": {"matchLabels": labels}, "maxUnavailable": 1}),
        ),
        of(
            "HorizontalPodAutoscaler",
            json!({
                "scaleTargetRef": {"kind": "Deployment", "name": name}, "minReplicas": 2, "metrics": [],
            }),
        ),
        of(
            "NetworkPolicy",
            json!({
                "podSelector": {"matchLabels": labels}, "policyTypes": ["Ingress", "Egress"],
                "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": "api"}]}],
                "egress": [{"to": [{"podSelector": {}}], "ports": [{"port": 9042}]}],
            }),
        ),
    ]
}

/// An overlay that no rule has anything against.
pub(in crate::k8s) fn sound(roles: &[&str]) -> Overlay {
    let mut objects = vec![
        json!({"kind": "ConfigMap", "metadata": {"name": "orrery-settings"}, "data": {
            "ORRERY_SERVER_DRAIN_NOTICE_MS": "5000", "ORRERY_ISSUER_PUBLIC_URL": "http://127.0.0.1:8080",
            "ORRERY_GATEWAY_TOKENS_ISSUER": "http://127.0.0.1:8080", "ORRERY_GATEWAY_UPSTREAMS_ISSUER": "http://issuer:8092",
        }}),
        json!({"kind": "NetworkPolicy", "metadata": {"name": "default-deny"}, "spec": {
            "podSelector": {}, "policyTypes": ["Ingress", "Egress"],
        }}),
    ];
    for name in roles {
        objects.extend(role(name, if *name == "gateway" { 8080 } else { 8092 }));
    }
    Overlay {
        name: "production".to_owned(),
        text: String::new(),
        objects: objects.into_iter().map(Object).collect(),
    }
}

/// Sets one field of one object; null takes it away.
pub(in crate::k8s) fn change(overlay: &mut Overlay, title: &str, pointer: &str, value: Value) {
    let object = overlay.objects.iter_mut().find(|object| object.title() == title);
    let object = &mut object.unwrap_or_else(|| panic!("there is a {title}")).0;
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let parent = object
        .pointer_mut(parent)
        .unwrap_or_else(|| panic!("{title} has {pointer}"));
    match field.parse::<usize>() {
        Ok(index) => parent[index] = value,
        Err(_) => parent[field.replace("~1", "/")] = value,
    }
}

/// What is said once a field is set.
#[track_caller]
fn breaks(title: &str, pointer: &str, value: Value, expected: &str) {
    let mut overlay = sound(&["issuer"]);
    change(&mut overlay, title, pointer, value);
    let found = check(&overlay).join("\n");
    assert!(found.contains(expected), "{pointer}: {found}");
}

const ROLE: &str = "Deployment/issuer";
const POD: &str = "/spec/template/spec";
const CONTAINER: &str = "/spec/template/spec/containers/0";

fn in_pod(field: &str, value: Value, expected: &str) {
    breaks(ROLE, &format!("{POD}/{field}"), value, expected);
}

fn in_container(field: &str, value: Value, expected: &str) {
    breaks(ROLE, &format!("{CONTAINER}/{field}"), value, expected);
}

#[test]
fn a_sound_overlay_breaks_no_rule() {
    assert_eq!(check(&sound(&["gateway", "issuer"])), [""; 0]);
}

#[test]
fn a_pod_of_roots_is_refused() {
    in_pod("securityContext/runAsNonRoot", Value::Null, "runAsNonRoot");
    in_pod("securityContext/runAsUser", json!(0), "runAsUser");
    in_pod("securityContext/runAsUser", json!(999), "runAsUser");
    in_container("securityContext/runAsUser", json!(0), "keep to the pod's user");
}

#[test]
fn privileges_are_refused() {
    in_container(
        "securityContext/allowPrivilegeEscalation",
        json!(true),
        "allowPrivilegeEscalation",
    );
    in_container("securityContext/privileged", json!(true), "drop ALL");
    in_container(
        "securityContext/capabilities/drop",
        json!(["NET_RAW"]),
        "drop ALL",
    );
    in_container(
        "securityContext/capabilities/add",
        json!(["NET_ADMIN"]),
        "add none",
    );
    in_pod(
        "securityContext/seccompProfile/type",
        json!("Unconfined"),
        "seccompProfile",
    );
    in_pod("hostNetwork", json!(true), "share nothing with the node");
    in_pod(
        "volumes/0",
        json!({"hostPath": {"path": "/"}}),
        "share nothing with the node",
    );
}

#[test]
fn a_root_that_can_be_written_is_refused() {
    in_container(
        "securityContext/readOnlyRootFilesystem",
        json!(false),
        "readOnlyRootFilesystem",
    );
}

#[test]
fn what_has_no_limit_is_refused() {
    in_container("resources/limits/memory", Value::Null, "requests and limits");
    in_container("resources/requests/cpu", Value::Null, "requests and limits");
    in_pod("volumes/0/emptyDir", json!({}), "sizeLimit");
}

#[test]
fn an_image_of_no_version_is_refused() {
    for image in ["orrery", "orrery:latest", "registry.example.com:5000/orrery"] {
        in_container("image", json!(image), "one version of the image");
    }
}

#[test]
fn a_token_is_refused() {
    in_pod(
        "automountServiceAccountToken",
        json!(true),
        "automountServiceAccountToken",
    );
    in_pod("enableServiceLinks", Value::Null, "enableServiceLinks");
    in_pod(
        "serviceAccountName",
        json!("default"),
        "ServiceAccount of its own",
    );
    let account = "ServiceAccount/issuer";
    breaks(
        account,
        "/automountServiceAccountToken",
        json!(true),
        "ServiceAccount of its own",
    );
}

#[test]
fn probes_that_ask_the_wrong_thing_are_refused() {
    in_container(
        "livenessProbe/httpGet/path",
        json!("/readyz"),
        "livenessProbe asks /livez",
    );
    in_container(
        "readinessProbe/httpGet/port",
        json!("api"),
        "readinessProbe asks /readyz",
    );
    in_container("startupProbe", Value::Null, "startupProbe asks");
    in_container("startupProbe/failureThreshold", json!(30), "may take 2 minutes");
    in_container(
        "readinessProbe/failureThreshold",
        json!(30),
        "long before it is restarted",
    );
}

#[test]
fn a_grace_period_shorter_than_the_drain_is_refused() {
    in_pod("terminationGracePeriodSeconds", json!(22), "take up to 23 s");
    let notice = "/data/ORRERY_SERVER_DRAIN_NOTICE_MS";
    breaks(
        "ConfigMap/orrery-settings",
        notice,
        json!("20000"),
        "take up to 38 s",
    );
    breaks("ConfigMap/orrery-settings", notice, Value::Null, "2000 at least");
}

#[test]
fn pods_that_stand_together_are_refused() {
    in_pod("topologySpreadConstraints/0", json!({}), "over nodes");
    in_pod("topologySpreadConstraints/1", json!({}), "over zones");
}

#[test]
fn a_budget_that_lets_nobody_go_or_everybody_is_refused() {
    let budget = "PodDisruptionBudget/issuer";
    for gone in [json!(0), json!(2), Value::Null] {
        breaks(budget, "/spec/maxUnavailable", gone, "lets one pod go");
    }
    breaks(
        budget,
        "/spec/selector/matchLabels",
        json!({"app.kubernetes.io/name": "x"}),
        "lets one pod go",
    );
    breaks(
        "HorizontalPodAutoscaler/issuer",
        "/spec/minReplicas",
        json!(1),
        "two are the least",
    );
}

#[test]
fn a_number_beside_the_autoscalers_is_refused() {
    breaks(ROLE, "/spec/replicas", json!(2), "leave `replicas`");
    let scaler = "HorizontalPodAutoscaler/issuer";
    breaks(
        scaler,
        "/spec/scaleTargetRef/name",
        json!("x"),
        "has no HorizontalPodAutoscaler",
    );
    breaks(
        scaler,
        "/spec/scaleTargetRef/name",
        json!("x"),
        "there is no such Deployment",
    );
}

#[test]
fn one_that_is_alone_says_why_and_is_one() {
    let mut overlay = sound(&["issuer"]);
    overlay
        .objects
        .retain(|object| object.kind() != "HorizontalPodAutoscaler");
    change(&mut overlay, ROLE, "/spec/replicas", json!(1));
    assert!(check(&overlay).join("\n").contains("two are the least"));
    change(
        &mut overlay,
        ROLE,
        "/metadata/annotations",
        json!({"orrery.dev/alone": "it remembers"}),
    );
    change(&mut overlay, ROLE, "/spec/strategy", json!({"type": "Recreate"}));
    assert_eq!(check(&overlay), [""; 0]);
    change(&mut overlay, ROLE, "/spec/replicas", json!(2));
    assert!(
        check(&overlay)
            .join("\n")
            .contains("what is alone has one replica")
    );
}

#[test]
fn secrets_in_files_are_refused() {
    let mut overlay = sound(&["issuer"]);
    let secret = json!({"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "x"}});
    overlay.objects.push(Object(secret));
    assert!(
        check(&overlay)
            .join("\n")
            .contains("keep those out of the repository")
    );
    let map = "ConfigMap/orrery-settings";
    breaks(
        map,
        "/data/ORRERY_X_PASSWORD",
        json!("x"),
        "belongs into a Secret",
    );
    breaks(
        map,
        "/data/ORRERY_X_URL",
        json!("postgres://o:x@db/o"),
        "belongs into a Secret",
    );
    in_container(
        "env/0",
        json!({"name": "A_PASSWORD", "value": "x"}),
        "comes by `secretKeyRef`",
    );
}

#[test]
fn a_pod_that_everybody_reaches_is_refused() {
    let mut overlay = sound(&["issuer"]);
    overlay.objects.retain(|object| object.name() != "default-deny");
    assert!(check(&overlay).join("\n").contains("shuts every pod by default"));
    let policy = "NetworkPolicy/issuer";
    breaks(
        policy,
        "/spec/policyTypes",
        json!(["Ingress"]),
        "for both directions",
    );
    breaks(
        policy,
        "/spec/podSelector/matchLabels",
        json!({"a": "b"}),
        "a NetworkPolicy of its own",
    );
    breaks(
        policy,
        "/spec/ingress/0/from",
        Value::Null,
        "each rule of ingress names",
    );
    breaks(
        policy,
        "/spec/egress/0/ports",
        Value::Null,
        "each rule of egress names",
    );
}

#[test]
fn a_service_that_leads_nowhere_is_refused() {
    let service = "Service/issuer";
    breaks(
        service,
        "/spec/selector",
        json!({"app.kubernetes.io/name": "x"}),
        "meets no pod",
    );
    breaks(
        service,
        "/spec/ports/0/targetPort",
        json!("http"),
        "port `http` is not",
    );
    breaks(service, "/spec/ports/0/port", json!(80), "port `api` is not");
}
