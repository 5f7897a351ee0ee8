//! The command line, as a person or a script meets it.

use std::process::{Command, Output};

use tempfile::TempDir;

use super::binary;

fn orrery(folder: &TempDir, args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary());
    command.args(args).current_dir(folder.path());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("ORRERY_")) {
        command.env_remove(name);
    }
    command.envs(env.iter().copied()).output().expect("orrery starts")
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", stderr(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_token_stands_alone_on_its_line() {
    let folder = tempfile::tempdir().unwrap();
    stdout(&orrery(&folder, &["migrate", "--data", "d"], &[]));
    let printed = stdout(&orrery(
        &folder,
        &["token", "--tenant", "acme", "--user", "ada", "--data", "d"],
        &[],
    ));
    assert_eq!(printed.lines().count(), 1, "{printed}");
    assert_eq!(printed.trim().split('.').count(), 3, "{printed}");
}

#[test]
fn a_data_folder_that_is_not_there_makes_no_token_and_no_folder() {
    let folder = tempfile::tempdir().unwrap();
    let refused = orrery(
        &folder,
        &["token", "--tenant", "a", "--user", "b", "--data", "typo"],
        &[],
    );
    assert!(
        !refused.status.success() && stderr(&refused).contains("--data"),
        "{}",
        stderr(&refused)
    );
    assert!(!folder.path().join("typo").exists());
}

#[test]
fn a_tenant_or_scope_that_cannot_be_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    stdout(&orrery(&folder, &["migrate"], &[]));
    for (args, named) in [
        (
            ["--tenant", "no/slash", "--user", "ada", "--scope", "links:read"],
            "tenant",
        ),
        (["--tenant", "a", "--user", "b", "--scope", "two words"], "scope"),
        (
            ["--tenant", "a", "--user", "b", "--scope", "links:raed"],
            "links:read",
        ),
    ] {
        let refused = orrery(&folder, &[&["token"][..], &args].concat(), &[]);
        let said = stderr(&refused);
        assert!(!refused.status.success() && said.contains(named), "{said}");
    }
}

#[test]
fn each_layer_of_settings_beats_the_one_below_and_says_where_a_value_came_from() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("orrery.toml"), "port_base = 9000\n").unwrap();
    let origin = |args: &[&str], env: &[(&str, &str)]| {
        let all = [&["config"], args].concat();
        let printed = stdout(&orrery(&folder, &all, env));
        printed
            .lines()
            .find(|l| l.starts_with("port_base"))
            .expect("port_base is shown")
            .to_owned()
    };
    let file = origin(&[], &[]);
    assert!(
        file.contains("9000") && file.contains("orrery.toml, line 1"),
        "{file}"
    );
    let env = origin(&[], &[("ORRERY_PORT_BASE", "9100")]);
    assert!(env.contains("9100") && env.contains("ORRERY_PORT_BASE"), "{env}");
    let flag = origin(&["--port-base", "9200"], &[("ORRERY_PORT_BASE", "9100")]);
    assert!(flag.contains("9200") && flag.contains("--port-base"), "{flag}");
    std::fs::remove_file(folder.path().join("orrery.toml")).unwrap();
    let default = origin(&[], &[]);
    assert!(
        default.contains("8080") && default.contains("default"),
        "{default}"
    );
}

#[test]
fn an_unknown_key_names_the_nearest_known_one_in_every_layer() {
    let folder = tempfile::tempdir().unwrap();
    let said = stderr(&orrery(&folder, &["config"], &[("ORRERY_PORT_BAES", "1")]));
    assert!(
        said.contains("ORRERY_PORT_BAES") && said.contains("ORRERY_PORT_BASE"),
        "{said}"
    );
    let said = stderr(&orrery(&folder, &["config", "--set", "port_bas=1"], &[]));
    assert!(said.contains("port_base"), "{said}");
    std::fs::write(
        folder.path().join("orrery.toml"),
        "[telemetry]\nsample_ration = 1\n",
    )
    .unwrap();
    let said = stderr(&orrery(&folder, &["up"], &[]));
    assert!(
        said.contains("sample_ratio") && said.contains("orrery.toml"),
        "{said}"
    );
}

#[test]
fn a_settings_file_that_was_named_but_is_not_there_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let refused = orrery(&folder, &["config", "--config", "nowhere.toml"], &[]);
    assert!(
        !refused.status.success() && stderr(&refused).contains("nowhere.toml"),
        "{}",
        stderr(&refused)
    );
}

