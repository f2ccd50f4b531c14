-- Batches that hope for free places: when they do, and what becomes of those that hope in vain.
BEGIN;
\ir support/helpers.psql
SELECT plan(24);

CREATE FUNCTION pg_temp.free_batches() RETURNS text LANGUAGE sql
AS $$ SELECT current_setting('availability_guard.free_batches', true) $$;

-- A batch of one new lock, with the count of the session left alone.
CREATE FUNCTION pg_temp.lock_new(n integer) RETURNS text LANGUAGE sql
AS $$
    SELECT outcome FROM guard.lock_batch(
        ARRAY[pg_temp.u(1)], ARRAY[pg_temp.u(n)], ARRAY[NULL::uuid], ARRAY[NULL::uuid],
        ARRAY[NULL::uuid], ARRAY[pg_temp.u(1)], ARRAY[pg_temp.u(n)], ARRAY[pg_temp.day(0)],
        ARRAY[pg_temp.day(1)], ARRAY[60], ARRAY['TEST'], ARRAY[NULL], ARRAY[NULL::jsonb])
$$;

-- guard.insert_batch for new locks of these rooms.
CREATE FUNCTION pg_temp.insert_new(ids integer[], rooms integer[], from_days numeric[])
RETURNS SETOF guard.lock_answer LANGUAGE sql
AS $$
    SELECT a.* FROM
    (SELECT array_agg(pg_temp.u(1)) AS tenants, array_agg(pg_temp.u(r.id)) AS ids,
            array_agg(NULL::uuid) AS nulls, array_agg(pg_temp.u(r.room)) AS rooms,
            array_agg(pg_temp.day(r.day)) AS starts, array_agg(pg_temp.day(r.day + 1)) AS ends,
            array_agg(60) AS ttls, array_agg('TEST'::text) AS texts,
            array_agg(NULL::jsonb) AS metadata
     FROM unnest(ids, rooms, from_days) AS r (id, room, day)) AS i,
    guard.insert_batch(clock_timestamp(), 7000, i.tenants, i.ids, i.nulls, i.nulls,
                       i.rooms, i.rooms, i.starts, i.ends, i.ttls, i.texts, i.texts,
                       i.metadata) AS a
$$;

-- When a session begins to hope.
SELECT is(pg_temp.lock_new(1), 'LOCKED', 'the first batch');
SELECT is(pg_temp.free_batches(), '1', 'is counted');
SELECT is((SELECT count(*) FROM generate_series(2, 40) AS n WHERE pg_temp.lock_new(n) = 'LOCKED'),
          39::bigint, 'more of them');
SELECT is(pg_temp.free_batches(), '16', 'sixteen are enough');
SELECT is(pg_temp.lock_new(41), 'LOCKED', 'a batch that hopes');
SELECT is(pg_temp.free_batches(), '16', 'and is right');

-- Hope in vain.
SELECT set_config('test.free_batches', '16', true) \gset
SELECT is(pg_temp.outcomes(pg_temp.req(50, 0, 1, room => 50), pg_temp.req(51, 0, 1, room => 41),
                           pg_temp.req(52, 0, 1, room => 52)),
          '1 LOCKED 50, 2 CONFLICT 41, 3 LOCKED 52', 'one conflict costs nobody else the lock');
SELECT is(pg_temp.free_batches(), '0', 'and is the end of hope');
SELECT is(pg_temp.outcomes(pg_temp.req(53, 0, 1, room => 53), pg_temp.req(50, 4, 5, room => 50)),
          '1 LOCKED 53, 2 LOCKED 50', 'a known id moves');
SELECT is(pg_temp.free_batches(), '0', 'and is not what was hoped for');
SELECT is(pg_temp.outcomes(pg_temp.req(54, 0, 2, room => 54), pg_temp.req(55, 1, 3, room => 54)),
          '1 LOCKED 54, 2 CONFLICT 54', 'two of one batch want one room');
SELECT is((SELECT array_agg(outcome ORDER BY ordinal) FROM pg_temp.lock(
              pg_temp.req(56, 0, 1, room => 56), pg_temp.req(57, -40, -39, room => 57))),
          ARRAY['LOCKED', 'STAY_OVER'], 'a stay that is over');

-- One lock, with hope.
CREATE FUNCTION pg_temp.lock_one(n integer, room integer, from_day numeric)
RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
    v_answers text;
BEGIN
    PERFORM set_config('availability_guard.free_batches', '16', false);
    SELECT string_agg(a.outcome || coalesce(' ' || pg_temp.n(a.id), ''), ', ') INTO v_answers
    FROM guard.lock_one(pg_temp.u(1), pg_temp.u(n), pg_temp.u(n), NULL, NULL, pg_temp.u(1),
                        pg_temp.u(room), pg_temp.day(from_day), pg_temp.day(from_day + 1), 60,
                        'TEST', NULL, NULL) AS a;
    RETURN v_answers || ', then ' || pg_temp.free_batches();
END
$$;
SELECT is(pg_temp.lock_one(70, 70, 0), 'LOCKED 70, then 16', 'one new lock');
SELECT is(pg_temp.lock_one(71, 70, 0), 'CONFLICT 70, then 0', 'somebody is in the way');
SELECT is(pg_temp.lock_one(70, 70, 3), 'LOCKED 70, then 0', 'a known id moves');
SELECT is(pg_temp.lock_one(71, 70, 0), 'LOCKED 71, then 16', 'the place that it has left is free');
SELECT is(pg_temp.lock_one(72, 72, -40), 'STAY_OVER, then 0', 'a stay that is over');
UPDATE inventory_locks_shadow SET expires_at = clock_timestamp() WHERE id = pg_temp.u(71);
SELECT is(pg_temp.lock_one(73, 70, 0), 'LOCKED 73, then 0', 'the place of an expired lock');
SELECT is((SELECT count(*) FROM inventory_locks_shadow WHERE room_id = pg_temp.u(70)), 3::bigint, 'no row is there twice');
SELECT is((SELECT sum(o.events) FROM guard.outbox AS o WHERE EXISTS (
              SELECT FROM unnest(o.locks) AS l WHERE l.room_id = pg_temp.u(70))), 5::bigint,
          'each grant and the expiry are told once');
SET availability_guard.free_batches = 15;
SELECT is(pg_temp.lock_new(80) || pg_temp.free_batches(), 'LOCKED16', 'the last one that takes care');

-- The insertion without care.

-- The insertion without care.
SELECT throws_ok($$SELECT pg_temp.insert_new('{60,61}', '{60,41}', '{0,0}')$$, '23P01', NULL,
                 'fails as a whole when somebody is in the way');
SELECT throws_ok($$SELECT pg_temp.insert_new('{60,41}', '{60,61}', '{0,0}')$$, '23505', NULL,
                 'or when an id is known');
SELECT results_eq(
    $$SELECT ordinal, outcome, fencing_token FROM pg_temp.insert_new('{62,63,64}', '{62,63,64}', '{0,-40,0}')$$,
    $$VALUES (1, 'LOCKED', 7000::bigint), (3, 'LOCKED', 7002::bigint)$$,
    'leaves out stays that are over');

SELECT * FROM finish();
ROLLBACK;
