-- What the table itself refuses, whoever writes to it.
BEGIN;
\ir support/helpers.psql
SELECT plan(31);

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

-- Stays that touch do not overlap, those that share the least part of their time do.
CREATE FUNCTION pg_temp.put_stays(room integer, turn timestamptz, shared interval)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO inventory_locks_shadow (id, tenant_id, room_type_id, room_id, stay_start, stay_end, expires_at,
                                        created_at, updated_at, fencing_token, ttl_seconds, reason)
    SELECT gen_random_uuid(), pg_temp.u(1), pg_temp.u(1), pg_temp.u(room), s.a, s.b, 'infinity', now(), now(), 1, 60, 'TEST'
    FROM (VALUES (turn - interval '400 days', turn), (turn - shared, turn + interval '1 day')) AS s (a, b)
$$;
CREATE FUNCTION pg_temp.turns(room integer, turn timestamptz, shared interval)
RETURNS SETOF text LANGUAGE sql AS $$
    SELECT lives_ok(format('SELECT pg_temp.put_stays(%s, %L, %L)', room, turn, '0'), format('they touch in %s', turn))
    UNION ALL
    SELECT throws_ok(format('SELECT pg_temp.put_stays(%s, %L, %L)', room + 1, turn, shared), '23P01', NULL,
                     format('they share %s in %s', shared, turn));
$$;
SELECT pg_temp.turns(201, '1972-02-29 11:59:59.999999Z', '1 microsecond');
SELECT pg_temp.turns(203, '2027-07-01 11:00:00.000001Z', '1 microsecond');
SELECT pg_temp.turns(205, '2038-12-31 23:59:59.999999Z', '1 microsecond');
SELECT pg_temp.turns(207, '2150-01-01 00:00:00.001Z', '1 millisecond');
SELECT pg_temp.turns(209, '9999-12-30 23:59:59.999Z', '1 millisecond');
SELECT throws_ok($$SELECT pg_temp.put_stays(211, '2027-01-01Z', '399 days')$$, '23P01', NULL, 'one within the other');

-- The same, of random pairs that are a few milliseconds apart at one of their ends, or meet.
SELECT setseed(0.5);
SELECT is_empty(
    $$SELECT * FROM (
          SELECT p.a, p.a + p.l * interval '1 ms' AS b, c.c, c.c + p.m * interval '1 ms' AS d
          FROM (SELECT timestamptz '1970-01-02Z' + floor(random() * 253370000000) * interval '1 s'
                       + floor(random() * 1000) * interval '1 ms' AS a,
                       1 + floor(random() * CASE WHEN i % 2 = 0 THEN 5 ELSE 1e11 END) AS l,
                       1 + floor(random() * CASE WHEN i % 3 = 0 THEN 5 ELSE 1e11 END) AS m, i
                FROM generate_series(1, 20000) AS i) AS p,
          LATERAL (SELECT p.a + ((p.i % 9) - 4 + CASE p.i % 5 WHEN 0 THEN 0 WHEN 1 THEN -p.m ELSE p.l END)
                          * interval '1 ms' AS c) AS c) AS s
      WHERE (guard.stay_box(a, b) && guard.stay_box(c, d)) <> (tstzrange(a, b) && tstzrange(c, d))$$,
    'boxes overlap as the stays do, from 1970 to 9999');

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
