//! The calls, written once: the engines differ in some statements, not in what is done with them.

use crate::store::StoreError;

/// The statements that the engines write differently.
#[derive(Debug)]
pub(super) struct Statements {
    /// Makes a fingerprint the one, unless there is one.
    pub(super) pin: &'static str,
    /// The version of a tenant's newest key, held against being dropped.
    pub(super) newest_version: &'static str,
    /// The versions of a tenant's keys before one, held against being used.
    pub(super) lock_versions: &'static str,
    /// The generation of a person who has a key, held against being erased.
    pub(super) lock_person: &'static str,
    /// Counts something that was dropped or replaced, in the transaction that did it.
    pub(super) mark: &'static str,
}

pub(super) const FINGERPRINT: &str = "SELECT fingerprint FROM vault_master";
pub(super) const TENANT_KEYS: &str =
    "SELECT version, wrapped FROM vault_tenant_key WHERE tenant = $1 ORDER BY version DESC";
pub(super) const ADD_TENANT_KEY: &str =
    "INSERT INTO vault_tenant_key (tenant, version, wrapped, created_at_ms) VALUES ($1, $2, $3, $4)
     ON CONFLICT (tenant, version) DO NOTHING";
pub(super) const WRAPPED_BEFORE: &str = "SELECT count(*) FROM (
         SELECT 1 FROM vault_person WHERE tenant = $1 AND tenant_version < $2 AND wrapped IS NOT NULL LIMIT 1) AS batch";
pub(super) const DROP_TENANT_KEYS: &str = "DELETE FROM vault_tenant_key WHERE tenant = $1 AND version < $2";
pub(super) const PERSON: &str =
    "SELECT tenant_version, generation, wrapped FROM vault_person WHERE tenant = $1 AND person = $2";
pub(super) const ADD_PERSON: &str = "INSERT INTO vault_person (tenant, person, tenant_version, generation, wrapped, created_at_ms)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (tenant, person) DO UPDATE
     SET tenant_version = excluded.tenant_version, generation = excluded.generation, wrapped = excluded.wrapped, erased_at_ms = NULL
     WHERE vault_person.wrapped IS NULL AND vault_person.generation = excluded.generation - 1";
pub(super) const PERSONS_BEFORE: &str = "SELECT person, generation, tenant_version, wrapped FROM vault_person
     WHERE tenant = $1 AND tenant_version < $2 AND wrapped IS NOT NULL ORDER BY person LIMIT $3";
pub(super) const REWRAP: &str = "UPDATE vault_person SET tenant_version = $5, wrapped = $6
     WHERE tenant = $1 AND person = $2 AND generation = $3 AND tenant_version = $4 AND wrapped IS NOT NULL";
pub(super) const PUT_RECORD: &str = "INSERT INTO vault_record (tenant, person, name, generation, sealed, created_at_ms)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (tenant, person, name) DO UPDATE SET generation = excluded.generation, sealed = excluded.sealed";
pub(super) const RECORD: &str =
    "SELECT generation, sealed FROM vault_record WHERE tenant = $1 AND person = $2 AND name = $3";
pub(super) const ERASE: &str = "UPDATE vault_person SET wrapped = NULL, erased_at_ms = $3
     WHERE tenant = $1 AND person = $2 AND wrapped IS NOT NULL";
pub(super) const DROP_RECORD: &str =
    "DELETE FROM vault_record WHERE tenant = $1 AND person = $2 AND name = $3";
pub(super) const DROP_RECORDS: &str = "DELETE FROM vault_record WHERE tenant = $1 AND person = $2";

pub(super) const MARKS: &str = "SELECT marks, overwritten FROM vault_trace";
/// Both counts only grow: who is late says nothing of what was marked since.
pub(super) const OVERWRITTEN: &str = "UPDATE vault_trace SET overwritten = $1 WHERE overwritten < $1";

/// Times that another process's work is waited for and looked at, before it is said that the database is busy.
pub(super) const LOOKS_MAX: u32 = 3;

pub(super) fn count(column: i32) -> Result<u32, StoreError> {
    u32::try_from(column).map_err(|_| StoreError::Damaged("a negative count in the vault"))
}

pub(super) fn column(count: u32) -> Result<i32, StoreError> {
    i32::try_from(count).map_err(|_| StoreError::Damaged("a count in the vault that is too large"))
}

