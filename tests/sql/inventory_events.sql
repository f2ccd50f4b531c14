-- Inventory events: what each function says of locks, in the transaction that makes it true. How the
-- relay reads them: outbox.sql. Several sessions at once: test_outbox.py.
BEGIN;
\ir support/helpers.psql
SELECT plan(61);

-- "locked 1 2, expired 3": the rows that were written since the last call, with the numbers of their locks.
CREATE TEMP TABLE seen (id bigint);
CREATE FUNCTION pg_temp.news() RETURNS text LANGUAGE sql AS $$
    WITH news AS (INSERT INTO seen SELECT o.id FROM guard.outbox AS o
                  WHERE o.stream = 'inventory' AND o.id NOT IN (SELECT s.id FROM seen AS s) RETURNING id)
    SELECT coalesce(string_agg(concat_ws(' ', substr(o.event_type, 11), o.released_by,
               (SELECT string_agg(pg_temp.n(l.id)::text, ' ' ORDER BY l.ordinality) FROM unnest(guard.outbox_locks(o)) WITH ORDINALITY AS l)),
               ', ' ORDER BY o.id), '')
    FROM guard.outbox AS o JOIN news USING (id)
$$;
-- The last events of a lock, as the table has the lock.
CREATE FUNCTION pg_temp.last_event(lock integer) RETURNS SETOF guard.lock_event LANGUAGE sql AS $$
    SELECT l.* FROM guard.outbox AS o, unnest(guard.outbox_locks(o)) AS l WHERE pg_temp.n(l.id) = lock ORDER BY o.id DESC LIMIT 1
$$;
CREATE FUNCTION pg_temp.is_as_stored(lock integer, what text) RETURNS text LANGUAGE sql AS $$
    SELECT is((SELECT to_jsonb(e) FROM pg_temp.last_event(lock) AS e),
              (SELECT to_jsonb(guard.event_of(r)) FROM pg_temp.row_of(lock) AS r), what)
$$;

-- Grants.
SELECT is(pg_temp.outcomes(
    pg_temp.req(1, 0, 3, room => 101, type => 9, ttl => 60, property => 7, reservation => 8, correlation => 'c', metadata => '{"a": 1}'),
    pg_temp.req(2, 0, 3, room => 102), pg_temp.req(3, 0.5, 3), pg_temp.req(1, 0, 3, room => 101, tenant => 2)),
    '1 LOCKED 1, 2 LOCKED 2, 3 LOCKED 3, 4 LOCKED 1', 'new locks');
SELECT is((SELECT array_agg(to_jsonb(o) - '{id,xid,locks,granted}'::text[]) FROM guard.outbox AS o),
          (SELECT ARRAY[jsonb_build_object('stream', 'inventory', 'event_type', 'inventory.locked', 'events', 4, 'event_id', NULL,
              'tenant_id', NULL, 'lock_id', NULL, 'payload', NULL, 'released_by', NULL, 'traces', NULL, 'created_at', updated_at)] FROM pg_temp.row_of(1)),
          'are one row, dated as they are');
SELECT ok((SELECT xid = pg_current_xact_id() FROM guard.outbox), 'of this transaction');
SELECT is(pg_temp.news(), 'locked 1 2 3 1', 'with each of them');
SELECT results_eq('SELECT * FROM unnest((SELECT guard.outbox_locks(o) FROM guard.outbox AS o))',
    $$SELECT id, tenant_id, property_id, reservation_id, room_type_id, room_id, stay_start, stay_end, expires_at, reason,
             correlation_id, fencing_token, released_at, release_reason
      FROM inventory_locks_shadow ORDER BY fencing_token$$, 'as it is in the table');
SELECT results_eq('SELECT * FROM pg_temp.last_event(3)',
    $$VALUES (pg_temp.u(3), pg_temp.u(1), NULL::uuid, NULL::uuid, pg_temp.u(1), NULL::uuid, pg_temp.day(0.5), pg_temp.day(3),
             (SELECT expires_at FROM pg_temp.row_of(3)), 'TEST', NULL::text, (SELECT fencing_token FROM pg_temp.row_of(3)),
             NULL::timestamptz, NULL::text)$$, 'null for what a lock has not');
