//! What is recorded under idempotency keys: a part of the port's transactions, once for both engines.

/// What is recorded under a key.
pub(super) type ClaimRow = (Vec<u8>, i64, Option<i64>, Option<String>);

macro_rules! claim_calls {
    ($conn:ty) => {
        /// What the key says: `None` where it is fresh and recorded now.
        async fn claim(
            tx: &mut $conn,
            claim: &Claim,
            payment: Id,
            refund: Option<Id>,
            now_ms: u64,
        ) -> Result<Option<Result<(Id, Option<Id>), PaymentRefusal>>, StoreError> {
            let fresh: Option<i32> = sqlx::query_scalar(sqls::CLAIM)
                .bind(&claim.key[..])
                .bind(&claim.fingerprint.as_bytes()[..])
                .bind(rows::raw(payment)?)
                .bind(refund.map(rows::raw).transpose()?)
                .bind(sql::int(claim.expires_at_ms)?)
                .bind(sql::int(now_ms)?)
                .fetch_optional(&mut *tx)
                .await?;
            if fresh.is_some() {
                return Ok(None);
            }
            let row: ClaimRow = sqlx::query_as(sqls::RECALL)
                .bind(&claim.key[..])
                .fetch_one(tx)
                .await?;
            Ok(Some(recalled(row, claim)?))
        }

        fn recalled(
            (fingerprint, payment, refund, refused): ClaimRow,
            claim: &Claim,
        ) -> Result<Result<(Id, Option<Id>), PaymentRefusal>, StoreError> {
            if fingerprint != claim.fingerprint.as_bytes() {
                return Ok(Err(PaymentRefusal::KeyReused));
            }
            if let Some(refused) = refused {
                let refusal: PaymentRefusal = serde_json::from_str(&refused)
                    .map_err(|_| StoreError::Damaged("a refusal that makes no sense"))?;
                return Ok(Err(refusal.repeated()));
            }
            Ok(Ok((rows::id(payment)?, refund.map(rows::id).transpose()?)))
        }

        /// What was answered under a key, as it was answered first; `None` where it is fresh.
        async fn recall(
            conn: &mut $conn,
            tenant: &Tenant,
            claim: &Claim,
            now_ms: u64,
        ) -> Result<Option<Result<Outcome<Payment>, PaymentRefusal>>, StoreError> {
            let row: Option<ClaimRow> = sqlx::query_as(sqls::RECALL_KEPT)
                .bind(&claim.key[..])
                .bind(sql::int(now_ms)?)
                .fetch_optional(&mut *conn)
                .await?;
            let Some(row) = row else {
                return Ok(None);
            };
            Ok(Some(match recalled(row, claim)? {
                Ok((id, _)) => Ok(replayed(conn, tenant, id).await?),
                Err(refusal) => Err(refusal),
            }))
        }

        async fn replayed(conn: &mut $conn, tenant: &Tenant, id: Id) -> Result<Outcome<Payment>, StoreError> {
            let made = find(conn, tenant, id).await?;
            let made = made.ok_or(StoreError::Damaged("a key of a payment that is not there"))?;
            Ok(Outcome::Replayed(as_made(made)))
        }

        /// The refusal is remembered under the key.
        async fn refuse(
            tx: &mut $conn,
            claim: &Claim,
            refusal: PaymentRefusal,
        ) -> Result<PaymentRefusal, StoreError> {
            let text = serde_json::to_string(&refusal).expect("a refusal is JSON");
            sqlx::query(sqls::REFUSE)
                .bind(&claim.key[..])
                .bind(text)
                .execute(tx)
                .await?;
            Ok(refusal)
        }
    };
}

pub(super) use claim_calls;
