//! No build that ships has a planted bug, nor the switch for one.

use crate::run::{cargo, prints};

/// What cargo would link into `orrery` without being asked for a feature.
pub(super) fn check() -> Result<Vec<String>, String> {
    let tree = prints(cargo().args([
        "tree",
        "--package",
        "orrery",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p} {f}",
    ]))?;
    Ok(judge(&tree))
}

fn judge(tree: &str) -> Vec<String> {
    let planted = |line: &&str| line.contains("planted-bugs");
    let mut found: Vec<&str> = tree.lines().filter(planted).collect();
    found.dedup();
    let words = |line: &str| {
        format!(
            "a normal build of `orrery` has planted bugs in it: `{line}`: they belong behind the feature of that name"
        )
    };
    found.into_iter().map(words).collect()
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn a_crate_and_a_feature_of_that_name_are_both_found() {
        assert_eq!(
            judge("ids v0.1.0 (/x)\nclock v0.1.0 (/x)\n"),
            Vec::<String>::new()
        );
        assert_eq!(
            judge("ids v0.1.0 (/x) planted-bugs\nplanted-bugs v0.1.0 (/x)\n").len(),
            2
        );
    }
}
