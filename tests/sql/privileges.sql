-- What the service's role may do, and what it may not. Needs the variable "role":
-- pg_prove --set role=NAME.
BEGIN;
\ir support/helpers.psql
SELECT plan(98);
SELECT set_config('test.role', :'role', true) \g /dev/null

-- Runs a statement as the service's role. An error takes the role back by itself.
CREATE FUNCTION pg_temp.as_service(statement text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('role', current_setting('test.role'), true);
    EXECUTE statement;
    PERFORM set_config('role', 'none', true);
END
$$;
CREATE FUNCTION pg_temp.refused(statement text, what text) RETURNS text LANGUAGE sql AS $$
    SELECT throws_ok(format('SELECT pg_temp.as_service(%L)', statement), '42501', NULL, what)
$$;
CREATE FUNCTION pg_temp.allowed(statement text, what text) RETURNS text LANGUAGE sql AS $$
    SELECT lives_ok(format('SELECT pg_temp.as_service(%L)', statement), what)
$$;

-- The role itself.
SELECT results_eq(
    format('SELECT rolcanlogin, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles WHERE rolname = %L', :'role'),
    'VALUES (true, false, false, false, false, false)', 'can log in, and nothing else');
SELECT is_empty(format('SELECT * FROM pg_auth_members WHERE member = %L::regrole', quote_ident(:'role')),
          'is a member of nothing');
SELECT is_empty(
    format($$SELECT objid FROM pg_shdepend WHERE deptype = 'o' AND refclassid = 'pg_authid'::regclass AND refobjid = %L::regrole$$, quote_ident(:'role')),
    'owns nothing');

-- What it works with.
SELECT pg_temp.allowed($$SELECT guard.schema_version()$$, 'schema_version');
SELECT pg_temp.allowed($$SELECT * FROM guard.lock_batch(
    ARRAY['00000000-0000-0000-0000-000000000001'::uuid], ARRAY['00000000-0000-0000-0000-000000000001'::uuid],
    ARRAY['00000000-0000-0000-0000-000000000001'::uuid], ARRAY[NULL]::uuid[], ARRAY[NULL]::uuid[], ARRAY['00000000-0000-0000-0000-000000000001'::uuid],
    ARRAY[NULL]::uuid[], ARRAY[now()], ARRAY[now() + interval '1 day'], ARRAY[60], ARRAY['r'],
    ARRAY[NULL]::text[], ARRAY[NULL]::jsonb[])$$, 'lock_batch: a new lock');
SELECT pg_temp.allowed($$SELECT * FROM guard.lock_batch(
    ARRAY['00000000-0000-0000-0000-000000000001'::uuid], ARRAY['00000000-0000-0000-0000-000000000001'::uuid],
    ARRAY['00000000-0000-0000-0000-000000000001'::uuid], ARRAY[NULL]::uuid[], ARRAY[NULL]::uuid[], ARRAY['00000000-0000-0000-0000-000000000002'::uuid],
    ARRAY[NULL]::uuid[], ARRAY[now()], ARRAY[now() + interval '1 day'], ARRAY[60], ARRAY['r'],
    ARRAY[NULL]::text[], ARRAY[NULL]::jsonb[])$$, 'lock_batch: a move');
SELECT is((SELECT room_type_id FROM pg_temp.row_of(1)), pg_temp.u(2), 'has moved');
SELECT pg_temp.expire(1) \g /dev/null
SELECT pg_temp.allowed($$SELECT * FROM guard.lock_batch(
    ARRAY['00000000-0000-0000-0000-000000000001'::uuid], ARRAY['00000000-0000-0000-0000-000000000002'::uuid],
    ARRAY['00000000-0000-0000-0000-000000000002'::uuid], ARRAY[NULL]::uuid[], ARRAY[NULL]::uuid[], ARRAY['00000000-0000-0000-0000-000000000002'::uuid],
    ARRAY[NULL]::uuid[], ARRAY[now()], ARRAY[now() + interval '1 day'], ARRAY[60], ARRAY['r'],
    ARRAY[NULL]::text[], ARRAY[NULL]::jsonb[])$$, 'lock_batch: the place of an expired lock');
SELECT pg_temp.allowed($$SELECT * FROM guard.lock_one_brief(
    '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000004', NULL, NULL, NULL,
    '00000000-0000-0000-0000-000000000004', NULL, now(), now() + interval '1 day', 60, 'r', NULL, NULL)$$, 'lock_one_brief');
SELECT pg_temp.allowed($$SELECT * FROM guard.release_batch(
    ARRAY['00000000-0000-0000-0000-000000000001'::uuid], ARRAY['00000000-0000-0000-0000-000000000002'::uuid],
    ARRAY[NULL]::uuid[], ARRAY['r'], ARRAY['c'], ARRAY['{"a": 1}'::jsonb], 'api')$$, 'release_batch');
SELECT is((SELECT status FROM pg_temp.row_of(2)), 'RELEASED', 'has released');
SELECT pg_temp.allowed($$SELECT guard.bulk_release('00000000-0000-0000-0000-000000000001',
    ARRAY['00000000-0000-0000-0000-000000000002'::uuid], 'r', 'c', '00000000-0000-0000-0000-000000000009', 'bulk')$$,
          'bulk_release');
SELECT pg_temp.allowed($$SELECT * FROM guard.get_batch(ARRAY['00000000-0000-0000-0000-000000000001'::uuid],
    ARRAY['00000000-0000-0000-0000-000000000001'::uuid])$$, 'get_batch');
SELECT pg_temp.allowed($$SELECT * FROM guard.list_page('00000000-0000-0000-0000-000000000001', NULL, NULL, NULL, 'ACTIVE', now(), now(), NULL, 1)$$,
    'list_page');
-- What the version before works with, until it is replaced.
SELECT pg_temp.allowed($$SELECT * FROM guard.lock_one(
    '00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000005', NULL, NULL, NULL,
    '00000000-0000-0000-0000-000000000005', NULL, now(), now() + interval '1 day', 60, 'r', NULL, NULL)$$, 'lock_one');
SELECT pg_temp.allowed($$SELECT * FROM guard.release_batch(
    ARRAY['00000000-0000-0000-0000-000000000001'::uuid], ARRAY['00000000-0000-0000-0000-000000000002'::uuid],
    ARRAY[NULL]::uuid[], ARRAY['r'], ARRAY['c'], ARRAY['{"a": 1}'::jsonb])$$, 'release_batch without a door');
SELECT pg_temp.allowed($$SELECT guard.bulk_release('00000000-0000-0000-0000-000000000001',
    ARRAY['00000000-0000-0000-0000-000000000002'::uuid], 'r', 'c', '00000000-0000-0000-0000-000000000009')$$,
          'bulk_release without a door');
SELECT pg_temp.allowed($$SELECT * FROM guard.read_outbox('0', 0, 10)$$, 'read_outbox');
SELECT pg_temp.allowed($$SELECT guard.delete_outbox('{}', '{}')$$, 'delete_outbox');
SELECT pg_temp.allowed($$SELECT * FROM guard.get_lock('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000003')$$,
    'get_lock');
SELECT pg_temp.allowed($$SELECT * FROM guard.list_locks('00000000-0000-0000-0000-000000000001', NULL, NULL, NULL, 'ACTIVE', now(), now(), NULL, 1)$$,
    'list_locks');
SELECT pg_temp.allowed($$SELECT * FROM guard.sweep_expired(10)$$, 'sweep_expired');
-- Manual releases, the trail, the outbox and the ledger.
SELECT pg_temp.allowed($$SELECT * FROM guard.manual_release_batch(
    ARRAY['00000000-0000-0000-0000-000000000001'::uuid], ARRAY['00000000-0000-0000-0000-000000000004'::uuid],
    ARRAY[NULL]::uuid[], ARRAY['00000000-0000-0000-0000-000000000021'::uuid], ARRAY['00000000-0000-0000-0000-000000000022'::uuid],
    ARRAY['why'], ARRAY['a'], ARRAY['b'], ARRAY[NULL]::text[], ARRAY[NULL]::text[], ARRAY['{"a": 1}'::jsonb],
    ARRAY['["x"]'::jsonb])$$, 'manual_release_batch');
SELECT is((SELECT status FROM pg_temp.row_of(4)), 'RELEASED', 'has released by force');
SELECT is((SELECT count(*) FROM inventory_lock_audits), 1::bigint, 'with an audit row');
SELECT pg_temp.allowed($$SELECT * FROM guard.list_audits('00000000-0000-0000-0000-000000000001', NULL, NULL, now(), now(), true, 9, 1)$$,
    'list_audits');
SELECT pg_temp.allowed($$SELECT * FROM guard.verify_audit_chains()$$, 'verify_audit_chains');
SELECT is((SELECT problem FROM guard.verify_audit_chains()), NULL, 'which finds nothing');
SELECT pg_temp.allowed($$SELECT * FROM guard.read_stream(true, 10, pg_current_snapshot(), 0, 0, NULL, 0, 0, 10, 1000, 1000)$$, 'read_stream');
SELECT pg_temp.allowed($$SELECT guard.outbox_top()$$, 'outbox_top');
SELECT pg_temp.allowed($$SELECT * FROM guard.outbox_writers('{}')$$, 'outbox_writers');
SELECT is((SELECT count(*) FROM guard.outbox WHERE stream = 'notification'), 1::bigint, 'the event of the release');
SELECT pg_temp.allowed($$SELECT guard.delete_events(array_agg(id)) FROM guard.outbox$$, 'delete_events');
SELECT is_empty('SELECT * FROM guard.outbox', 'has deleted');
SELECT pg_temp.allowed($$SELECT guard.record_delivery('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000022', 'sms', 'DEAD', 1)$$,
    'record_delivery');
SELECT pg_temp.allowed($$SELECT guard.record_delivery('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000022', 'sms', 'DELIVERED', 1)$$,
    'record_delivery: once more');
SELECT pg_temp.allowed($$SELECT * FROM guard.list_deliveries('00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000022')$$,
    'list_deliveries');
UPDATE guard.deliveries SET created_at = now() - interval '10 days';
SELECT pg_temp.allowed($$SELECT guard.purge_deliveries(5, 10)$$, 'purge_deliveries');
SELECT is_empty('SELECT * FROM guard.deliveries', 'has purged the ledger');
-- Commands and their ledger.
SELECT pg_temp.allowed($$SELECT * FROM guard.perform_locks(ARRAY['c1', 'c2'],
    ARRAY['00000000-0000-0000-0000-000000000001', '00000000-0000-0000-0000-000000000001']::uuid[],
    ARRAY['00000000-0000-0000-0000-000000000031', '00000000-0000-0000-0000-000000000032']::uuid[],
    ARRAY['00000000-0000-0000-0000-000000000031', '00000000-0000-0000-0000-000000000032']::uuid[],
    ARRAY[NULL, NULL]::uuid[], ARRAY[NULL, NULL]::uuid[],
    ARRAY['00000000-0000-0000-0000-000000000031', '00000000-0000-0000-0000-000000000031']::uuid[], ARRAY[NULL, NULL]::uuid[],
    ARRAY[now(), now()], ARRAY[now() + interval '1 day', now() + interval '1 day'], ARRAY[60, 60], ARRAY['r', 'r'],
    ARRAY[NULL, NULL]::text[], ARRAY[NULL, NULL]::jsonb[])$$, 'perform_locks, with a conflict');
SELECT pg_temp.allowed($$SELECT * FROM guard.perform_releases(ARRAY['c3'], ARRAY['00000000-0000-0000-0000-000000000001'::uuid],
    ARRAY['00000000-0000-0000-0000-000000000031'::uuid], ARRAY[NULL]::uuid[], ARRAY['r'], ARRAY['c'], ARRAY[NULL]::jsonb[])$$, 'perform_releases');
SELECT pg_temp.allowed($$SELECT guard.perform_bulk_release('c4', 0, '00000000-0000-0000-0000-000000000001',
    ARRAY['00000000-0000-0000-0000-000000000031'::uuid], 'r', 'c', '00000000-0000-0000-0000-000000000009')$$, 'perform_bulk_release');
SELECT results_eq('SELECT command_id, outcome FROM guard.performed_commands ORDER BY 1',
    $$VALUES ('c1' COLLATE "C", 'LOCKED'), ('c2', 'CONFLICT'), ('c3', 'RELEASED'), ('c4', 'RELEASED')$$, 'are in the ledger');
SELECT pg_temp.refused($$UPDATE guard.performed_commands SET command_id = 'c5'$$, 'an entry keeps its name');
UPDATE guard.performed_commands SET created_at = now() - interval '10 days';
SELECT pg_temp.allowed($$SELECT guard.purge_commands(5, 10)$$, 'purge_commands');
SELECT is_empty('SELECT * FROM guard.performed_commands', 'has purged that ledger');
SELECT pg_temp.allowed('LISTEN guard_outbox', 'to be told of events');
UPDATE inventory_locks_shadow SET updated_at = now() - interval '10 days' WHERE id = pg_temp.u(2);
SELECT pg_temp.allowed($$SELECT guard.purge_finished(5, 10)$$, 'purge_finished');
SELECT is_empty('SELECT * FROM pg_temp.row_of(2)', 'has purged');
SELECT pg_temp.allowed($$SELECT pg_try_advisory_xact_lock(1)$$,
    'an advisory lock (one sweeper leads)');
SELECT pg_temp.allowed($$SELECT pg_is_in_recovery(), pg_backend_pid()$$,
    'what any session may ask');

-- What it may not do to locks.
SELECT pg_temp.refused('DELETE FROM inventory_locks_shadow', 'no DELETE');
SELECT pg_temp.refused('TRUNCATE inventory_locks_shadow', 'no TRUNCATE');
SELECT pg_temp.refused('DROP TABLE inventory_locks_shadow', 'no DROP');
SELECT pg_temp.refused('ALTER TABLE inventory_locks_shadow DROP CONSTRAINT inventory_locks_shadow_room_excl',
    'constraints stay');
SELECT pg_temp.refused('DROP INDEX inventory_locks_shadow_expiry', 'indexes stay');
SELECT pg_temp.refused('CREATE INDEX ON inventory_locks_shadow (reason)', 'no new ones');
SELECT pg_temp.refused('CREATE TRIGGER t BEFORE INSERT ON inventory_locks_shadow FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
    'no triggers');
SELECT ok(NOT has_table_privilege(:'role', 'inventory_locks_shadow', 'REFERENCES, TRIGGER, TRUNCATE, DELETE, UPDATE'),
          'nor references, by the book');
SELECT pg_temp.refused('UPDATE inventory_locks_shadow SET tenant_id = id',
    'a lock does not change hands');
SELECT pg_temp.refused('UPDATE inventory_locks_shadow SET id = tenant_id', 'nor its id');
SELECT pg_temp.refused('UPDATE inventory_locks_shadow SET created_at = now()', 'nor its age');

-- Nor to the audit trail.
SELECT pg_temp.refused('UPDATE inventory_lock_audits SET reason = ''other''', 'audit rows are not changed');
SELECT pg_temp.refused('UPDATE inventory_lock_audits SET digest = digest', 'in no column');
SELECT pg_temp.refused('DELETE FROM inventory_lock_audits', 'not deleted');
SELECT pg_temp.refused('TRUNCATE inventory_lock_audits', 'not truncated');
SELECT pg_temp.refused('DROP TABLE inventory_lock_audits', 'not dropped');
SELECT pg_temp.refused('ALTER TABLE inventory_lock_audits DISABLE TRIGGER ALL', 'their triggers stay on');
SELECT pg_temp.refused('DROP TRIGGER inventory_lock_audits_append_only ON inventory_lock_audits', 'and stay');
SELECT pg_temp.refused('SET session_replication_role = replica', 'there is no way round them');
SELECT pg_temp.refused('CREATE TRIGGER t BEFORE INSERT ON inventory_lock_audits FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()',
    'nor other ones');
SELECT ok(NOT has_table_privilege(:'role', 'inventory_lock_audits', 'REFERENCES, TRIGGER, TRUNCATE, DELETE, UPDATE')
          AND NOT has_any_column_privilege(:'role', 'inventory_lock_audits', 'REFERENCES, UPDATE'), 'by the book');
SELECT pg_temp.refused('UPDATE guard.audit_heads SET sequence = 0', 'heads are not set');
SELECT pg_temp.refused('INSERT INTO guard.audit_heads VALUES (''00000000-0000-0000-0000-000000000009'', 1, '''', now())', 'not made');
SELECT pg_temp.refused('DELETE FROM guard.audit_heads', 'not deleted');
SELECT pg_temp.refused('TRUNCATE guard.audit_heads', 'not truncated');
-- The trigger's function runs as the owner: on a table of its own, with types of its own, whose casts
-- run as the owner too, the service could do whatever the owner can.
CREATE FUNCTION pg_temp.trigger_on_own_table(called text) RETURNS text LANGUAGE sql AS $$
    SELECT pg_temp.refused(format($s$
        CREATE TEMP TABLE own (id uuid, tenant_id uuid, lock_id uuid, sequence bigint, previous_digest bytea, created_at timestamptz, digest bytea);
        CREATE TRIGGER t BEFORE INSERT ON own FOR EACH ROW EXECUTE FUNCTION %s()$s$, called), called || ' is called by its own triggers only')
$$;
SELECT pg_temp.trigger_on_own_table('guard.chain_audit');
SELECT pg_temp.trigger_on_own_table('guard.refuse_audit_change');
SELECT is_empty(
    format($$SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'guard'::regnamespace AND prorettype = 'trigger'::regtype
              AND has_function_privilege(%L, oid, 'EXECUTE')$$, :'role'), 'no trigger''s function can be called');

-- Nor to the outbox and the ledger.
SELECT pg_temp.refused('UPDATE guard.outbox SET payload = ''x''', 'events are not changed');
SELECT pg_temp.refused('TRUNCATE guard.outbox', 'nor truncated');
SELECT pg_temp.refused('SELECT setval(''guard.outbox_id_seq'', 1)', 'and their numbers are only read');
SELECT pg_temp.refused('UPDATE guard.deliveries SET created_at = now()', 'deliveries keep their age');
SELECT pg_temp.refused('UPDATE guard.deliveries SET channel = ''sms''', 'and their channel');
SELECT pg_temp.refused('TRUNCATE guard.deliveries', 'and stay');

-- Nor to the rest.
SELECT pg_temp.refused($$SELECT setval('guard.fencing_token', 1)$$, 'tokens do not go back');
SELECT pg_temp.refused('ALTER SEQUENCE guard.fencing_token RESTART', 'by no way');
SELECT pg_temp.refused($$INSERT INTO guard.schema_migrations VALUES (99, 'x', 'x')$$,
    'no migrations: INSERT');
SELECT pg_temp.refused('UPDATE guard.schema_migrations SET version = 99', 'no migrations: UPDATE');
SELECT pg_temp.refused('DELETE FROM guard.schema_migrations', 'no migrations: DELETE');
SELECT pg_temp.refused('CREATE TABLE guard.t (a integer)', 'nothing new in the schema guard');
SELECT pg_temp.refused('CREATE FUNCTION guard.f() RETURNS integer LANGUAGE sql AS ''SELECT 1''',
    'no functions there');
SELECT pg_temp.refused('CREATE OR REPLACE FUNCTION guard.schema_version() RETURNS integer LANGUAGE sql AS ''SELECT 99''',
    'nor other ones');
SELECT pg_temp.refused('CREATE SCHEMA s', 'no schema');
SELECT pg_temp.refused('CREATE ROLE r', 'no role');

-- Other roles have nothing at all.
SELECT is_empty(
    $$SELECT p.oid::regprocedure FROM pg_proc AS p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS a
      WHERE p.pronamespace = 'guard'::regnamespace AND a.grantee = 0$$,
    'no function is for everybody');
SELECT is_empty(
    $$SELECT c.oid::regclass FROM pg_class AS c, aclexplode(c.relacl) AS a
      WHERE (c.relnamespace = 'guard'::regnamespace OR c.oid IN ('public.inventory_locks_shadow'::regclass, 'public.inventory_lock_audits'::regclass)) AND a.grantee = 0$$,
    'nor is a table');

-- A function that runs as its owner must not be led astray.
SELECT is_empty(
    $$SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'guard'::regnamespace AND prosecdef
        AND NOT coalesce(proconfig @> ARRAY['search_path=pg_catalog, pg_temp'], false)$$,
    'every SECURITY DEFINER function has a fixed search_path');

SELECT * FROM finish();
ROLLBACK;
