//! What a laptop cannot honour, each with its reason.

use crate::DrillError;

use super::malformed;

pub(super) const PACKETS: &str = "a proxy sees streams, not packets; use partition, delay or bandwidth";
pub(super) const LOOPBACK: &str = "every part listens on loopback; choose the other end with `target`";
pub(super) const DIRECTION: &str = "a proxy stands before whoever is called; name the caller in `selector`, the called in `target`, direction `to` or `both`";
pub(super) const ONE_DELAY: &str = "the proxy holds every piece back alike";
pub(super) const STRESS_NG: &str = "stress-ng is not part of the platform; use `stressors`";
pub(super) const ONLY_FULL: &str =
    "it needs a filesystem in between; `fault` with errno 28 (no space left) is what a small disk can do";
pub(super) const WHOLE_DISK: &str = "a disk is full for whoever writes to it";
pub(super) const CLOCKS: &str =
    "waits run on the monotonic clock, and stepping that one is no fault that happens";

pub(super) fn feature(file: &str, what: &str, why: &str) -> DrillError {
    DrillError::NotHere {
        file: file.to_owned(),
        what: what.to_owned(),
        why: why.to_owned(),
    }
}

pub(super) fn mode(file: &str, mode: &str) -> DrillError {
    feature(
        file,
        &format!("mode `{mode}`"),
        "a drill has one or two copies of a role; use `one` or `all`",
    )
}

/// A kind that is not one of the five.
pub(super) fn kind(file: &str, kind: &str) -> DrillError {
    let why = match kind {
        "DNSChaos" => "every address here is an IP address",
        "KernelChaos" => "it needs a kernel module",
        "HTTPChaos" => "it needs a proxy in the pod; cut or slow the connection instead",
        "JVMChaos" => "it is about programs on a JVM",
        "BlockChaos" => "it needs a block device of its own",
        "AWSChaos" | "GCPChaos" | "AzureChaos" | "PhysicalMachineChaos" => "there is no such machine here",
        "Schedule" | "Workflow" => "a drill says itself when its experiments happen",
        other => return malformed(file, &format!("Chaos Mesh has no kind `{other}`")),
    };
    feature(file, kind, why)
}
