//! `orrery lab`, and the playbook's page of each.

use std::path::Path;
use std::process::{Command, Output};

use super::binary;

const HEADINGS: [&str; 6] = [
    "## The problem",
    "## The pattern",
    "## What it costs",
    "## Where the code is",
    "## The measured numbers",
    "## When not to use it",
];

fn lab(args: &[&str]) -> Output {
    // Away from the checkout: no engines are listed there.
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(binary());
    let command = command.arg("lab").args(args).current_dir(folder.path());
    command.output().expect("orrery starts")
}

fn listed() -> Vec<String> {
    let output = lab(&["list"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.split_whitespace().next());
    names.map(str::to_owned).collect()
}

#[test]
fn every_lab_has_a_page_in_the_playbook_with_numbers_that_a_run_wrote() {
    let playbook = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/playbook");
    let index = std::fs::read_to_string(playbook.join("README.md")).unwrap();
    let labs = listed();
    assert!(labs.len() >= 6, "{labs:?}");
    for lab in labs {
        let page = std::fs::read_to_string(playbook.join(format!("{lab}.md"))).expect(&lab);
        let mut from = 0;
        for heading in HEADINGS {
            let at = page[from..].find(heading);
            from += at.unwrap_or_else(|| panic!("{lab}.md: `{heading}` is missing or out of order"));
        }
        assert!(
            page.contains(&format!("`orrery lab {lab}`")),
            "{lab}.md says how to run it"
        );
        assert!(
            page.contains("| arm |") && page.contains(&format!("{lab}.svg")),
            "{lab}.md has no numbers"
        );
        assert!(playbook.join(format!("{lab}.svg")).is_file(), "{lab}.svg");
        assert!(
            index.contains(&format!("({lab}.md)")),
            "README.md leads to {lab}.md"
        );
    }
}

#[test]
fn a_lab_prints_a_table_and_a_sentence_and_writes_its_files_where_it_is_told() {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("labs");
    let output = lab(&[
        "short-codes",
        "--brief",
        "--seed",
        "7",
        "--out",
        folder.to_str().unwrap(),
    ]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        text.starts_with("short-codes: ") && text.contains("(seed 7)"),
        "{text}"
    );
    assert!(text.trim_end().ends_with('.'), "it ends with a sentence: {text}");
    let json = std::fs::read_to_string(folder.join("short-codes.json")).unwrap();
    assert!(
        json.contains("\"seed\": 7") && json.contains("\"sequential\""),
        "{json}"
    );
    assert!(
        std::fs::read_to_string(folder.join("short-codes.svg"))
            .unwrap()
            .contains("<svg")
    );
}

#[test]
fn a_lab_that_is_not_there_is_refused_with_those_that_are() {
    let output = lab(&["stampedes"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        !output.status.success() && said.contains("`stampedes`") && said.contains("stampede  "),
        "{said}"
    );
}
