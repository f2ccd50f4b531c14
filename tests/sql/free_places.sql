-- Batches that hope for free places, and those that look first who is there: when they do, and what
-- becomes of it.
BEGIN;
\ir support/helpers.psql
SELECT plan(40);

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

-- When a session begins to hope.
SELECT is(pg_temp.lock_new(1), 'LOCKED', 'the first batch');
SELECT is(pg_temp.free_batches(), '1', 'is counted');
SELECT is((SELECT count(*) FROM generate_series(2, 40) AS n WHERE pg_temp.lock_new(n) = 'LOCKED'),
          39::bigint, 'more of them');
SELECT is(pg_temp.free_batches(), '4', 'four are enough');
SELECT is(pg_temp.lock_new(41), 'LOCKED', 'a batch that hopes');
SELECT is(pg_temp.free_batches(), '4', 'and is right');

-- Hope in vain.
SELECT set_config('test.free_batches', '4', true) \gset
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

-- Many conflicts: the next batch looks first.
SELECT is(pg_temp.outcomes(pg_temp.req(58, 0, 1, room => 41), pg_temp.req(59, 0, 1, room => 59)),
          '1 CONFLICT 41, 2 LOCKED 59', 'half of a batch meets somebody');
SELECT is(pg_temp.free_batches(), '0', 'which is not many');
SELECT is(pg_temp.outcomes(pg_temp.req(60, 0, 1, room => 41), pg_temp.req(61, 0, 1, room => 59), pg_temp.req(62, 0, 1, room => 62)),
          '1 CONFLICT 41, 2 CONFLICT 59, 3 LOCKED 62', 'two of three do');
SELECT is(pg_temp.free_batches(), '-1', 'which is');
SELECT set_config('test.free_batches', '-1', true) \gset
SELECT is(pg_temp.outcomes(pg_temp.req(60, 0, 1, room => 41), pg_temp.req(61, 0, 1, room => 59)),
          '1 CONFLICT 41, 2 CONFLICT 59', 'all of a batch that looks first meet somebody');
SELECT is(pg_temp.free_batches(), '-1', 'and so will the next');
SELECT is((SELECT array_agg(outcome || coalesce(' ' || pg_temp.n(id), '') ORDER BY ordinal) FROM pg_temp.lock(
              pg_temp.req(60, 0, 1, room => 41), pg_temp.req(59, 0, 1, room => 59), pg_temp.req(62, 0, 1, room => 41),
              pg_temp.req(63, 0, 2, room => 63), pg_temp.req(64, 1, 3, room => 63), pg_temp.req(65, -40, -39, room => 41))),
          ARRAY['CONFLICT 41', 'LOCKED 59', 'CONFLICT 41', 'LOCKED 63', 'CONFLICT 63', 'STAY_OVER'],
          'a new lock, a known id that stays, one that would move to a taken place, two for one room, a stay that is over');
SELECT is(pg_temp.free_batches(), '0', 'less than half of which met somebody at once');
UPDATE inventory_locks_shadow SET expires_at = clock_timestamp() WHERE id = pg_temp.u(63);
SELECT is(pg_temp.outcomes(pg_temp.req(66, 0, 2, room => 63), pg_temp.req(67, 0, 1, room => 41), pg_temp.req(68, 0, 1, room => 59)),
          '1 LOCKED 66, 2 CONFLICT 41, 3 CONFLICT 59', 'the place of an expired lock');
SELECT is(pg_temp.free_batches(), '-1', 'among conflicts');
SELECT is(pg_temp.outcomes(pg_temp.req(69, 0, 2, room => 69)), '1 LOCKED 69', 'nobody is in the way');
SELECT is(pg_temp.free_batches(), '0', 'and that is what is known then');

-- One lock, with hope.
CREATE FUNCTION pg_temp.lock_one(n integer, room integer, from_day numeric, free integer DEFAULT 4)
RETURNS text LANGUAGE plpgsql
AS $$
DECLARE
    v_answers text;
BEGIN
    PERFORM set_config('availability_guard.free_batches', free::text, false);
    SELECT string_agg(a.outcome || coalesce(' ' || pg_temp.n(a.id), ''), ', ') INTO v_answers
    FROM guard.lock_one_brief(pg_temp.u(1), pg_temp.u(n), pg_temp.u(n), NULL, NULL, pg_temp.u(1),
                              pg_temp.u(room), pg_temp.day(from_day),
                              pg_temp.day(from_day + 1), 60, 'TEST', NULL, NULL) AS a;
    RETURN v_answers || ', then ' || pg_temp.free_batches();
END
$$;
SELECT is(pg_temp.lock_one(70, 70, 0), 'LOCKED, then 4', 'one new lock');
SELECT is(pg_temp.lock_one(71, 70, 0), 'CONFLICT 70, then -1', 'somebody is in the way');
SELECT is(pg_temp.lock_one(71, 70, 0, -1), 'CONFLICT 70, then -1', 'and still is');
SELECT is(pg_temp.lock_one(70, 70, 3), 'LOCKED 70, then 0', 'a known id moves');
SELECT is(pg_temp.lock_one(71, 70, 0), 'LOCKED, then 4', 'the place that it has left is free');
SELECT is(pg_temp.lock_one(72, 72, -40), 'STAY_OVER, then 0', 'a stay that is over');
UPDATE inventory_locks_shadow SET expires_at = clock_timestamp() WHERE id = pg_temp.u(71);
SELECT is(pg_temp.lock_one(73, 70, 0), 'LOCKED 73, then 0', 'the place of an expired lock');
SELECT is((SELECT count(*) FROM inventory_locks_shadow WHERE room_id = pg_temp.u(70)), 3::bigint, 'no row is there twice');
SELECT is((SELECT sum(o.events) FROM guard.outbox AS o WHERE EXISTS (
              SELECT FROM unnest(guard.outbox_locks(o)) AS l WHERE l.room_id = pg_temp.u(70))), 5::bigint,
          'each grant and the expiry are told once');
