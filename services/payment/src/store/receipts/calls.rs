//! The port's transactions, written once: a macro, for a function over both engines would name each type that is bound.

macro_rules! receipts_on {
    ($store:ident, $conn:ty, $append:path, $enqueue:path) => {
        async fn find_payment(tx: &mut $conn, happened: &Happened) -> Result<Option<Paid>, StoreError> {
            let row: Option<told::PaymentRow> = sqlx::query_as(told::FIND_PAYMENT)
                .bind(happened.tenant.as_str())
                .bind(sql::int(happened.payment_id.as_u64())?)
                .fetch_optional(tx)
                .await?;
            Ok(row.map(Paid::from))
        }

        async fn find_receipt(
            conn: &mut $conn,
            tenant: &Tenant,
            payment_id: Id,
        ) -> Result<Option<Receipt>, StoreError> {
            let row: Option<(i64, Option<i64>)> = sqlx::query_as(told::FIND_RECEIPT)
                .bind(tenant.as_str())
                .bind(sql::int(payment_id.as_u64())?)
                .fetch_optional(conn)
                .await?;
            row.map(|row| told::receipt(tenant, payment_id, row))
                .transpose()
        }

        async fn find_told(
            conn: &mut $conn,
            tenant: &Tenant,
            payment_id: Id,
        ) -> Result<Vec<Told>, StoreError> {
            let rows: Vec<(String, i64, i64)> = sqlx::query_as(told::FIND_TOLD)
                .bind(tenant.as_str())
                .bind(sql::int(payment_id.as_u64())?)
                .bind(told::TOLD_MAX)
                .fetch_all(conn)
                .await?;
            rows.into_iter()
                .map(|(kind, endpoints, at_ms)| {
                    Ok(Told {
                        kind,
                        endpoints: sql::uint(endpoints)?,
                        at_ms: sql::uint(at_ms)?,
                    })
                })
                .collect()
        }

        async fn issue(tx: &mut $conn, happened: &Happened) -> Result<Effect, StoreError> {
            let Some(paid) = find_payment(&mut *tx, happened).await? else {
                return Ok(Effect::NoPayment);
            };
            let receipt = Receipt {
                tenant: happened.tenant.clone(),
                payment_id: happened.payment_id,
                issued_at_ms: happened.now_ms,
                voided_at_ms: paid.is_refunded().then_some(happened.now_ms),
            };
            let issued = sqlx::query(told::ISSUE)
                .bind(happened.tenant.as_str())
                .bind(sql::int(happened.payment_id.as_u64())?)
                .bind(&happened.event_id)
                .bind(sql::int(receipt.issued_at_ms)?)
                .bind(receipt.voided_at_ms.map(sql::int).transpose()?)
                .bind(&happened.traceparent)
                .execute(&mut *tx)
                .await?;
            if issued.rows_affected() == 0 {
                return Ok(Effect::Before);
            }
            $append(tx, &[told::receipt_issued(happened, &paid, &receipt)]).await?;
            Ok(Effect::Now)
        }

        async fn void(tx: &mut $conn, happened: &Happened) -> Result<Effect, StoreError> {
            let Some(paid) = find_payment(&mut *tx, happened).await? else {
                return Ok(Effect::NoPayment);
            };
            if !paid.is_refunded() {
                return Ok(Effect::Before);
            }
            let voided = sqlx::query(told::VOID)
                .bind(happened.tenant.as_str())
                .bind(sql::int(happened.payment_id.as_u64())?)
                .bind(sql::int(happened.now_ms)?)
                .execute(tx)
                .await?;
            Ok(if voided.rows_affected() == 0 {
                Effect::Before
            } else {
                Effect::Now
            })
        }

        async fn notify(tx: &mut $conn, happened: &Happened) -> Result<Effect, StoreError> {
            let Some(paid) = find_payment(&mut *tx, happened).await? else {
                return Ok(Effect::NoPayment);
            };
            let receipt = find_receipt(&mut *tx, &happened.tenant, happened.payment_id).await?;
            let webhook = told::webhook(happened, &paid, receipt.as_ref());
            // First the row that is there once: whoever races waits here, and finds it.
            let fresh = sqlx::query(told::NOTIFY)
                .bind(&happened.event_id)
                .bind(happened.tenant.as_str())
                .bind(sql::int(happened.payment_id.as_u64())?)
                .bind(&webhook.kind)
                .bind(sql::int(happened.now_ms)?)
                .execute(&mut *tx)
                .await?;
            if fresh.rows_affected() == 0 {
                return Ok(Effect::Before);
            }
            let endpoints = $enqueue(&mut *tx, &webhook).await?;
            sqlx::query(told::NOTIFIED)
                .bind(&happened.event_id)
                .bind(sql::int(endpoints)?)
                .execute(&mut *tx)
                .await?;
            if told::closes_the_chain(happened) {
                $append(tx, &[told::notified(happened, endpoints)]).await?;
            }
            Ok(Effect::Now)
        }

        #[async_trait]
        impl Receipts for $store {
            async fn issue(&self, happened: &Happened) -> Result<Effect, StoreError> {
                self.sql
                    .write("issue_receipt", |tx| sql::scoped(issue(tx, happened)))
                    .await
            }

            async fn void(&self, happened: &Happened) -> Result<Effect, StoreError> {
                self.sql
                    .write("void_receipt", |tx| sql::scoped(void(tx, happened)))
                    .await
            }

            async fn notify(&self, happened: &Happened) -> Result<Effect, StoreError> {
                self.sql
                    .write("notify_merchant", |tx| sql::scoped(notify(tx, happened)))
                    .await
            }

            async fn receipt(&self, tenant: &Tenant, payment_id: Id) -> Result<Option<Receipt>, StoreError> {
                self.sql
                    .read("find_receipt", |conn| {
                        sql::scoped(find_receipt(conn, tenant, payment_id))
                    })
                    .await
            }

            async fn told(&self, tenant: &Tenant, payment_id: Id) -> Result<Vec<Told>, StoreError> {
                self.sql
                    .read("find_told", |conn| {
                        sql::scoped(find_told(conn, tenant, payment_id))
                    })
                    .await
            }
        }
    };
}

pub(super) use receipts_on;
