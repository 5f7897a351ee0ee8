//! Commits forged with `sqlite3`, as careful as the ledger's own: next link, sequence, balance, time. Where they capture or reverse, they lie
//! about the row that they point at. Each is refused by the file, and found by `verify` where the triggers that refuse it are gone.

use std::path::Path;

use payment::verify::verify;
use testkit::skips;

use crate::attacks_sqlite::{books, sqlite3};
use crate::contract::OnSqlite;

struct Forgery {
    name: &'static str,
    /// Kind, hold and row pointed at, details.
    row: &'static str,
    /// Account, direction and amount of each line.
    lines: &'static [(u32, u32, u32)],
    /// What is done to holds and records of reversals; `NEXT` is the link's number.
    projections: &'static str,
    refused: &'static str,
    /// `None` where no trigger but the table itself refuses it.
    found: Option<&'static str>,
}

const LINK: &str = "a reversal the opposite of its row and no more of it";
const SUMS: &str = "do not come to what it says";

const FORGERIES: &[Forgery] = &[
    Forgery {
        name: "more is reversed than was moved",
        row: "6, NULL, 8, '{}'",
        lines: &[(2, 1, 60), (3, 0, 60)],
        projections: "UPDATE reversed SET amount = 80, link = NEXT WHERE journal_id = 8",
        refused: LINK,
        found: Some("8 of tenant acme: more was reversed of this row than it moved"),
    },
    Forgery {
        name: "a reversal gives to another account",
        row: "6, NULL, 8, '{}'",
        lines: &[(1, 1, 10), (3, 0, 10)],
        projections: "UPDATE reversed SET amount = 30, link = NEXT WHERE journal_id = 8",
        refused: LINK,
        found: Some("999 of tenant acme: a line of this reversal is not the opposite"),
    },
    Forgery {
        name: "a reversal has a line more",
        row: "6, NULL, 8, '{}'",
        lines: &[(2, 1, 10), (3, 0, 5), (1, 0, 5)],
        projections: "UPDATE reversed SET amount = 30, link = NEXT WHERE journal_id = 8",
        refused: LINK,
        found: Some("999 of tenant acme: a line of this reversal is not the opposite"),
    },
    Forgery {
        name: "a reversal is reversed",
        row: "6, NULL, 16, '{}'",
        lines: &[(2, 0, 5), (3, 1, 5)],
        projections: "INSERT INTO reversed SELECT 'acme', 16, 5, 0, NEXT",
        refused: LINK,
        found: Some("999 of tenant acme: this reversal points at no row that moved money first"),
    },
    Forgery {
        name: "a reversal is not recorded",
        row: "6, NULL, 8, '{}'",
        lines: &[(2, 1, 10), (3, 0, 10)],
        projections: "SELECT 0",
        refused: LINK,
        found: Some("8 of tenant acme: what is recorded as reversed of this row"),
    },
    Forgery {
        name: "less is recorded than is reversed",
        row: "6, NULL, 8, '{}'",
        lines: &[(2, 1, 10), (3, 0, 10)],
        projections: "UPDATE reversed SET amount = 21, link = NEXT WHERE journal_id = 8",
        refused: SUMS,
        found: Some("8 of tenant acme: what is recorded as reversed of this row"),
    },
    Forgery {
        name: "a capture goes to another account",
        row: "3, 24, NULL, '{}'",
        lines: &[(2, 0, 10), (1, 1, 10)],
        projections: "UPDATE hold SET captured = 30, link = NEXT",
        refused: LINK,
        found: Some("24 of tenant acme: a capture's lines are not its hold's accounts"),
    },
    Forgery {
        name: "a capture has three lines",
        row: "3, 24, NULL, '{}'",
        lines: &[(2, 0, 10), (3, 1, 5), (1, 1, 5)],
        projections: "UPDATE hold SET captured = 30, link = NEXT",
        refused: LINK,
        found: Some("journal row 999 of tenant acme is a capture of 3 postings"),
    },
    Forgery {
        name: "a capture takes nothing from its hold",
        row: "3, 24, NULL, '{}'",
        lines: &[(2, 0, 10), (3, 1, 10)],
        projections: "SELECT 0",
        refused: LINK,
        found: Some("24 of tenant acme: this hold is not what its rows of the journal say"),
    },
    Forgery {
        name: "more is taken from a hold than is moved",
        row: "3, 24, NULL, '{}'",
        lines: &[(2, 0, 10), (3, 1, 10)],
        projections: "UPDATE hold SET captured = 31, link = NEXT",
        refused: SUMS,
        found: Some("24 of tenant acme: this hold is not what its rows of the journal say"),
    },
    Forgery {
        name: "a hold that was let go is said to have expired",
        row: "4, 24, NULL, '{}'",
        lines: &[],
        projections: "UPDATE hold SET voided = 30, state = 3, link = NEXT",
        refused: SUMS,
        found: Some("24 of tenant acme: this hold is not what its rows of the journal say"),
    },
    Forgery {
        name: "a hold is let go with money",
        row: "4, 24, NULL, '{}'",
        lines: &[(2, 0, 5), (3, 1, 5)],
        projections: "UPDATE hold SET voided = 30, state = 2, link = NEXT",
        refused: LINK,
        found: Some("24 of tenant acme: this hold is not what its rows of the journal say"),
    },
    Forgery {
        name: "a capture of a hold that is not there",
        row: "3, 25, NULL, '{}'",
        lines: &[(2, 0, 5), (3, 1, 5)],
        projections: "SELECT 0",
        refused: LINK,
        found: Some("999 of tenant acme: this row is about a hold that was never placed"),
    },
    Forgery {
        name: "a hold is placed with other terms than the chain says",
        row: "2, 999, NULL, '{\"hold\":{},\"details\":{}}'",
        lines: &[],
        projections: "INSERT INTO hold SELECT 'acme', 999, 2, 3, 5, 'EUR', 0, 0, 0, 4000000000000, 2000000000000, 0, NEXT",
        refused: LINK,
        found: Some("999 of tenant acme: this hold's terms"),
    },
    Forgery {
        name: "a transfer points at a hold",
        row: "0, 24, NULL, '{}'",
        lines: &[(2, 0, 5), (3, 1, 5)],
        projections: "SELECT 0",
        refused: "CHECK",
        found: None,
    },
];

