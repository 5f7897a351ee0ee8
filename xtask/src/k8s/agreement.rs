//! The manifests against the binary: roles, ports, settings and metrics. What the binary has it says itself, in the documents that it
//! generates (`tidy` keeps them current) and in what it makes of the settings.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::model::{Object, Overlay, selects, text};
use crate::generate::Writer;
use crate::run::{cargo, command, prints, root, target};

/// One setting, as `docs/settings.md` tells of it.
#[derive(Clone, Debug)]
struct Setting {
    default: String,
    is_secret: bool,
}

/// What the binary says of itself.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    by_variable: BTreeMap<String, Setting>,
    metrics: Option<BTreeSet<String>>,
}

impl Settings {
    /// As the checkout has it.
    pub(super) fn read() -> Result<Self, String> {
        let file = root().join("docs/settings.md");
        let table = std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        let metrics = std::fs::read_to_string(root().join("docs/metrics.md")).ok();
        Ok(Self::parse(&table, metrics.as_deref()))
    }

    /// Of rows `| name | variable | value | default | what it does |`; of metrics, every word between backticks.
    pub(super) fn parse(table: &str, metrics: Option<&str>) -> Self {
        let row = |line: &str| {
            let cells: Vec<&str> = line
                .split(" | ")
                .map(|cell| cell.trim_matches([' ', '|', '`']))
                .collect();
            let [_, variable, _, default, ..] = cells.as_slice() else {
                return None;
            };
            let setting = Setting {
                default: (*default).to_owned(),
                is_secret: default.contains("secret"),
            };
            variable
                .starts_with("ORRERY_")
                .then(|| ((*variable).to_owned(), setting))
        };
        let words = |text: &str| text.split('`').skip(1).step_by(2).map(str::to_owned).collect();
        Self {
            by_variable: table.lines().filter_map(row).collect(),
            metrics: metrics.map(words),
        }
    }

    /// Each role's two ports, from the addresses by which the gateway finds it; its own are the base and eleven above.
    fn ports(&self) -> BTreeMap<String, (u64, u64)> {
        let port_of = |variable: &str| {
            let url = &self.by_variable.get(variable)?.default;
            url.rsplit(':').next()?.parse::<u64>().ok()
        };
        let mut ports = BTreeMap::new();
        if let Some(base) = port_of("ORRERY_GATEWAY_PUBLIC_URL") {
            ports.insert("gateway".to_owned(), (base, base + 11));
        }
        let upstreams = self
            .by_variable
            .keys()
            .filter_map(|v| v.strip_prefix("ORRERY_GATEWAY_UPSTREAMS_"));
        for role in upstreams {
            let api = port_of(&format!("ORRERY_GATEWAY_UPSTREAMS_{role}"));
            let admin = port_of(&format!("ORRERY_GATEWAY_ADMIN_{role}"));
            if let (Some(api), Some(admin)) = (api, admin) {
                ports.insert(role.to_lowercase(), (api, admin));
            }
        }
        // No request comes to the processor through the gateway; payment finds it.
        if let Some(api) = port_of("ORRERY_PAYMENT_PROCESSOR_URL") {
            ports.insert("processor".to_owned(), (api, api + 1));
        }
        ports
    }
}

/// Everything in which an overlay and the binary differ.
pub(super) fn check(overlay: &Overlay, settings: &Settings) -> Vec<String> {
    let mut wrong = roles_and_ports(overlay, settings);
    wrong.extend(variables(overlay, settings));
    wrong.extend(addresses(overlay));
    wrong.extend(one_issuer(overlay));
    wrong.extend(metrics(overlay, settings));
    wrong
}

fn roles_and_ports(overlay: &Overlay, settings: &Settings) -> Vec<String> {
    let mut wrong = Vec::new();
    let ports = settings.ports();
    let served: Vec<&Object> = overlay.workloads().filter(|w| w.role().is_some()).collect();
    for (role, (api, admin)) in &ports {
        let Some(workload) = served.iter().find(|workload| workload.role() == Some(role)) else {
            wrong.push(format!("nothing serves the role {role}, which the binary has"));
            continue;
        };
        for (name, number) in [("api", api), ("admin", admin)] {
            if workload.port(name) != Some(*number) {
                wrong.push(format!(
                    "{}: its port `{name}` is {number} in the binary",
                    workload.title()
                ));
            }
        }
        let scraped = &workload.0["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"];
        if text(scraped) != admin.to_string() {
            wrong.push(format!("{}: prometheus.io/port is {admin}", workload.title()));
        }
    }
    let unknown = served
        .iter()
        .filter(|w| w.role().is_some_and(|role| !ports.contains_key(role)));
    wrong.extend(unknown.map(|workload| format!("{}: the binary has no such role", workload.title())));
    wrong
}

