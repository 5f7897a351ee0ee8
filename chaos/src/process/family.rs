//! A process and everything below it: PostgreSQL's server processes lead groups of their own, so a signal to its group misses them.

use std::fs;

/// It and everything below it, parents first, as it is now.
pub(super) fn family(pid: u32) -> Vec<u32> {
    let all: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, parent(pid)?)))
        .collect();
    let mut family = vec![pid];
    let mut next = 0;
    while let Some(&above) = family.get(next) {
        family.extend(
            all.iter()
                .filter(|(_, parent)| *parent == above)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    family
}

/// The name in the second field may itself hold spaces and brackets: what counts stands after its last bracket.
fn parent(pid: u32) -> Option<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(") ")?;
    let mut fields = fields.split_whitespace();
    // What is left of one that has ended is nobody to be signalled.
    let lives = !matches!(fields.next()?, "Z" | "X");
    fields.next()?.parse().ok().filter(|_| lives)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_below_belong_to_it_whatever_group_they_lead() {
        let mut child = tokio::process::Command::new("sh")
            .args(["-c", "setsid sh -c 'exec sleep 60' & wait"])
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let pid = child.id().unwrap();
        let mut found = family(pid);
        for _ in 0..500 {
            if found.len() > 1 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            found = family(pid);
        }
        assert!(found.len() > 1 && found[0] == pid, "{found:?}");
        let pids: Vec<String> = found.iter().map(ToString::to_string).collect();
        std::process::Command::new("kill")
            .arg("-9")
            .args(pids)
            .status()
            .unwrap();
        child.wait().await.unwrap();
    }
}
