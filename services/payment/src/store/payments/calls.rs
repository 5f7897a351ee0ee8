//! The bodies of the port's transactions, once for both engines: a macro, for a function over both would name each type that is bound.

macro_rules! calls {
    ($conn:ty, $rows:ident, $append:path, $find_for_update:expr) => {
        use idempotency::Outcome;
        use identity::Tenant;
        use ids::Id;

        use super::claims::{ClaimRow, claim_calls};
        use super::rows::{self, $rows as read};
        use super::statements as sqls;
        use super::{
            DUE_COUNTED_MAX, LeaseChange, Leased, NewPayment, NewRefund, PaymentFilter, STEPS_KEPT_MAX,
            SaveSaga,
        };
        use crate::ledger::{Amount, Claim};
        use crate::payment::{Payment, PaymentHistory, PaymentRefusal, Refund, RefundState};
        use crate::protocol::saga::{Saga, State};
        use crate::store::StoreError;

        claim_calls!($conn);

        async fn create(
            tx: &mut $conn,
            new: &NewPayment,
            now_ms: u64,
        ) -> Result<Result<Outcome<Payment>, PaymentRefusal>, StoreError> {
            let payment = &new.payment;
            match claim(&mut *tx, &new.claim, payment.id, None, now_ms).await? {
                Some(Err(refusal)) => return Ok(Err(refusal)),
                Some(Ok((id, _))) => return Ok(Ok(replayed(tx, &payment.tenant, id).await?)),
                None => {}
            }
            let counted: Option<i32> = sqlx::query_scalar(sqls::COUNT_IN)
                .bind(payment.tenant.as_str())
                .bind(rows::raw(payment.payer_account_id)?)
                .bind(sql::int(new.velocity.window_ms)?)
                .bind(payment.amount.minor())
                .bind(new.velocity.payments_max)
                .bind(new.velocity.minor_max)
                .fetch_optional(&mut *tx)
                .await?;
            if counted.is_none() {
                let max = new.velocity.minor_max;
                let refusal = if payment.amount.minor() > max {
                    PaymentRefusal::AmountExceedsLimit {
                        max: max.to_string(),
                    }
                } else {
                    PaymentRefusal::VelocityExceeded
                };
                return Ok(Err(refuse(tx, &new.claim, refusal).await?));
            }
            insert(&mut *tx, payment).await?;
            $append(tx, std::slice::from_ref(&new.event)).await?;
            Ok(Ok(Outcome::Fresh(payment.clone())))
        }

        /// As it was answered first, whatever happened to it since.
        fn as_made(payment: Payment) -> Payment {
            Payment {
                saga: Saga::new(payment.amount, payment.saga.deadline_ms),
                updated_at_ms: payment.created_at_ms,
                ..payment
            }
        }

        async fn insert(tx: &mut $conn, payment: &Payment) -> Result<(), StoreError> {
            sqlx::query(sqls::INSERT)
                .bind(payment.tenant.as_str())
                .bind(rows::raw(payment.id)?)
                .bind(rows::raw(payment.payer_account_id)?)
                .bind(rows::raw(payment.merchant_account_id)?)
                .bind(payment.amount.minor())
                .bind(payment.currency.code())
                .bind(payment.method.as_str())
                .bind(payment.description.as_deref())
                .bind(payment.payer.as_deref())
                .bind(rows::raw(payment.rows.hold)?)
                .bind(rows::raw(payment.rows.capture)?)
                .bind(rows::raw(payment.rows.release)?)
                .bind(payment.saga.state.name())
                .bind(saga_text(&payment.saga))
                .bind(sql::int(payment.created_at_ms)?)
                .bind(payment.traceparent.as_deref())
                .execute(tx)
                .await?;
            Ok(())
        }

        fn saga_text(saga: &Saga) -> String {
            serde_json::to_string(saga).expect("a saga is JSON")
        }

        async fn find(conn: &mut $conn, tenant: &Tenant, id: Id) -> Result<Option<Payment>, StoreError> {
            let row = sqlx::query(sqls::FIND)
                .bind(tenant.as_str())
                .bind(rows::raw(id)?)
                .fetch_optional(conn)
                .await?;
            row.map(|row| read::payment(&row)).transpose()
        }

        async fn find_all(conn: &mut $conn, ids: &[Id]) -> Result<Vec<Payment>, StoreError> {
            let asked: Vec<u64> = ids.iter().copied().map(Id::as_u64).collect();
            let rows = sqlx::query(FIND_ALL)
                .bind(serde_json::to_string(&asked).expect("a list of numbers is JSON"))
                .fetch_all(conn)
                .await?;
            rows.iter().map(read::payment).collect()
        }

        async fn load(
            conn: &mut $conn,
            tenant: &Tenant,
            id: Id,
        ) -> Result<Option<PaymentHistory>, StoreError> {
            let Some(payment) = find(&mut *conn, tenant, id).await? else {
                return Ok(None);
            };
            let steps = sqlx::query(sqls::STEPS)
                .bind(tenant.as_str())
                .bind(rows::raw(id)?)
                .fetch_all(&mut *conn)
                .await?;
            let refunds = sqlx::query(sqls::REFUNDS)
                .bind(tenant.as_str())
                .bind(rows::raw(id)?)
                .fetch_all(conn)
                .await?;
            Ok(Some(PaymentHistory {
                payment,
                steps: steps.iter().map(read::step).collect::<Result<_, _>>()?,
                refunds: refunds.iter().map(read::refund).collect::<Result<_, _>>()?,
            }))
        }

        async fn list(
            conn: &mut $conn,
            tenant: &Tenant,
            filter: &PaymentFilter,
            before: Option<Id>,
            limit: u32,
        ) -> Result<Vec<Payment>, StoreError> {
            let statement = match (filter.account, filter.state) {
                (Some(_), _) => sqls::LIST_OF_ACCOUNT,
                (None, Some(_)) => sqls::LIST_IN_STATE,
                (None, None) => sqls::LIST,
            };
            let mut query = sqlx::query(statement)
                .bind(tenant.as_str())
                .bind(before.map_or(Ok(i64::MAX), rows::raw)?)
                .bind(i64::from(limit));
            if let Some(account) = filter.account {
                query = query.bind(rows::raw(account)?);
            }
            if filter.account.is_some() || filter.state.is_some() {
                query = query.bind(filter.state.map_or("", State::name));
            }
            // Planned for what is asked each time: how rare a state, an account or a tenant is decides how they are found.
            let listed = query.persistent(false).fetch_all(conn).await?;
            listed.iter().map(read::payment).collect()
        }

        async fn take_due(
            tx: &mut $conn,
            owner: &str,
            now_ms: u64,
            lease_until_ms: u64,
            limit: u32,
        ) -> Result<Vec<Leased>, StoreError> {
            use sqlx::Row as _;
            let taken = sqlx::query(TAKE_DUE)
                .bind(owner)
                .bind(sql::int(now_ms)?)
                .bind(sql::int(lease_until_ms)?)
                .bind(i64::from(limit))
                .fetch_all(&mut *tx)
                .await?;
            let mut leased = Vec::with_capacity(taken.len());
            for row in taken {
                let payment = read::payment(&row)?;
                let refund = match payment.saga.state {
                    State::Captured
                    | State::PartiallyRefunded
                    | State::Refunded
                    | State::Refunding
                    | State::Failed => waiting_refund(&mut *tx, &payment).await?,
                    _ => None,
                };
                leased.push(Leased {
                    payment,
                    refund,
                    fence: row.try_get(16)?,
                    wakes: row.try_get(17)?,
                });
            }
            Ok(leased)
        }

        async fn waiting_refund(tx: &mut $conn, payment: &Payment) -> Result<Option<Refund>, StoreError> {
            let row = sqlx::query(sqls::WAITING_REFUND)
                .bind(payment.tenant.as_str())
                .bind(rows::raw(payment.id)?)
                .fetch_optional(tx)
                .await?;
            row.map(|row| read::refund(&row)).transpose()
        }

        async fn count_due(conn: &mut $conn, now_ms: u64) -> Result<u64, StoreError> {
            let due: i64 = sqlx::query_scalar(sqls::COUNT_DUE)
                .bind(sql::int(now_ms)?)
                .bind(i64::from(DUE_COUNTED_MAX))
                .fetch_one(conn)
                .await?;
            Ok(sql::uint(due)?)
        }

        async fn save_step(tx: &mut $conn, save: &SaveSaga) -> Result<(), StoreError> {
            let (lease_until_ms, lets_go, due_ms) = match save.lease {
                LeaseChange::KeepUntil(until_ms) => (until_ms, false, None),
                LeaseChange::LetGo { due_ms } => (0, true, due_ms),
            };
            let saved = sqlx::query(sqls::SAVE)
                .bind(save.tenant.as_str())
                .bind(rows::raw(save.id)?)
                .bind(&save.owner)
                .bind(save.fence)
                .bind(save.saga.state.name())
                .bind(saga_text(&save.saga))
                .bind(sql::int(save.now_ms)?)
                .bind(sql::int(lease_until_ms)?)
                .bind(lets_go)
                .bind(save.wakes)
                .bind(due_ms.map(sql::int).transpose()?)
                .execute(&mut *tx)
                .await?;
            if saved.rows_affected() != 1 {
                return Err(StoreError::Fenced);
            }
            save_steps(&mut *tx, save).await?;
            if let Some(refund) = &save.refund {
                let state = if refund.refused.is_some() {
                    RefundState::Refused
                } else {
                    RefundState::Done
                };
                sqlx::query(sqls::END_REFUND)
                    .bind(save.tenant.as_str())
                    .bind(rows::raw(refund.id)?)
                    .bind(state.code())
                    .bind(refund.refused.as_deref())
                    .bind(sql::int(save.now_ms)?)
                    .execute(&mut *tx)
                    .await?;
            }
            if let Some(movement) = &save.movement {
                sqlx::query(sqls::INSERT_MOVEMENT)
                    .bind(&movement.reference)
                    .bind(movement.kind.name())
                    .bind(movement.tenant.as_str())
                    .bind(rows::raw(movement.payment_id)?)
                    .bind(movement.amount)
                    .bind(movement.currency.code())
                    .bind(sql::int(movement.at_ms)?)
                    .execute(&mut *tx)
                    .await?;
            }
            if let Some(counted) = &save.uncounted {
                sqlx::query(sqls::COUNT_OUT)
                    .bind(save.tenant.as_str())
                    .bind(rows::raw(counted.payer_account_id)?)
                    .bind(sql::int(counted.window_ms)?)
                    .bind(counted.amount.minor())
                    .execute(&mut *tx)
                    .await?;
            }
            Ok($append(tx, &save.events).await?)
        }

        async fn save_steps(tx: &mut $conn, save: &SaveSaga) -> Result<(), StoreError> {
            let place = |ticket: u32| i64::from(ticket.min(STEPS_KEPT_MAX));
            if let Some(ended) = &save.ended {
                sqlx::query(sqls::END_STEP)
                    .bind(save.tenant.as_str())
                    .bind(rows::raw(save.id)?)
                    .bind(place(ended.ticket))
                    .bind(sql::int(save.now_ms)?)
                    .bind(ended.outcome.name())
                    .bind(ended.code.as_deref())
                    .execute(&mut *tx)
                    .await?;
            } else {
                sqlx::query(sqls::INTERRUPT_STEPS)
                    .bind(save.tenant.as_str())
                    .bind(rows::raw(save.id)?)
                    .bind(sql::int(save.now_ms)?)
                    .execute(&mut *tx)
                    .await?;
            }
            if let Some(began) = &save.began {
                sqlx::query(sqls::BEGIN_STEP)
                    .bind(save.tenant.as_str())
                    .bind(rows::raw(save.id)?)
                    .bind(place(began.ticket))
                    .bind(began.step.name())
                    .bind(began.call.name())
                    .bind(sql::int(save.now_ms)?)
                    .execute(tx)
                    .await?;
            }
            Ok(())
        }

        async fn wake(tx: &mut $conn, id: Id, now_ms: u64) -> Result<bool, StoreError> {
            let woken = sqlx::query(sqls::WAKE)
                .bind(rows::raw(id)?)
                .bind(sql::int(now_ms)?)
                .execute(tx)
                .await?;
            Ok(woken.rows_affected() == 1)
        }

        async fn request_refund(
            tx: &mut $conn,
            new: &NewRefund,
            now_ms: u64,
        ) -> Result<Result<Outcome<Refund>, PaymentRefusal>, StoreError> {
            match claim(&mut *tx, &new.claim, new.payment_id, Some(new.id), now_ms).await? {
                Some(Err(refusal)) => return Ok(Err(refusal)),
                Some(Ok((_, id))) => {
                    let made = find_refund(tx, &new.tenant, id.unwrap_or(new.id)).await?;
                    return Ok(Ok(Outcome::Replayed(Refund {
                        state: RefundState::Pending,
                        refused: None,
                        ended_at_ms: None,
                        ..made
                    })));
                }
                None => {}
            }
            let amount = match refundable(&mut *tx, new).await? {
                Ok(amount) => amount,
                Err(refusal) => return Ok(Err(refuse(tx, &new.claim, refusal).await?)),
            };
            sqlx::query(sqls::INSERT_REFUND)
                .bind(new.tenant.as_str())
                .bind(rows::raw(new.id)?)
                .bind(rows::raw(new.payment_id)?)
                .bind(amount.minor())
                .bind(rows::raw(new.rows.hold)?)
                .bind(rows::raw(new.rows.release)?)
                .bind(rows::raw(new.rows.reversal)?)
                .bind(sql::int(now_ms)?)
                .execute(&mut *tx)
                .await?;
            wake(&mut *tx, new.payment_id, now_ms).await?;
            Ok(Ok(Outcome::Fresh(
                find_refund(tx, &new.tenant, new.id).await?,
            )))
        }

        /// How much of the payment goes back, with the payment locked.
        async fn refundable(
            tx: &mut $conn,
            new: &NewRefund,
        ) -> Result<Result<Amount, PaymentRefusal>, StoreError> {
            let row = sqlx::query($find_for_update)
                .bind(new.tenant.as_str())
                .bind(rows::raw(new.payment_id)?)
                .fetch_optional(&mut *tx)
                .await?;
            let Some(payment) = row.map(|row| read::payment(&row)).transpose()? else {
                return Ok(Err(PaymentRefusal::NotFound));
            };
            if !matches!(
                payment.saga.state,
                State::Captured | State::PartiallyRefunded | State::Refunding | State::Refunded
            ) {
                return Ok(Err(PaymentRefusal::NotRefundable));
            }
            let refunded: i64 = sqlx::query_scalar(sqls::REFUNDED)
                .bind(new.tenant.as_str())
                .bind(rows::raw(new.payment_id)?)
                .fetch_one(tx)
                .await?;
            let remaining = payment.amount.minor() - refunded;
            let asked = new.amount.or_else(|| Amount::from_minor(remaining));
            Ok(match asked {
                Some(amount) if amount.minor() <= remaining => Ok(amount),
                _ => Err(PaymentRefusal::RefundExceeds {
                    remaining: remaining.to_string(),
                }),
            })
        }

        async fn find_refund(tx: &mut $conn, tenant: &Tenant, id: Id) -> Result<Refund, StoreError> {
            let row = sqlx::query(sqls::REFUND)
                .bind(tenant.as_str())
                .bind(rows::raw(id)?)
                .fetch_one(tx)
                .await?;
            read::refund(&row)
        }

        async fn payments_in_window(
            conn: &mut $conn,
            tenant: &Tenant,
            account: Id,
            window_ms: u64,
        ) -> Result<u64, StoreError> {
            let counted: Option<i64> = sqlx::query_scalar(sqls::COUNTED)
                .bind(tenant.as_str())
                .bind(rows::raw(account)?)
                .bind(sql::int(window_ms)?)
                .fetch_optional(conn)
                .await?;
            Ok(sql::uint(counted.unwrap_or_default())?)
        }

        async fn collect_garbage(
            tx: &mut $conn,
            now_ms: u64,
            window_ms: u64,
            limit: u32,
        ) -> Result<u64, StoreError> {
            let mut forgotten = 0;
            for (statement, before_ms) in [
                (sqls::FORGET_CLAIMS, now_ms),
                (sqls::FORGET_WINDOWS, window_ms),
            ] {
                let done = sqlx::query(statement)
                    .bind(sql::int(before_ms)?)
                    .bind(i64::from(limit))
                    .execute(&mut *tx)
                    .await?;
                forgotten += done.rows_affected();
            }
            Ok(forgotten)
        }
    };
}
pub(super) use calls;