SELECT is((SELECT outcome FROM guard.lock_one(pg_temp.u(1), pg_temp.u(4), NULL, pg_temp.u(7), pg_temp.u(8), pg_temp.u(1), pg_temp.u(104),
              pg_temp.day(0), pg_temp.day(2), 60, 'ONE', 'one', NULL)), 'LOCKED', 'a lone lock');
SELECT is(pg_temp.news(), 'locked 4', 'is told');
SELECT pg_temp.is_as_stored(4, 'as it is');
SELECT ok((SELECT o.created_at = l.updated_at FROM guard.outbox AS o, pg_temp.row_of(4) AS l ORDER BY o.id DESC LIMIT 1), 'at its time');

-- No grant, no event.
SELECT is(pg_temp.outcomes(pg_temp.req(5, 0, 3, room => 101), pg_temp.req(6, -40, -39, room => 106)), '1 CONFLICT 1, 2 STAY_OVER', 'not granted');
SELECT is(pg_temp.news(), '', 'not told');
SELECT is(pg_temp.outcomes(pg_temp.req(5, 0, 3, room => 101), pg_temp.req(7, 0, 3, room => 107), pg_temp.req(8, 0, 3, room => 102),
                           pg_temp.req(9, 0, 3, room => 109)),
          '1 CONFLICT 1, 2 LOCKED 7, 3 CONFLICT 2, 4 LOCKED 9', 'some of a batch');
SELECT is(pg_temp.news(), 'locked 7 9', 'those that were granted');
SELECT pg_temp.is_as_stored(9, 'as they are');
SELECT is((SELECT count(*) FROM guard.lock_batch('{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')), 0::bigint, 'an empty batch');
SELECT is(pg_temp.news(), '', 'says nothing');

-- The same key again.
CREATE TEMP TABLE before AS SELECT * FROM pg_temp.last_event(1);
SELECT is(pg_temp.outcomes(pg_temp.req(1, 0, 3, room => 101, type => 9, ttl => 7200)), '1 LOCKED 1', 'a renewal');
SELECT is(pg_temp.news(), 'locked 1', 'is told');
SELECT pg_temp.is_as_stored(1, 'as it is now');
SELECT ok((SELECT e.expires_at > b.expires_at AND e.fencing_token = b.fencing_token FROM pg_temp.last_event(1) AS e, before AS b),
          'with a new time and the old token');
SELECT is(pg_temp.outcomes(pg_temp.req(1, 4, 5, room => 111)), '1 LOCKED 1', 'a move');
SELECT is(pg_temp.news(), 'locked 1', 'is told');
SELECT pg_temp.is_as_stored(1, 'as it is now');
SELECT ok((SELECT e.fencing_token > b.fencing_token AND e.room_id = pg_temp.u(111) AND e.stay_start = pg_temp.day(4)
           FROM pg_temp.last_event(1) AS e, before AS b), 'with a new token and the new place');
SELECT is(pg_temp.outcomes(pg_temp.req(1, 0, 3, room => 102)), '1 CONFLICT 2', 'a move that is refused');
SELECT is(pg_temp.news(), '', 'is not');

-- Releases.
SELECT is(pg_temp.release(2, reason => 'CHECK_OUT', correlation => 'd', metadata => '{"b": 2}'), 'RELEASED', 'a release');
SELECT is(pg_temp.news(), 'released api 2', 'is told');
SELECT pg_temp.is_as_stored(2, 'as the lock is now');
SELECT ok((SELECT e.release_reason = 'CHECK_OUT' AND e.correlation_id = 'd' AND e.released_at = o.created_at
           FROM guard.outbox AS o, unnest(guard.outbox_locks(o)) AS e ORDER BY o.id DESC LIMIT 1), 'released then, and why');
