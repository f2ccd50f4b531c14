-- New locks: one by one and in batches.
BEGIN;
\ir support/helpers.psql
SELECT plan(48);

-- One lock, column by column.
CREATE TEMP TABLE answer AS
SELECT * FROM pg_temp.lock(pg_temp.req(
    1, 0, 3, room => 101, type => 9, ttl => 600, property => 7, reservation => 8,
    reason => 'RESERVATION_CREATE', correlation => 'corr-1', metadata => '{"a": 1}'));

SELECT is((SELECT count(*) FROM answer), 1::bigint, 'one request has one answer');
SELECT is((SELECT to_jsonb(a) - '{ordinal,outcome}'::text[] FROM answer AS a),
          pg_temp.json_of(1, 'release_id'),
          'the answer has the columns of the row');
SELECT results_eq(
    'SELECT ordinal, outcome, tenant_id, id, property_id, reservation_id, room_type_id, room_id FROM answer',
    $$VALUES (1, 'LOCKED', pg_temp.u(1), pg_temp.u(1), pg_temp.u(7), pg_temp.u(8), pg_temp.u(9), pg_temp.u(101))$$,
    'ids go where they belong');
SELECT results_eq(
    'SELECT stay_start, stay_end, reason, correlation_id, ttl_seconds, metadata, status FROM answer',
    $$VALUES (pg_temp.day(0), pg_temp.day(3), 'RESERVATION_CREATE', 'corr-1', 600, '{"a": 1}'::jsonb, 'ACTIVE')$$,
    'so does the rest');
SELECT ok((SELECT release_reason IS NULL AND released_at IS NULL AND fencing_token > 0 FROM answer),
          'a new lock has a token and is not released');
SELECT ok((SELECT created_at = updated_at AND created_at BETWEEN now() AND clock_timestamp() FROM answer),
          'created and updated now');
SELECT is((SELECT expires_at - updated_at FROM answer), interval '600 seconds',
          'expires after its ttl');

-- The order of the columns is what the service reads.
CREATE FUNCTION pg_temp.columns(type regclass, first integer) RETURNS text LANGUAGE sql
AS $$ SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute
      WHERE attrelid = type AND attnum >= first $$;
SELECT is(pg_temp.columns('guard.lock_answer', 1),
          'ordinal outcome id tenant_id property_id reservation_id room_type_id room_id '
          || 'stay_start stay_end reason correlation_id expires_at ttl_seconds metadata status '
          || 'release_reason released_at fencing_token created_at updated_at',
          'columns of lock_answer');
SELECT is(pg_temp.columns('guard.lock_view', 1), pg_temp.columns('guard.lock_answer', 3),
          'lock_view is lock_answer without ordinal and outcome');

-- expires_at = min(stay_end, now + ttl)
SELECT is((SELECT expires_at FROM pg_temp.lock(pg_temp.req(2, 0, 1, room => 102, ttl => 31536000))),
          pg_temp.day(1), 'a lock never outlives its stay');
SELECT is(guard.expires_at('2026-01-01 00:00Z', 60, '2026-01-01 00:01Z'), '2026-01-01 00:01Z'::timestamptz,
          'ttl and stay end at the same time');
SELECT is(guard.expires_at('2026-01-01 00:00Z', 60, '2026-01-01 00:02Z'), '2026-01-01 00:01Z'::timestamptz,
          'the ttl ends first');
SELECT is(guard.expires_at('2026-01-01 00:00Z', 180, '2026-01-01 00:02Z'), '2026-01-01 00:02Z'::timestamptz,
          'the stay ends first');

-- Overlap is half-open.
SELECT is(pg_temp.outcomes(pg_temp.req(3, 3, 4, room => 101)), '1 LOCKED 3',
          'arrival when the other leaves');
SELECT is(pg_temp.outcomes(pg_temp.req(4, -2, 0, room => 101)), '1 LOCKED 4',
          'leaving when the other arrives');
SELECT is(pg_temp.outcomes(pg_temp.req(5, 2.9, 3, room => 101)), '1 CONFLICT 1',
          'the last hours overlap');
SELECT is(pg_temp.outcomes(pg_temp.req(5, -0.1, 0.1, room => 101)), '1 CONFLICT 1',
          'over an edge: the older of the two');
