//! The oracle: porcupine, a linearizability checker by other people in another language, must agree.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;

use history::linearizable::{Limits, check};
use history::{Operation, Writer};

use super::simulation::{Plan, flip_one_read, simulate};

const RANDOM_HISTORIES: u64 = 400;

#[test]
fn porcupine_agrees_on_sample_and_random_histories() {
    if std::env::var_os("ORRERY_NIGHTLY").is_none() {
        println!("skipped: set ORRERY_NIGHTLY=1 to compare with porcupine (needs Go and its module proxy)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/porcupine");
    let oracle = folder.path().join("oracle");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&oracle)
        .arg(".")
        .current_dir(&source)
        .status();
    assert!(
        built.expect("`go` can be started").success(),
        "the oracle is built"
    );

    let mut files: Vec<PathBuf> = std::fs::read_dir(source.join("samples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 6, "the samples are there");
    files.extend((0..RANDOM_HISTORIES).map(|seed| write_random(folder.path(), seed)));

    let output = Command::new(&oracle).args(&files).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let verdicts: Vec<bool> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| line.parse().unwrap())
        .collect();
    assert_eq!(verdicts.len(), files.len());
    for (file, expected) in files.iter().zip(&verdicts) {
        let operations = history::read(std::io::BufReader::new(File::open(file).unwrap())).unwrap();
        let report = check(&operations, Limits::default());
        assert_eq!(report.is_kept(), *expected, "{}: {report}", file.display());
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("good") || name.starts_with("bad") {
            assert_eq!(
                name.starts_with("good"),
                *expected,
                "{name} is what its name says"
            );
        }
    }
    let good = verdicts.iter().filter(|verdict| **verdict).count();
    println!(
        "porcupine agrees on {} histories, {good} of them linearizable",
        verdicts.len()
    );
    assert!(
        good > 50 && verdicts.len() - good > 50,
        "both verdicts occur often: {good} of {}",
        verdicts.len()
    );
}

fn write_random(folder: &Path, seed: u64) -> PathBuf {
    let plan = Plan {
        operations: [8, 30, 120][(seed % 3) as usize],
        sessions: 2 + seed % 5,
        keys: 1 + (seed % 2) as usize,
        values: [2, 5, 1_000][(seed / 3 % 3) as usize],
        lost: [0.0, 0.05, 0.15][(seed / 9 % 3) as usize],
    };
    let mut operations: Vec<Operation> = simulate(seed, plan);
    if !seed.is_multiple_of(4) {
        flip_one_read(&mut operations, seed, plan.values);
    }
    let path = folder.join(format!("{seed:04}.jsonl"));
    let mut writer = Writer::new(BufWriter::new(File::create(&path).unwrap()));
    for operation in &operations {
        writer.record(operation).unwrap();
    }
    writer.finish().unwrap();
    path
}