#[test]
fn a_secret_is_never_printed() {
    let folder = tempfile::tempdir().unwrap();
    let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let printed = stdout(&orrery(
        &folder,
        &["config"],
        &[("ORRERY_SHORTENER_CODE_KEY", key)],
    ));
    assert!(!printed.contains(key), "{printed}");
    assert!(
        printed.lines().any(|l| l.contains("shortener.code_key = ***")),
        "{printed}"
    );
}

#[test]
fn the_schema_is_one_of_the_settings_file() {
    let folder = tempfile::tempdir().unwrap();
    let schema: serde_json::Value =
        serde_json::from_str(&stdout(&orrery(&folder, &["config", "--schema"], &[]))).unwrap();
    assert!(
        schema["properties"]["shortener"].is_object() || schema["$defs"].is_object(),
        "{schema}"
    );
}

#[test]
fn migrate_makes_the_stores_and_a_second_time_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let first = stdout(&orrery(&folder, &["migrate", "--data", "d"], &[]));
    assert!(first.contains("shortener") && first.contains("issuer"), "{first}");
    assert!(folder.path().join("d/shortener.db").exists());
    let second = stdout(&orrery(&folder, &["migrate", "--data", "d"], &[]));
    assert!(second.contains("shortener"), "{second}");
}

#[test]
fn check_passes_on_a_good_folder_and_names_what_is_wrong_on_a_bad_one() {
    let folder = tempfile::tempdir().unwrap();
    // A port base of our own: the default one may be in use by whoever runs these tests.
    let base = free_base();
    stdout(&orrery(&folder, &["migrate", "--data", "d"], &[]));
    stdout(&orrery(
        &folder,
        &["check", "--data", "d", "--port-base", &base],
        &[],
    ));
    std::fs::write(folder.path().join("d/shortener.db"), "this is no database").unwrap();
    let broken = orrery(&folder, &["check", "--data", "d", "--port-base", &base], &[]);
    assert!(!broken.status.success());
    let said = format!("{}{}", String::from_utf8_lossy(&broken.stdout), stderr(&broken));
    assert!(said.contains("shortener.db"), "{said}");
}

#[test]
fn check_refuses_what_a_start_would_refuse() {
    let folder = tempfile::tempdir().unwrap();
    let base = free_base();
    std::fs::write(folder.path().join("file"), "").unwrap();
    for (bad, named) in [
        (["--set", "telemetry.sample_ratio=7.0"], "sample_ratio"),
        (["--set", "telemetry.otlp_endpoint=nowhere"], "otlp_endpoint"),
        (["--set", "shortener.database_url=postgres://x"], "database_url"),
        (["--set", "shortener.code_key=zz"], "code_key"),
        (
            ["--set", "shortener.idempotency_keep_ms=5"],
            "idempotency_keep_ms",
        ),
        (["--set", "gateway.public_url=ftp://x"], "public_url"),
        (
            ["--set", "issuer.redirect_uris=http://elsewhere.example/x"],
            "redirect_uris",
        ),
        (["--data", "file/below"], "file/below"),
    ] {
        let checked = orrery(
            &folder,
            &[&["check", "--port-base", &base][..], &bad].concat(),
            &[],
        );
        let said = String::from_utf8_lossy(&checked.stdout).into_owned();
        let failed = said
            .lines()
            .find(|line| line.starts_with("FAILED"))
            .unwrap_or_default();
        assert!(
            !checked.status.success() && failed.contains(named),
            "{bad:?}: {said}{}",
            stderr(&checked)
        );
    }
}

#[test]
fn what_config_prints_can_be_used_as_a_settings_file() {
    let folder = tempfile::tempdir().unwrap();
    let printed = stdout(&orrery(&folder, &["config", "--port-base", "9300"], &[]));
    std::fs::write(folder.path().join("printed.toml"), printed).unwrap();
    let again = stdout(&orrery(&folder, &["config", "--config", "printed.toml"], &[]));
    assert!(
        again
            .lines()
            .any(|l| l.starts_with("port_base = 9300") && l.contains("printed.toml")),
        "{again}"
    );
}

/// The ledger's tables, as its first migration makes them.
const LEDGER: &str = include_str!("../../../payment/migrations/sqlite/0001_ledger.sql");

