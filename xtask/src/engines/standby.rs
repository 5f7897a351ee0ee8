//! The standby of PostgreSQL, where one is asked for. Native only: it copies a primary that this machine's program runs.

use engines::{Answer, Kind, Process, Program};

use super::nodes::{self, Node};
use super::{ASK_TIMEOUT, native, ports};
use crate::run::Outcome;

const NAME: &str = "postgres-standby";

fn node(base: u16) -> Node {
    let [primary] = nodes::of(Kind::Postgres, base, 1)
        .try_into()
        .unwrap_or_else(|_| unreachable!("PostgreSQL is one process"));
    let primary: Node = primary;
    Node {
        program: Program::Standby,
        name: NAME.to_owned(),
        // After those of the engines, Cassandra's own and the watchers'.
        address: (primary.address.ip(), base + 7).into(),
        arguments: vec![primary.address.port().to_string()],
    }
}

/// Starts it if it is asked for and does not run, and waits until it answers.
pub(super) fn up(wanted: bool) -> Outcome {
    if !wanted || native::process(NAME).is_some() {
        return Ok(());
    }
    if native::process(Kind::Postgres.name()).is_none() {
        return Err(
            "--pg-standby: PostgreSQL does not run as a program of this machine, and only such a one is copied (`--native`)"
                .to_owned(),
        );
    }
    let failed = native::until_answering(native::start(&[node(ports::base()?)])?);
    failed.into_iter().next().map_or(Ok(()), |(_, why)| Err(why))
}

/// Stops it before its primary: the other way round the primary's last commits would wait for it.
pub(super) fn down(wipe: bool) -> Outcome {
    if native::process(NAME).is_some() {
        println!("stopping {NAME}");
    }
    native::stop_named(&[(Program::Standby, NAME.to_owned())])?;
    if wipe {
        engines::remove(&native::folder(NAME));
    }
    Ok(())
}

/// Its name, its process and where it listens, and what it says.
type Row = (&'static str, Option<(Process, String)>, String);

/// Its row, while it runs.
pub(super) fn row(base: u16) -> Option<Row> {
    let process = native::process(NAME)?;
    let node = node(base);
    let answer = match node.program.ask(node.address, ASK_TIMEOUT) {
        Ok(Answer::Ready(version)) => format!("yes: {version}"),
        Ok(Answer::NotYet(said)) => format!("not yet: {said}"),
        Err(e) => format!("no: {e}"),
    };
    Some((NAME, Some((process, node.address.to_string())), answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standby_has_a_port_of_its_own_and_is_told_its_primarys() {
        let node = node(12_000);
        assert_eq!(node.address.port(), 12_007);
        assert_eq!(node.arguments, ["12000"]);
        assert!(node.program.script().is_file());
    }
}
