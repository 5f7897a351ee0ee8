//! `cargo xtask kind up|load|down`: the platform on a Kubernetes of this machine, by kind and Docker.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::programs;
use crate::run::{Outcome, cargo, command, passes, prints, root, target, which};

/// As `k8s/overlays/kind/cluster.yaml` calls it.
const CLUSTER: &str = "orrery";
const KIND: &str = "sigs.k8s.io/kind@v0.30.0";
/// The images of `k8s/overlays/kind`, each with the target of `infra/images/Dockerfile` that makes it.
const ENGINES: [(&str, &str); 4] = [
    ("orrery-postgres:15", "postgres"),
    ("orrery-redis:7.0", "redis"),
    ("orrery-nats:2.15.1", "nats"),
    ("orrery-cql:5.0.9", "cql"),
];
const PLATFORM: &str = "orrery:0.1.0";

/// What can be done with the cluster.
#[derive(Subcommand)]
pub(crate) enum Kind {
    /// Start a cluster of one node
    Up,
    /// Build the images, load them, make the Secrets once, apply k8s/overlays/kind and wait until everything is ready
    Load {
        /// Pack this program instead of building one
        #[arg(long)]
        binary: Option<PathBuf>,
    },
    /// Take the cluster away, its data included
    Down,
}

/// Does it.
pub(crate) fn kind(what: &Kind) -> Outcome {
    docker()?;
    let kind = programs::go_program("kind", KIND)?;
    match what {
        Kind::Up => {
            let config = root().join("k8s/overlays/kind/cluster.yaml");
            passes(
                command(kind)
                    .args(["create", "cluster", "--wait", "120s", "--config"])
                    .arg(config),
            )
        }
        Kind::Load { binary } => load(&kind, binary.as_deref()),
        Kind::Down => passes(command(kind).args(["delete", "cluster", "--name", CLUSTER])),
    }
}

fn docker() -> Outcome {
    if which("docker").is_none() {
        return Err("kind runs its nodes in Docker, and there is no `docker` here: install it, or point kubectl at another cluster and follow k8s/README.md".to_owned());
    }
    let asked = prints(command("docker").args(["version", "--format", "{{.Server.Version}}"]));
    asked.map(drop).map_err(|why| {
        format!("kind runs its nodes in Docker, and no Docker engine answers: start it (`sudo systemctl start docker`)\n{why}")
    })
}

fn load(kind: &Path, binary: Option<&Path>) -> Outcome {
    let built = target().join("release/orrery");
    let program = binary.unwrap_or(&built);
    if binary.is_none() {
        passes(cargo().args(["build", "--workspace", "--release", "--bins"]))?;
    }
    // Beside the Dockerfile's context, wherever cargo builds.
    let packed = root().join("target/image");
    passes(command("infra/images/rootfs.sh").arg(program).arg(packed))?;
    passes(command("docker").args([
        "build",
        "--file",
        "infra/Dockerfile",
        "--target",
        "packaged",
        "--tag",
        PLATFORM,
        ".",
    ]))?;
    for (image, of) in ENGINES {
        passes(command("docker").args([
            "build",
            "--file",
            "infra/images/Dockerfile",
            "--target",
            of,
            "--tag",
            image,
            ".",
        ]))?;
    }
    let mut images = command(kind);
    images.args(["load", "docker-image", "--name", CLUSTER, PLATFORM]);
    passes(images.args(ENGINES.map(|(image, _)| image)))?;
    let config = target().join("xtask/kind.kubeconfig");
    passes(
        command(kind)
            .args(["export", "kubeconfig", "--name", CLUSTER, "--kubeconfig"])
            .arg(&config),
    )?;
    passes(
        command("k8s/apply.sh")
            .arg("kind")
            .env("KUBECONFIG", config)
            .env("KUBECTL", programs::kubectl()?),
    )?;
    println!(
        "the gateway is http://127.0.0.1:8080; `kubectl --context kind-{CLUSTER} -n orrery get pods` shows the rest"
    );
    Ok(())
}
