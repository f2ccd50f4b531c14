-- What the table itself refuses, whoever writes to it.
BEGIN;
\ir support/helpers.psql
SELECT plan(19);

CREATE FUNCTION pg_temp.put(
    id integer, start_day numeric, end_day numeric, room integer DEFAULT NULL, type integer DEFAULT 1,
    tenant integer DEFAULT 1, status text DEFAULT 'ACTIVE')
RETURNS void LANGUAGE sql AS $$
    INSERT INTO inventory_locks_shadow (id, tenant_id, room_type_id, room_id, stay_start, stay_end, expires_at,
                                        created_at, updated_at, fencing_token, ttl_seconds, status, reason)
    VALUES (pg_temp.u(id), pg_temp.u(tenant), pg_temp.u(type), pg_temp.u(room), pg_temp.day(start_day),
            pg_temp.day(end_day), pg_temp.day(end_day), now(), now(), 1, 60, status, 'TEST')
$$;

SELECT lives_ok('SELECT pg_temp.put(1, 0, 3, 101)', 'a room');
SELECT throws_ok('SELECT pg_temp.put(2, 2, 4, 101)', '23P01', NULL, 'overlapping locks of a room');
SELECT throws_ok('SELECT pg_temp.put(2, 2, 4, 101, 2)', '23P01', NULL, 'whatever the type');
SELECT lives_ok('SELECT pg_temp.put(2, 3, 4, 101)', 'one after the other');
SELECT lives_ok('SELECT pg_temp.put(3, 0, 3, 102)', 'another room');
SELECT lives_ok('SELECT pg_temp.put(1, 0, 3, 101, tenant => 2)', 'another tenant');
SELECT lives_ok('SELECT pg_temp.put(4, 0, 3, NULL, 1)', 'a type');
SELECT throws_ok('SELECT pg_temp.put(5, 2, 4, NULL, 1)', '23P01', NULL,
    'overlapping locks of a type');
SELECT lives_ok('SELECT pg_temp.put(5, 2, 4, NULL, 2)', 'another type');
SELECT lives_ok('SELECT pg_temp.put(6, 2, 4, 101, status => ''EXPIRED'')',
    'an expired lock is in nobody''s way');
SELECT lives_ok('SELECT pg_temp.put(7, 2, 4, 101, status => ''RELEASED'')',
    'nor is a released one');
SELECT throws_ok($$UPDATE inventory_locks_shadow SET status = 'ACTIVE' WHERE id = pg_temp.u(7)$$, '23P01', NULL,
                 'until it is active again');
SELECT throws_ok($$UPDATE inventory_locks_shadow SET room_id = NULL WHERE id = pg_temp.u(1)
                   AND tenant_id = pg_temp.u(1)$$, '23P01', NULL,
          'a room lock that becomes one of its taken type');
SELECT throws_ok('SELECT pg_temp.put(1, 50, 51, 109)', '23505', NULL,
    'one row for an id and tenant');
SELECT throws_ok('SELECT pg_temp.put(8, 3, 3, 103)', '23514', NULL, 'an empty stay');
SELECT throws_ok('SELECT pg_temp.put(8, 3, 2, 103)', '23514', NULL,
    'a stay that ends before it starts');
SELECT throws_ok('SELECT pg_temp.put(8, 2, 3, 103, status => ''LOST'')', '23514', NULL,
    'an unknown status');

-- So that the table can be spread by tenant (Citus wants the column in every such constraint, with
-- equality).
SELECT is_empty(
    $$SELECT c.conname FROM pg_constraint AS c
      WHERE c.conrelid = 'public.inventory_locks_shadow'::regclass AND c.contype IN ('p', 'u', 'x')
        AND NOT EXISTS (
            SELECT FROM pg_index AS i, pg_attribute AS a,
                generate_subscripts(c.conexclop, 1) AS n
            WHERE i.indexrelid = c.conindid AND c.contype = 'x'
              AND a.attrelid = c.conrelid AND a.attname = 'tenant_id'
              AND i.indkey[n - 1] = a.attnum AND c.conexclop[n] = '=(uuid, uuid)'::regoperator
            UNION ALL
            SELECT FROM pg_attribute AS a
            WHERE c.contype <> 'x' AND a.attrelid = c.conrelid AND a.attname = 'tenant_id'
              AND a.attnum = ANY (c.conkey))$$,
    'tenant_id is compared in every unique and exclusion constraint');
SELECT is((SELECT count(*) FROM pg_constraint WHERE conrelid = 'public.inventory_locks_shadow'::regclass
           AND contype = 'x'), 2::bigint, 'rooms and types have an exclusion constraint each');

SELECT * FROM finish();
ROLLBACK;
