//! The containers that watch a platform: what their file and their configurations promise, checked without a Docker engine.
//! Prometheus's and Alertmanager's own programs check their files in `shared/testkit/tests/testkit/watchers.rs`.

use std::path::PathBuf;

use serde_json::Value;

/// The images of these hold nothing that could ask: the service `ready` asks in their place.
const ASKED_FROM_BESIDE: [&str; 3] = ["tempo", "loki", "otel-collector"];
const PROFILE: &str = "observability";

fn yaml(path: &str) -> Value {
    let file = infra(path);
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

fn infra(path: &str) -> PathBuf {
    engines::checkout().join("infra").join(path)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("text, not {value}"))
}

fn texts(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().map(text).collect()
}

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .collect()
}

/// The services of the profile, with their names.
fn watching() -> Vec<(String, Value)> {
    let compose = yaml("compose.yaml");
    let services = compose["services"].as_object().expect("services").clone();
    services
        .into_iter()
        .filter(|(_, service)| texts(&service["profiles"]) == [PROFILE])
        .collect()
}

#[test]
fn each_watching_service_has_an_exact_tag_a_memory_limit_and_a_healthcheck() {
    let services = watching();
    let names: Vec<&str> = services.iter().map(|(name, _)| name.as_str()).collect();
    for wanted in [
        "prometheus",
        "alertmanager",
        "grafana",
        "tempo",
        "loki",
        "otel-collector",
    ] {
        assert!(names.contains(&wanted), "no {wanted} in {names:?}");
    }
    let (_, ready) = services
        .iter()
        .find(|(name, _)| name == "ready")
        .expect("the one that asks");
    let asks = ready["healthcheck"]["test"].to_string();
    assert_eq!(asks.matches("wget").count(), ASKED_FROM_BESIDE.len(), "{asks}");
    for (name, service) in &services {
        let (_, tag) = text(&service["image"]).rsplit_once(':').expect("a tag");
        let numbers: Vec<&str> = tag.trim_start_matches('v').split('.').collect();
        assert!(
            numbers.len() == 3 && numbers.iter().all(|number| number.parse::<u32>().is_ok()),
            "{name}: {tag} is no exact tag"
        );
        assert!(
            text(&service["mem_limit"]).ends_with('m'),
            "{name} has no memory limit"
        );
        assert_eq!(
            text(&service["network_mode"]),
            "host",
            "{name}: the platform is on the host's loopback"
        );
        let healthy = service["healthcheck"]["test"].is_array();
        assert_eq!(healthy, !ASKED_FROM_BESIDE.contains(&name.as_str()), "{name}");
    }
}

#[test]
fn whatever_a_watching_service_mounts_is_there() {
    for (name, service) in watching() {
        for mount in texts(&service["volumes"]) {
            let (from, _) = mount.split_once(':').expect("from:to");
            // Generated and written at run time.
            let elsewhere = from.contains("${") || from.ends_with("/rules") || from.ends_with("/dashboards");
            if let Some(path) = from.strip_prefix("./").filter(|_| !elsewhere) {
                assert!(infra(path).exists(), "{name} mounts {from}");
            }
        }
    }
}

#[test]
fn nothing_that_watches_listens_beyond_loopback() {
    let tempo = yaml("tempo/tempo.yaml");
    let loki = yaml("loki/loki.yaml");
    for (name, server) in [("tempo", &tempo["server"]), ("loki", &loki["server"])] {
        for face in ["http", "grpc"] {
            let address = &server[format!("{face}_listen_address")];
            assert_eq!(text(address), "127.0.0.1", "{name}, {face}");
        }
    }
    let collector = yaml("otel-collector/otel-collector.yaml");
    for protocol in ["grpc", "http"] {
        let endpoint = text(&collector["receivers"]["otlp"]["protocols"][protocol]["endpoint"]);
        assert!(endpoint.starts_with("127.0.0.1:"), "{endpoint}");
    }
    assert_eq!(
        text(&collector["service"]["telemetry"]["metrics"]["level"]),
        "none"
    );
    for (name, service) in watching() {
        let listens = texts(&service["command"])
            .into_iter()
            .filter(|flag| flag.contains("listen-address="));
        for flag in listens {
            let (_, address) = flag.split_once('=').expect("a value");
            // An empty one is a listener that is not wanted.
            assert!(
                address.is_empty() || address.starts_with("127.0.0.1:"),
                "{name}: {flag}"
            );
        }
    }
}