fn variables(overlay: &Overlay, settings: &Settings) -> Vec<String> {
    let mut wrong = Vec::new();
    for (name, _) in overlay.settings() {
        match settings.by_variable.get(&name) {
            None if name.starts_with("ORRERY_") => {
                wrong.push(format!("ConfigMap: the binary has no setting {name}"));
            }
            Some(setting) if setting.is_secret => wrong.push(format!("ConfigMap: {name} is secret")),
            _ => {}
        }
    }
    for workload in overlay.workloads() {
        let variables = workload
            .containers()
            .filter_map(|container| container["env"].as_array());
        for variable in variables.flatten() {
            let name = variable["name"].as_str().unwrap_or_default();
            let setting = settings.by_variable.get(name);
            if name.starts_with("ORRERY_") && setting.is_none() {
                wrong.push(format!("{}: the binary has no setting {name}", workload.title()));
            }
            let by_secret = variable["valueFrom"]["secretKeyRef"].is_object();
            if setting.is_some_and(|setting| setting.is_secret) && !by_secret {
                wrong.push(format!("{}: {name} comes by `secretKeyRef`", workload.title()));
            }
        }
    }
    wrong
}

/// What a role is told to call must be a Service of the same overlay, on that port.
fn addresses(overlay: &Overlay) -> Vec<String> {
    let has = |name: &str, port: &str| {
        overlay
            .of("Service")
            .filter(|service| service.name() == name)
            .any(|service| {
                let ports = service.spec()["ports"].as_array().into_iter().flatten();
                ports.into_iter().any(|of| text(&of["port"]) == port)
            })
    };
    let mut wrong = Vec::new();
    for (name, value) in overlay.settings() {
        let Some(authority) = value
            .strip_prefix("http://")
            .and_then(|rest| rest.split('/').next())
        else {
            continue;
        };
        let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
        // A name without a dot is looked up in the pod's own namespace; loopback is how people reach the gateway.
        if !host.contains('.') && !has(host, port) {
            wrong.push(format!(
                "{name}: no Service is called {host} and has the port {port}"
            ));
        }
    }
    wrong
}

/// A token names who signed it, letter by letter: every role must expect the name that the issuer uses.
fn one_issuer(overlay: &Overlay) -> Vec<String> {
    let all = overlay.settings();
    let Some((_, issuer)) = all.iter().find(|(name, _)| name == "ORRERY_ISSUER_PUBLIC_URL") else {
        return vec!["ConfigMap: ORRERY_ISSUER_PUBLIC_URL is not set".to_owned()];
    };
    let other = all
        .iter()
        .filter(|(name, value)| name.ends_with("_TOKENS_ISSUER") && value != issuer);
    other
        .map(|(name, value)| format!("{name} is {value}, and tokens name {issuer}"))
        .collect()
}

fn metrics(overlay: &Overlay, settings: &Settings) -> Vec<String> {
    let Some(known) = &settings.metrics else {
        return Vec::new();
    };
    let mut wrong = Vec::new();
    for scaler in overlay.of("HorizontalPodAutoscaler") {
        for metric in scaler.spec()["metrics"].as_array().into_iter().flatten() {
            let named = ["pods", "object", "external"]
                .iter()
                .find_map(|kind| metric[kind]["metric"]["name"].as_str());
            if let Some(name) = named.filter(|name| !known.contains(*name)) {
                wrong.push(format!("{}: no role has a metric {name}", scaler.title()));
            }
        }
    }
    wrong
}

/// Each experiment must mean pods that there are: one that selects nothing breaks nothing, and passes.
pub(super) fn selected(overlay: &Overlay, experiment: &Value) -> Vec<String> {
    let name = experiment["metadata"]["name"].as_str().unwrap_or("?");
    let mut selectors = Vec::new();
    gather(experiment, "labelSelectors", &mut selectors);
    let without = selectors
        .into_iter()
        .filter(|selector| !overlay.workloads().any(|w| selects(selector, w.pod_labels())));
    without
        .map(|selector| format!("the experiment {name} selects {selector}, and there is no such pod"))
        .collect()
}

fn gather<'a>(value: &'a Value, field: &str, found: &mut Vec<&'a Value>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get(field));
            fields.values().for_each(|inner| gather(inner, field, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| gather(inner, field, found)),
        _ => {}
    }
}

