-- What the service may.

-- The service needs no more than this role has: it reads, and it calls. Who migrates owns the tables; give the service a login that is
-- a member of `orrery_payment`, and no password of the owner's. Without the right to make roles this is left to an administrator.
DO $$
DECLARE
  v_schema CONSTANT TEXT := quote_ident(current_schema());
  v_function TEXT;
BEGIN
  FOR v_function IN
    SELECT p.oid::regprocedure::TEXT FROM pg_proc p
    WHERE p.pronamespace = current_schema()::regnamespace AND p.proname LIKE 'ledger\_%'
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', v_function);
  END LOOP;
  BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'orrery_payment') THEN
      CREATE ROLE orrery_payment NOLOGIN;
    END IF;
  EXCEPTION
    -- Another schema's migration made it meanwhile.
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
      RAISE NOTICE 'the role orrery_payment was not made: this user may not make roles';
  END;
  IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'orrery_payment') THEN
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO orrery_payment', v_schema);
    GRANT SELECT ON account, balance, journal, entry, hold, reversed, claim, chain_link, chain_head, ledger_clock TO orrery_payment;
    FOR v_function IN
      SELECT p.oid::regprocedure::TEXT FROM pg_proc p
      WHERE p.pronamespace = current_schema()::regnamespace AND p.proname IN
        ('ledger_commit', 'ledger_create_account', 'ledger_change_account', 'ledger_seal', 'ledger_forget_claims', 'ledger_seq_at',
         'ledger_expired')
    LOOP
      EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO orrery_payment', v_function);
    END LOOP;
    -- Tables of later steps are no ledger: there it may write.
    EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %s GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO orrery_payment', v_schema);
    EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %s GRANT USAGE ON SEQUENCES TO orrery_payment', v_schema);
  END IF;
END $$;

SELECT set_config('search_path', current_schema(), true);
