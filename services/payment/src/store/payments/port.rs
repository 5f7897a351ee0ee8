//! The port's methods, once for both engines: each is one named transaction around a body of `calls`.

macro_rules! payments_on {
    ($store:ident) => {
        #[async_trait]
        impl Payments for $store {
            async fn create(
                &self,
                new: &NewPayment,
                now_ms: u64,
            ) -> Result<Result<Outcome<Payment>, PaymentRefusal>, StoreError> {
                self.sql
                    .write("create_payment", |tx| sql::scoped(create(tx, new, now_ms)))
                    .await
            }

            async fn recall(
                &self,
                tenant: &Tenant,
                claim: &Claim,
                now_ms: u64,
            ) -> Result<Option<Result<Outcome<Payment>, PaymentRefusal>>, StoreError> {
                self.sql
                    .read("recall_payment", |conn| {
                        sql::scoped(recall(conn, tenant, claim, now_ms))
                    })
                    .await
            }

            async fn load(&self, tenant: &Tenant, id: Id) -> Result<Option<PaymentHistory>, StoreError> {
                self.sql
                    .read("load_payment", |conn| sql::scoped(load(conn, tenant, id)))
                    .await
            }

            async fn list(
                &self,
                tenant: &Tenant,
                filter: &PaymentFilter,
                before: Option<Id>,
                limit: u32,
            ) -> Result<Vec<Payment>, StoreError> {
                self.sql
                    .read("list_payments", |conn| {
                        sql::scoped(list(conn, tenant, filter, before, limit))
                    })
                    .await
            }

            async fn find(&self, ids: &[Id]) -> Result<Vec<Payment>, StoreError> {
                self.sql
                    .read("find_payments", |conn| sql::scoped(find_all(conn, ids)))
                    .await
            }

            async fn take_due(
                &self,
                owner: &str,
                now_ms: u64,
                lease_until_ms: u64,
                limit: u32,
            ) -> Result<Vec<Leased>, StoreError> {
                self.sql
                    .write("take_due_payments", |tx| {
                        sql::scoped(take_due(tx, owner, now_ms, lease_until_ms, limit))
                    })
                    .await
            }

            async fn count_due(&self, now_ms: u64) -> Result<u64, StoreError> {
                self.sql
                    .read("count_due_payments", |conn| {
                        sql::scoped(count_due(conn, now_ms))
                    })
                    .await
            }

            async fn save(&self, save: &SaveSaga) -> Result<(), StoreError> {
                self.sql
                    .write("save_saga", |tx| sql::scoped(save_step(tx, save)))
                    .await
            }

            async fn wake(&self, id: Id, now_ms: u64) -> Result<bool, StoreError> {
                self.sql
                    .write("wake_payment", |tx| sql::scoped(wake(tx, id, now_ms)))
                    .await
            }

            async fn request_refund(
                &self,
                new: &NewRefund,
                now_ms: u64,
            ) -> Result<Result<Outcome<Refund>, PaymentRefusal>, StoreError> {
                self.sql
                    .write("request_refund", |tx| {
                        sql::scoped(request_refund(tx, new, now_ms))
                    })
                    .await
            }

            async fn payments_in_window(
                &self,
                tenant: &Tenant,
                account: Id,
                window_ms: u64,
            ) -> Result<u64, StoreError> {
                self.sql
                    .read("count_payments", |conn| {
                        sql::scoped(payments_in_window(conn, tenant, account, window_ms))
                    })
                    .await
            }

            async fn collect_garbage(
                &self,
                now_ms: u64,
                window_ms: u64,
                limit: u32,
            ) -> Result<u64, StoreError> {
                self.sql
                    .write("collect_payment_garbage", |tx| {
                        sql::scoped(collect_garbage(tx, now_ms, window_ms, limit))
                    })
                    .await
            }
        }
    };
}
pub(super) use payments_on;
