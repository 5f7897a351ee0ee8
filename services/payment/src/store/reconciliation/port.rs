//! The port's methods, once for both engines: each is one named transaction around a body of `calls`.

macro_rules! reconciliations_on {
    ($store:ident, $leaderships:ty) => {
        #[async_trait]
        impl Reconciliations for $store {
            fn leaderships(&self) -> Arc<dyn LeadershipStore> {
                Arc::new(<$leaderships>::new(self.sql.clone()))
            }

            async fn reached(&self) -> Result<(Option<String>, Option<u64>), StoreError> {
                self.sql
                    .read("reconciliations_reached", |conn| {
                        sql::scoped(find_reached(conn))
                    })
                    .await
            }

            async fn movements(
                &self,
                range: Range<u64>,
                after: Option<&Movement>,
                limit: u32,
            ) -> Result<Vec<Movement>, StoreError> {
                self.sql
                    .read("list_movements", |conn| {
                        sql::scoped(find_movements(conn, range.clone(), after, limit))
                    })
                    .await
            }

            async fn named(&self, references: &[String]) -> Result<Vec<Movement>, StoreError> {
                self.sql
                    .read("find_movements", |conn| {
                        sql::scoped(find_named(conn, references))
                    })
                    .await
            }

            async fn earlier(
                &self,
                references: &[String],
                day: &str,
            ) -> Result<BTreeSet<String>, StoreError> {
                self.sql
                    .read("find_settlement_lines", |conn| {
                        sql::scoped(find_earlier(conn, references, day))
                    })
                    .await
            }

            async fn looked(&self, leadership: &Leadership, now_ms: u64) -> Result<(), StoreError> {
                self.sql
                    .write("record_reconciliation_look", |tx| {
                        sql::scoped(look(tx, leadership, now_ms))
                    })
                    .await
            }

            async fn record(
                &self,
                leadership: &Leadership,
                now_ms: u64,
                new: &NewReconciliation,
            ) -> Result<(), StoreError> {
                self.sql
                    .write("record_reconciliation", |tx| {
                        sql::scoped(record_day(tx, leadership, now_ms, new))
                    })
                    .await
            }

            async fn listed(&self, day: &str) -> Result<BTreeSet<(BreakKind, String)>, StoreError> {
                self.sql
                    .read("list_differences", |conn| {
                        sql::scoped(find_listed(conn, day))
                    })
                    .await
            }

            async fn record_early(
                &self,
                leadership: &Leadership,
                now_ms: u64,
                breaks: &[Break],
            ) -> Result<(), StoreError> {
                self.sql
                    .write("record_early_breaks", |tx| {
                        sql::scoped(record_breaks(tx, leadership, now_ms, breaks))
                    })
                    .await
            }

            async fn list(
                &self,
                before: Option<&str>,
                limit: u32,
            ) -> Result<Vec<Reconciliation>, StoreError> {
                self.sql
                    .read("list_reconciliations", |conn| {
                        sql::scoped(find_days(conn, before, limit))
                    })
                    .await
            }

            async fn breaks(
                &self,
                tenant: &Tenant,
                day: Option<&str>,
                after: Option<Id>,
                limit: u32,
            ) -> Result<Vec<Break>, StoreError> {
                self.sql
                    .read("list_breaks", |conn| {
                        sql::scoped(find_breaks(conn, tenant, day, after, limit))
                    })
                    .await
            }

            async fn find_break(&self, tenant: &Tenant, id: Id) -> Result<Option<Break>, StoreError> {
                self.sql
                    .read("find_break", |conn| sql::scoped(find_one(conn, tenant, id)))
                    .await
            }

            async fn plan(&self, tenant: &Tenant, id: Id, planned: &Planned) -> Result<bool, StoreError> {
                self.sql
                    .write("plan_adjustment", |tx| {
                        sql::scoped(record_plan(tx, tenant, id, planned))
                    })
                    .await
            }

            async fn planned(&self, tenant: &Tenant, id: Id) -> Result<Option<Planned>, StoreError> {
                self.sql
                    .read("planned_adjustment", |conn| {
                        sql::scoped(find_plan(conn, tenant, id))
                    })
                    .await
            }

            async fn drop_plan(&self, tenant: &Tenant, id: Id, row: Id) -> Result<(), StoreError> {
                self.sql
                    .write("drop_adjustment", |tx| {
                        sql::scoped(forget_plan(tx, tenant, id, row))
                    })
                    .await
            }

            async fn resolve(
                &self,
                tenant: &Tenant,
                id: Id,
                resolution: &Resolution,
                now_ms: u64,
            ) -> Result<bool, StoreError> {
                self.sql
                    .write("resolve_break", |tx| {
                        sql::scoped(record_resolution(tx, tenant, id, resolution, now_ms))
                    })
                    .await
            }
        }
    };
}
pub(super) use reconciliations_on;