#[test]
fn ledger_verify_tells_a_sound_ledger_from_a_broken_one_and_from_none() {
    let test = "ledger_verify_tells_a_sound_ledger_from_a_broken_one_and_from_none";
    if !testkit::skips::on_path("sqlite3") {
        testkit::skips::skip(test, "no sqlite3");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let verify = |more: &[&str]| {
        orrery(
            &folder,
            &[&["ledger", "verify", "--data", "."][..], more].concat(),
            &[],
        )
    };
    let none = verify(&[]);
    assert_eq!(none.status.code(), Some(2), "{}", stderr(&none));
    assert!(
        stderr(&none).contains("payment.db: no such file"),
        "{}",
        stderr(&none)
    );
    assert!(!folder.path().join("payment.db").exists(), "nothing is made");
    let sqlite3 = |statements: &str| {
        let mut command = Command::new("sqlite3");
        let ran = command
            .arg(folder.path().join("payment.db"))
            .arg(statements)
            .status();
        assert!(ran.unwrap().success());
    };
    sqlite3(&format!("BEGIN; {LEDGER} COMMIT;"));
    assert!(stdout(&verify(&[])).contains("as it was committed"));
    sqlite3("DROP TRIGGER chain_head_moves_on; UPDATE chain_head SET link = 1 WHERE shard = 4");
    let broken = verify(&[]);
    assert_eq!(broken.status.code(), Some(1));
    let said = String::from_utf8_lossy(&broken.stdout).into_owned();
    assert!(said.contains("shard 4, link 1: link 1 is missing"), "{said}");
    let kept = format!("4:1:{}", "ab".repeat(32));
    let gone = verify(&["--head", &kept]);
    assert_eq!(gone.status.code(), Some(1));
    let said = String::from_utf8_lossy(&gone.stdout).into_owned();
    assert!(
        said.contains("it is gone, and the head that was kept says abab"),
        "{said}"
    );
    let no_head = verify(&["--head", "4:1"]);
    assert_eq!(no_head.status.code(), Some(2));
    assert!(
        stderr(&no_head).contains("SHARD:LINK:HASH"),
        "{}",
        stderr(&no_head)
    );
    let elsewhere = format!("sqlite:{}", folder.path().join("payment.db").display());
    let as_json = orrery(
        &folder,
        &["ledger", "verify", "--database", &elsewhere, "--json"],
        &[],
    );
    assert_eq!(as_json.status.code(), Some(1));
    let report: serde_json::Value = serde_json::from_slice(&as_json.stdout).unwrap();
    assert_eq!(
        (&report["findings"][0]["shard"], &report["findings"][0]["link"]),
        (&4.into(), &1.into())
    );
}

#[test]
fn help_names_every_command_and_the_layers_of_settings() {
    let folder = tempfile::tempdir().unwrap();
    let help = stdout(&orrery(&folder, &["--help"], &[]));
    for word in [
        "up",
        "serve",
        "token",
        "config",
        "check",
        "migrate",
        "orrery.toml",
        "ORRERY_",
        "--port-base",
    ] {
        assert!(help.contains(word), "{word} is missing in:\n{help}");
    }
}

fn free_base() -> String {
    testkit::platform::PortBlock::reserve().base().to_string()
}

#[test]
fn what_is_only_half_on_shared_engines_is_told_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let database = "payment.database_url=postgres://orrery@db.invalid/orrery";
    for command in [&["up"][..], &["serve", "payment"]] {
        let refused = orrery(
            &folder,
            &[command, &["--data", "d", "--set", database]].concat(),
            &[],
        );
        let said = stderr(&refused);
        assert!(
            !refused.status.success()
                && said.contains("payment.leases_url")
                && said.contains("nats://HOST:PORT"),
            "{said}"
        );
        assert!(!folder.path().join("d").exists(), "{command:?}");
    }
}

#[test]
fn a_tenant_or_person_that_the_vault_does_not_know_is_told_and_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    stdout(&orrery(&folder, &["migrate"], &[]));
    for (args, said) in [
        (&["rotate", "--tenant", "typo"][..], "tenant typo has no key"),
        (
            &["erase", "--tenant", "acme", "--person", "account/7"],
            "nothing is known of person account/7 of tenant acme, and never was",
        ),
    ] {
        let refused = orrery(&folder, &[&["vault"], args].concat(), &[]);
        assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
        assert!(stderr(&refused).contains(said), "{}", stderr(&refused));
    }
}