#[test]
fn the_collector_s_pipelines_name_what_is_defined_and_begin_with_the_memory_limit() {
    let collector = yaml("otel-collector/otel-collector.yaml");
    let pipelines = collector["service"]["pipelines"].as_object().expect("pipelines");
    assert_eq!(pipelines.len(), 2);
    for (name, pipeline) in pipelines {
        for kind in ["receivers", "processors", "exporters"] {
            let defined = keys(&collector[kind]);
            for one in texts(&pipeline[kind]) {
                assert!(defined.contains(&one), "{name}: {one} is none of {kind}");
            }
        }
        assert_eq!(
            texts(&pipeline["processors"]).first(),
            Some(&"memory_limiter"),
            "{name}"
        );
    }
    for extension in texts(&collector["service"]["extensions"]) {
        assert!(keys(&collector["extensions"]).contains(&extension), "{extension}");
    }
    let tempo = yaml("tempo/tempo.yaml");
    assert_eq!(
        tempo["distributor"]["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"],
        collector["exporters"]["otlp/tempo"]["endpoint"]
    );
    let logs = text(&collector["exporters"]["otlphttp/loki"]["endpoint"]);
    let loki = &yaml("loki/loki.yaml")["server"]["http_listen_port"];
    assert_eq!(logs, format!("http://127.0.0.1:{loki}/otlp"));
}

#[test]
fn grafana_s_data_sources_lead_to_each_other_and_to_what_is_started() {
    let provisioned = yaml("grafana/provisioning/datasources/orrery.yaml");
    let sources = provisioned["datasources"].as_array().expect("data sources");
    let uids: Vec<&str> = sources.iter().map(|source| text(&source["uid"])).collect();
    let url = |uid: &str| {
        let source = sources.iter().find(|source| source["uid"] == uid);
        text(&source.unwrap_or_else(|| panic!("no {uid}"))["url"]).to_owned()
    };
    let tempo = &yaml("tempo/tempo.yaml")["server"]["http_listen_port"];
    assert_eq!(url("tempo"), format!("http://127.0.0.1:{tempo}"));
    let loki = &yaml("loki/loki.yaml")["server"]["http_listen_port"];
    assert_eq!(url("loki"), format!("http://127.0.0.1:{loki}"));
    let listens: Vec<String> = watching()
        .iter()
        .flat_map(|(_, service)| {
            texts(&service["command"])
                .iter()
                .map(|s| (*s).to_owned())
                .collect::<Vec<_>>()
        })
        .collect();
    for uid in ["prometheus", "alertmanager"] {
        let flag = url(uid).replace("http://", "--web.listen-address=");
        assert!(listens.contains(&flag), "{flag} is none of {listens:?}");
    }
    for (key, value) in sources.iter().flat_map(|source| leads(&source["jsonData"])) {
        assert!(uids.contains(&value.as_str()), "{key} leads to {value}");
    }
}

/// Each `datasourceUid` below.
fn leads(value: &Value) -> Vec<(String, String)> {
    match value {
        Value::Array(all) => all.iter().flat_map(leads).collect(),
        Value::Object(all) => all
            .iter()
            .flat_map(|(key, value)| match value {
                Value::String(uid) if key == "datasourceUid" => vec![(key.clone(), uid.clone())],
                other => leads(other),
            })
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn prometheus_watches_every_role_and_tells_the_alertmanager_that_is_started() {
    let targets = yaml("prometheus/targets.yaml");
    let jobs: Vec<&str> = targets
        .as_array()
        .into_iter()
        .flatten()
        .map(|group| text(&group["labels"]["job"]))
        .collect();
    assert_eq!(
        jobs,
        [
            "gateway",
            "issuer",
            "shortener",
            "payment",
            "processor",
            "console"
        ]
    );
    let told =
        &yaml("prometheus/prometheus.yaml")["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"];
    assert_eq!(texts(told), ["127.0.0.1:9093"]);
}