/// The port on one engine: `$store` has a `sql` of the engine, whose connections are `$conn`.
macro_rules! vault_on {
    ($store:ident, $conn:ty, $statements:expr) => {
        /// Remembers in the same transaction that keys were dropped or replaced.
        async fn mark(tx: &mut $conn, changed: u64) -> Result<(), StoreError> {
            if changed > 0 {
                sqlx::query($statements.mark).execute(tx).await?;
            }
            Ok(())
        }

        async fn drop_tenant_keys(tx: &mut $conn, tenant: &str, version: i32) -> Result<bool, StoreError> {
            let _held: Vec<i32> = sqlx::query_scalar($statements.lock_versions)
                .bind(tenant)
                .bind(version)
                .fetch_all(&mut *tx)
                .await?;
            let wraps: i64 = sqlx::query_scalar(calls::WRAPPED_BEFORE)
                .bind(tenant)
                .bind(version)
                .fetch_one(&mut *tx)
                .await?;
            if wraps > 0 {
                return Ok(false);
            }
            let dropped = sqlx::query(calls::DROP_TENANT_KEYS)
                .bind(tenant)
                .bind(version)
                .execute(&mut *tx)
                .await?;
            mark(tx, dropped.rows_affected()).await?;
            Ok(true)
        }

        async fn add_person(
            tx: &mut $conn,
            tenant: &str,
            person: &str,
            key: &PersonKey,
            now_ms: u64,
        ) -> Result<bool, StoreError> {
            let newest: Option<i32> = sqlx::query_scalar($statements.newest_version)
                .bind(tenant)
                .fetch_optional(&mut *tx)
                .await?;
            let version = calls::column(key.tenant_version)?;
            if newest != Some(version) {
                return Ok(false);
            }
            let done = sqlx::query(calls::ADD_PERSON)
                .bind(tenant)
                .bind(person)
                .bind(version)
                .bind(calls::column(key.generation)?)
                .bind(&key.wrapped)
                .bind(sql::int(now_ms)?)
                .execute(tx)
                .await?;
            Ok(done.rows_affected() == 1)
        }

        async fn rewrap(tx: &mut $conn, tenant: &str, keys: &[Rewrap]) -> Result<u64, StoreError> {
            let mut done = 0;
            for key in keys {
                let query = sqlx::query(calls::REWRAP)
                    .bind(tenant)
                    .bind(&key.person)
                    .bind(calls::column(key.generation)?)
                    .bind(calls::column(key.from_version)?)
                    .bind(calls::column(key.to_version)?)
                    .bind(&key.wrapped);
                done += query.execute(&mut *tx).await?.rows_affected();
            }
            mark(tx, done).await?;
            Ok(done)
        }

        async fn put_record(
            tx: &mut $conn,
            at: (&str, &str, &str),
            record: &SealedRecord,
            now_ms: u64,
        ) -> Result<bool, StoreError> {
            let (tenant, person, name) = at;
            let generation = calls::column(record.generation)?;
            let held: Option<i32> = sqlx::query_scalar($statements.lock_person)
                .bind(tenant)
                .bind(person)
                .fetch_optional(&mut *tx)
                .await?;
            if held != Some(generation) {
                return Ok(false);
            }
            sqlx::query(calls::PUT_RECORD)
                .bind(tenant)
                .bind(person)
                .bind(name)
                .bind(generation)
                .bind(&record.sealed)
                .bind(sql::int(now_ms)?)
                .execute(tx)
                .await?;
            Ok(true)
        }

        async fn erase(tx: &mut $conn, tenant: &str, person: &str, now_ms: u64) -> Result<bool, StoreError> {
            let done = sqlx::query(calls::ERASE)
                .bind(tenant)
                .bind(person)
                .bind(sql::int(now_ms)?)
                .execute(&mut *tx)
                .await?;
            let records = sqlx::query(calls::DROP_RECORDS)
                .bind(tenant)
                .bind(person)
                .execute(&mut *tx)
                .await?;
            mark(tx, done.rows_affected() + records.rows_affected()).await?;
            Ok(done.rows_affected() == 1)
        }

        impl $store {
            /// How often something was marked, and of those how many are overwritten.
            async fn marks(&self) -> Result<(i64, i64), StoreError> {
                self.sql
                    .read("vault_marks", |conn| {
                        sql::scoped(async move {
                            let query = sqlx::query_as(calls::MARKS);
                            Ok::<_, StoreError>(query.fetch_one(conn).await?)
                        })
                    })
                    .await
            }

            /// `marks`: as they were read before the files were rid of it.
            async fn remember_overwritten(&self, marks: i64) -> Result<(), StoreError> {
                self.sql
                    .write("vault_overwritten", |tx| {
                        sql::scoped(async move {
                            sqlx::query(calls::OVERWRITTEN)
                                .bind(marks)
                                .execute(tx)
                                .await?;
                            Ok::<_, StoreError>(())
                        })
                    })
                    .await
            }
        }

        #[async_trait]
        impl VaultStore for $store {
            async fn master_fingerprint(&self) -> Result<Option<String>, StoreError> {
                self.sql
                    .read("vault_fingerprint", |conn| {
                        sql::scoped(async move {
                            let query = sqlx::query_scalar(calls::FINGERPRINT);
                            Ok::<_, StoreError>(query.fetch_optional(conn).await?)
                        })
                    })
                    .await
            }

            async fn pin_master_fingerprint(&self, fingerprint: &str) -> Result<String, StoreError> {
                self.sql
                    .write("pin_vault_fingerprint", |tx| {
                        sql::scoped(async move {
                            sqlx::query($statements.pin)
                                .bind(fingerprint)
                                .execute(&mut *tx)
                                .await?;
                            let query = sqlx::query_scalar(calls::FINGERPRINT);
                            Ok::<_, StoreError>(query.fetch_one(tx).await?)
                        })
                    })
                    .await
            }

            async fn tenant_keys(&self, tenant: &Tenant) -> Result<Vec<TenantKey>, StoreError> {
                let found: Vec<(i32, Vec<u8>)> = self
                    .sql
                    .read("vault_tenant_keys", |conn| {
                        sql::scoped(async move {
                            let query = sqlx::query_as(calls::TENANT_KEYS).bind(tenant.as_str());
                            Ok::<_, StoreError>(query.fetch_all(conn).await?)
                        })
                    })
                    .await?;
                let key = |(version, wrapped)| {
                    Ok(TenantKey {
                        version: calls::count(version)?,
                        wrapped,
                    })
                };
                found.into_iter().map(key).collect()
            }

            async fn add_tenant_key(
                &self,
                tenant: &Tenant,
                key: &TenantKey,
                now_ms: u64,
            ) -> Result<bool, StoreError> {
                self.sql
                    .write("add_vault_tenant_key", |tx| {
                        sql::scoped(async move {
                            let query = sqlx::query(calls::ADD_TENANT_KEY)
                                .bind(tenant.as_str())
                                .bind(calls::column(key.version)?)
                                .bind(&key.wrapped)
                                .bind(sql::int(now_ms)?);
                            Ok::<_, StoreError>(query.execute(tx).await?.rows_affected() == 1)
                        })
                    })
                    .await
            }

            async fn drop_tenant_keys(&self, tenant: &Tenant, version: u32) -> Result<bool, StoreError> {
                let version = calls::column(version)?;
                self.sql
                    .write("drop_vault_tenant_keys", |tx| {
                        sql::scoped(drop_tenant_keys(tx, tenant.as_str(), version))
                    })
                    .await
            }

            async fn person(&self, tenant: &Tenant, person: &str) -> Result<Option<PersonKey>, StoreError> {
                let found: Option<(i32, i32, Option<Vec<u8>>)> = self
                    .sql
                    .read("vault_person", |conn| {
                        sql::scoped(async move {
                            let query = sqlx::query_as(calls::PERSON)
                                .bind(tenant.as_str())
                                .bind(person);
                            Ok::<_, StoreError>(query.fetch_optional(conn).await?)
                        })
                    })
                    .await?;
                let key = |(tenant_version, generation, wrapped)| {
                    Ok(PersonKey {
                        tenant_version: calls::count(tenant_version)?,
                        generation: calls::count(generation)?,
                        wrapped,
                    })
                };
                found.map(key).transpose()
            }

            async fn add_person(
                &self,
                tenant: &Tenant,
                person: &str,
                key: &PersonKey,
                now_ms: u64,
            ) -> Result<bool, StoreError> {
                self.sql
                    .write("add_vault_person", |tx| {
                        sql::scoped(add_person(tx, tenant.as_str(), person, key, now_ms))
                    })
                    .await
            }

            async fn persons_before(
                &self,
                tenant: &Tenant,
                version: u32,
                limit: u32,
            ) -> Result<Vec<Rewrap>, StoreError> {
                let to_version = version;
                let version = calls::column(version)?;
                let found: Vec<(String, i32, i32, Vec<u8>)> = self
                    .sql
                    .read("vault_persons_before", |conn| {
                        sql::scoped(async move {
                            let query = sqlx::query_as(calls::PERSONS_BEFORE)
                                .bind(tenant.as_str())
                                .bind(version)
                                .bind(i64::from(limit));
                            Ok::<_, StoreError>(query.fetch_all(conn).await?)
                        })
                    })
                    .await?;
                let key = |(person, generation, from_version, wrapped)| {
                    Ok(Rewrap {
                        person,
                        generation: calls::count(generation)?,
                        from_version: calls::count(from_version)?,
                        to_version,
                        wrapped,
                    })
                };
                found.into_iter().map(key).collect()
            }

            async fn rewrap(&self, tenant: &Tenant, keys: &[Rewrap]) -> Result<u64, StoreError> {
                self.sql
                    .write("rewrap_vault_persons", |tx| {
                        sql::scoped(rewrap(tx, tenant.as_str(), keys))
                    })
                    .await
            }

            async fn put_record(
                &self,
                tenant: &Tenant,
                person: &str,
                name: &str,
                record: &SealedRecord,
                now_ms: u64,
            ) -> Result<bool, StoreError> {
                let at = (tenant.as_str(), person, name);
                self.sql
                    .write("put_vault_record", |tx| {
                        sql::scoped(put_record(tx, at, record, now_ms))
                    })
                    .await
            }

            async fn record(
                &self,
                tenant: &Tenant,
                person: &str,
                name: &str,
            ) -> Result<Option<SealedRecord>, StoreError> {
                let found: Option<(i32, Vec<u8>)> = self
                    .sql
                    .read("vault_record", |conn| {
                        sql::scoped(async move {
                            let query = sqlx::query_as(calls::RECORD)
                                .bind(tenant.as_str())
                                .bind(person)
                                .bind(name);
                            Ok::<_, StoreError>(query.fetch_optional(conn).await?)
                        })
                    })
                    .await?;
                let record = |(generation, sealed)| {
                    Ok(SealedRecord {
                        generation: calls::count(generation)?,
                        sealed,
                    })
                };
                found.map(record).transpose()
            }

            async fn drop_record(&self, tenant: &Tenant, person: &str, name: &str) -> Result<(), StoreError> {
                self.sql
                    .write("drop_vault_record", |tx| {
                        sql::scoped(async move {
                            let query = sqlx::query(calls::DROP_RECORD)
                                .bind(tenant.as_str())
                                .bind(person)
                                .bind(name);
                            query.execute(tx).await?;
                            Ok::<_, StoreError>(())
                        })
                    })
                    .await
            }

            async fn erase(&self, tenant: &Tenant, person: &str, now_ms: u64) -> Result<bool, StoreError> {
                self.sql
                    .write("erase_vault_person", |tx| {
                        sql::scoped(erase(tx, tenant.as_str(), person, now_ms))
                    })
                    .await
            }

            async fn overwrite_traces(&self) -> Result<Traces, StoreError> {
                let mut nothing = Traces::None;
                for _ in 0..calls::LOOKS_MAX {
                    let (marks, overwritten) = self.marks().await?;
                    if overwritten >= marks {
                        return Ok(nothing);
                    }
                    let Some(outcome) = self.rid_files(marks).await? else {
                        // Another process did it: for what it had seen marked.
                        nothing = Traces::Overwritten;
                        continue;
                    };
                    if outcome == Traces::Overwritten {
                        self.remember_overwritten(marks).await?;
                    }
                    return Ok(outcome);
                }
                Err(sql::SqlError::Busy.into())
            }
        }
    };
}

pub(super) use vault_on;
