//! Lies told to `ledger_commit` by whoever has the service's role: it may call, and what it says of rows that are there is not believed.
//! What the database would refuse is also found by `verify`, where the triggers that refuse it are off.

use payment::verify::verify;

use crate::attacks_postgres::{books, dump, psql};
use crate::books::NOW_MS;
use crate::contract::Engine as _;

pub(crate) type Args = &'static [(&'static str, &'static str)];

/// A call that transfers 5 from wallet 2 to wallet 3, but for what `args` say.
pub(crate) fn call(args: &[&[(&str, &str)]], now_ms: u64) -> String {
    let mut all: Vec<(&str, String)> = [
        ("p_shard", "0"),
        ("p_together", "f"),
        ("p_doomed", "f"),
        ("p_plain", "f"),
        ("t_name", "{acme}"),
        ("m_code", "{EUR}"),
        ("c_tenant", "{1}"),
        ("c_id", "{999}"),
        ("c_kind", "{0}"),
        ("c_details", r#"{"{}"}"#),
        ("c_pre", "{0}"),
        ("c_action", "{0}"),
        ("c_same", "{0}"),
        ("c_hold", "{0}"),
        ("c_refers", "{0}"),
        ("c_about", "{0}"),
        ("c_amount", "{5}"),
        ("c_last", "{f}"),
        ("c_first", "{1,3}"),
        ("k_command", "{}"),
        ("k_key", "{}"),
        ("k_fingerprint", "{}"),
        ("k_expires", "{}"),
        ("a_tenant", "{1,1,1}"),
        ("a_id", "{1,2,3}"),
        ("p_command", "{1,1}"),
        ("p_line", "{0,1}"),
        ("p_acct", "{2,3}"),
        ("p_signed", "{5,-5}"),
        ("p_currency", "{1,1}"),
        ("h_tenant", "{}"),
        ("h_id", "{}"),
        ("h_debit", "{}"),
        ("h_credit", "{}"),
        ("h_currency", "{}"),
        ("h_expires", "{}"),
        ("r_tenant", "{}"),
        ("r_id", "{}"),
        ("r_total", "{}"),
        ("r_command", "{}"),
        ("r_two", "{}"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into();
    all.push(("p_now", now_ms.to_string()));
    for (name, value) in args.iter().copied().flatten() {
        let found = all.iter_mut().find(|(known, _)| known == name);
        found.expect(name).1 = (*value).to_owned();
    }
    let named: Vec<String> = all
        .iter()
        .map(|(name, value)| match value.as_str() {
            "NULL" => format!("{name} => NULL"),
            value => format!("{name} => '{value}'"),
        })
        .collect();
    format!("SELECT status FROM ledger_commit({})", named.join(", "))
}

/// As the service reverses what is left of row 8, a transfer of 70 of which 20 went back.
const REVERSAL: Args = &[
    ("c_kind", "{6}"),
    ("c_action", "{5}"),
    ("c_refers", "{1}"),
    ("c_about", "{8}"),
    ("c_amount", "{50}"),
    ("p_signed", "{-1,1}"),
    ("r_tenant", "{1}"),
    ("r_id", "{8}"),
    ("r_total", "{70}"),
    ("r_command", "{0}"),
    ("r_two", "{t}"),
];
/// As the service captures 10 of hold 24, which has 30 left.
pub(crate) const CAPTURE: Args = &[
    ("c_kind", "{3}"),
    ("c_action", "{2}"),
    ("c_hold", "{1}"),
    ("c_about", "{24}"),
    ("c_amount", "{10}"),
    ("p_signed", "{1,-1}"),
    ("h_tenant", "{1}"),
    ("h_id", "{24}"),
    ("h_debit", "{2}"),
    ("h_credit", "{3}"),
    ("h_currency", "{1}"),
    ("h_expires", "{0}"),
];
/// As the service lets go of it.
const VOID: Args = &[
    ("c_kind", "{4}"),
    ("c_action", "{3}"),
    ("c_first", "{1,1}"),
    ("p_command", "{}"),
    ("p_line", "{}"),
    ("p_acct", "{}"),
    ("p_signed", "{}"),
    ("p_currency", "{}"),
];
/// Four lines instead of two.
const FOUR: Args = &[
    ("c_first", "{1,5}"),
    ("p_command", "{1,1,1,1}"),
    ("p_line", "{0,1,2,3}"),
    ("p_acct", "{2,3,2,3}"),
    ("p_currency", "{1,1,1,1}"),
];

struct Lie {
    name: &'static str,
    args: &'static [Args],
    /// How the database refuses it.
    refused: &'static str,
    /// What `verify` says of it where it was not refused; `None` where no trigger but the table itself refuses it.
    found: Option<&'static str>,
}

const OPPOSITE: &str = "is the opposite of the row that it reverses";
const TWO_LINES: &str = "a capture has two lines, on the accounts of its hold";

const DISAGREES: &str = "what it is told does not agree with itself";

/// What is refused for that: no trigger is asked.
const DISAGREEING: &[(&str, Args)] = &[
    ("it is not said whether all is plain", &[("p_plain", "NULL")]),
    ("it is not said what is done", &[("c_action", "{NULL}")]),
    (
        "lines are said to be fewer than they are",
        &[("c_first", "{1,2}")],
    ),
    (
        "lines are said to begin later than they do",
        &[("c_first", "{2,3}")],
    ),
    (
        "lines are said to be of a command that is not there",
        &[("p_command", "{1,2}")],
    ),
    ("lines are not in their order", &[("p_line", "{1,0}")]),
    ("something is done that nobody knows", &[("c_action", "{9}")]),
    (
        "what was said begins before the first command",
        &[("c_details", "[0:0]={none}")],
    ),
    ("an account is named twice", &[("a_id", "{1,2,2}")]),
];

const LIES: &[Lie] = &[
    Lie {
        name: "it is not said when",
        args: &[&[("p_now", "NULL")]],
        refused: "a moment is missing",
        found: None,
    },
    Lie {
        name: "a hold is named twice",
        args: &[
            CAPTURE,
            &[
                ("h_tenant", "{1,1}"),
                ("h_id", "{24,24}"),
                ("h_debit", "{2,2}"),
                ("h_credit", "{3,3}"),
                ("h_currency", "{1,1}"),
                ("h_expires", "{0,0}"),
            ],
        ],
        refused: DISAGREES,
        found: None,
    },
    Lie {
        name: "a row to be reversed is larger than it is",
        args: &[REVERSAL, &[("c_amount", "{60}"), ("r_total", "{700}")]],
        refused: "more would be reversed than was moved",
        found: Some("8 of tenant acme: more was reversed of this row than it moved"),
    },
    Lie {
        name: "a reversal takes from another account",
        args: &[REVERSAL, &[("p_acct", "{1,3}")]],
        refused: OPPOSITE,
        found: Some("999 of tenant acme: a line of this reversal is not the opposite"),
    },
    Lie {
        name: "a reversal moves the same way again",
        args: &[REVERSAL, &[("p_signed", "{1,-1}")]],
        refused: OPPOSITE,
        found: Some("999 of tenant acme: a line of this reversal is not the opposite"),
    },
    Lie {
        name: "a reversal has lines of its own",
        args: &[REVERSAL, FOUR, &[("p_signed", "{-1,1,1,-1}")]],
        refused: OPPOSITE,
        found: Some("999 of tenant acme: a line of this reversal is not the opposite"),
    },
    Lie {
        name: "a reversal is reversed",
        args: &[
            REVERSAL,
            &[
                ("r_id", "{16}"),
                ("r_total", "{20}"),
                ("c_amount", "{5}"),
                ("p_signed", "{1,-1}"),
            ],
        ],
        refused: "only what moved money first is reversed",
        found: Some("999 of tenant acme: this reversal points at no row that moved money first"),
    },
    Lie {
        name: "a row that is not there is reversed",
        args: &[REVERSAL, &[("r_id", "{777}")]],
        refused: "there is no row that it could reverse",
        found: Some("999 of tenant acme: this reversal points at no row that moved money first"),
    },
    Lie {
        name: "a row of two lines is said to have more, and is reversed by other amounts",
        args: &[
            REVERSAL,
            &[("r_two", "{f}"), ("c_amount", "{0}"), ("p_signed", "{-60,60}")],
        ],
        refused: "reversals in the journal do not come to what it says",
        found: Some("8 of tenant acme: more was reversed of this row than it moved"),
    },
    Lie {
        name: "a reversal is said to be a transfer to who decides",
        args: &[REVERSAL, &[("c_action", "{0}"), ("p_signed", "{-60,60}")]],
        refused: "it is not recorded how much is reversed",
        found: Some("8 of tenant acme: more was reversed of this row than it moved"),
    },
    Lie {
        name: "a reversal is said to be plain",
        args: &[
            REVERSAL,
            &[("c_action", "{0}"), ("p_plain", "t"), ("p_signed", "{-5,5}")],
        ],
        refused: "it is not recorded how much is reversed",
        found: Some("8 of tenant acme: what is recorded as reversed of this row"),
    },
    Lie {
        name: "a reversal points at nothing",
        args: &[&[("c_kind", "{6}")]],
        refused: "violates check constraint",
        found: None,
    },
    Lie {
        name: "a transfer points at a hold",
        args: &[CAPTURE, &[("c_kind", "{0}")]],
        refused: "violates check constraint",
        found: None,
    },
    Lie {
        name: "a capture has four lines",
        args: &[CAPTURE, FOUR, &[("p_signed", "{1,-1,1,-1}")]],
        refused: TWO_LINES,
        found: Some("journal row 999 of tenant acme is a capture of 4 postings"),
    },
    Lie {
        name: "a capture goes to another account",
        args: &[CAPTURE, &[("p_acct", "{2,1}")]],
        refused: TWO_LINES,
        found: Some("24 of tenant acme: a capture's lines are not its hold's accounts"),
    },
    Lie {
        name: "a capture goes the other way",
        args: &[CAPTURE, &[("p_signed", "{-1,1}")]],
        refused: TWO_LINES,
        found: Some("24 of tenant acme: a capture's lines are not its hold's accounts"),
    },
    Lie {
        name: "a capture takes nothing from its hold",
        args: &[CAPTURE, &[("c_action", "{0}"), ("p_signed", "{10,-10}")]],
        refused: "it is about a hold that does not say so",
        found: Some("24 of tenant acme: this hold is not what its rows of the journal say"),
    },
    Lie {
        name: "a capture of all that was held, and more, is said to be plain",
        args: &[
            CAPTURE,
            &[("c_action", "{0}"), ("p_plain", "t"), ("p_signed", "{60,-60}")],
        ],
        refused: "it is about a hold that does not say so",
        found: Some("24 of tenant acme: more was captured of this hold than it held"),
    },
    Lie {
        name: "a hold is let go with money",
        args: &[
            CAPTURE,
            &[("c_kind", "{4}"), ("c_action", "{3}"), ("p_signed", "{5,-5}")],
        ],
        refused: "captures, voids and expiries in the journal do not come to what it says",
        found: Some("journal row 999 of tenant acme is a void of 2 postings"),
    },
    Lie {
        name: "a hold is placed with money",
        args: &[
            CAPTURE,
            &[
                ("c_kind", "{2}"),
                ("c_action", "{1}"),
                ("h_id", "{999}"),
                ("h_expires", "{1895305600000}"),
                ("p_signed", "{5,-5}"),
            ],
        ],
        refused: "only a capture moves what is held",
        found: Some("journal row 999 of tenant acme is a hold of 2 postings"),
    },
    Lie {
        name: "a hold that was let go is said to have expired",
        args: &[CAPTURE, VOID, &[("c_kind", "{5}")]],
        refused: "captures, voids and expiries in the journal do not come to what it says",
        found: Some("999 of tenant acme: this row says that its hold's time was over"),
    },
    Lie {
        name: "a hold is placed with other terms than the chain says",
        args: &[
            CAPTURE,
            VOID,
            &[
                ("c_kind", "{2}"),
                ("c_action", "{1}"),
                ("h_id", "{999}"),
                ("h_expires", "{1895305600000}"),
            ],
        ],
        refused: "a hold is placed with the terms that it has",
        found: Some("999 of tenant acme: this hold's terms"),
    },
];

/// The same calls without a lie.
const TRUTHS: &[&[Args]] = &[&[], &[REVERSAL], &[CAPTURE], &[CAPTURE, VOID]];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_lie_that_the_services_role_tells_is_believed() {
    let Some(engine) = books("no_lie_that_the_services_role_tells").await else {
        return;
    };
    let before = dump(&engine);
    for args in TRUTHS {
        let honest = format!("SET ROLE orrery_payment; BEGIN; {}; ROLLBACK", call(args, NOW_MS));
        assert_eq!(psql(&engine, &honest).unwrap().trim(), "{0}", "{honest}");
    }
    for lie in LIES {
        let told = format!("SET ROLE orrery_payment; {}", call(lie.args, NOW_MS));
        let complaint = psql(&engine, &told).expect_err(lie.name);
        assert!(complaint.contains(lie.refused), "{}: {complaint}", lie.name);
    }
    for (name, args) in DISAGREEING {
        let told = format!("SET ROLE orrery_payment; {}", call(&[*args], NOW_MS));
        let complaint = psql(&engine, &told).expect_err(name);
        assert!(complaint.contains(DISAGREES), "{name}: {complaint}");
    }
    // Nor the second of two, when the first was honest.
    let other = &[("c_id", "{998}"), ("c_action", "{0}"), ("p_signed", "{10,-10}")];
    let two = format!(
        "SET ROLE orrery_payment; BEGIN; {}; {}; COMMIT",
        call(&[CAPTURE], NOW_MS),
        call(&[CAPTURE, other], NOW_MS)
    );
    let complaint = psql(&engine, &two).unwrap_err();
    assert!(complaint.contains("does not say so"), "{complaint}");
    assert_eq!(dump(&engine), before, "nothing changed");
    engine.remove().await;
}

#[rustfmt::skip]
const TABLES: [&str; 8] = ["account", "balance", "journal", "entry", "hold", "reversed", "chain_link", "chain_head"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lie_that_was_believed_is_found_from_outside() {
    let Some(engine) = books("a_lie_that_was_believed").await else {
        return;
    };
    let (mut keep, mut restore) = (
        String::new(),
        "SET session_replication_role = replica; ".to_owned(),
    );
    for table in TABLES {
        keep += &format!("CREATE TABLE kept_{table} AS TABLE {table};");
        restore += &format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table};");
    }
    psql(&engine, &keep).unwrap();
    let unguarded = "ALTER TABLE chain_link DISABLE TRIGGER chain_link_agrees;
        ALTER TABLE hold DISABLE TRIGGER hold_agrees_when_placed; ALTER TABLE hold DISABLE TRIGGER hold_agrees_when_changed;
        ALTER TABLE reversed DISABLE TRIGGER reversed_agrees_when_made;
        ALTER TABLE reversed DISABLE TRIGGER reversed_agrees_when_changed";
    psql(&engine, unguarded).unwrap();
    for lie in LIES {
        let Some(words) = lie.found else { continue };
        let status = psql(&engine, &call(lie.args, NOW_MS)).expect(lie.name);
        assert_eq!(status.trim(), "{0}", "{}", lie.name);
        let report = verify(&engine.url()).await.unwrap();
        assert!(
            report
                .findings
                .iter()
                .any(|finding| finding.message.contains(words)),
            "{}: {report}",
            lie.name
        );
        psql(&engine, &restore).unwrap();
    }
    let report = verify(&engine.url()).await.unwrap();
    assert!(report.is_sound(), "as it was: {report}");
    engine.remove().await;
}

/// What the database takes, for it would slow every transfer to look: nothing moves by it, and it is found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_is_none_of_its_kind_is_found_from_outside() {
    for (args, words) in [
        (
            &[VOID, &[("c_kind", "{0}"), ("c_action", "{0}")]][..],
            "is a transfer of 0 postings",
        ),
        (
            &[&[("c_details", "{none}")]],
            "has details that are no JSON object",
        ),
        (&[&[("c_details", "{[]}")]], "has details that are no JSON object"),
    ] {
        let Some(engine) = books("a_row_that_is_none_of_its_kind").await else {
            return;
        };
        assert_eq!(psql(&engine, &call(args, NOW_MS)).unwrap().trim(), "{0}");
        let report = verify(&engine.url()).await.unwrap();
        let broken: Vec<_> = report.broken().map(|finding| finding.message.as_str()).collect();
        assert_eq!(
            broken,
            [format!("journal row 999 of tenant acme {words}")],
            "{report}"
        );
        engine.remove().await;
    }
}

/// An account ends for the ledger and for its owner alike: when it is empty, in both tables at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_its_owner_closes_takes_nothing_any_more() {
    let Some(engine) = books("an_account_that_its_owner_closes").await else {
        return;
    };
    let empty = "SELECT ledger_create_account(1795305600000, NULL, NULL, NULL, NULL, 'acme', 5, 'EUR', 0::smallint, false, false,
        1::smallint, NULL, '{}'); UPDATE account SET closed_at_ms = 1795305600000 WHERE id = 5";
    psql(&engine, empty).unwrap();
    assert_eq!(
        psql(&engine, "SELECT closed FROM balance WHERE account_id = 5")
            .unwrap()
            .trim(),
        "t"
    );
    let to_it = call(&[&[("a_id", "{1,2,5}")]], NOW_MS);
    assert_eq!(psql(&engine, &to_it).unwrap().trim(), "{11}");
    assert!(verify(&engine.url()).await.unwrap().is_sound());
    // Where the last entry itself is far ahead of the clock, that is when it ends.
    let ahead = "SELECT ledger_create_account(1795305600000, NULL, NULL, NULL, NULL, 'acme', 6, 'EUR', 0::smallint, false, false,
        1::smallint, NULL, '{}'); ALTER TABLE balance DISABLE TRIGGER USER;
        UPDATE balance SET last_at_ms = 4000000000000 WHERE account_id = 6; ALTER TABLE balance ENABLE TRIGGER USER;
        SELECT ledger_change_account(1795305600000, 'acme', 6, false, NULL, NULL, true)";
    assert_eq!(psql(&engine, ahead).unwrap().lines().last(), Some("0"));
    for (table, edit, words) in [
        (
            "balance",
            "UPDATE balance SET closed = FALSE WHERE account_id = 5",
            "do not agree on whether it is closed",
        ),
        (
            "account",
            "UPDATE account SET closed_at_ms = 1 WHERE id = 3",
            "something is on it, held or posted since",
        ),
    ] {
        psql(&engine, &format!("BEGIN; ALTER TABLE {table} DISABLE TRIGGER USER; {edit}; ALTER TABLE {table} ENABLE TRIGGER USER; COMMIT")).unwrap();
        let report = verify(&engine.url()).await.unwrap();
        assert!(
            report
                .findings
                .iter()
                .any(|finding| finding.message.contains(words)),
            "{edit}: {report}"
        );
    }
    engine.remove().await;
}