SELECT is(pg_temp.outcomes(pg_temp.req(5, 1, 2, room => 101)), '1 CONFLICT 1', 'inside');
SELECT is(pg_temp.outcomes(pg_temp.req(5, -9, 9, room => 101)), '1 CONFLICT 1',
          'around all: the oldest');
SELECT is_empty('SELECT * FROM pg_temp.row_of(5)', 'a conflict leaves no row');
SELECT is(pg_temp.outcomes(pg_temp.req(6, 3 - 0.00001, 3.5, room => 101)), '1 CONFLICT 1',
          'less than a second');

-- Rooms, types and tenants.
SELECT is(pg_temp.outcomes(pg_temp.req(10, 0, 3, type => 9)), '1 LOCKED 10',
          'a type lock beside a room lock of the type');
SELECT is(pg_temp.outcomes(pg_temp.req(11, 1, 2, type => 9)), '1 CONFLICT 10',
          'type locks collide');
SELECT is(pg_temp.outcomes(pg_temp.req(11, 1, 2, type => 8)), '1 LOCKED 11', 'another type');
SELECT is(pg_temp.outcomes(pg_temp.req(12, 1, 2, room => 103, type => 9)), '1 LOCKED 12',
          'a room lock beside a type lock of its type');
SELECT is(pg_temp.outcomes(pg_temp.req(13, 1, 2, room => 101, type => 3)), '1 CONFLICT 1',
          'a room is one room, whatever the type');
SELECT is(pg_temp.outcomes(pg_temp.req(14, 1, 2, type => 101)), '1 LOCKED 14',
          'a type with the id of a taken room');
SELECT is(pg_temp.outcomes(pg_temp.req(15, 1, 2, room => 9, type => 2)), '1 LOCKED 15',
          'a room with the id of a taken type');
SELECT is(pg_temp.outcomes(pg_temp.req(1, 0, 3, room => 101, type => 9, tenant => 2)), '1 LOCKED 1',
          'another tenant: the same id, room and stay');
SELECT is((SELECT count(*) FROM inventory_locks_shadow WHERE id = pg_temp.u(1)), 2::bigint,
          'are two locks');
SELECT is(pg_temp.json_of(1, 'release_id'),
          (SELECT to_jsonb(a) - '{ordinal,outcome}'::text[] FROM answer AS a),
          'and the first was not touched');

-- Batches.
SELECT is(pg_temp.outcomes(
              pg_temp.req(20, 0, 1, room => 201), pg_temp.req(21, 1, 2, room => 101),
              pg_temp.req(22, 0, 1, room => 202), pg_temp.req(23, -60, -50, room => 203),
              pg_temp.req(2, 0, 1, room => 102), pg_temp.req(20, 0, 1, room => 201, tenant => 2)),
          '1 LOCKED 20, 2 CONFLICT 1, 3 LOCKED 22, 4 STAY_OVER, 5 LOCKED 2, 6 LOCKED 20',
          'a mixed batch: each answer to its request');
SELECT is_empty('SELECT * FROM pg_temp.row_of(21) UNION ALL SELECT * FROM pg_temp.row_of(23)',
                'what was refused left no row');
SELECT matches(pg_temp.outcomes(pg_temp.req(30, 0, 2, room => 301), pg_temp.req(31, 1, 3, room => 301)),
               '^(1 LOCKED 30, 2 CONFLICT 30|1 CONFLICT 31, 2 LOCKED 31)$',
               'two for one place in a batch: one wins, the other sees it');
SELECT matches(pg_temp.outcomes(pg_temp.req(32, 0, 2, type => 32), pg_temp.req(33, 1, 3, type => 32)),
               '^(1 LOCKED 32, 2 CONFLICT 32|1 CONFLICT 33, 2 LOCKED 33)$',
               'the same with a type');
SELECT is((SELECT count(*) FROM pg_temp.lock(VARIADIC (
              SELECT array_agg(pg_temp.req(1000 + i, i, i + 1, room => 401)) FROM generate_series(1, 200) AS i))
           WHERE outcome = 'LOCKED'), 200::bigint, '200 stays, back to back');
SELECT is((SELECT count(*) FROM pg_temp.lock(VARIADIC (
              SELECT array_agg(pg_temp.req(2000 + i, 0, 1, room => 402)) FROM generate_series(1, 64) AS i))
           WHERE outcome = 'LOCKED'), 1::bigint, '64 for one place: one winner');

