//! `orrery export clicks`, read back by a program that knows nothing of us.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::http::{call, post};
use testkit::platform::{Options, Platform};
use testkit::skips;
use tokio::process::Command;
use tokio::time::Instant;

use crate::platform::binary;

const TEST: &str = "duckdb_reads_what_was_exported_and_counts_the_same_clicks";
const PATIENCE: Duration = Duration::from_mins(1);

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
const ROBOT: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

/// Asked of the file: its columns, then its clicks.
const QUESTIONS: &str = "
import duckdb, json, sys
clicks = duckdb.read_parquet(sys.argv[1])
columns = [[name, str(kind)] for name, kind in zip(clicks.columns, clicks.types)]
groups = duckdb.sql('select tenant, code, bot, device, browser, referrer, country, sum(count)::bigint, '
    'count(distinct visitor), min(length(visitor)), min(clicked_at) > now() - interval 1 hour and max(clicked_at) <= now() '
    'from clicks group by all order by all').fetchall()
print(json.dumps({'columns': columns, 'groups': groups}))
";

/// As DuckDB sees them.
const COLUMNS: [&str; 12] = [
    "event_id VARCHAR",
    "clicked_at TIMESTAMP WITH TIME ZONE",
    "tenant VARCHAR",
    "link_id BIGINT",
    "code VARCHAR",
    "visitor VARCHAR",
    "country VARCHAR",
    "device VARCHAR",
    "browser VARCHAR",
    "bot BOOLEAN",
    "referrer VARCHAR",
    "count BIGINT",
];

#[tokio::test]
async fn duckdb_reads_what_was_exported_and_counts_the_same_clicks() {
    let Some(python) = duckdb(TEST).await else { return };
    let mut platform = Platform::start(binary(), Options::default()).await;
    make_links(&platform).await;
    for (alias, agent, times) in [
        ("exported", FIREFOX, 5),
        ("exported", ROBOT, 3),
        ("elsewhere", FIREFOX, 2),
    ] {
        for _ in 0..times {
            let follow = call(Method::GET, format!("{}/{alias}", platform.url())).header("user-agent", agent);
            let answer = follow
                .header("referer", "https://news.example/today?id=7")
                .send()
                .await;
            assert_eq!(answer.status, StatusCode::FOUND);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let all = exported_until(&platform, folder.path(), 10).await;
    // The file says of a day what it was made of; nobody has to run.
    platform.terminate().await;
    let one = folder.path().join("acme.parquet");
    let said = export(&platform, &["--tenant", "acme"], &one).await;
    assert!(said.ok, "{said:?}");

    let answer = ask(&python, &all).await;
    let columns = answer["columns"].as_array().unwrap().iter();
    let columns: Vec<String> = columns
        .map(|column| format!("{} {}", text(&column[0]), text(&column[1])))
        .collect();
    assert_eq!(columns, COLUMNS);
    let of_acme = json!([[
        "acme",
        "exported",
        false,
        "desktop",
        "firefox",
        "news.example",
        null,
        5,
        1,
        16,
        true
    ],]);
    let groups = answer["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 3, "{groups:?}");
    assert_eq!(groups[0], of_acme[0]);
    assert_eq!(
        (&groups[1][2], &groups[1][7]),
        (&json!(true), &json!(3)),
        "the robot's"
    );
    assert_eq!((&groups[2][0], &groups[2][7]), (&json!("zeta"), &json!(2)));
    let only = ask(&python, &one).await;
    assert_eq!(only["groups"].as_array().unwrap().as_slice(), &groups[..2]);
}

async fn make_links(platform: &Platform) {
    for (tenant, alias) in [("acme", "exported"), ("zeta", "elsewhere")] {
        let token = platform
            .token(tenant, "ada", &["links:read", "links:write"])
            .await;
        let link = json!({"url": "https://example.com/", "alias": alias});
        let made = post(format!("{}/v1/links", platform.url()), &link)
            .bearer(&token)
            .send()
            .await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    }
}

#[tokio::test]
async fn an_export_that_cannot_be_made_says_why_and_leaves_no_file() {
    let platform = Platform::start(binary(), Options::default()).await;
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("clicks.parquet");
    let run = async |from: &str, to: &str| {
        let mut command = platform.command(&["export", "clicks", "--from", from, "--to", to]);
        command.arg("--out").arg(&out).arg("--data").arg(platform.data());
        finished(command).await
    };
    let backwards = run("2026-01-02", "2026-01-01").await;
    assert!(!backwards.ok && backwards.err.contains("before"), "{backwards:?}");
    let nonsense = run("yesterday", "2026-01-01").await;
    assert!(
        !nonsense.ok && nonsense.err.contains("2026-11-22T10:00:00Z"),
        "{nonsense:?}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    let empty = run("2026-01-01", "2026-01-02").await;
    assert!(
        empty.ok && empty.out.starts_with("0 clicks in 0 rows"),
        "{empty:?}"
    );
    let before = std::fs::read(&out).unwrap();
    let again = run("2026-01-01", "2026-01-02").await;
    assert!(!again.ok && again.err.contains("there already"), "{again:?}");
    assert_eq!(std::fs::read(&out).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[derive(Debug)]
struct Said {
    out: String,
    err: String,
    ok: bool,
}

async fn export(platform: &Platform, more: &[&str], out: &Path) -> Said {
    let range = ["export", "clicks", "--from", "2026-01-01", "--to", "2100-01-01"];
    let mut command = platform.command(&[&range, more].concat());
    command.arg("--out").arg(out).arg("--data").arg(platform.data());
    finished(command).await
}

async fn finished(mut command: Command) -> Said {
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    Said {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        ok: output.status.success(),
    }
}

/// A file with this many clicks: they come into the stream a moment after they were made.
async fn exported_until(platform: &Platform, folder: &Path, clicks: u64) -> PathBuf {
    let until = Instant::now() + PATIENCE;
    for number in 0.. {
        let out = folder.join(format!("{number}.parquet"));
        let said = export(platform, &[], &out).await;
        assert!(said.ok, "{said:?}");
        if said.out.starts_with(&format!("{clicks} clicks in ")) {
            return out;
        }
        assert!(Instant::now() < until, "{said:?}");
    }
    unreachable!("numbers do not end")
}

async fn ask(python: &Path, file: &Path) -> Value {
    let mut command = Command::new(python);
    command.args(["-c", QUESTIONS]).arg(file);
    let said = finished(command).await;
    assert!(said.ok, "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A Python that has DuckDB; else `test` is skipped aloud.
async fn duckdb(test: &str) -> Option<PathBuf> {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/duckdb/bin/python");
    let mut command = Command::new(&python);
    command.args(["-c", "import duckdb"]);
    if python.is_file() && finished(command).await.ok {
        return Some(python);
    }
    skips::skip(test, "duckdb is not installed; `cargo xtask test` brings it");
    None
}
