//! What `orrery up` prints is not decoration: its lines are pasted into a shell here as they stand.

use std::process::Stdio;

use testkit::platform::{Options, Platform};
use testkit::skips;
use tokio::process::Command;

use super::binary;

#[tokio::test]
async fn the_printed_lines_work_when_pasted() {
    if !skips::on_path("curl") || !skips::on_path("bash") {
        return skips::skip(
            "the_printed_lines_work_when_pasted",
            "curl or bash is not installed",
        );
    }
    let platform = Platform::start(binary(), Options::default()).await;
    let printed = announced(&platform).await;
    for told in [
        "gateway",
        "issuer",
        "shortener",
        "payment",
        "processor",
        "/ui/payment",
    ] {
        assert!(printed.contains(told), "{printed}");
    }
    let lines: Vec<&str> = printed
        .lines()
        .map(str::trim)
        .filter(|l| l.starts_with("TOKEN=") || l.starts_with("curl "))
        .collect();
    assert_eq!(
        lines.iter().filter(|l| l.starts_with("curl ")).count(),
        6,
        "{printed}"
    );
    let script = format!("set -eu\n{}\n", lines.join("\necho; echo ----\n"));
    // Twice: a newcomer pastes again.
    for _ in 0..2 {
        let shell = Command::new("bash")
            .arg("-c")
            .arg(&script)
            .stdin(Stdio::null())
            .output()
            .await
            .unwrap();
        let out = String::from_utf8_lossy(&shell.stdout).into_owned();
        assert!(
            shell.status.success(),
            "{script}\n{out}\n{}",
            String::from_utf8_lossy(&shell.stderr)
        );
        let answers: Vec<&str> = out.split("----").map(str::trim).collect();
        assert!(answers[1].contains("\"short_url\""), "{out}");
        assert!(
            answers[2].starts_with("HTTP/1.1 302")
                && answers[2].contains("location: https://www.rust-lang.org/"),
            "{out}"
        );
        assert!(answers[3].contains("\"clicks\""), "{out}");
        assert!(answers[6].contains("\"kind\":\"transfer\""), "{out}");
    }
}

/// The whole of what is printed; the platform is ready a moment before it says so.
async fn announced(platform: &Platform) -> String {
    let wait = async {
        while !platform.output().contains("first-money") {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        platform.output()
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), wait)
        .await
        .unwrap_or_else(|_| panic!("{}", platform.tail()))
}
