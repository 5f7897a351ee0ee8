//! The calls, written once: the engines differ in some statements, not in what is done with them.

/// The port on one engine: `$store` has a `sql` of the engine, whose connections are `$conn`.
macro_rules! webhooks_on {
    ($store:ident, $conn:ty, $statements:expr) => {
        async fn find_endpoint(
            tx: &mut $conn,
            statement: &'static str,
            tenant: &Tenant,
            id: i64,
        ) -> Result<Option<Endpoint>, StoreError> {
            let row: Option<rows::EndpointRow> = sqlx::query_as(statement)
                .bind(tenant.as_str())
                .bind(id)
                .fetch_optional(tx)
                .await?;
            row.map(rows::endpoint).transpose()
        }

        async fn find_delivery(
            tx: &mut $conn,
            tenant: &Tenant,
            id: i64,
        ) -> Result<Option<Delivery>, StoreError> {
            let row: Option<rows::DeliveryRow> = sqlx::query_as(statements::DELIVERY)
                .bind(tenant.as_str())
                .bind(id)
                .fetch_optional(tx)
                .await?;
            row.map(rows::delivery).transpose()
        }

        async fn insert_deliveries(
            tx: &mut $conn,
            event: &Event,
            endpoints: &str,
        ) -> Result<u64, StoreError> {
            let done = sqlx::query($statements.insert_deliveries)
                .bind(event.tenant.as_str())
                .bind(endpoints)
                .bind(&event.id)
                .bind(&event.kind)
                .bind(&event.body[..])
                .bind(sql::int(event.at_ms)?)
                .execute(tx)
                .await?;
            Ok(done.rows_affected())
        }

        async fn enqueue_for_all(tx: &mut $conn, event: &Event) -> Result<u64, StoreError> {
            let enabled: Vec<(i64, String)> = sqlx::query_as($statements.enabled_endpoints)
                .bind(event.tenant.as_str())
                .fetch_all(&mut *tx)
                .await?;
            match rows::wanting(&enabled, event)? {
                Some(endpoints) => insert_deliveries(tx, event, &endpoints).await,
                None => Ok(0),
            }
        }

        async fn insert_endpoint(
            tx: &mut $conn,
            endpoint: &Endpoint,
            claim: Option<RequestClaim>,
            max: u32,
        ) -> Result<Result<Outcome<Endpoint>, NotCreated>, StoreError> {
            let tenant = endpoint.tenant.as_str();
            sqlx::query($statements.lock_tenant)
                .bind(tenant)
                .execute(&mut *tx)
                .await?;
            if let Some(claim) = claim {
                let made: Option<(i64, Vec<u8>)> = sqlx::query_as(statements::FIND_CLAIM)
                    .bind(tenant)
                    .bind(claim.key.as_slice())
                    .fetch_optional(&mut *tx)
                    .await?;
                if let Some((id, fingerprint)) = made {
                    if fingerprint != claim.fingerprint.as_bytes() {
                        return Ok(Err(NotCreated::KeyReused));
                    }
                    let made = find_endpoint(tx, statements::ENDPOINT, &endpoint.tenant, id).await?;
                    let made = made.ok_or(StoreError::Damaged("a claim without its endpoint"))?;
                    return Ok(Ok(Outcome::Replayed(made)));
                }
            }
            let there: i64 = sqlx::query_scalar(statements::COUNT_ENDPOINTS)
                .bind(tenant)
                .fetch_one(&mut *tx)
                .await?;
            if there >= i64::from(max) {
                return Ok(Err(NotCreated::TooMany { max }));
            }
            sqlx::query(statements::INSERT_ENDPOINT)
                .bind(tenant)
                .bind(rows::column(endpoint.id)?)
                .bind(&endpoint.url)
                .bind(rows::json(&endpoint.kinds))
                .bind(&endpoint.description)
                .bind(rows::endpoint_state(endpoint.state))
                .bind(sql::int(endpoint.state_at_ms)?)
                .bind(&endpoint.secret)
                .bind(claim.as_ref().map(|claim| claim.key.as_slice()))
                .bind(
                    claim
                        .as_ref()
                        .map(|claim| claim.fingerprint.as_bytes().as_slice()),
                )
                .bind(sql::int(endpoint.created_at_ms)?)
                .execute(&mut *tx)
                .await?;
            Ok(Ok(Outcome::Fresh(endpoint.clone())))
        }

        async fn write_endpoint(tx: &mut $conn, endpoint: &Endpoint) -> Result<(), StoreError> {
            sqlx::query(statements::CHANGE_ENDPOINT)
                .bind(endpoint.tenant.as_str())
                .bind(rows::column(endpoint.id)?)
                .bind(&endpoint.url)
                .bind(rows::json(&endpoint.kinds))
                .bind(&endpoint.description)
                .bind(rows::endpoint_state(endpoint.state))
                .bind(sql::int(endpoint.state_at_ms)?)
                .bind(endpoint.failing_since_ms.map(sql::int).transpose()?)
                .bind(i64::from(endpoint.dead_in_a_row))
                .execute(tx)
                .await?;
            Ok(())
        }

        async fn take(tx: &mut $conn, ask: &TakeDue) -> Result<Vec<Taken>, StoreError> {
            let busy: Vec<u64> = ask.busy.iter().map(|id| id.as_u64()).collect();
            let picked: Vec<i64> = sqlx::query_scalar($statements.pick_due)
                .bind(sql::int(ask.now_ms)?)
                .bind(rows::json(&busy))
                .bind(i64::from(ask.each_max))
                .bind(i64::from(ask.limit))
                .fetch_all(&mut *tx)
                .await?;
            if picked.is_empty() {
                return Ok(Vec::new());
            }
            let mut took: Vec<rows::DeliveryRow> = sqlx::query_as($statements.take)
                .bind(rows::json(&picked))
                .bind(sql::int(ask.lease_until_ms)?)
                .fetch_all(&mut *tx)
                .await?;
            let mut endpoints: HashMap<Id, Endpoint> = HashMap::new();
            let mut taken = Vec::with_capacity(took.len());
            for row in took.drain(..) {
                let delivery = rows::delivery(row)?;
                let id = delivery.endpoint_id;
                if !endpoints.contains_key(&id) {
                    let found = find_endpoint(
                        tx,
                        statements::ENDPOINT,
                        &delivery.tenant,
                        rows::column(id)?,
                    )
                    .await?;
                    let found = found.ok_or(StoreError::Damaged("a delivery without its endpoint"))?;
                    endpoints.insert(id, found);
                }
                let endpoint = endpoints[&id].clone();
                taken.push(Taken { delivery, endpoint });
            }
            Ok(taken)
        }

        /// The endpoint's row is always held before the delivery's.
        async fn record(
            tx: &mut $conn,
            taken: &Delivery,
            result: &Attempted,
            patience: Patience,
        ) -> Result<Recorded, StoreError> {
            let id = rows::column(taken.endpoint_id)?;
            let mut failing = None;
            if result.counts && result.state == DeliveryState::Delivered {
                sqlx::query(statements::ACCEPTED)
                    .bind(taken.tenant.as_str())
                    .bind(id)
                    .execute(&mut *tx)
                    .await?;
            } else if result.counts {
                failing = find_endpoint(tx, $statements.lock_endpoint, &taken.tenant, id).await?;
            }
            let done = sqlx::query(statements::RECORD)
                .bind(rows::column(taken.id)?)
                .bind(i64::from(taken.attempt))
                .bind(rows::delivery_state(result.state))
                .bind(sql::int(result.next_at_ms)?)
                .bind(result.status.map(i32::from))
                .bind(&result.error)
                .bind(sql::int(result.at_ms)?)
                .execute(&mut *tx)
                .await?;
            if done.rows_affected() == 0 {
                return Ok(Recorded::Lost);
            }
            let Some(mut endpoint) = failing else {
                return Ok(Recorded::Done);
            };
            let was = endpoint.state;
            endpoint.failed(result, patience);
            write_endpoint(tx, &endpoint).await?;
            Ok(if was == endpoint.state {
                Recorded::Done
            } else {
                Recorded::Disabled
            })
        }

        #[async_trait]
        impl Webhooks for $store {
            async fn create_endpoint(
                &self,
                endpoint: &Endpoint,
                claim: Option<RequestClaim>,
                max: u32,
            ) -> Result<Result<Outcome<Endpoint>, NotCreated>, StoreError> {
                self.sql
                    .write("create_webhook_endpoint", |tx| {
                        sql::scoped(insert_endpoint(tx, endpoint, claim, max))
                    })
                    .await
            }

            async fn endpoint(&self, tenant: &Tenant, id: Id) -> Result<Option<Endpoint>, StoreError> {
                let id = rows::column(id)?;
                self.sql
                    .read("webhook_endpoint", |conn| {
                        sql::scoped(find_endpoint(conn, statements::ENDPOINT, tenant, id))
                    })
                    .await
            }

            async fn endpoints(
                &self,
                tenant: &Tenant,
                after: Option<Id>,
                limit: u32,
            ) -> Result<Vec<Endpoint>, StoreError> {
                let after = after.map(rows::column).transpose()?.unwrap_or(-1);
                let found: Vec<rows::EndpointRow> = self
                    .sql
                    .read("webhook_endpoints", |conn| {
                        sql::scoped(async move {
                            let query = sqlx::query_as(statements::ENDPOINTS)
                                .bind(tenant.as_str())
                                .bind(after)
                                .bind(i64::from(limit));
                            Ok::<_, StoreError>(query.fetch_all(conn).await?)
                        })
                    })
                    .await?;
                found.into_iter().map(rows::endpoint).collect()
            }

            async fn change_endpoint(
                &self,
                tenant: &Tenant,
                id: Id,
                change: &EndpointChange,
                now_ms: u64,
            ) -> Result<Option<Endpoint>, StoreError> {
                let id = rows::column(id)?;
                self.sql
                    .write("change_webhook_endpoint", |tx| {
                        sql::scoped(async move {
                            let found = find_endpoint(tx, $statements.lock_endpoint, tenant, id).await?;
                            let Some(mut endpoint) = found else {
                                return Ok(None);
                            };
                            endpoint.changed(change, now_ms);
                            write_endpoint(tx, &endpoint).await?;
                            Ok::<_, StoreError>(Some(endpoint))
                        })
                    })
                    .await
            }

            async fn rotate_secret(
                &self,
                tenant: &Tenant,
                id: Id,
                secret: &NewSecret,
            ) -> Result<Option<Endpoint>, StoreError> {
                let id = rows::column(id)?;
                self.sql
                    .write("rotate_webhook_secret", |tx| {
                        sql::scoped(async move {
                            if find_endpoint(tx, $statements.lock_endpoint, tenant, id)
                                .await?
                                .is_none()
                            {
                                return Ok(None);
                            }
                            let claimed: Option<Vec<u8>> = sqlx::query_scalar(statements::SECRET_CLAIM)
                                .bind(tenant.as_str())
                                .bind(id)
                                .fetch_one(&mut *tx)
                                .await?;
                            let claim = secret.claim.as_ref().map(|claim| claim.as_slice());
                            if claim.is_none() || claimed.as_deref() != claim {
                                sqlx::query(statements::ROTATE_SECRET)
                                    .bind(tenant.as_str())
                                    .bind(id)
                                    .bind(&secret.sealed)
                                    .bind(sql::int(secret.former_until_ms)?)
                                    .bind(claim)
                                    .execute(&mut *tx)
                                    .await?;
                            }
                            find_endpoint(tx, statements::ENDPOINT, tenant, id).await
                        })
                    })
                    .await
            }

            async fn delete_endpoint(&self, tenant: &Tenant, id: Id) -> Result<bool, StoreError> {
                let id = rows::column(id)?;
                self.sql
                    .write("delete_webhook_endpoint", |tx| {
                        sql::scoped(async move {
                            let query = sqlx::query(statements::DELETE_ENDPOINT)
                                .bind(tenant.as_str())
                                .bind(id);
                            Ok::<_, StoreError>(query.execute(tx).await?.rows_affected() > 0)
                        })
                    })
                    .await
            }

            async fn enqueue(&self, event: &Event, only: Option<Id>) -> Result<u64, StoreError> {
                let only = only.map(|id| rows::json(&[id.as_u64()]));
                self.sql
                    .write("enqueue_webhook", |tx| {
                        let only = only.clone();
                        sql::scoped(async move {
                            match only {
                                Some(endpoint) => insert_deliveries(tx, event, &endpoint).await,
                                None => enqueue_for_all(tx, event).await,
                            }
                        })
                    })
                    .await
            }

            async fn take_due(&self, ask: &TakeDue) -> Result<Vec<Taken>, StoreError> {
                self.sql
                    .write("take_webhooks", |tx| sql::scoped(take(tx, ask)))
                    .await
            }

            async fn record(
                &self,
                taken: &Delivery,
                result: &Attempted,
                patience: Patience,
            ) -> Result<Recorded, StoreError> {
                self.sql
                    .write("record_webhook", |tx| {
                        sql::scoped(record(tx, taken, result, patience))
                    })
                    .await
            }

            async fn delivery(&self, tenant: &Tenant, id: Id) -> Result<Option<Delivery>, StoreError> {
                let id = rows::column(id)?;
                self.sql
                    .read("webhook_delivery", |conn| {
                        sql::scoped(find_delivery(conn, tenant, id))
                    })
                    .await
            }

            async fn deliveries(
                &self,
                tenant: &Tenant,
                filter: DeliveryFilter,
                before: Option<Id>,
                limit: u32,
            ) -> Result<Vec<Delivery>, StoreError> {
                let endpoint = filter
                    .endpoint_id
                    .map(rows::column)
                    .transpose()?
                    .unwrap_or(0);
                let state = filter.state.map_or(-1, rows::delivery_state);
                let before = before.map(rows::column).transpose()?.unwrap_or(i64::MAX);
                let statement = match (filter.state, filter.endpoint_id) {
                    (Some(DeliveryState::Dead), _) => statements::DELIVERIES_DEAD,
                    (Some(DeliveryState::Pending | DeliveryState::Failed), _) => {
                        statements::DELIVERIES_WAITING
                    }
                    (_, Some(_)) => statements::DELIVERIES_OF_ENDPOINT,
                    (_, None) => statements::DELIVERIES,
                };
                let found: Vec<rows::DeliveryRow> = self
                    .sql
                    .read("webhook_deliveries", |conn| {
                        sql::scoped(async move {
                            let query = sqlx::query_as(statement)
                                .bind(tenant.as_str())
                                .bind(endpoint)
                                .bind(state)
                                .bind(before)
                                .bind(i64::from(limit));
                            // Planned for what is asked each time, as few tenants are alike.
                            Ok::<_, StoreError>(query.persistent(false).fetch_all(conn).await?)
                        })
                    })
                    .await?;
                found.into_iter().map(rows::delivery).collect()
            }

            async fn replay(
                &self,
                tenant: &Tenant,
                id: Id,
                now_ms: u64,
            ) -> Result<Result<Delivery, NotReplayed>, StoreError> {
                let id = rows::column(id)?;
                self.sql
                    .write("replay_webhook", |tx| {
                        sql::scoped(async move {
                            let Some(found) = find_delivery(tx, tenant, id).await? else {
                                return Ok(Err(NotReplayed::NotFound));
                            };
                            let endpoint = rows::column(found.endpoint_id)?;
                            let endpoint =
                                find_endpoint(tx, $statements.lock_endpoint, tenant, endpoint).await?;
                            if endpoint.is_none_or(|endpoint| endpoint.state != EndpointState::Enabled) {
                                return Ok(Err(NotReplayed::EndpointDisabled));
                            }
                            sqlx::query(statements::REPLAY)
                                .bind(tenant.as_str())
                                .bind(id)
                                .bind(sql::int(now_ms)?)
                                .execute(&mut *tx)
                                .await?;
                            let found = find_delivery(tx, tenant, id).await?;
                            Ok::<_, StoreError>(found.ok_or(NotReplayed::NotFound))
                        })
                    })
                    .await
            }

            async fn backlog(&self) -> Result<Backlog, StoreError> {
                self.sql
                    .read("webhook_backlog", |conn| {
                        sql::scoped(async move {
                            let most = sql::int(BACKLOG_MAX)?;
                            let waiting: i64 = sqlx::query_scalar(statements::WAITING)
                                .bind(most)
                                .fetch_one(&mut *conn)
                                .await?;
                            let dead: i64 = sqlx::query_scalar(statements::DEAD)
                                .bind(most)
                                .fetch_one(&mut *conn)
                                .await?;
                            Ok::<_, StoreError>(Backlog {
                                waiting: sql::uint(waiting)?,
                                dead: sql::uint(dead)?,
                            })
                        })
                    })
                    .await
            }

            async fn forget_deliveries(&self, before_ms: u64, limit: u32) -> Result<u64, StoreError> {
                self.sql
                    .write("forget_webhooks", |tx| {
                        sql::scoped(async move {
                            let query = sqlx::query(statements::FORGET)
                                .bind(sql::int(before_ms)?)
                                .bind(i64::from(limit));
                            Ok::<_, StoreError>(query.execute(tx).await?.rows_affected())
                        })
                    })
                    .await
            }
        }
    };
}

pub(super) use webhooks_on;
