use serde_json::Value;

use super::*;

fn number<T: TryFrom<i64>>(value: &Value) -> T
where
    T::Error: std::fmt::Debug,
{
    let wide = value.as_i64().or_else(|| value.as_str().unwrap().parse().ok());
    T::try_from(wide.unwrap()).unwrap()
}

fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap().as_bytes();
    let (pairs, _) = text.as_chunks::<2>();
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap();
    pairs
        .iter()
        .map(|[high, low]| digit(*high) << 4 | digit(*low))
        .collect()
}

fn bytes(row: &Value) -> Vec<u8> {
    let entries = row["entries"].as_array().unwrap().iter();
    let entries: Vec<EntryRow> = entries
        .map(|entry| EntryRow {
            account_id: number(&entry["account_id"]),
            part: number(&entry["part"]),
            currency: entry["currency"].as_str().unwrap().as_bytes().try_into().unwrap(),
            seq: number(&entry["seq"]),
            signed: number(&entry["signed"]),
            balance_after: number(&entry["balance_after"]),
        })
        .collect();
    let row = JournalRow {
        tenant: row["tenant"].as_str().unwrap(),
        id: number(&row["id"]),
        kind: number(&row["kind"]),
        at_ms: number(&row["at_ms"]),
        hold_id: number(&row["hold_id"]),
        refers_to: number(&row["refers_to"]),
        details: row["details"].as_str().unwrap(),
    };
    row.bytes(&entries).unwrap()
}

/// The published chain as a store would hand it over.
fn published() -> Vec<(StoredLink, Vec<StoredRow>)> {
    let document: Value = serde_json::from_str(include_str!("../../chain-vectors.json")).unwrap();
    let links = document["links"].as_array().unwrap().iter();
    let stored = links.map(|link| {
        let rows = link["rows"].as_array().unwrap().iter().enumerate();
        let rows: Vec<StoredRow> = rows
            .map(|(place, row)| {
                let bytes = bytes(row);
                assert_eq!(bytes, unhex(&row["bytes"]), "{row}");
                assert_eq!(digest(&bytes).to_vec(), unhex(&row["digest"]), "{row}");
                StoredRow {
                    name: RowName {
                        tenant: "acme".to_owned(),
                        id: i64::try_from(place).unwrap(),
                        entries: Vec::new(),
                    },
                    digest: Some(digest(&bytes)),
                }
            })
            .collect();
        let link = StoredLink {
            link: number(&link["link"]),
            at_ms: number(&link["at_ms"]),
            prev_hash: unhex(&link["prev_hash"]),
            row_count: number(&link["row_count"]),
            digests: rows.iter().flat_map(|row| row.digest.unwrap()).collect(),
            hash: unhex(&link["hash"]),
        };
        (link, rows)
    });
    stored.collect()
}

fn verify(chain: &[(StoredLink, Vec<StoredRow>)]) -> Result<ShardVerifier, Broken> {
    let mut verifier = ShardVerifier::new(3);
    for (link, rows) in chain {
        verifier.link(link, rows)?;
    }
    Ok(verifier)
}

fn trouble(change: impl FnOnce(&mut Vec<(StoredLink, Vec<StoredRow>)>)) -> (i64, Trouble) {
    let mut chain = published();
    change(&mut chain);
    let broken = verify(&chain).unwrap_err();
    assert_eq!(broken.shard, 3);
    (broken.link, broken.trouble)
}

#[test]
fn the_published_examples_are_what_this_program_computes() {
    let chain = published();
    let verifier = verify(&chain).unwrap();
    assert_eq!(verifier.links(), 3);
    assert_eq!(verifier.rows(), 8);
    let (last, _) = chain.last().unwrap();
    let head = StoredHead {
        link: 3,
        hash: last.hash.clone(),
        at_ms: last.at_ms,
    };
    verifier.end(&head).unwrap();
    for (differs, missing) in [
        (
            StoredHead {
                link: 4,
                ..head.clone()
            },
            true,
        ),
        (
            StoredHead {
                link: 2,
                ..head.clone()
            },
            false,
        ),
        (
            StoredHead {
                at_ms: 1,
                ..head.clone()
            },
            false,
        ),
        (
            StoredHead {
                hash: vec![0; 32],
                ..head
            },
            false,
        ),
    ] {
        let found = verifier.end(&differs).unwrap_err().trouble;
        assert_eq!(found == Trouble::LinkMissing { missing: 4 }, missing, "{found}");
    }
}

#[test]
fn the_first_row_that_differs_is_named_by_what_became_of_it() {
    let changed = trouble(|chain| chain[1].1[1].digest = Some([7; 32]));
    assert!(
        matches!(changed, (2, Trouble::RowChanged { place: 1, .. })),
        "{changed:?}"
    );
    let unreadable = trouble(|chain| chain[1].1[0].digest = None);
    assert!(
        matches!(unreadable, (2, Trouble::RowChanged { place: 0, .. })),
        "{unreadable:?}"
    );
    let missing = trouble(|chain| drop(chain[2].1.remove(1)));
    assert!(
        matches!(missing, (3, Trouble::RowMissing { place: 1, .. })),
        "{missing:?}"
    );
    let last = trouble(|chain| drop(chain[2].1.pop()));
    assert!(
        matches!(last, (3, Trouble::RowMissing { place: 2, next: None })),
        "{last:?}"
    );
    let swapped = trouble(|chain| chain[0].1.swap(1, 2));
    assert!(
        matches!(swapped, (1, Trouble::RowReordered { place: 1, .. })),
        "{swapped:?}"
    );
    let added = trouble(|chain| {
        let row = chain[0].1[0].clone();
        chain[1].1.insert(1, row);
    });
    assert!(
        matches!(added, (2, Trouble::RowAdded { place: 1, .. })),
        "{added:?}"
    );
    let at_the_end = trouble(|chain| {
        let row = chain[0].1[0].clone();
        chain[1].1.push(row);
    });
    assert!(
        matches!(at_the_end, (2, Trouble::RowAdded { place: 2, .. })),
        "{at_the_end:?}"
    );
}

#[test]
fn a_link_that_is_gone_or_was_changed_is_named() {
    let gone = trouble(|chain| drop(chain.remove(1)));
    assert_eq!(gone, (2, Trouble::LinkMissing { missing: 2 }));
    let joined = trouble(|chain| chain[1].0.prev_hash[5] ^= 1);
    assert_eq!(joined, (2, Trouble::LinkNotJoined { link: 2 }));
    let changes: [fn(&mut StoredLink); 5] = [
        |link| link.at_ms += 1,
        |link| link.row_count += 1,
        |link| link.digests[40] ^= 1,
        |link| link.digests.truncate(1),
        |link| link.hash[31] ^= 1,
    ];
    for change in changes {
        let found = trouble(|chain| change(&mut chain[1].0));
        assert_eq!(found, (2, Trouble::LinkChanged));
    }
}

#[test]
fn a_link_rewritten_whole_no_longer_joins_the_next() {
    let found = trouble(|chain| {
        let (first, rows) = &mut chain[0];
        rows[1].digest = Some([9; 32]);
        let digests: Vec<Hash> = rows.iter().map(|row| row.digest.unwrap()).collect();
        first.digests = digests.concat();
        first.hash = link_hash(3, 1, first.at_ms, &GENESIS, &digests).to_vec();
    });
    assert_eq!(found, (2, Trouble::LinkNotJoined { link: 2 }));
}
