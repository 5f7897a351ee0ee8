//! What somebody may do to the tables with the triggers off.

/// What is done to the tables, and what the report then says is broken: that, and no more. Both engines take them.
pub(super) const TAMPERINGS: &[(&str, &[&str])] = &[
    // The journal, column by column.
    (
        "UPDATE journal SET tenant = 'acmf' WHERE id = 40",
        &[
            "shard 0, link 5: row 0 was changed: journal row 40 of tenant acmf",
            "40 of tenant acme: an entry of this row of the journal is there, and the row is not",
        ],
    ),
    (
        "UPDATE journal SET id = 940 WHERE id = 40",
        &[
            "shard 0, link 5: row 0 was changed: journal row 940",
            "40 of tenant acme: an entry of this row of the journal is there, and the row is not",
        ],
    ),
    (
        "UPDATE journal SET kind = 1 WHERE id = 40",
        &["shard 0, link 5: row 0 was changed: journal row 40"],
    ),
    (
        "UPDATE journal SET at_ms = at_ms + 1 WHERE id = 41",
        &["shard 0, link 5: row 1 was changed: journal row 41"],
    ),
    (
        "UPDATE journal SET hold_id = 25 WHERE id = 32",
        &["shard 0, link 4: row 0 was changed: journal row 32"],
    ),
    (
        "UPDATE journal SET hold_id = 0 WHERE id = 8",
        &["shard 0, link 1: row 0 was changed: journal row 8"],
    ),
    (
        "UPDATE journal SET refers_to = 41 WHERE id = 16",
        &["shard 0, link 2: row 0 was changed: journal row 16"],
    ),
    (
        "UPDATE journal SET details = '{ }' WHERE id = 8",
        &["shard 0, link 1: row 0 was changed: journal row 8"],
    ),
    (
        "UPDATE journal SET shard = 1 WHERE id = 40",
        &[
            "shard 0, link 5: row 0 is missing before journal row 41",
            "shard 1, link 5: journal row 40 was added: there is no such link",
        ],
    ),
    (
        "UPDATE journal SET link = 4, ord = 9 WHERE id = 40",
        &["shard 0, link 4: row 1 was added: journal row 40"],
    ),
    (
        "UPDATE journal SET link = 6 WHERE id = 41",
        &["shard 0, link 5: row 1 is missing"],
    ),
    (
        "UPDATE journal SET ord = 7 WHERE id = 41",
        &["shard 0, link 5: journal row 41 of tenant acme has place 7 instead of 1"],
    ),
    (
        "UPDATE journal SET ord = 9 WHERE id = 40",
        &["shard 0, link 5: row 0 is out of its place: journal row 40"],
    ),
    (
        "UPDATE journal SET shard = 9 WHERE id = 40",
        &[
            "shard 0, link 5: row 0 is missing before journal row 41",
            "40 of tenant acme: this row of the journal is in no chain",
        ],
    ),
    // Entries, column by column.
    (
        "UPDATE entry SET tenant = 'acmf' WHERE journal_id = 40 AND line = 0",
        &[
            "shard 0, link 5: row 0 was changed: journal row 40 of tenant acme, or an entry of it (4 of account 3 part 0)",
            "40 of tenant acmf: an entry of this row of the journal is there, and the row is not",
        ],
    ),
    (
        "UPDATE entry SET account_id = 77 WHERE journal_id = 40 AND line = 0",
        &[
            "shard 0, link 5: row 0 was changed: journal row 40 of tenant acme, or an entry of it (5 of account 77 part 0, 4 of account 3 part 0)",
        ],
    ),
    (
        "UPDATE entry SET part = 1 WHERE journal_id = 40 AND line = 0",
        &[
            "shard 0, link 5: row 0 was changed: journal row 40 of tenant acme, or an entry of it (5 of account 2 part 1, 4 of account 3 part 0)",
        ],
    ),
    (
        "UPDATE entry SET seq = 99 WHERE journal_id = 40 AND line = 0",
        &[
            "shard 0, link 5: row 0 was changed: journal row 40 of tenant acme, or an entry of it (99 of account 2 part 0, 4 of account 3 part 0)",
        ],
    ),
    (
        "UPDATE entry SET journal_id = 41, line = 9 WHERE journal_id = 40 AND line = 0",
        &[
            "shard 0, link 5: row 0 was changed: journal row 40 of tenant acme, or an entry of it (4 of account 3 part 0)",
        ],
    ),
    (
        "UPDATE entry SET line = 5 WHERE journal_id = 40 AND line = 1",
        &[
            "shard 0, link 5: row 0 was changed: journal row 40 of tenant acme, or an entry of it (5 of account 2 part 0, 4 of account 3 part 0)",
        ],
    ),
    (
        "UPDATE entry SET direction = 1 WHERE journal_id = 40 AND line = 0",
        &[
            "shard 0, link 5: row 0 was changed: journal row 40 of tenant acme, or an entry of it (5 of account 2 part 0, 4 of account 3 part 0)",
        ],
    ),
    (
        "UPDATE entry SET amount = 8 WHERE journal_id = 40 AND line = 0",
        &[
            "shard 0, link 5: row 0 was changed: journal row 40 of tenant acme, or an entry of it (5 of account 2 part 0, 4 of account 3 part 0)",
        ],
    ),
    (
        "UPDATE entry SET currency = 'USD' WHERE journal_id = 40 AND line = 0",
        &[
            "shard 0, link 5: row 0 was changed: journal row 40 of tenant acme, or an entry of it (5 of account 2 part 0, 4 of account 3 part 0)",
        ],
    ),
    (
        "UPDATE entry SET balance_after = balance_after + 1 WHERE journal_id = 40 AND line = 0",
        &[
            "shard 0, link 5: row 0 was changed: journal row 40 of tenant acme, or an entry of it (5 of account 2 part 0, 4 of account 3 part 0)",
        ],
    ),
    (
        "UPDATE entry SET at_ms = at_ms - 1 WHERE journal_id = 40 AND line = 0",
        &[
            "shard 0, link 5: row 0 was changed: journal row 40 of tenant acme, or an entry of it (5 of account 2 part 0, 4 of account 3 part 0)",
        ],
    ),
    // Rows gone, put in, swapped.
    (
        "DELETE FROM entry WHERE journal_id = 40 AND line = 0",
        &[
            "shard 0, link 5: row 0 was changed: journal row 40 of tenant acme, or an entry of it (4 of account 3 part 0)",
        ],
    ),
    (
        "DELETE FROM entry WHERE journal_id = 41 AND line = 1",
        &[
            "shard 0, link 5: row 1 was changed: journal row 41 of tenant acme, or an entry of it (5 of account 3 part 0)",
        ],
    ),
    (
        "DELETE FROM journal WHERE id = 40",
        &[
            "shard 0, link 5: row 0 is missing before journal row 41",
            "40 of tenant acme: an entry of this row of the journal is there, and the row is not",
        ],
    ),
    (
        "DELETE FROM journal WHERE id = 24",
        &["shard 0, link 3: row 0 is missing"],
    ),
    (
        "INSERT INTO journal SELECT tenant, 999, kind, at_ms, NULL, NULL, '{}', shard, link, 1 FROM journal WHERE id = 8",
        &["shard 0, link 1: row 1 was added: journal row 999"],
    ),
    (
        "INSERT INTO journal SELECT tenant, 999, kind, at_ms, NULL, NULL, '{}', shard, 6, 0 FROM journal WHERE id = 8",
        &["shard 0, link 6: journal row 999 was added: there is no such link"],
    ),
    (
        "UPDATE entry SET line = line + 10 WHERE journal_id = 40 AND line = 0",
        &[
            "shard 0, link 5: row 0 was changed: journal row 40 of tenant acme, or an entry of it (4 of account 3 part 0, 5 of account 2 part 0)",
        ],
    ),
    // Links.
    (
        "DELETE FROM chain_link WHERE shard = 0 AND link = 3",
        &["shard 0, link 3: link 3 is missing"],
    ),
    (
        "DELETE FROM chain_link WHERE shard = 0 AND link = 5",
        &["shard 0, link 5: link 5 is missing"],
    ),
    (
        "UPDATE chain_link SET link = 7 WHERE shard = 0 AND link = 5",
        &["shard 0, link 5: link 5 is missing"],
    ),
    (
        "UPDATE chain_link SET shard = 1 WHERE shard = 2",
        &[
            "shard 1, link 1: its own fields were changed",
            "shard 2, link 1: link 1 is missing",
        ],
    ),
    (
        "UPDATE chain_link SET at_ms = at_ms + 1 WHERE shard = 0 AND link = 2",
        &["shard 0, link 2: its own fields were changed"],
    ),
    (
        "UPDATE chain_link SET prev_hash = hash WHERE shard = 0 AND link = 2",
        &["shard 0, link 2: it is not joined to link 1"],
    ),
    (
        "UPDATE chain_link SET hash = prev_hash WHERE shard = 0 AND link = 2",
        &["shard 0, link 2: its own fields were changed"],
    ),
    (
        "UPDATE chain_link SET digests = (SELECT digests FROM chain_link WHERE shard = 0 AND link = 1) WHERE shard = 0 AND link = 2",
        &["shard 0, link 2: its own fields were changed"],
    ),
    (
        "UPDATE chain_head SET link = 4 WHERE shard = 0",
        &["shard 0, link 5: the head's record does not agree"],
    ),
    (
        "UPDATE chain_head SET at_ms = at_ms + 1 WHERE shard = 0",
        &["shard 0, link 5: the head's record does not agree"],
    ),
    (
        "UPDATE chain_head SET hash = (SELECT hash FROM chain_link WHERE shard = 0 AND link = 1) WHERE shard = 0",
        &["shard 0, link 5: the head's record does not agree"],
    ),
    (
        "UPDATE chain_head SET sealed_ms = 9223372036854775806 WHERE shard = 3",
        &["shard 3 is sealed up to 9223372036854775806"],
    ),
    (
        "DELETE FROM chain_head WHERE shard = 7",
        &["shard 7, link 0: the head's record is missing"],
    ),
    // What is derived.
    (
        "UPDATE balance SET posted = posted + 1 WHERE account_id = 3",
        &["the balance of account 3 part 0 of tenant acme is stored as"],
    ),
    (
        "UPDATE balance SET entries = entries + 1 WHERE account_id = 3",
        &["the balance of account 3 part 0"],
    ),
    (
        "UPDATE balance SET last_at_ms = 1 WHERE account_id = 3",
        &["the balance of account 3 part 0"],
    ),
    (
        "UPDATE balance SET hold_debits = 1 WHERE account_id = 2",
        &["2 of tenant acme: what is held of this account"],
    ),
    (
        "UPDATE balance SET hold_credits = 31 WHERE account_id = 3",
        &["3 of tenant acme: what is held of this account"],
    ),
    (
        "DELETE FROM balance WHERE account_id = 3",
        &[
            "3 of tenant acme: this account has not a balance for each",
            "3 of tenant acme: this account has entries in a part that has no balance",
        ],
    ),
    (
        "DELETE FROM account WHERE id = 3",
        &["the balance of account 3 part 0 of tenant acme has no account"],
    ),
    (
        "UPDATE account SET currency = 'USD' WHERE id = 3",
        &["account 3 of tenant acme is in USD, and its entries are not: entry 1 is in EUR"],
    ),
    (
        "UPDATE hold SET amount = 51",
        &["24 of tenant acme: this hold's terms"],
    ),
    (
        "UPDATE hold SET captured = 21",
        &["24 of tenant acme: this hold is not what its rows"],
    ),
    (
        "UPDATE hold SET voided = 30, state = 2",
        &["24 of tenant acme: this hold is not what its rows"],
    ),
    (
        "UPDATE hold SET debit_account_id = 3",
        &[
            "24 of tenant acme: this hold's terms",
            "24 of tenant acme: a capture's lines",
        ],
    ),
    (
        "UPDATE hold SET currency = 'USD'",
        &[
            "24 of tenant acme: this hold's terms",
            "24 of tenant acme: a capture's lines",
        ],
    ),
    (
        "UPDATE hold SET debit_account_id = 1",
        &[
            "24 of tenant acme: this hold's terms",
            "24 of tenant acme: a capture's lines",
        ],
    ),
    (
        "UPDATE hold SET credit_account_id = 1",
        &[
            "24 of tenant acme: this hold's terms",
            "24 of tenant acme: a capture's lines",
        ],
    ),
    (
        "UPDATE hold SET amount = 51, voided = 1",
        &["24 of tenant acme: this hold's terms"],
    ),
    (
        "UPDATE hold SET expires_at_ms = expires_at_ms + 1",
        &["24 of tenant acme: this hold's terms"],
    ),
    (
        "UPDATE journal SET details = '{}' WHERE id = 24",
        &["shard 0, link 3: row 0 was changed: journal row 24"],
    ),
    (
        "UPDATE hold SET created_at_ms = 1",
        &["24 of tenant acme: the journal placed this hold"],
    ),
    (
        "DELETE FROM hold",
        &["24 of tenant acme: the journal placed this hold"],
    ),
    (
        "UPDATE reversed SET amount = 70",
        &["8 of tenant acme: what is recorded as reversed"],
    ),
    (
        "UPDATE account SET closed_at_ms = created_at_ms WHERE id = 2",
        &["2 of tenant acme: this account"],
    ),
    (
        "DELETE FROM reversed",
        &["8 of tenant acme: a reversal points at this row"],
    ),
];

/// What is done to rows that point at others, and what is said of it beside the break of the chain. Both engines take them.
pub(super) const POINTING: &[(&str, &str)] = &[
    (
        "UPDATE journal SET hold_id = NULL WHERE id = 32",
        "32 of tenant acme: this row points at a hold or at another row, and its kind does not, or the other way round",
    ),
    (
        "UPDATE journal SET refers_to = NULL WHERE id = 16",
        "16 of tenant acme: this row points at a hold or at another row, and its kind does not, or the other way round",
    ),
    (
        "UPDATE journal SET kind = 5 WHERE id = 32",
        "32 of tenant acme: this row says that its hold's time was over, and it was not",
    ),
    (
        "UPDATE entry SET line = 2 WHERE journal_id = 16 AND line = 1",
        "16 of tenant acme: a line of the row that this reversal reverses has no opposite in it",
    ),
];
