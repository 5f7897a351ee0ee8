//! Prometheus and Alertmanager, which watch a running platform: Debian's, as programs of this machine. No test needs these;
//! one that needs watchers starts its own.

use std::fs;

use engines::{Answer, Process, Program, Watcher, signal_all};

use super::nodes::{self, Node};
use super::{ASK_TIMEOUT, install, native, ports};
use crate::run::Outcome;

/// Whom they watch and whom they tell.
#[derive(Debug, clap::Args)]
pub(crate) struct Watching {
    /// Start Prometheus and Alertmanager too
    #[arg(long)]
    observability: bool,
    /// The port base of the platform that they watch
    #[arg(long, default_value_t = 8080, requires = "observability")]
    port_base: u16,
    /// How often Prometheus scrapes it and evaluates its rules
    #[arg(long, default_value = "5s", requires = "observability")]
    scrape_interval: String,
    /// The URL that Alertmanager posts pages and tickets to
    #[arg(
        long,
        default_value = "http://127.0.0.1:9099/alerts",
        requires = "observability"
    )]
    webhook: String,
}

/// Starts both if they are asked for, and waits until they are ready. One that runs with the same arguments is left alone, and told
/// to read its settings again; one that runs with others is started anew on its data.
pub(super) fn up(watching: &Watching) -> Outcome {
    if !watching.observability {
        return Ok(());
    }
    let mut waiting = Vec::new();
    for node in watching.nodes(ports::base()?) {
        let arguments = node.arguments.join("\n");
        let remembered = native::folder(&node.name).join("arguments");
        match native::process(&node.name) {
            Some(process) if fs::read_to_string(&remembered).is_ok_and(|text| text == arguments) => {
                read_again(process, &node);
                waiting.push(native::Waiting::running(node));
            }
            _ => {
                install::ensure(node.program)?;
                native::stop_named(&[(node.program, node.name.clone())])?;
                waiting.extend(native::start(&[node])?);
                fs::write(&remembered, arguments).map_err(|e| format!("{}: {e}", remembered.display()))?;
            }
        }
    }
    let failed: Vec<String> = native::until_answering(waiting)
        .into_iter()
        .map(|(_, why)| why)
        .collect();
    if failed.is_empty() {
        Ok(())
    } else {
        Err(failed.join("\n"))
    }
}

/// Rules may have been generated anew since it started. Both read what they have again on SIGHUP.
fn read_again(process: Process, node: &Node) {
    if node.program == Program::Watcher(Watcher::Prometheus) {
        println!("{}: runs already, reads its rules again", node.name);
        signal_all("HUP", &[process]);
    }
}

/// Stops both, if they run; removes their data too when `wipe` is set.
pub(super) fn down(wipe: bool) -> Outcome {
    let all = Watcher::ALL.map(|watcher| (Program::Watcher(watcher), watcher.name().to_owned()));
    for (_, name) in all.iter().filter(|(_, name)| native::process(name).is_some()) {
        println!("stopping {name}");
    }
    native::stop_named(&all)?;
    if wipe {
        for (_, name) in &all {
            engines::remove(&native::folder(name));
        }
    }
    Ok(())
}

/// A program's name, its process and where it listens, if it runs, and what it says.
type Row = (&'static str, Option<(Process, String)>, String);

/// One for each.
pub(super) fn rows(base: u16) -> Vec<Row> {
    Watcher::ALL
        .into_iter()
        .map(|watcher| {
            let node = nodes::of_watcher(watcher, base, Vec::new());
            let Some(process) = native::process(&node.name) else {
                return (watcher.name(), None, "no: it does not run".to_owned());
            };
            let answer = match watcher.ask(node.address, ASK_TIMEOUT) {
                Ok(Answer::Ready(version)) => format!("yes: {version}"),
                Ok(Answer::NotYet(said)) => format!("not yet: {said}"),
                Err(e) => format!("no: {e}"),
            };
            (watcher.name(), Some((process, node.address.to_string())), answer)
        })
        .collect()
}

impl Watching {
    fn nodes(&self, base: u16) -> [Node; 2] {
        let alertmanager = nodes::of_watcher(Watcher::Alertmanager, base, vec![self.webhook.clone()]);
        let watched = vec![
            alertmanager.address.port().to_string(),
            self.port_base.to_string(),
            self.scrape_interval.clone(),
        ];
        [
            nodes::of_watcher(Watcher::Prometheus, base, watched),
            alertmanager,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_is_told_where_its_alertmanager_listens_and_whom_it_watches() {
        let watching = Watching {
            observability: true,
            port_base: 9080,
            scrape_interval: "1s".to_owned(),
            webhook: "http://127.0.0.1:1/".to_owned(),
        };
        let [prometheus, alertmanager] = watching.nodes(12_000);
        assert_eq!(prometheus.arguments, ["12006", "9080", "1s"]);
        assert_eq!(prometheus.address.port(), 12_005);
        assert_eq!(alertmanager.address.port(), 12_006);
        assert_eq!(alertmanager.arguments, ["http://127.0.0.1:1/"]);
    }
}
