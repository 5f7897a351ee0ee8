//! `orrery export clicks`: the events of clicks as a Parquet file, for whoever asks more of them than the statistics tell.

mod table;

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use parquet::errors::ParquetError;
use shortener::VisitEvent;
use shortener::statistics::{SKEW_MS, Seen};
use streams::{Partition, Position, Stored, StreamLog};
use time::format_description::well_known::Rfc3339;
use time::{Date, OffsetDateTime, Time};

use self::table::{Row, Table};
use super::dlq::log_is_there;
use super::{Workbench, on_workbench};
use crate::Outcome;
use crate::settings::Settings;

/// Events read at a time; one may have 256 KiB.
const EVENTS_READ: u32 = 64;

/// Which clicks, and where to.
#[derive(Debug, Args)]
pub(crate) struct ExportFlags {
    /// The first moment: RFC 3339, or a day (UTC)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: u64,
    /// The first moment that is not in it any more
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: u64,
    /// The file to make; it must not be there
    #[arg(long, value_name = "FILE", default_value = "clicks.parquet")]
    out: PathBuf,
    /// Only the clicks on this tenant's links
    #[arg(long)]
    tenant: Option<String>,
}

/// A moment as people write it, in Unix milliseconds.
fn moment(text: &str) -> Result<u64, String> {
    const WRONG: &str = "write a time as 2026-11-22T10:00:00Z, or a day as 2026-11-22";
    let day = time::macros::format_description!("[year]-[month]-[day]");
    let at = match Date::parse(text, &day) {
        Ok(date) => date.with_time(Time::MIDNIGHT).assume_utc(),
        Err(_) => OffsetDateTime::parse(text, &Rfc3339).map_err(|_| WRONG)?,
    };
    u64::try_from(at.unix_timestamp_nanos() / 1_000_000).map_err(|_| WRONG.to_owned())
}

/// Works whether the platform runs or not, on whatever engine `shortener.streams_url` names.
pub(crate) fn clicks(settings: &Settings, flags: &ExportFlags) -> Outcome {
    if flags.from >= flags.to {
        return Err("--from must be before --to".into());
    }
    if flags.out.exists() {
        return Err(format!("{} is there already: name another file", flags.out.display()).into());
    }
    log_is_there(&settings.shortener.streams_url)?;
    // Under another name until it is whole, so that nobody takes a beginning for all of it.
    let partial = PathBuf::from(format!("{}.partial", flags.out.display()));
    let file = create(&partial).map_err(|error| of_file(&partial, &error))?;
    let written = on_workbench(async |bench: &Workbench| {
        let log = shortener::open_log(&settings.shortener, &bench.telemetry, &bench.clock)
            .await
            .map_err(|error| error.to_string())?;
        write(&log, flags, (&partial, file), bench.clock.unix_ms()).await
    });
    let report = written.and_then(|report| {
        fs::rename(&partial, &flags.out).map_err(|error| of_file(&flags.out, &error))?;
        Ok(report)
    });
    match report {
        Ok(report) => {
            report.print(flags);
            Ok(())
        }
        Err(error) => {
            let _ = fs::remove_file(&partial);
            Err(error)
        }
    }
}