SET availability_guard.free_batches = 3;
SELECT is(pg_temp.lock_new(80) || pg_temp.free_batches(), 'LOCKED4', 'the last one that takes care');

-- Brief answers: to new locks, whether with hope or with care.
CREATE FUNCTION pg_temp.brief(first integer, free integer) RETURNS SETOF guard.lock_answer LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM set_config('availability_guard.free_batches', free::text, false);
    RETURN QUERY
    SELECT * FROM guard.lock_batch_brief(
        ARRAY[pg_temp.u(1), pg_temp.u(1), pg_temp.u(1)],
        ARRAY[pg_temp.u(first), pg_temp.u(first + 1), pg_temp.u(first + 2)], NULL,
        ARRAY[pg_temp.u(7), NULL, NULL], NULL, ARRAY[pg_temp.u(1), pg_temp.u(1), pg_temp.u(1)],
        ARRAY[pg_temp.u(first), pg_temp.u(41), pg_temp.u(first + 2)],
        ARRAY[pg_temp.day(0), pg_temp.day(0), pg_temp.day(0)],
        ARRAY[pg_temp.day(1), pg_temp.day(1), pg_temp.day(1)], ARRAY[60, 60, 100000000],
        ARRAY['A', 'B', 'C'], NULL, ARRAY['{"b":1, "a":2, "b":3}'::jsonb, NULL, NULL]);
END
$$;
-- What they do not say is as the table has it when it is as it was asked for.
CREATE FUNCTION pg_temp.brief_as_stored(n integer, ordinal integer) RETURNS SETOF guard.lock_answer LANGUAGE sql
AS $$
    SELECT ordinal, 'LOCKED', NULL::uuid, NULL::uuid, NULL::uuid, NULL::uuid, NULL::uuid, NULL::uuid,
           NULL::timestamptz, NULL::timestamptz, NULL, NULL, l.expires_at, NULL::integer, l.metadata, NULL, NULL,
           NULL::timestamptz, l.fencing_token, l.created_at, NULL::timestamptz
    FROM pg_temp.row_of(n) AS l WHERE l.created_at = l.updated_at AND l.status = 'ACTIVE'
$$;
CREATE TEMP TABLE answers AS SELECT * FROM pg_temp.brief(100, 4) UNION ALL SELECT * FROM pg_temp.brief(200, 0);
SELECT results_eq($$SELECT * FROM answers WHERE id IS NULL ORDER BY fencing_token$$,
    $$SELECT a.* FROM (VALUES (100, 1), (102, 3), (200, 1), (202, 3)) AS v (n, ordinal), LATERAL pg_temp.brief_as_stored(v.n, v.ordinal) AS a
      ORDER BY a.fencing_token$$, 'say what the caller does not know');
SELECT results_eq($$SELECT outcome, pg_temp.n(id) FROM answers WHERE id IS NOT NULL$$,
    $$VALUES ('CONFLICT', 41), ('CONFLICT', 41)$$, 'a conflict is told whole');
-- Without keys, too: a token must not be used after somebody else was granted the room (0006).
SELECT set_eq($$SELECT guard.resource_key(pg_temp.u(1), pg_temp.u(n), 0) FROM unnest('{100,41,102,200,202}'::integer[]) AS n
                EXCEPT
                SELECT l.classid::bigint << 32 | l.objid::bigint FROM pg_locks AS l
                WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND l.pid = pg_backend_pid()$$,
    ARRAY[]::bigint[], 'whose rooms are taken until the end');
SELECT is((SELECT array_agg(expires_at) FROM pg_temp.row_of(102)), ARRAY[pg_temp.day(1)], 'a lock does not outlive its stay');
SELECT is((SELECT to_jsonb(a) - '{fencing_token,created_at,expires_at}'::text[] FROM guard.lock_one_brief(
              pg_temp.u(1), pg_temp.u(110), NULL, NULL, NULL, pg_temp.u(1), pg_temp.u(110), pg_temp.day(0), pg_temp.day(1), 60, 'A', 'c', '{"a":1}') AS a),
          to_jsonb(ROW(1, 'LOCKED', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{"a":1}'::jsonb, NULL, NULL, NULL, NULL,
                       NULL, NULL)::guard.lock_answer) - '{fencing_token,created_at,expires_at}'::text[], 'a lone lock');
CREATE TEMP TABLE whole AS
SELECT * FROM guard.lock_one(pg_temp.u(1), pg_temp.u(111), NULL, pg_temp.u(7), pg_temp.u(8), pg_temp.u(1), pg_temp.u(111),
                             pg_temp.day(0), pg_temp.day(1), 60, 'A', 'c', '{"a":1}');
SELECT results_eq($$SELECT * FROM whole$$,
    $$SELECT a.* FROM pg_temp.row_of(111) AS l, LATERAL guard.answer_of(1, 'LOCKED', l, now()) AS a$$,
    'the version before gets whole locks');

SELECT * FROM finish();
ROLLBACK;