-- A stay that has just ended, and one that ends soon.
SELECT is((SELECT outcome FROM guard.lock_batch(
               ARRAY[pg_temp.u(1)], ARRAY[pg_temp.u(40)], ARRAY[pg_temp.u(40)],
               ARRAY[NULL]::uuid[], ARRAY[NULL]::uuid[],
               ARRAY[pg_temp.u(1)], ARRAY[pg_temp.u(40)], ARRAY[now() - interval '1 day'], ARRAY[now()],
               ARRAY[60], ARRAY['TEST'], ARRAY[NULL]::text[], ARRAY[NULL]::jsonb[])),
          'STAY_OVER', 'a stay that ends now is over');
SELECT results_eq(
    $$SELECT a.outcome, a.expires_at = a.stay_end FROM guard.lock_batch(
          ARRAY[pg_temp.u(1)], ARRAY[pg_temp.u(41)], ARRAY[pg_temp.u(41)],
          ARRAY[NULL]::uuid[], ARRAY[NULL]::uuid[],
          ARRAY[pg_temp.u(1)], ARRAY[pg_temp.u(41)], ARRAY[now() - interval '1 day'],
          ARRAY[now() + interval '1 hour'], ARRAY[7200], ARRAY['TEST'], ARRAY[NULL]::text[],
          ARRAY[NULL]::jsonb[]) AS a$$,
    $$VALUES ('LOCKED', true)$$, 'a stay that has begun can be locked until its end');

-- One request without arrays: as a batch of one.
CREATE FUNCTION pg_temp.one(q guard.lock_request, key uuid) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', a.ordinal, a.outcome, pg_temp.n(a.id)), ', ')
    FROM guard.lock_one(q.tenant_id, q.id, key, q.property_id, q.reservation_id, q.room_type_id,
                        q.room_id, q.stay_start, q.stay_end, q.ttl_seconds, q.reason,
                        q.correlation_id, q.metadata) AS a
$$;
SELECT is(pg_temp.one(pg_temp.req(3001, 0, 2, room => 501), NULL), '1 LOCKED 3001', 'one: granted');
SELECT is(pg_temp.one(pg_temp.req(3002, 1, 3, room => 501), NULL), '1 CONFLICT 3001', 'one: a conflict');
SELECT is(pg_temp.one(pg_temp.req(3001, 0, 2, room => 501), pg_temp.u(3001)), '1 LOCKED 3001', 'one: renewed');
SELECT is(pg_temp.one(pg_temp.req(3001, 2, 4, room => 502), pg_temp.u(3001)), '1 LOCKED 3001', 'one: moved');
SELECT is(pg_temp.one(pg_temp.req(3002, 1, 3, room => 501), pg_temp.u(3002)), '1 LOCKED 3002',
          'one: granted where that was');
SELECT is(pg_temp.one(pg_temp.req(3003, -40000, -39999, room => 501), NULL), '1 STAY_OVER', 'one: over');
SELECT results_eq(
    $$SELECT id, room_id, stay_start, stay_end, status, reason, created_at = updated_at FROM inventory_locks_shadow
      WHERE id IN (pg_temp.u(3001), pg_temp.u(3002)) ORDER BY id$$,
    $$VALUES (pg_temp.u(3001), pg_temp.u(502), pg_temp.day(2), pg_temp.day(4), 'ACTIVE', 'TEST', false),
             (pg_temp.u(3002), pg_temp.u(501), pg_temp.day(1), pg_temp.day(3), 'ACTIVE', 'TEST', true)$$,
    'one: the rows');
SELECT is((SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()
           AND (classid::bigint << 32 | objid::bigint)
               IN (guard.resource_key(pg_temp.u(1), pg_temp.u(501), 0), guard.resource_key(pg_temp.u(1), pg_temp.u(3002), 1))),
          2::bigint, 'one: holds its room and its key until the end');

-- Every grant, of whatever resource, has a larger token than those before.
SELECT is((SELECT count(*) FROM (
               SELECT fencing_token > lag(fencing_token) OVER (ORDER BY created_at) AS grows
               FROM inventory_locks_shadow WHERE id IN (pg_temp.u(1), pg_temp.u(3), pg_temp.u(10),
                                                        pg_temp.u(11), pg_temp.u(14))) AS t
           WHERE NOT grows), 0::bigint, 'tokens grow');

SELECT * FROM finish();
ROLLBACK;
