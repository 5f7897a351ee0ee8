//! The bodies of the port's transactions, once for both engines.

/// Rows that one statement writes: lines or breaks.
pub(super) const ROWS_AT_ONCE: usize = 1_000;
/// Looks that are kept.
pub(super) const LOOKS_KEPT: i64 = 1_000;

macro_rules! calls {
    ($engine:ty, $conn:ty, $row:ty, $guard:path) => {
        use sqlx::Row as _;

        use super::calls::{LOOKS_KEPT, ROWS_AT_ONCE};
        use super::statements as sqls;
        use crate::ledger::Currency;

        const DAMAGED: StoreError = StoreError::Damaged("a reconciliation that makes no sense");

        fn raw(id: Id) -> Result<i64, StoreError> {
            Ok(sql::int(id.as_u64())?)
        }

        fn id(raw: i64) -> Result<Id, StoreError> {
            u64::try_from(raw)
                .ok()
                .and_then(Id::from_u64)
                .ok_or(DAMAGED)
        }

        /// As both engines take a list in one parameter.
        fn list(references: &[String]) -> String {
            let asked = &references[..references.len().min(REFERENCES_MAX)];
            serde_json::to_string(asked).expect("a list of texts is JSON")
        }

        fn tenant_of(text: &str) -> Result<Tenant, StoreError> {
            Tenant::parse(text).map_err(|_| DAMAGED)
        }

        fn movement(row: &$row) -> Result<Movement, StoreError> {
            Ok(Movement {
                tenant: tenant_of(row.try_get(0)?)?,
                reference: row.try_get(1)?,
                kind: SettlementKind::from_name(row.try_get(2)?).ok_or(DAMAGED)?,
                payment_id: id(row.try_get(3)?)?,
                amount: row.try_get(4)?,
                currency: row.try_get::<&str, _>(5)?.parse().map_err(|_| DAMAGED)?,
                at_ms: sql::uint(row.try_get(6)?)?,
            })
        }

        fn money(amount: Option<i64>, currency: Option<&str>) -> Result<Option<(i64, Currency)>, StoreError> {
            match (amount, currency) {
                (Some(amount), Some(currency)) => Ok(Some((amount, currency.parse().map_err(|_| DAMAGED)?))),
                _ => Ok(None),
            }
        }

        fn found_break(row: &$row) -> Result<Break, StoreError> {
            let optional = |place: usize| -> Result<Option<Id>, StoreError> {
                row.try_get::<Option<i64>, _>(place)?.map(id).transpose()
            };
            Ok(Break {
                tenant: tenant_of(row.try_get(0)?)?,
                id: id(row.try_get(1)?)?,
                day: row.try_get(2)?,
                kind: BreakKind::from_name(row.try_get(3)?).ok_or(DAMAGED)?,
                movement: SettlementKind::from_name(row.try_get(4)?).ok_or(DAMAGED)?,
                reference: row.try_get(5)?,
                charge_id: row.try_get(6)?,
                payment_id: optional(7)?,
                expected: money(row.try_get(8)?, row.try_get(9)?)?,
                found: money(row.try_get(10)?, row.try_get(11)?)?,
                state: BreakState::from_code(row.try_get(12)?).ok_or(DAMAGED)?,
                note: row.try_get(13)?,
                adjustment_id: optional(14)?,
                resolved_at_ms: row
                    .try_get::<Option<i64>, _>(15)?
                    .map(sql::uint)
                    .transpose()?,
            })
        }

        async fn find_reached(conn: &mut $conn) -> Result<(Option<String>, Option<u64>), StoreError> {
            let day: Option<String> = sqlx::query_scalar(sqls::REACHED)
                .fetch_one(&mut *conn)
                .await?;
            let first: Option<i64> = sqlx::query_scalar(sqls::FIRST).fetch_one(conn).await?;
            Ok((day, first.map(sql::uint).transpose()?))
        }

        async fn find_movements(
            conn: &mut $conn,
            range: Range<u64>,
            after: Option<&Movement>,
            limit: u32,
        ) -> Result<Vec<Movement>, StoreError> {
            // No reference is empty: the first page begins before all of its moment.
            let (at_ms, reference) = after.map_or((range.start, ""), |after| {
                (after.at_ms, after.reference.as_str())
            });
            let rows = sqlx::query(sqls::MOVEMENTS)
                .bind(sql::int(at_ms)?)
                .bind(reference)
                .bind(sql::int(range.end)?)
                .bind(i64::from(limit.min(MOVEMENTS_MAX)))
                .fetch_all(conn)
                .await?;
            rows.iter().map(movement).collect()
        }

        async fn find_named(conn: &mut $conn, references: &[String]) -> Result<Vec<Movement>, StoreError> {
            let rows = sqlx::query(NAMED)
                .bind(list(references))
                .fetch_all(conn)
                .await?;
            rows.iter().map(movement).collect()
        }

        async fn find_earlier(
            conn: &mut $conn,
            references: &[String],
            day: &str,
        ) -> Result<BTreeSet<String>, StoreError> {
            let found: Vec<String> = sqlx::query_scalar(EARLIER)
                .bind(list(references))
                .bind(day)
                .fetch_all(conn)
                .await?;
            Ok(found.into_iter().collect())
        }

        async fn record_day(
            tx: &mut $conn,
            leadership: &Leadership,
            now_ms: u64,
            new: &NewReconciliation,
        ) -> Result<(), StoreError> {
            let recorded = sqlx::query(sqls::RECORD)
                .bind(&new.of.day)
                .bind(sql::int(new.of.lines)?)
                .bind(sql::int(new.of.fits)?)
                .bind(sql::int(new.of.at_ms)?)
                .bind(sql::int(leadership.fence)?)
                .execute(&mut *tx)
                .await?;
            if recorded.rows_affected() == 1 {
                insert_lines(&mut *tx, new).await?;
                insert_breaks(&mut *tx, &new.breaks).await?;
            }
            // Last, so that nothing of a leader that stopped in the middle stands.
            $guard(tx, leadership, now_ms).await?;
            Ok(())
        }

        async fn record_breaks(
            tx: &mut $conn,
            leadership: &Leadership,
            now_ms: u64,
            breaks: &[Break],
        ) -> Result<(), StoreError> {
            insert_breaks(&mut *tx, breaks).await?;
            $guard(tx, leadership, now_ms).await?;
            Ok(())
        }

        async fn find_listed(
            conn: &mut $conn,
            day: &str,
        ) -> Result<BTreeSet<(BreakKind, String)>, StoreError> {
            let rows: Vec<(String, String)> = sqlx::query_as(sqls::LISTED)
                .bind(day)
                .fetch_all(conn)
                .await?;
            let named = |(kind, reference): (String, String)| Some((BreakKind::from_name(&kind)?, reference));
            rows.into_iter()
                .map(|row| named(row).ok_or(DAMAGED))
                .collect()
        }

        async fn look(tx: &mut $conn, leadership: &Leadership, now_ms: u64) -> Result<(), StoreError> {
            let place: i64 = sqlx::query_scalar(sqls::LOOK)
                .bind(sql::int(leadership.fence)?)
                .bind(sql::int(now_ms)?)
                .fetch_one(&mut *tx)
                .await?;
            sqlx::query(sqls::FORGET_LOOKS)
                .bind(place - LOOKS_KEPT)
                .execute(&mut *tx)
                .await?;
            $guard(tx, leadership, now_ms).await?;
            Ok(())
        }

        async fn insert_lines(tx: &mut $conn, new: &NewReconciliation) -> Result<(), StoreError> {
            let mut place = 0_i64;
            for lines in new.lines.chunks(ROWS_AT_ONCE) {
                let mut insert = sqlx::QueryBuilder::<$engine>::new(sqls::INSERT_LINES);
                insert.push_values(lines, |mut row, line| {
                    place += 1;
                    row.push_bind(new.of.day.clone())
                        .push_bind(place)
                        .push_bind(line.charge_id.clone())
                        .push_bind(line.reference.clone())
                        .push_bind(line.kind.name())
                        .push_bind(line.amount)
                        .push_bind(line.currency.code());
                });
                insert.build().persistent(false).execute(&mut *tx).await?;
            }
            Ok(())
        }

        async fn insert_breaks(tx: &mut $conn, breaks: &[Break]) -> Result<(), StoreError> {
            for breaks in breaks.chunks(ROWS_AT_ONCE) {
                let ids = breaks
                    .iter()
                    .map(|found| Ok((raw(found.id)?, found.payment_id.map(raw).transpose()?)));
                let ids = ids.collect::<Result<Vec<_>, StoreError>>()?;
                let mut insert = sqlx::QueryBuilder::<$engine>::new(sqls::INSERT_BREAKS);
                insert.push_values(
                    breaks.iter().zip(ids),
                    |mut row, (found, (id, payment_id))| {
                        row.push_bind(found.tenant.as_str())
                            .push_bind(id)
                            .push_bind(found.day.as_str())
                            .push_bind(found.kind.name())
                            .push_bind(found.movement.name())
                            .push_bind(found.reference.as_str())
                            .push_bind(found.charge_id.as_deref())
                            .push_bind(payment_id)
                            .push_bind(found.expected.map(|(amount, _)| amount))
                            .push_bind(found.expected.map(|(_, currency)| currency.code()))
                            .push_bind(found.found.map(|(amount, _)| amount))
                            .push_bind(found.found.map(|(_, currency)| currency.code()))
                            .push_bind(found.state.code());
                    },
                );
                insert.build().persistent(false).execute(&mut *tx).await?;
            }
            Ok(())
        }

        async fn find_days(
            conn: &mut $conn,
            before: Option<&str>,
            limit: u32,
        ) -> Result<Vec<Reconciliation>, StoreError> {
            let rows: Vec<(String, i64, i64, i64)> = sqlx::query_as(sqls::LIST)
                .bind(before.unwrap_or_default())
                .bind(i64::from(limit))
                .fetch_all(conn)
                .await?;
            rows.into_iter()
                .map(|(day, lines, fits, at_ms)| {
                    Ok(Reconciliation {
                        day,
                        lines: sql::uint(lines)?,
                        fits: sql::uint(fits)?,
                        at_ms: sql::uint(at_ms)?,
                    })
                })
                .collect()
        }

        async fn find_breaks(
            conn: &mut $conn,
            tenant: &Tenant,
            day: Option<&str>,
            after: Option<Id>,
            limit: u32,
        ) -> Result<Vec<Break>, StoreError> {
            let statement = day.map_or(sqls::BREAKS, |_| sqls::BREAKS_OF_DAY);
            let mut query = sqlx::query(statement)
                .bind(tenant.as_str())
                .bind(after.map_or(Ok(0), raw)?)
                .bind(i64::from(limit));
            if let Some(day) = day {
                query = query.bind(day);
            }
            let rows = query.persistent(false).fetch_all(conn).await?;
            rows.iter().map(found_break).collect()
        }

        async fn find_one(conn: &mut $conn, tenant: &Tenant, id: Id) -> Result<Option<Break>, StoreError> {
            let row = sqlx::query(sqls::BREAK)
                .bind(tenant.as_str())
                .bind(raw(id)?)
                .fetch_optional(conn)
                .await?;
            row.map(|row| found_break(&row)).transpose()
        }

        async fn record_plan(
            tx: &mut $conn,
            tenant: &Tenant,
            id: Id,
            planned: &Planned,
        ) -> Result<bool, StoreError> {
            let text = serde_json::to_string(&planned.adjustment).expect("ids, amounts and names are JSON");
            let marked = sqlx::query(sqls::PLAN)
                .bind(tenant.as_str())
                .bind(raw(id)?)
                .bind(raw(planned.row)?)
                .bind(text)
                .execute(tx)
                .await?;
            Ok(marked.rows_affected() == 1)
        }

        async fn find_plan(conn: &mut $conn, tenant: &Tenant, of: Id) -> Result<Option<Planned>, StoreError> {
            let found: Option<(Option<i64>, Option<String>)> = sqlx::query_as(sqls::PLANNED)
                .bind(tenant.as_str())
                .bind(raw(of)?)
                .fetch_optional(conn)
                .await?;
            let Some((Some(row), Some(text))) = found else {
                return Ok(None);
            };
            Ok(Some(Planned {
                row: id(row)?,
                adjustment: serde_json::from_str(&text).map_err(|_| DAMAGED)?,
            }))
        }

        async fn forget_plan(tx: &mut $conn, tenant: &Tenant, id: Id, row: Id) -> Result<(), StoreError> {
            sqlx::query(sqls::DROP_PLAN)
                .bind(tenant.as_str())
                .bind(raw(id)?)
                .bind(raw(row)?)
                .execute(tx)
                .await?;
            Ok(())
        }

        async fn record_resolution(
            tx: &mut $conn,
            tenant: &Tenant,
            id: Id,
            resolution: &Resolution,
            now_ms: u64,
        ) -> Result<bool, StoreError> {
            let resolved = sqlx::query(sqls::RESOLVE)
                .bind(tenant.as_str())
                .bind(raw(id)?)
                .bind(resolution.state.code())
                .bind(resolution.note.as_deref())
                .bind(resolution.adjustment_id.map(raw).transpose()?)
                .bind(sql::int(now_ms)?)
                .execute(tx)
                .await?;
            Ok(resolved.rows_affected() == 1)
        }
    };
}
pub(super) use calls;
