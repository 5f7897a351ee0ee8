//! The store's calls, once for both engines: they differ in how a record is guarded, not in how it is taken.

macro_rules! leaderships_on {
    ($store:ident) => {
        #[async_trait]
        impl LeadershipStore for $store {
            async fn try_take(
                &self,
                name: &str,
                holder: &str,
                now_ms: u64,
                ttl_ms: u64,
            ) -> Result<Option<Leadership>, LeadershipError> {
                let span = Span::of(now_ms, ttl_ms)?;
                let taken: Option<(i64, i64)> = self
                    .sql
                    .write("leadership_take", |tx| {
                        scoped(async move {
                            // Those who wait for their turn only look: on PostgreSQL an upsert would queue behind the
                            // leader's guarded writes.
                            let led: Option<Row> = sqlx::query_as(FIND)
                                .bind(name)
                                .fetch_optional(&mut *tx)
                                .await?;
                            if led.is_some_and(|led| span.is_led(&led, holder)) {
                                return Ok::<_, SqlError>(None);
                            }
                            let take = sqlx::query_as(TAKE).bind(name).bind(holder);
                            let take = take.bind(span.now).bind(span.until).bind(span.far);
                            Ok(take.fetch_optional(tx).await?)
                        })
                    })
                    .await?;
                taken
                    .map(|(fence, until)| Leadership::recorded(name, fence, until))
                    .transpose()
            }

            async fn renew(
                &self,
                leadership: &Leadership,
                now_ms: u64,
                ttl_ms: u64,
            ) -> Result<Leadership, LeadershipError> {
                let (span, fence) = (Span::of(now_ms, ttl_ms)?, int(leadership.fence)?);
                let renewed: Option<(i64, i64)> = self
                    .sql
                    .write("leadership_renew", |tx| {
                        scoped(async move {
                            let renew = sqlx::query_as(RENEW).bind(&leadership.name).bind(fence);
                            Ok::<_, SqlError>(renew.bind(span.until).fetch_optional(tx).await?)
                        })
                    })
                    .await?;
                let (fence, until) = renewed.ok_or_else(|| leadership.lost())?;
                Leadership::recorded(&leadership.name, fence, until)
            }

            async fn release(&self, leadership: &Leadership) -> Result<(), LeadershipError> {
                let fence = int(leadership.fence)?;
                let released = self
                    .sql
                    .write("leadership_release", |tx| {
                        scoped(async move {
                            let release = sqlx::query(RELEASE).bind(&leadership.name).bind(fence);
                            Ok::<_, SqlError>(release.execute(tx).await?.rows_affected())
                        })
                    })
                    .await?;
                (released == 1)
                    .then_some(())
                    .ok_or_else(|| leadership.lost())
            }
        }
    };
}
pub(super) use leaderships_on;
