//! The statements that name a column of `links` which one version of the schema has and another has not: one set for each.
//!
//! `redirect_status` (301 or 302) takes the place of `permanent` (0 or 1). While both are there, `permanent` is the truth: an older
//! program changes it alone. So both are written and `permanent` is read, until step 3 fills the new column and drops the old.

/// From this version on, `links` has no `permanent`.
const CONTRACTED_FROM: i64 = 3;

/// Both sets are bound and read alike: a link is permanent or not.
#[derive(Debug)]
pub(super) struct Statements {
    pub(super) insert: &'static str,
    pub(super) resolve: &'static str,
    pub(super) find: &'static str,
    pub(super) list: &'static str,
    pub(super) replace: &'static str,
}

impl Statements {
    /// Those for a file that is at `schema`. It stays there while it is open: whoever contracts it has the data folder to itself.
    pub(super) fn of(schema: i64) -> &'static Self {
        if schema < CONTRACTED_FROM {
            &EXPANDED
        } else {
            &CONTRACTED
        }
    }
}

macro_rules! statements {
    (read: $read:literal, columns: $columns:literal, values: $values:literal, set: $set:literal) => {
        Statements {
            insert: concat!(
                "INSERT INTO links (code, id, tenant, url, ",
                $columns,
                ", expires_at_ms, tags, created_at_ms, updated_at_ms, revision) VALUES (?1, ?2, ?3, ?4, ",
                $values,
                ", ?6, ?7, ?8, ?9, ?10) ON CONFLICT (code) DO NOTHING"
            ),
            resolve: concat!("SELECT ", statements!(@link $read), " FROM links l WHERE l.code = ?"),
            find: concat!(
                "SELECT ",
                statements!(@link $read),
                ", c.clicks, c.last_at_ms FROM links l \
                 LEFT JOIN link_clicks c ON c.tenant = l.tenant AND c.link_id = l.id \
                 WHERE l.code = ? AND l.tenant = ?"
            ),
            list: concat!(
                "SELECT ",
                statements!(@link $read),
                ", c.clicks, c.last_at_ms FROM links_by_tenant t \
                 JOIN links l ON l.code = t.code AND l.tenant = t.tenant \
                 LEFT JOIN link_clicks c ON c.tenant = t.tenant AND c.link_id = t.id \
                 WHERE t.tenant = ? AND t.id <= ? ORDER BY t.id DESC LIMIT ?"
            ),
            replace: concat!(
                "UPDATE links SET url = ?1, ",
                $set,
                ", expires_at_ms = ?3, tags = ?4, updated_at_ms = ?5, revision = ?6 \
                 WHERE code = ?7 AND tenant = ?8 AND id = ?9 AND revision = ?10"
            ),
        }
    };
    // All of a link, in the order in which a row is read.
    (@link $read:literal) => {
        concat!(
            "l.code, l.id, l.tenant, l.url, ",
            $read,
            ", l.expires_at_ms, l.tags, l.created_at_ms, l.updated_at_ms, l.revision"
        )
    };
}

static EXPANDED: Statements = statements!(
    read: "l.permanent",
    columns: "permanent, redirect_status",
    values: "?5, iif(?5, 301, 302)",
    set: "permanent = ?2, redirect_status = iif(?2, 301, 302)"
);

static CONTRACTED: Statements = statements!(
    read: "l.redirect_status = 301",
    columns: "redirect_status",
    values: "iif(?5, 301, 302)",
    set: "redirect_status = iif(?2, 301, 302)"
);
