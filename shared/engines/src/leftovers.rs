//! Private engines of test processes that were killed before they could stop them.

use std::path::Path;

use crate::Process;

/// Kills and removes the engines below `own` whose test process is gone; the number of them.
pub fn sweep(own: &Path) -> usize {
    let mut swept = 0;
    for entry in std::fs::read_dir(own).into_iter().flatten().flatten() {
        let folder = entry.path();
        let pids = std::fs::read_to_string(folder.join("pids")).unwrap_or_default();
        let mut pids = pids.split(' ').map(Process::parse);
        let (Some(Some(engine)), Some(Some(test))) = (pids.next(), pids.next()) else {
            continue;
        };
        if !test.runs() {
            engine.kill();
            remove(&folder);
            swept += 1;
        }
    }
    swept
}

/// Removes an engine's folder, and data that stands elsewhere because the engine's user cannot reach the checkout.
pub fn remove(folder: &Path) {
    if let Ok(elsewhere) = std::fs::read_link(folder.join("data")) {
        let _ = std::fs::remove_dir_all(elsewhere);
    }
    let _ = std::fs::remove_dir_all(folder);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn only_the_engine_of_a_test_that_is_gone_is_swept() {
        let own = std::env::temp_dir().join(format!("orrery-own-{}", std::process::id()));
        let mut children = Vec::new();
        let mut engine = |name: &str, test: &str| {
            let folder = own.join(name);
            std::fs::create_dir_all(&folder).expect("a folder");
            let child = Command::new("sleep").arg("600").spawn().expect("sleep");
            let process = Process::of(child.id()).expect("it runs");
            std::fs::write(folder.join("pids"), format!("{process} {test}")).expect("written");
            children.push(child);
            (folder, process)
        };
        let here = Process::own().expect("this test").to_string();
        let (kept, keeps) = engine("kept", &here);
        let (left, leaves) = engine("left", "1@1");
        assert_eq!(sweep(&own), 1);
        assert!(kept.exists() && keeps.runs());
        assert!(!left.exists() && !leaves.runs());
        for mut child in children {
            let _ = child.kill();
            child.wait().expect("reaped");
        }
        std::fs::remove_dir_all(&own).expect("removed");
    }
}
