//! Dashboards as Grafana reads them.

use serde_json::{Map, Value, json};

use super::panel::{Panel, Section, View};
use super::{Dashboard, Query};

/// The data source is chosen on the screen, so that the file knows none by its id.
const SOURCE: &str = "${datasource}";

/// Grafana 12's.
const SCHEMA_VERSION: u32 = 41;

/// Grafana serves the folder `public` itself, so that a mount of `docs/runbooks` there is enough.
const RUNBOOKS: &str = "/public";

const COLUMNS: u32 = 24;
const PANEL_ROWS: u32 = 8;

pub(super) fn dashboard(dashboard: &Dashboard) -> String {
    let document = json!({
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": ["orrery"],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": false,
        "graphTooltip": 1,
        "refresh": "10s",
        "timezone": "utc",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{
            "title": "Orrery", "type": "dashboards", "tags": ["orrery"], "asDropdown": true, "includeVars": true,
            "keepTime": true, "icon": "external link", "targetBlank": false, "tooltip": "", "url": "",
        }],
        "templating": {"list": variables()},
        "annotations": {"list": [alerts(dashboard)]},
        "panels": panels(&dashboard.sections),
    });
    let mut text = serde_json::to_string_pretty(&document).expect("text keys and finite numbers");
    text.push('\n');
    text
}

fn variables() -> Value {
    json!([
        {
            "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "regex": "",
            "current": {}, "hide": 0, "includeAll": false, "multi": false, "options": [], "refresh": 1,
        },
        {
            "name": "repository", "label": "Where the runbooks are", "type": "textbox", "hide": 0,
            "description": "Where the repository's files can be read: a runbook is this and its path. infra/compose.yaml mounts docs/runbooks here.",
            "query": RUNBOOKS, "current": {"text": RUNBOOKS, "value": RUNBOOKS},
            "options": [],
        },
    ])
}

/// Alerts that fire are drawn over every chart.
fn alerts(dashboard: &Dashboard) -> Value {
    let of = dashboard
        .uid
        .strip_prefix("orrery-")
        .filter(|name| *name != "overview");
    let service = of.map(|name| format!(",service=\"{name}\"")).unwrap_or_default();
    json!({
        "name": "Alerts", "enable": true, "hide": false, "iconColor": "red",
        "datasource": source(),
        "expr": format!("ALERTS{{alertstate=\"firing\"{service}}}"),
        "titleFormat": "{{alertname}}", "textFormat": "{{severity}}", "step": "15s",
    })
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": SOURCE})
}

/// Laid out from left to right, a title above each section.
fn panels(sections: &[Section]) -> Vec<Value> {
    let (mut all, mut id, mut y) = (Vec::new(), 0_u32, 0_u32);
    for section in sections {
        id += 1;
        all.push(json!({
            "id": id, "type": "row", "title": section.title, "collapsed": false, "panels": [],
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
        }));
        y += 1;
        let mut x = 0;
        for panel in &section.panels {
            if x + panel.width > COLUMNS {
                (x, y) = (0, y + PANEL_ROWS);
            }
            id += 1;
            all.push(self::panel(panel, id, x, y));
            x += panel.width;
        }
        y += PANEL_ROWS;
    }
    all
}

fn panel(panel: &Panel, id: u32, x: u32, y: u32) -> Value {
    json!({
        "id": id,
        "type": kind(panel.view),
        "title": panel.title,
        "description": description(panel),
        "datasource": source(),
        "gridPos": {"h": PANEL_ROWS, "w": panel.width, "x": x, "y": y},
        "targets": panel.queries.iter().enumerate().map(|(at, query)| target(panel, at, query)).collect::<Vec<_>>(),
        "fieldConfig": {"defaults": defaults(panel), "overrides": []},
        "options": options(panel.view),
        "links": panel.runbook.iter().map(|path| json!({
            "title": "Runbook", "url": format!("${{repository}}/{path}"), "targetBlank": true,
        })).collect::<Vec<_>>(),
    })
}

const fn kind(view: View) -> &'static str {
    match view {
        View::Lines => "timeseries",
        View::Number => "stat",
        View::Bars => "bargauge",
    }
}

fn description(panel: &Panel) -> String {
    let needs = panel.needs.map(|need| need.line());
    let lines = [Some(panel.description.clone()), needs];
    lines
        .into_iter()
        .flatten()
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join("\n\n")
}

fn target(panel: &Panel, at: usize, query: &Query) -> Value {
    let lines = panel.view == View::Lines;
    let letter = char::from(b'A' + u8::try_from(at).expect("a panel has few queries"));
    json!({
        "refId": letter.to_string(),
        "datasource": source(),
        "expr": query.expr,
        "legendFormat": query.legend,
        "range": lines,
        "instant": !lines,
        // Only histograms have them; Grafana asks for them by the query's own metric.
        "exemplar": lines && query.expr.contains("_bucket{"),
    })
}

fn defaults(panel: &Panel) -> Value {
    let mut defaults = Map::new();
    defaults.insert("unit".to_owned(), json!(panel.unit));
    if panel.view == View::Lines {
        defaults.insert(
            "custom".to_owned(),
            json!({
                "drawStyle": "line", "lineWidth": 1, "fillOpacity": 8, "showPoints": "never", "spanNulls": false,
                "thresholdsStyle": {"mode": if panel.thresholds.is_some() { "dashed" } else { "off" }},
            }),
        );
    }
    if let Some((yellow, red)) = panel.thresholds {
        let steps = if red < yellow {
            json!([
                {"color": "red", "value": null}, {"color": "yellow", "value": red}, {"color": "green", "value": yellow},
            ])
        } else {
            json!([
                {"color": "green", "value": null}, {"color": "yellow", "value": yellow}, {"color": "red", "value": red},
            ])
        };
        defaults.insert(
            "thresholds".to_owned(),
            json!({"mode": "absolute", "steps": steps}),
        );
        defaults.insert("color".to_owned(), json!({"mode": color_mode(panel.view)}));
    }
    Value::Object(defaults)
}

const fn color_mode(view: View) -> &'static str {
    match view {
        View::Lines => "palette-classic",
        View::Number | View::Bars => "thresholds",
    }
}

fn options(view: View) -> Value {
    let last = json!({"calcs": ["lastNotNull"], "fields": "", "values": false});
    match view {
        View::Lines => json!({
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }),
        View::Number => {
            json!({"reduceOptions": last, "colorMode": "value", "graphMode": "none", "textMode": "value"})
        }
        View::Bars => json!({
            "reduceOptions": last, "orientation": "horizontal", "displayMode": "basic", "showUnfilled": true,
        }),
    }
}
