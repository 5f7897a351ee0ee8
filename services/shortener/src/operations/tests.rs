//! What several operations promise together, whatever the store does.

mod late_commits;
