//! "Did you mean": the known name that is nearest to a mistyped one.

/// The candidate nearest to `wanted` by edits. A name whose last part was written whole wins over one
/// that only looks alike, since people remember `burst` better than `gateway.rate_limit.burst`.
pub(crate) fn nearest<'a>(
    wanted: &str,
    known: impl Iterator<Item = &'a str>,
    separator: char,
) -> Option<&'a str> {
    let last = |name: &'a str| name.rsplit(separator).next().unwrap_or(name);
    let wanted_last = wanted.rsplit(separator).next().unwrap_or(wanted);
    known.min_by_key(|name| {
        let edits = strsim::damerau_levenshtein(wanted, name);
        let misplaced = strsim::damerau_levenshtein(wanted_last, last(name)) * 2 + 2;
        (edits.min(misplaced), edits)
    })
}

#[cfg(test)]
mod tests {
    use super::nearest;

    const KNOWN: [&str; 4] = [
        "gateway.rate_limit.burst",
        "gateway.public_url",
        "server.burst_max",
        "data",
    ];

    #[test]
    fn a_typing_mistake_finds_its_key() {
        assert_eq!(
            nearest("gateway.rate_limt.brust", KNOWN.into_iter(), '.'),
            Some("gateway.rate_limit.burst")
        );
        assert_eq!(nearest("dta", KNOWN.into_iter(), '.'), Some("data"));
    }

    #[test]
    fn the_right_name_in_the_wrong_section_finds_its_key() {
        assert_eq!(
            nearest("burst", KNOWN.into_iter(), '.'),
            Some("gateway.rate_limit.burst")
        );
    }
}
