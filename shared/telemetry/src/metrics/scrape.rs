//! The scrape: OpenMetrics, or the older text for a reader that asks for nothing else.

use super::registry::Registry;
use crate::error::TelemetryError;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(crate) fn encode(registry: &Registry, accept: Option<&str>) -> Result<(String, Vec<u8>), TelemetryError> {
    let mut body = String::with_capacity(16 * 1_024);
    prometheus_client::encoding::text::encode(&mut body, registry.series())?;
    if accept.is_some_and(wants_classic) {
        return Ok((CLASSIC.to_owned(), classic(&body).into_bytes()));
    }
    Ok((OPEN_METRICS.to_owned(), body.into_bytes()))
}

fn wants_classic(accept: &str) -> bool {
    accept.contains("text/plain") && !accept.contains("application/openmetrics-text")
}

/// The same samples in the text format 0.0.4: without exemplars and units, with counters named as their samples are.
fn classic(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                other => ("", other),
            };
            if let Some((_, help)) = help.take() {
                text.extend(["# HELP ", name, suffix, " ", help, "\n"]);
            }
            text.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
        } else if !line.starts_with('#') {
            text.extend([without_exemplar(line), "\n"]);
        }
    }
    text
}

/// A sample up to its value. A label's value may hold anything, an exemplar's sign included, so it is stepped over.
fn without_exemplar(sample: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in sample.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'#' if !quoted => return sample[..at].trim_end(),
            _ => {}
        }
    }
    sample
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_text_has_no_exemplars_units_or_end_mark_and_names_counters_as_their_samples() {
        let open = "# HELP a Counts.\n# TYPE a counter\na_total{x=\"q \\\" # {\"} 1\n\
                    # HELP h_seconds Times.\n# TYPE h_seconds histogram\n# UNIT h_seconds seconds\n\
                    h_seconds_bucket{le=\"0.1\"} 1 # {trace_id=\"ab\"} 0.05\n# EOF\n";
        let expected = "# HELP a_total Counts.\n# TYPE a_total counter\na_total{x=\"q \\\" # {\"} 1\n\
                        # HELP h_seconds Times.\n# TYPE h_seconds histogram\nh_seconds_bucket{le=\"0.1\"} 1\n";
        assert_eq!(classic(open), expected);
    }

    #[test]
    fn only_a_reader_that_asks_for_plain_text_alone_gets_it() {
        assert!(wants_classic("text/plain;version=0.0.4"));
        assert!(!wants_classic(
            "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
        ));
        assert!(!wants_classic("*/*"));
    }
}