impl Forgery {
    fn statements(&self) -> String {
        let next = "(SELECT link + 1 FROM chain_head WHERE shard = 0)";
        let at = "2000000000000";
        let [kind, hold, refers, details] = self.row.splitn(4, ", ").collect::<Vec<_>>().try_into().unwrap();
        let mut all = format!(
            "PRAGMA foreign_keys = ON; BEGIN;
             INSERT INTO journal SELECT 'acme', 999, {kind}, {at}, {hold}, {refers}, {details}, 0, {next}, 0;"
        );
        for (line, (account, direction, amount)) in self.lines.iter().enumerate() {
            let after = if *direction == 0 { "+" } else { "-" };
            all += &format!(
                "INSERT INTO entry SELECT 'acme', {account}, 0, entries + 1, 999, {line}, {direction}, {amount}, 'EUR',
                     posted {after} {amount}, {at} FROM balance WHERE account_id = {account};"
            );
        }
        // A digest a row.
        all += &format!(
            "{};
             INSERT INTO chain_link SELECT 0, link + 1, {at}, hash, 1, zeroblob(32), zeroblob(32)
                 FROM chain_head WHERE shard = 0;
             UPDATE chain_head SET link = link + 1, hash = zeroblob(32), at_ms = {at} WHERE shard = 0;
             COMMIT;",
            self.projections.replace("NEXT", next)
        );
        all
    }
}

async fn forged(test: &str) -> Option<OnSqlite> {
    if !skips::on_path("sqlite3") {
        skips::skip(test, "no sqlite3");
        return None;
    }
    let engine = OnSqlite::new(test)?;
    books(&engine).await;
    Some(engine)
}

fn copied(engine: &OnSqlite) -> std::path::PathBuf {
    let copy = engine.file().with_file_name("forged.db");
    std::fs::copy(engine.file(), &copy).unwrap();
    copy
}

async fn found(file: &Path) -> Vec<String> {
    let report = verify(&format!("sqlite:{}", file.display())).await.unwrap();
    report
        .findings
        .into_iter()
        .map(|finding| finding.message)
        .collect()
}

#[tokio::test]
async fn no_forged_capture_or_reversal_lies_about_the_row_that_it_points_at() {
    let Some(engine) = forged("no_forged_capture_or_reversal_lies").await else {
        return;
    };
    // Without a lie, such a commit goes through: what refuses the others is their lie.
    for (row, lines, projections) in [
        (
            "6, NULL, 8, '{}'",
            &[(2, 1, 50), (3, 0, 50)][..],
            "UPDATE reversed SET amount = 70, link = NEXT",
        ),
        (
            "3, 24, NULL, '{}'",
            &[(2, 0, 10), (3, 1, 10)],
            "UPDATE hold SET captured = 30, link = NEXT",
        ),
        (
            "4, 24, NULL, '{}'",
            &[],
            "UPDATE hold SET voided = 30, state = 2, link = NEXT",
        ),
    ] {
        let honest = Forgery {
            name: "",
            row,
            lines,
            projections,
            refused: "",
            found: None,
        };
        sqlite3(&copied(&engine), &honest.statements()).unwrap();
    }
    for forgery in FORGERIES {
        let complaint = sqlite3(&copied(&engine), &forgery.statements()).expect_err(forgery.name);
        assert!(
            complaint.contains(forgery.refused),
            "{}: {complaint}",
            forgery.name
        );
    }
}

#[tokio::test]
async fn a_forged_capture_or_reversal_is_found_where_the_triggers_are_gone() {
    let Some(engine) = forged("a_forged_capture_or_reversal_is_found").await else {
        return;
    };
    let gone = "DROP TRIGGER chain_link_agrees; DROP TRIGGER hold_agrees_when_placed; DROP TRIGGER hold_agrees_when_changed;
        DROP TRIGGER reversed_agrees_when_made; DROP TRIGGER reversed_agrees_when_changed";
    sqlite3(&engine.file(), gone).unwrap();
    assert_eq!(found(&engine.file()).await, Vec::<String>::new());
    for forgery in FORGERIES {
        let Some(words) = forgery.found else { continue };
        let copy = copied(&engine);
        sqlite3(&copy, &forgery.statements()).expect(forgery.name);
        let found = found(&copy).await;
        assert!(
            found.iter().any(|message| message.contains(words)),
            "{}: {found:#?}",
            forgery.name
        );
    }
}