fn of_file(path: &Path, error: &impl std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

/// What was found.
#[derive(Debug, Default)]
struct Report {
    rows: u64,
    clicks: u64,
    /// Events that cannot be read.
    unreadable: u64,
    /// Events that were published after the export began, by their publishers' clocks.
    later: u64,
    /// When the oldest event was published that the stream still has (Unix ms).
    oldest_ms: Option<u64>,
}

impl Report {
    fn print(&self, flags: &ExportFlags) {
        println!(
            "{} clicks in {} rows: {}",
            self.clicks,
            self.rows,
            flags.out.display()
        );
        if self.unreadable > 0 {
            eprintln!("{} events could not be read and are not in it", self.unreadable);
        }
        if self.later > 0 {
            eprintln!(
                "{} events that came after the export began are not in it",
                self.later
            );
        }
        match self.oldest_ms {
            None => eprintln!("the stream holds no events"),
            Some(oldest_ms) if oldest_ms > flags.from => {
                let oldest = i128::from(oldest_ms) * 1_000_000;
                let oldest = OffsetDateTime::from_unix_timestamp_nanos(oldest).ok();
                let oldest = oldest.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default();
                eprintln!(
                    "the stream holds only events since {oldest}: earlier ones are in the statistics alone \
                     (shortener.streams.retention_ms is how long they are kept)"
                );
            }
            Some(_) => {}
        }
    }
}

/// Pseudonyms are for whoever exports them, like the data folder's own files.
fn create(path: &Path) -> std::io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Reads what was published before `now_ms`: else a busy platform could be followed for ever.
async fn write(
    log: &Arc<dyn StreamLog>,
    flags: &ExportFlags,
    (path, file): (&Path, File),
    now_ms: u64,
) -> Result<Report, String> {
    let mut export = Export {
        flags,
        table: Table::new(BufWriter::new(file)).map_err(|error| of_file(path, &error))?,
        report: Report::default(),
    };
    for partition in Partition::all() {
        // What was published twice is one event, as for the statistics.
        let mut seen = Seen::default();
        let mut after = Position::START;
        loop {
            let read = log.read_from(shortener::VISITS, partition, after, EVENTS_READ);
            let events = read.await.map_err(|error| error.to_string())?;
            let Some(last) = events.last() else { break };
            after = last.position;
            let all_later = events.iter().all(|stored| stored.published_ms > now_ms);
            for stored in &events {
                // Another machine's clock may be ahead of this one: what is behind such an event is read all the same.
                if stored.published_ms > now_ms {
                    export.report.later += 1;
                    continue;
                }
                export
                    .add(stored, &mut seen)
                    .map_err(|error| of_file(path, &error))?;
            }
            if all_later {
                break;
            }
        }
    }
    let file = export.table.finish().map_err(|error| of_file(path, &error))?;
    let mut file = file.into_inner().map_err(|error| of_file(path, &error))?;
    file.flush()
        .and_then(|()| file.sync_all())
        .map_err(|error| of_file(path, &error))?;
    Ok(export.report)
}

struct Export<'a> {
    flags: &'a ExportFlags,
    table: Table<BufWriter<File>>,
    report: Report,
}

impl Export<'_> {
    fn add(&mut self, stored: &Stored, seen: &mut Seen) -> Result<(), ParquetError> {
        let oldest = self.report.oldest_ms.get_or_insert(stored.published_ms);
        *oldest = stored.published_ms.min(*oldest);
        let latest_ms = stored.published_ms.saturating_add(SKEW_MS);
        // No click of it is later than that, so it need not be read.
        if latest_ms < self.flags.from {
            return Ok(());
        }
        let Ok(event) = stored.event.decode::<VisitEvent>() else {
            self.report.unreadable += 1;
            return Ok(());
        };
        let line = format!("{}-{}", event.producer, event.lane);
        if !seen.note(&line, event.seq, stored.published_ms) {
            return Ok(());
        }
        for link in &event.links {
            if self
                .flags
                .tenant
                .as_deref()
                .is_some_and(|tenant| tenant != link.tenant.as_str())
            {
                continue;
            }
            for (after_ms, count, visitor, kind) in &link.visits {
                // As the statistics take it: a clock that runs ahead is held back.
                let at_ms = link.from_ms.saturating_add(*after_ms).min(latest_ms);
                let Some(kind) = event.kinds.get(usize::from(*kind)) else {
                    continue;
                };
                if !(self.flags.from..self.flags.to).contains(&at_ms) {
                    continue;
                }
                self.table.add(&Row {
                    event_id: &stored.event.id,
                    at_ms,
                    tenant: link.tenant.as_str(),
                    link_id: link.link.as_u64(),
                    code: &link.code,
                    visitor: *visitor,
                    kind,
                    count: *count,
                })?;
                self.report.rows += 1;
                self.report.clicks += count;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::moment;

    #[test]
    fn a_moment_is_a_day_or_a_time_with_its_offset() {
        assert_eq!(moment("2026-01-01"), Ok(1_767_225_600_000));
        assert_eq!(moment("2026-01-01T01:00:00.5+01:00"), Ok(1_767_225_600_500));
        for wrong in ["", "yesterday", "2026-13-01", "2026-01-01T00:00:00", "1969-12-31"] {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