SELECT is(pg_temp.release(2) || ' ' || pg_temp.release(99), 'RELEASED NOT_FOUND', 'what has ended, and what is not there');
SELECT is(pg_temp.news(), '', 'is not');
SELECT is((SELECT to_jsonb(a) FROM guard.release_batch(ARRAY[pg_temp.u(1)], ARRAY[pg_temp.u(2)], ARRAY[NULL::uuid], ARRAY['x'],
              ARRAY[NULL::text], ARRAY[NULL::jsonb], 'api') AS a),
          (SELECT to_jsonb(guard.answer_of(1, 'RELEASED', r, now())) FROM pg_temp.row_of(2) AS r), 'the answer has the lock as it was released');
SELECT results_eq($$SELECT a.ordinal, a.outcome, a.id FROM guard.release_batch(ARRAY[pg_temp.u(1)], ARRAY[pg_temp.u(99)], ARRAY[NULL::uuid],
              ARRAY['x'], ARRAY[NULL::text], ARRAY[NULL::jsonb], 'api') AS a$$, $$VALUES (1, 'NOT_FOUND', NULL::uuid)$$, 'or nulls');
SELECT is((SELECT a.outcome FROM guard.release_batch(ARRAY[pg_temp.u(1)], ARRAY[pg_temp.u(3)], ARRAY[NULL::uuid], ARRAY['x'],
              ARRAY[NULL::text], ARRAY[NULL::jsonb], 'command') AS a), 'RELEASED', 'by another door');
SELECT is(pg_temp.news(), 'released command 3', 'that is told');
SELECT is((SELECT a.outcome FROM guard.release_batch(ARRAY[pg_temp.u(1)], ARRAY[pg_temp.u(4)], ARRAY[NULL::uuid], ARRAY['x'],
              ARRAY[NULL::text], ARRAY[NULL::jsonb]) AS a), 'RELEASED', 'as the version before releases');
SELECT is(pg_temp.news(), 'released api 4', 'that is told too');
SELECT throws_ok($$SELECT guard.release_batch(ARRAY[pg_temp.u(1)], ARRAY[pg_temp.u(7)], ARRAY[NULL::uuid], ARRAY['x'],
              ARRAY[NULL::text], ARRAY[NULL::jsonb], 'window')$$, '22023', NULL, 'a door that nobody knows');
SELECT is(guard.bulk_release(pg_temp.u(1), ARRAY[pg_temp.u(9), pg_temp.u(7), pg_temp.u(2), pg_temp.u(98)], 'BULK', 'e', pg_temp.u(500), 'bulk'),
          2, 'a bulk release');
SELECT is(pg_temp.news(), 'released bulk 7 9', 'tells of those that it has ended');
SELECT pg_temp.is_as_stored(7, 'as they are');
SELECT is(guard.bulk_release(pg_temp.u(1), ARRAY[pg_temp.u(9), pg_temp.u(7)], 'BULK', 'e', pg_temp.u(500), 'bulk'), 2, 'and sent again');
SELECT is(pg_temp.news(), '', 'does not tell it again');

-- A released lock is granted anew, and released by force.
SELECT is(pg_temp.outcomes(pg_temp.req(2, 0, 3, room => 102)), '1 LOCKED 2', 'granted anew');
SELECT is(pg_temp.news(), 'locked 2', 'is told');
SELECT is((SELECT outcome FROM guard.manual_release_batch(ARRAY[pg_temp.u(1)], ARRAY[pg_temp.u(2)], ARRAY[NULL::uuid], ARRAY[pg_temp.u(21)],
              ARRAY[pg_temp.u(22)], ARRAY['why'], ARRAY['a'], ARRAY['b'], ARRAY[NULL::text], ARRAY['m'], ARRAY[NULL::jsonb], ARRAY['["x"]'::jsonb])),
          'RELEASED', 'by force');
SELECT is(pg_temp.news(), 'released manual 2', 'is told');
SELECT pg_temp.is_as_stored(2, 'as it is');
SELECT is((SELECT string_agg(stream, ' ') FROM guard.outbox WHERE id > (SELECT max(id) - 2 FROM guard.outbox)), 'notification inventory',
          'beside the announcement');

