//! Engines as containers, by `infra/compose.yaml`: chosen where a Docker engine answers and its images can be had.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::process::Command;

use engines::Kind;

use super::nodes;
use crate::run::{Outcome, command, prints, which};

/// Containers or programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    Containers,
    /// With the reason.
    Native(String),
}

/// What a Docker engine says when it is asked, one question after the other.
trait Docker {
    fn installed(&self) -> bool;
    fn answers(&self) -> Result<(), String>;
    fn composes(&self) -> Result<(), String>;
    fn pulls(&self) -> Result<(), String>;
}

struct Here;

impl Docker for Here {
    fn installed(&self) -> bool {
        which("docker").is_some()
    }

    fn answers(&self) -> Result<(), String> {
        // Without the format it succeeds even when there is only a client.
        let mut info = command("timeout");
        info.args(["20", "docker", "info", "--format", "{{.ServerVersion}}"]);
        match prints(&mut info)?.trim() {
            "" => Err("no server version".to_owned()),
            _ => Ok(()),
        }
    }

    fn composes(&self) -> Result<(), String> {
        prints(command("docker").args(["compose", "version"])).map(drop)
    }

    fn pulls(&self) -> Result<(), String> {
        let mut pull = compose(0);
        pull.args(["pull", "--quiet", "--policy", "missing"]);
        prints(&mut pull).map(drop)
    }
}

/// Which way engines that do not run yet are started.
pub(super) fn choice(native: bool, cql_nodes: usize, native_runs: bool) -> Choice {
    choose(native, cql_nodes, native_runs && !marker().is_file(), &Here)
}

fn choose(native: bool, cql_nodes: usize, native_runs: bool, docker: &impl Docker) -> Choice {
    let why = if native {
        "asked for".to_owned()
    } else if cql_nodes > 1 {
        "a CQL cluster is started from programs".to_owned()
    } else if native_runs {
        "the others are".to_owned()
    } else if !docker.installed() {
        "no docker here".to_owned()
    } else if let Err(why) = docker.answers() {
        format!("no Docker engine answers ({})", last_line(&why))
    } else if let Err(why) = docker.composes() {
        format!("docker has no compose ({})", last_line(&why))
    } else if let Err(why) = docker.pulls() {
        format!("the images cannot be had ({})", last_line(&why))
    } else {
        return Choice::Containers;
    };
    Choice::Native(why)
}

fn last_line(text: &str) -> &str {
    text.lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("it said nothing")
        .trim()
}

/// Starts the containers of these and waits until they are healthy.
pub(super) fn up(base: u16, kinds: &[Kind]) -> Outcome {
    std::fs::write(marker(), "").map_err(|e| format!("{}: {e}", marker().display()))?;
    let mut up = compose(base);
    up.args(["up", "--detach", "--wait"])
        .args(kinds.iter().map(|kind| kind.name()));
    prints(&mut up).map(drop).map_err(|why| {
        let logs = prints(compose(base).args(["logs", "--tail", "20"])).unwrap_or_default();
        format!("{why}\n{logs}")
    })
}

/// Removes the containers of these, if we started any; their data too when `wipe` is set.
pub(super) fn down(kinds: &[Kind], wipe: bool) -> Outcome {
    // Without names, compose would take all of them.
    if kinds.is_empty() || !marker().is_file() {
        return Ok(());
    }
    let mut down = compose(0);
    if kinds.len() == Kind::ALL.len() {
        down.arg("down");
        if wipe {
            down.arg("--volumes");
        }
    } else {
        down.args(["rm", "--stop", "--force"])
            .args(kinds.iter().map(|kind| kind.name()));
    }
    prints(&mut down)?;
    if kinds.len() == Kind::ALL.len() {
        std::fs::remove_file(marker()).map_err(|e| format!("{}: {e}", marker().display()))?;
    }
    Ok(())
}

/// Whether its container runs.
pub(super) fn runs(kind: Kind) -> bool {
    marker().is_file()
        && prints(compose(0).args(["ps", "--status", "running", "--services"]))
            .is_ok_and(|services| services.lines().any(|service| service == kind.name()))
}

/// There while containers of ours may run: without it nobody asks Docker anything.
fn marker() -> PathBuf {
    engines::state().join("compose")
}

/// `docker compose` on our file, with this checkout's project and ports.
fn compose(base: u16) -> Command {
    let mut hasher = DefaultHasher::new();
    engines::state().hash(&mut hasher);
    let project = format!("orrery-{:08x}", hasher.finish() & 0xffff_ffff);
    let mut command = command("docker");
    command.args([
        "compose",
        "--project-name",
        &project,
        "--file",
        "infra/compose.yaml",
    ]);
    for kind in Kind::ALL {
        let port = nodes::of(kind, base, 1)[0].address.port();
        let name = format!("ORRERY_{}_PORT", kind.name().to_uppercase());
        command.env(name, port.to_string());
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says yes to the first so many questions.
    struct Says(u8);

    impl Says {
        fn to(&self, question: u8) -> Result<(), String> {
            if self.0 >= question {
                Ok(())
            } else {
                Err("a long story\nno\n".to_owned())
            }
        }
    }

    impl Docker for Says {
        fn installed(&self) -> bool {
            self.to(1).is_ok()
        }
        fn answers(&self) -> Result<(), String> {
            self.to(2)
        }
        fn composes(&self) -> Result<(), String> {
            self.to(3)
        }
        fn pulls(&self) -> Result<(), String> {
            self.to(4)
        }
    }

    fn why(choice: Choice) -> String {
        match choice {
            Choice::Native(why) => why,
            Choice::Containers => "containers".to_owned(),
        }
    }

    #[test]
    fn containers_are_chosen_only_where_an_engine_answers_and_its_images_can_be_had() {
        let chosen = |docker| why(choose(false, 1, false, &docker));
        assert_eq!(chosen(Says(4)), "containers");
        assert_eq!(chosen(Says(3)), "the images cannot be had (no)");
        assert_eq!(chosen(Says(2)), "docker has no compose (no)");
        assert_eq!(chosen(Says(1)), "no Docker engine answers (no)");
        assert_eq!(chosen(Says(0)), "no docker here");
    }

    #[test]
    fn programs_are_chosen_when_asked_for_when_others_run_so_and_for_a_cluster() {
        assert_eq!(why(choose(true, 1, false, &Says(4))), "asked for");
        assert_eq!(why(choose(false, 1, true, &Says(4))), "the others are");
        assert_eq!(
            why(choose(false, 3, false, &Says(4))),
            "a CQL cluster is started from programs"
        );
    }

    #[test]
    fn the_compose_file_has_a_service_an_engine_on_loopback_with_a_healthcheck() {
        let file = engines::checkout().join("infra/compose.yaml");
        let text = std::fs::read_to_string(file).expect("the compose file");
        for kind in Kind::ALL {
            let start = text.find(&format!("\n  {}:\n", kind.name())).expect("a service");
            let rest = &text[start + 1..];
            let service = &rest[..rest.find("\n\n").expect("an empty line ends it")];
            let port = format!("127.0.0.1:${{ORRERY_{}_PORT", kind.name().to_uppercase());
            assert!(service.contains(&port), "{service}");
            assert!(service.contains("healthcheck:"), "{service}");
            let mounted = service
                .split_whitespace()
                .find_map(|word| word.strip_prefix("./engines/"))
                .and_then(|word| word.split(':').next())
                .expect("settings are mounted");
            assert!(engines::scripts().join(mounted).is_file(), "{mounted}");
        }
    }
}
