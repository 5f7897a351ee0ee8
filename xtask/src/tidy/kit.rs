//! What a service brings besides its code (`docs/adding-a-service.md`), and who need not bring what, with the reason.

use super::Source;

/// A service with everything passes with an empty list.
struct Service {
    name: &'static str,
    /// A part it does not bring, and why.
    without: &'static [(Part, &'static str)],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Objectives,
    Runbooks,
    Rules,
    Dashboard,
    K6Scenario,
    LoadProfile,
    Drills,
    Kubernetes,
    Labs,
    Benchmark,
    Pages,
}

const PARTS: [Part; 11] = [
    Part::Objectives,
    Part::Runbooks,
    Part::Rules,
    Part::Dashboard,
    Part::K6Scenario,
    Part::LoadProfile,
    Part::Drills,
    Part::Kubernetes,
    Part::Labs,
    Part::Benchmark,
    Part::Pages,
];

const DRILLS_MIN: usize = 3;

const STAND_IN: &str = "a stand-in for a third party: loaded and broken with the services that use it";

/// Every service; one that is not listed fails too.
const SERVICES: &[Service] = &[
    Service {
        name: "gateway",
        without: &[
            (Part::K6Scenario, "every scenario goes through it"),
            (Part::LoadProfile, "every profile goes through it"),
            (
                Part::Drills,
                "has its own restart; every other drill is judged by what it answers",
            ),
            (Part::Labs, "its patterns come with the issue about overload"),
        ],
    },
    Service {
        name: "issuer",
        without: &[
            (Part::K6Scenario, STAND_IN),
            (Part::LoadProfile, STAND_IN),
            (Part::Drills, STAND_IN),
            (Part::Labs, STAND_IN),
            (Part::Benchmark, STAND_IN),
        ],
    },
    Service {
        name: "shortener",
        without: &[],
    },
    Service {
        name: "payment",
        without: &[],
    },
    Service {
        name: "processor",
        without: &[
            (Part::K6Scenario, STAND_IN),
            (Part::LoadProfile, STAND_IN),
            (Part::Drills, STAND_IN),
            (Part::Labs, STAND_IN),
            (Part::Pages, STAND_IN),
        ],
    },
    Service {
        name: "console",
        without: &[
            (Part::Objectives, WATCHES),
            (Part::Runbooks, WATCHES),
            (Part::Rules, WATCHES),
            (Part::Dashboard, WATCHES),
            (Part::K6Scenario, WATCHES),
            (Part::LoadProfile, WATCHES),
            (Part::Drills, WATCHES),
            (Part::Labs, WATCHES),
            (Part::Benchmark, WATCHES),
        ],
    },
];

const WATCHES: &str = "stands in no request's way: it watches";

/// Of every service in the checkout.
pub(super) fn check(sources: &[Source]) -> Vec<String> {
    let paths: Vec<&str> = sources.iter().map(|source| source.path.as_str()).collect();
    let mut wrong = Vec::new();
    let present = paths.iter().filter_map(|path| {
        path.strip_prefix("services/")
            .and_then(|rest| rest.strip_suffix("/Cargo.toml"))
            .filter(|name| !name.contains('/') && *name != "orrery")
    });
    for name in present {
        match SERVICES.iter().find(|service| service.name == name) {
            Some(service) => wrong.extend(lacks(service, sources)),
            None => wrong.push(format!(
                "services/{name}: not known in xtask/src/tidy/kit.rs; docs/adding-a-service.md says what it brings"
            )),
        }
    }
    wrong
}

fn lacks(service: &Service, sources: &[Source]) -> Vec<String> {
    let name = service.name;
    let mut wrong = Vec::new();
    for part in PARTS {
        let excused = service.without.iter().any(|(excused, _)| *excused == part);
        match (excused, missing(part, name, sources)) {
            (false, Some(what)) => {
                wrong.push(format!("services/{name}: lacks {what} (docs/adding-a-service.md)"));
            }
            // An excuse that is no longer needed hides the day on which the part goes.
            (true, None) => wrong.push(format!(
                "services/{name} has what xtask/src/tidy/kit.rs excuses it from ({part:?}): take the excuse away"
            )),
            (false, None) | (true, Some(_)) => {}
        }
    }
    wrong
}

