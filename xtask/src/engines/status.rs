//! What runs, where, and whether it answers.

use engines::{Answer, Kind, Listed, Process};

use super::{ASK_TIMEOUT, Found, compose, found, list, native, nodes, ports, standby, watchers};
use crate::run::Outcome;

/// One line of the table.
struct Row {
    name: String,
    how: &'static str,
    address: String,
    pid: String,
    answer: String,
}

impl Row {
    fn of_watcher((name, runs, answer): (&str, Option<(Process, String)>, String)) -> Self {
        let (pid, address) = runs.map_or_else(
            || ("-".to_owned(), "-".to_owned()),
            |(process, address)| (process.pid().to_string(), address),
        );
        Self {
            name: name.to_owned(),
            how: if pid == "-" { "-" } else { "native" },
            address,
            pid,
            answer,
        }
    }
}

/// Prints a line for each node.
pub(super) fn print() -> Outcome {
    std::fs::create_dir_all(engines::state()).map_err(|e| format!("{}: {e}", engines::state().display()))?;
    let listed = Listed::read(&list())?;
    let base = ports::base()?;
    let rows: Vec<Row> = Kind::ALL
        .into_iter()
        .flat_map(|kind| rows(kind, &listed, base))
        .chain(standby::row(base).into_iter().map(Row::of_watcher))
        .chain(watchers::rows(base).into_iter().map(Row::of_watcher))
        .collect();
    println!(
        "{:<12} {:<8} {:<21} {:>8}  answers",
        "engine", "how", "address", "pid"
    );
    for row in &rows {
        println!(
            "{:<12} {:<8} {:<21} {:>8}  {}",
            row.name, row.how, row.address, row.pid, row.answer
        );
    }
    for name in ["postgres", "postgres/data"] {
        if let Ok(elsewhere) = std::fs::read_link(native::folder(name)) {
            println!("the data of PostgreSQL stands in {}", elsewhere.display());
        }
    }
    println!("listed in {}", list().display());
    Ok(())
}

fn rows(kind: Kind, listed: &Listed, base: u16) -> Vec<Row> {
    match found(kind, listed) {
        Found::Ours(count) => nodes::of(kind, base, count)
            .into_iter()
            .map(|node| {
                let process = native::process(&node.name);
                let how = if compose::runs(kind) { "compose" } else { "native" };
                Row {
                    answer: match (process, how) {
                        (None, "native") => "no: it does not run".to_owned(),
                        _ => answer(kind, node.address),
                    },
                    name: node.name,
                    how,
                    address: node.address.to_string(),
                    pid: process.map_or_else(|| "-".to_owned(), |process| process.pid().to_string()),
                }
            })
            .collect(),
        Found::Listed => listed
            .addresses(kind)
            .into_iter()
            .map(|address| Row {
                name: kind.name().to_owned(),
                how: "listed",
                address: address.to_string(),
                pid: "-".to_owned(),
                answer: answer(kind, address),
            })
            .collect(),
        Found::Nothing => vec![Row {
            name: kind.name().to_owned(),
            how: "-",
            address: "-".to_owned(),
            pid: "-".to_owned(),
            answer: "no: it does not run".to_owned(),
        }],
    }
}

fn answer(kind: Kind, address: std::net::SocketAddr) -> String {
    match engines::ask(kind, address, ASK_TIMEOUT) {
        Ok(Answer::Ready(version)) => format!("yes: {version}"),
        Ok(Answer::NotYet(said)) => format!("not yet: {said}"),
        Err(e) => format!("no: {e}"),
    }
}