-- Time runs out: by a sweep, by a grant that needs the place, and by the holder who comes back.
SELECT is((SELECT count(*) FROM pg_temp.lock(VARIADIC (
              SELECT array_agg(pg_temp.req(i, 10, 11, room => i)) FROM generate_series(31, 36) AS i))), 6::bigint, 'six locks');
SELECT pg_temp.news() \g /dev/null
SELECT pg_temp.expire(i, i * interval '1 minute') FROM generate_series(31, 35) AS i;
SELECT is((SELECT swept FROM guard.sweep_expired(2)) || ' ' || pg_temp.news(), '2 expired 35 34', 'a sweep tells of those that it marks');
SELECT is(pg_temp.outcomes(pg_temp.req(41, 10, 11, room => 33), pg_temp.req(32, 10, 11, room => 32)), '1 LOCKED 41, 2 LOCKED 32',
          'a place that had run out, and a lock that had');
SELECT is(pg_temp.news(), 'expired 32 33, locked 32 41', 'have expired before they were granted');
SELECT ok((SELECT old.fencing_token < new.fencing_token AND old.expires_at < new.expires_at
           FROM guard.outbox AS o, unnest(guard.outbox_locks(o)) AS old, guard.outbox AS p, unnest(guard.outbox_locks(p)) AS new
           WHERE o.event_type = 'inventory.expired' AND p.event_type = 'inventory.locked' AND old.id = pg_temp.u(32) AND new.id = pg_temp.u(32)
           ORDER BY p.id DESC LIMIT 1), 'each by its own token');
SELECT is((SELECT swept FROM guard.sweep_expired(10)) || ' ' || pg_temp.news(), '1 expired 31', 'nothing expires twice');

-- What is undone was never said.
SAVEPOINT undone;
SELECT pg_temp.outcomes(pg_temp.req(51, 0, 1, room => 151)), pg_temp.release(36) \g /dev/null
ROLLBACK TO undone;
SELECT is(pg_temp.news(), '', 'rolled back with the transaction');

-- Off.
SET LOCAL availability_guard.inventory_events = off;
SELECT pg_temp.outcomes(pg_temp.req(61, 0, 1, room => 161), pg_temp.req(62, 0, 1, room => 162)), pg_temp.outcomes(pg_temp.req(61, 0, 1, room => 163)),
       pg_temp.outcomes(pg_temp.req(61, 0, 1, room => 162), pg_temp.req(65, 0, 1, room => 165)) \g /dev/null
SELECT outcome FROM guard.lock_one(pg_temp.u(1), pg_temp.u(64), NULL, NULL, NULL, pg_temp.u(1), pg_temp.u(164), pg_temp.day(0), pg_temp.day(2), 60, 'ONE', NULL, NULL) \g /dev/null
SELECT pg_temp.expire(62), pg_temp.release(61), guard.bulk_release(pg_temp.u(1), ARRAY[pg_temp.u(64)], 'x', NULL, pg_temp.u(1), 'bulk') \g /dev/null
SELECT guard.sweep_expired(10) \g /dev/null
SELECT is(pg_temp.news(), '', 'a session that has switched them off writes none');
SET LOCAL availability_guard.inventory_events = on;
SELECT is(pg_temp.release(65) || ' ' || pg_temp.news(), 'RELEASED released api 65', 'and on again');

-- Many.
SELECT count(a) FROM generate_series(1001, 2001, 1000) AS f (n), LATERAL (
    SELECT array_agg(pg_temp.req(i, 20, 21, room => i)) AS reqs FROM generate_series(f.n, least(f.n + 999, 2500)) AS i) AS r,
    LATERAL pg_temp.lock(VARIADIC r.reqs) AS a \g /dev/null
UPDATE inventory_locks_shadow SET expires_at = now() - interval '1 hour' WHERE id BETWEEN pg_temp.u(1001) AND pg_temp.u(2500);
SELECT guard.sweep_expired(10000) \g /dev/null
SELECT results_eq($$SELECT events FROM guard.outbox WHERE event_type = 'inventory.expired' AND events > 9 ORDER BY id$$, 'VALUES (1000), (500)',
                  'a row has a thousand locks at most');

SELECT * FROM finish();
ROLLBACK;