/// What of this part is not there, in words.
fn missing(part: Part, service: &str, sources: &[Source]) -> Option<String> {
    let has = |path: &str| sources.iter().any(|source| source.path == path);
    let below = |folder: &str| sources.iter().any(|source| source.path.starts_with(folder));
    let file = |path: String| (!has(&path)).then_some(path);
    match part {
        Part::Objectives => file(format!("services/{service}/slo.yaml")),
        Part::Runbooks => {
            let missing: Vec<String> = objectives(service, sources)
                .map(|objective| format!("docs/runbooks/{objective}.md"))
                .filter(|path| !has(path))
                .collect();
            let none = objectives(service, sources).next().is_none();
            (none || !missing.is_empty()).then(|| format!("runbooks: {}", missing.join(", ")))
        }
        Part::Rules => file(format!("infra/prometheus/rules/{service}.yaml")),
        Part::Dashboard => file(format!("infra/grafana/dashboards/{service}.json")),
        Part::K6Scenario => file(format!("loadtests/k6/scenarios/{service}.js")),
        Part::LoadProfile => file(format!("loadtests/profiles/{service}.yaml")),
        Part::Drills => {
            let line = format!("service: {service}");
            let drills = sources
                .iter()
                .filter(|source| source.path.starts_with("chaos/drills/"))
                .filter(|source| source.text.lines().any(|text| text == line))
                .count();
            (drills < DRILLS_MIN)
                .then(|| format!("drills: {drills} of at least {DRILLS_MIN} in chaos/drills say `{line}`"))
        }
        Part::Kubernetes => file(format!("k8s/base/{service}/kustomization.yaml")),
        Part::Labs => {
            (!below(&format!("services/{service}/src/labs/"))).then(|| "a lab in src/labs".to_owned())
        }
        Part::Benchmark => {
            let named = sources
                .iter()
                .any(|source| source.path == "docs/benchmarks.md" && source.text.contains(service));
            (!named).then(|| "a benchmark in docs/benchmarks.md".to_owned())
        }
        Part::Pages => {
            let page = has(&format!("services/{service}/src/pages.rs"));
            (!page).then(|| "a page in src/pages.rs".to_owned())
        }
    }
}

/// The names of a service's objectives, as its OpenSLO file has them.
fn objectives<'a>(service: &str, sources: &'a [Source]) -> impl Iterator<Item = &'a str> {
    let path = format!("services/{service}/slo.yaml");
    let text = sources.iter().find(move |source| source.path == path);
    text.into_iter()
        .flat_map(|source| source.text.split("\n---"))
        .filter(|document| document.lines().any(|line| line == "kind: SLO"))
        .filter_map(|document| document.lines().find_map(|line| line.strip_prefix("  name: ")))
}

#[cfg(test)]
mod tests {
    use super::{Part, Service, lacks};
    use crate::tidy::Source;

    fn source(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    fn whole() -> Vec<Source> {
        let mut sources: Vec<Source> = [
            "docs/runbooks/chat-sends.md",
            "infra/prometheus/rules/chat.yaml",
            "infra/grafana/dashboards/chat.json",
            "loadtests/k6/scenarios/chat.js",
            "loadtests/profiles/chat.yaml",
            "k8s/base/chat/kustomization.yaml",
            "services/chat/src/labs/order.rs",
            "services/chat/src/pages.rs",
        ]
        .into_iter()
        .map(|path| source(path, ""))
        .collect();
        let slo = "kind: Service\nmetadata:\n  name: chat\n---\nkind: SLO\nmetadata:\n  name: chat-sends\n";
        sources.push(source("services/chat/slo.yaml", slo));
        sources.push(source("docs/benchmarks.md", "## chat"));
        for drill in ["a", "b", "c"] {
            sources.push(source(
                &format!("chaos/drills/{drill}.yaml"),
                "name: x\nservice: chat\n",
            ));
        }
        sources
    }

    #[test]
    fn a_service_with_everything_passes_and_each_part_that_is_taken_away_is_named() {
        let chat = Service {
            name: "chat",
            without: &[],
        };
        assert_eq!(lacks(&chat, &whole()), Vec::<String>::new());
        for taken in 0..whole().len() {
            let mut sources = whole();
            let gone = sources.remove(taken);
            assert!(!lacks(&chat, &sources).is_empty(), "{} is not missed", gone.path);
        }
    }

    #[test]
    fn an_excuse_that_is_not_needed_any_more_is_named() {
        let chat = Service {
            name: "chat",
            without: &[(Part::Labs, "none yet")],
        };
        assert_eq!(lacks(&chat, &whole()).len(), 1);
    }
}