/// Whether the binary takes the settings as they are: names, kinds of values, and what must not contradict.
pub(super) fn accepted(overlay: &Overlay, writer: Writer) -> Vec<String> {
    let mut orrery = match writer {
        Writer::Fresh => {
            let mut cargo = cargo();
            cargo.args(["run", "--quiet", "--package", "orrery", "--"]);
            cargo
        }
        Writer::OfTests => command(target().join("debug/orrery")),
    };
    orrery.arg("config").envs(overlay.settings());
    prints(&mut orrery).err().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::{Settings, check, selected};
    use crate::k8s::model::Overlay;
    use crate::k8s::rules::sound;

    const TABLE: &str = "\
        | `issuer.public_url` | `ORRERY_ISSUER_PUBLIC_URL` | text | unset | x |\n\
        | `gateway.tokens.issuer` | `ORRERY_GATEWAY_TOKENS_ISSUER` | text | unset | x |\n\
        | `gateway.public_url` | `ORRERY_GATEWAY_PUBLIC_URL` | text | `http://127.0.0.1:8080` | x |\n\
        | `gateway.upstreams.issuer` | `ORRERY_GATEWAY_UPSTREAMS_ISSUER` | text | `http://127.0.0.1:8092` | x |\n\
        | `gateway.admin.issuer` | `ORRERY_GATEWAY_ADMIN_ISSUER` | text | `http://127.0.0.1:8093` | x |\n\
        | `issuer.api_key_secret` | `ORRERY_ISSUER_API_KEY_SECRET` | text | unset (secret) | x |\n\
        | `server.drain_notice_ms` | `ORRERY_SERVER_DRAIN_NOTICE_MS` | a number | `500` | x |\n";

    fn wrong(change: impl FnOnce(&mut Overlay)) -> String {
        let mut overlay = sound(&["gateway", "issuer"]);
        change(&mut overlay);
        check(&overlay, &Settings::parse(TABLE, Some("`requests_total`"))).join("\n")
    }

    fn set(overlay: &mut Overlay, title: &str, pointer: &str, value: serde_json::Value) {
        crate::k8s::rules::change(overlay, title, pointer, value);
    }

    #[test]
    fn what_the_binary_has_agrees() {
        assert_eq!(wrong(|_| ()), "");
    }

    #[test]
    fn a_role_that_nothing_serves_and_one_that_is_none_are_named() {
        let missing = wrong(|overlay| overlay.objects.retain(|o| o.title() != "Deployment/issuer"));
        assert!(missing.contains("nothing serves the role issuer"), "{missing}");
        let renamed = wrong(|overlay| {
            set(
                overlay,
                "Deployment/issuer",
                "/spec/template/spec/containers/0/args/1",
                "feed".into(),
            );
        });
        assert!(renamed.contains("no such role"), "{renamed}");
    }

    #[test]
    fn another_port_than_the_binarys_is_named() {
        let port = "/spec/template/spec/containers/0/ports/1/containerPort";
        let found = wrong(|overlay| set(overlay, "Deployment/issuer", port, 9.into()));
        assert!(found.contains("`admin` is 8093"), "{found}");
        let scraped = "/spec/template/metadata/annotations/prometheus.io~1port";
        let found = wrong(|overlay| set(overlay, "Deployment/issuer", scraped, "9".into()));
        assert!(found.contains("prometheus.io/port is 8093"), "{found}");
    }

    #[test]
    fn a_setting_that_there_is_not_is_named_wherever_it_stands() {
        let found = wrong(|overlay| {
            set(
                overlay,
                "ConfigMap/orrery-settings",
                "/data/ORRERY_TYPO",
                "1".into(),
            );
        });
        assert!(found.contains("no setting ORRERY_TYPO"), "{found}");
        let variable = "/spec/template/spec/containers/0/env/0/name";
        let found = wrong(|overlay| set(overlay, "Deployment/issuer", variable, "ORRERY_TYPO".into()));
        assert!(found.contains("no setting ORRERY_TYPO"), "{found}");
    }

    #[test]
    fn a_secret_setting_in_the_open_is_named() {
        let secret = "/data/ORRERY_ISSUER_API_KEY_SECRET";
        let found = wrong(|overlay| set(overlay, "ConfigMap/orrery-settings", secret, "x".into()));
        assert!(
            found.contains("ORRERY_ISSUER_API_KEY_SECRET is secret"),
            "{found}"
        );
    }

    #[test]
    fn an_address_that_leads_to_no_service_is_named() {
        let upstream = "/data/ORRERY_GATEWAY_UPSTREAMS_ISSUER";
        let found = wrong(|overlay| {
            set(
                overlay,
                "ConfigMap/orrery-settings",
                upstream,
                "http://issuer:8094".into(),
            );
        });
        assert!(found.contains("no Service is called issuer"), "{found}");
    }

    #[test]
    fn a_role_that_expects_another_issuer_is_named() {
        let other = "/data/ORRERY_GATEWAY_TOKENS_ISSUER";
        let found = wrong(|overlay| {
            set(
                overlay,
                "ConfigMap/orrery-settings",
                other,
                "https://other.example".into(),
            );
        });
        assert!(found.contains("tokens name http://127.0.0.1:8080"), "{found}");
    }

    #[test]
    fn an_experiment_that_selects_no_pod_is_named() {
        let experiment = |name: &str| {
            serde_json::json!({"metadata": {"name": "killed"}, "spec": {"target": {"selector": {"labelSelectors": {
                "app.kubernetes.io/name": name,
            }}}}})
        };
        let overlay = sound(&["issuer"]);
        assert_eq!(selected(&overlay, &experiment("issuer")), [""; 0]);
        let found = selected(&overlay, &experiment("isuer")).join("\n");
        assert!(found.contains("there is no such pod"), "{found}");
    }

    #[test]
    fn a_metric_that_no_role_has_is_named() {
        let metric = serde_json::json!([{"type": "Pods", "pods": {"metric": {"name": "requests_totl"}}}]);
        let found = wrong(|overlay| set(overlay, "HorizontalPodAutoscaler/issuer", "/spec/metrics", metric));
        assert!(found.contains("no role has a metric requests_totl"), "{found}");
    }
}
