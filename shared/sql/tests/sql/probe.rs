use std::time::Duration;

use sql::{SqlError, Sqlite, SqliteSettings, scoped};
use sqlx::Executor;

use crate::{Home, claim, eventually, open, settings};

fn quick() -> SqliteSettings {
    SqliteSettings {
        probe_timeout_ms: 250,
        write_deadline_ms: 1_000,
        ..settings()
    }
}

/// On a machine that is busy enough, a sound database may miss its deadline once.
async fn healthy(sql: &Sqlite) {
    eventually("the probe succeeds", async || sql.probe().await.is_ok()).await;
}

#[tokio::test]
async fn a_stalled_writer_is_noticed_and_so_is_its_end() {
    let home = Home::with(quick()).await;
    healthy(&home.sql).await;
    let mut stranger = home.stranger().await;
    stranger.execute("BEGIN EXCLUSIVE").await.unwrap();
    for _ in 0..3 {
        let error = home.sql.probe().await.unwrap_err();
        assert!(matches!(error, SqlError::Busy | SqlError::Deadline), "{error:?}");
    }
    stranger.execute("ROLLBACK").await.unwrap();
    healthy(&home.sql).await;
}

#[tokio::test]
async fn a_transaction_of_ours_that_hangs_is_noticed() {
    let home = Home::with(SqliteSettings {
        write_deadline_ms: 60_000,
        ..quick()
    })
    .await;
    let sql = home.sql.clone();
    let hanging = tokio::spawn(async move {
        sql.write("hangs", |_| {
            scoped(async move { std::future::pending::<Result<(), SqlError>>().await })
        })
        .await
    });
    eventually("the probe fails", async || home.sql.probe().await.is_err()).await;
    hanging.abort();
    healthy(&home.sql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_whose_writers_leave_no_gap_is_a_healthy_one() {
    let home = Home::with(SqliteSettings {
        probe_timeout_ms: 2_000,
        ..settings()
    })
    .await;
    let sql = home.sql.clone();
    let (stop, mut stopped) = tokio::sync::oneshot::channel::<()>();
    let writer = tokio::spawn(async move {
        let mut claims = 0_i64;
        while stopped.try_recv().is_err() {
            let hold = sql.write("slow", |tx| {
                scoped(async move {
                    let query = sqlx::query("INSERT INTO claim VALUES (?, 1)").bind(claims.to_string());
                    query.execute(tx).await?;
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    Ok::<_, SqlError>(())
                })
            });
            hold.await.unwrap();
            claims += 1;
        }
        claims
    });
    eventually("the writer is at work", async || home.claims().await > 0).await;
    for _ in 0..5 {
        home.sql.probe().await.unwrap();
    }
    stop.send(()).unwrap();
    assert_eq!(writer.await.unwrap(), home.claims().await);
}

#[tokio::test]
async fn a_lost_health_table_is_noticed() {
    let home = Home::with(quick()).await;
    healthy(&home.sql).await;
    home.stranger()
        .await
        .execute("DROP TABLE sql_health")
        .await
        .unwrap();
    assert!(home.sql.probe().await.is_err());
}

#[tokio::test]
async fn a_file_moved_away_is_noticed_writes_are_refused_and_both_end_when_it_is_back() {
    let home = Home::with(quick()).await;
    healthy(&home.sql).await;
    let aside = home.folder.path().join("aside.db");
    std::fs::rename(home.file(), &aside).unwrap();
    eventually("the loss is noticed", async || {
        matches!(home.sql.probe().await, Err(SqlError::FileLost))
    })
    .await;
    assert!(matches!(
        claim(&home.sql, "lost", 1).await,
        Err(SqlError::FileLost)
    ));

    std::fs::rename(&aside, home.file()).unwrap();
    healthy(&home.sql).await;
    assert!(claim(&home.sql, "kept", 1).await.unwrap());
    assert_eq!(home.claims().await, 1);
}

#[tokio::test]
async fn a_file_replaced_by_a_copy_is_not_taken_for_the_open_one() {
    let home = Home::with(quick()).await;
    let copy = home.folder.path().join("copy.db");
    std::fs::copy(home.file(), &copy).unwrap();
    std::fs::rename(&copy, home.file()).unwrap();
    eventually("the loss is noticed", async || {
        matches!(home.sql.probe().await, Err(SqlError::FileLost))
    })
    .await;
    assert!(matches!(
        claim(&home.sql, "lost", 1).await,
        Err(SqlError::FileLost)
    ));
}

/// A real small disk. Mounting one takes root on Linux; elsewhere the test says that it was skipped.
#[cfg(target_os = "linux")]
mod small_disk {
    use super::*;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    struct Disk(tempfile::TempDir);

    impl Disk {
        fn mount(size: &str) -> Option<Self> {
            let folder = tempfile::tempdir().unwrap();
            let size = format!("size={size}");
            let mut mount = Command::new("mount");
            mount
                .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
                .arg(folder.path());
            let mounted = mount.output().is_ok_and(|output| output.status.success());
            if !mounted {
                eprintln!("skipped: a small disk can only be mounted by root");
            }
            mounted.then_some(Self(folder))
        }

        fn path(&self) -> &Path {
            self.0.path()
        }

        fn file(&self) -> PathBuf {
            self.path().join("test.db")
        }
    }

    impl Drop for Disk {
        fn drop(&mut self) {
            // Lazily, since a failed test may still hold the file open.
            let _ = Command::new("umount").arg("-l").arg(self.path()).output();
        }
    }

    #[tokio::test]
    async fn a_full_disk_is_noticed_nothing_is_half_stored_and_space_brings_it_back() {
        let Some(disk) = Disk::mount("1m") else { return };
        let sql = open(&disk.file(), quick()).await.unwrap();
        sql.migrate(&crate::SCHEMA).await.unwrap();
        let ballast = disk.path().join("ballast");
        let mut size = 1 << 20;
        while size > 256 {
            // Whatever fits: the file system takes what it can and refuses the rest.
            let mut content = std::fs::read(&ballast).unwrap_or_default();
            content.resize(content.len() + size, 0);
            if std::fs::write(&ballast, &content).is_err() {
                size /= 2;
            }
        }
        // A full disk is met at the commit, when the log is written, and is definite all the same: whoever asked is told at once.
        let mut refused = Vec::new();
        eventually("some writes are refused for the disk", async || {
            let alias = format!("{:0500}", rand::random::<u64>());
            if let Err(SqlError::Full) = claim(&sql, &alias, 1).await {
                refused.push(alias);
            }
            refused.len() == 3
        })
        .await;
        eventually("the probe fails", async || sql.probe().await.is_err()).await;
        std::fs::remove_file(&ballast).unwrap();
        healthy(&sql).await;
        assert!(claim(&sql, "kept", 1).await.unwrap());
        for alias in &refused {
            assert!(
                claim(&sql, alias, 2).await.unwrap(),
                "what was refused did not stand"
            );
        }
        sql.verify().await.unwrap();
    }

    #[tokio::test]
    async fn a_read_only_disk_refuses_to_open_with_a_clear_error() {
        let Some(disk) = Disk::mount("1m") else { return };
        let sql = open(&disk.file(), quick()).await.unwrap();
        sql.close().await;
        let remount = Command::new("mount")
            .args(["-o", "remount,ro"])
            .arg(disk.path())
            .output()
            .unwrap();
        assert!(remount.status.success(), "{remount:?}");
        let error = open(&disk.file(), quick()).await.unwrap_err();
        assert!(matches!(error, SqlError::ReadOnly | SqlError::Io(_)), "{error:?}");
    }
}
