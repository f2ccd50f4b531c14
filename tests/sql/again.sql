-- The same id again: renewal, move, and grant of a lock that has ended.
BEGIN;
\ir support/helpers.psql
SELECT plan(42);

-- Renewal.
SELECT is(pg_temp.outcomes(pg_temp.req(1, 0, 3, room => 101, type => 9, ttl => 60, property => 7,
                                       reservation => 8, correlation => 'first', metadata => '{"a": 1}')),
          '1 LOCKED 1', 'a lock');
UPDATE inventory_locks_shadow SET expires_at = now() + interval '5 seconds', updated_at = now() - interval '55 seconds'
WHERE id = pg_temp.u(1);
CREATE TEMP TABLE before AS SELECT * FROM pg_temp.row_of(1);

CREATE TEMP TABLE answer AS
SELECT * FROM pg_temp.lock(pg_temp.req(1, 0, 3, room => 101, type => 3, ttl => 600, property => 17,
                                       reservation => 18, reason => 'OTHER', correlation => 'second',
                                       metadata => '{"b": 2}'));
SELECT results_eq('SELECT ordinal, outcome, id FROM answer', $$VALUES (1, 'LOCKED', pg_temp.u(1))$$,
                  'the same place again is the same lock');
SELECT is((SELECT to_jsonb(b) - '{expires_at,ttl_seconds,updated_at}'::text[] FROM before AS b),
          pg_temp.json_of(1, 'expires_at', 'ttl_seconds', 'updated_at'),
          'a renewal changes nothing but the ttl and the time of change');
SELECT is((SELECT to_jsonb(a) - '{ordinal,outcome}'::text[] FROM answer AS a), pg_temp.json_of(1, 'release_id'),
          'its answer is the row');
SELECT results_eq('SELECT ttl_seconds, expires_at - updated_at FROM answer', $$VALUES (600, interval '600 seconds')$$,
                  'the ttl starts anew');
SELECT ok((SELECT updated_at >= now() FROM answer), 'changed now');
SELECT is((SELECT expires_at - updated_at FROM pg_temp.lock(pg_temp.req(1, 0, 3, room => 101, ttl => 30))),
          interval '30 seconds', 'a shorter ttl shortens the lock');
SELECT is((SELECT expires_at FROM pg_temp.lock(pg_temp.req(1, 0, 3, room => 101, ttl => 31536000))),
          pg_temp.day(3), 'and the end of the stay is the limit again');
SELECT is(pg_temp.outcomes(pg_temp.req(1, 0, 3, room => 101), pg_temp.req(1, 0, 3, room => 101)),
          '1 LOCKED 1, 2 LOCKED 1', 'twice in a batch');
SELECT is((SELECT fencing_token FROM pg_temp.row_of(1)), (SELECT fencing_token FROM before),
          'the token is the same after all this');

-- Moves.
SELECT is(pg_temp.outcomes(pg_temp.req(2, 0, 3, room => 102)), '1 LOCKED 2', 'a neighbour');
SELECT is(pg_temp.outcomes(pg_temp.req(1, 1, 5, room => 101, type => 3, reason => 'MOVED')), '1 LOCKED 1',
          'a move onto itself');
SELECT results_eq(
    'SELECT room_type_id, room_id, stay_start, stay_end, reason, property_id, reservation_id, correlation_id, metadata FROM pg_temp.row_of(1)',
    $$VALUES (pg_temp.u(3), pg_temp.u(101), pg_temp.day(1), pg_temp.day(5), 'MOVED',
              pg_temp.u(7), pg_temp.u(8), 'first', '{"a": 1}'::jsonb)$$,
    'is where it was told to be, and keeps what was not given');
SELECT cmp_ok((SELECT fencing_token FROM pg_temp.row_of(1)), '>', (SELECT max(fencing_token) FROM pg_temp.row_of(2)),
              'a move has a new token');
SELECT is((SELECT created_at FROM pg_temp.row_of(1)), (SELECT created_at FROM before),
          'and its old age');

CREATE TEMP TABLE moved AS SELECT * FROM pg_temp.row_of(1);
SELECT is(pg_temp.outcomes(pg_temp.req(1, 2, 4, room => 102, type => 77, ttl => 5, property => 99)),
          '1 CONFLICT 2', 'a move to a taken place');
SELECT is(pg_temp.json_of(1), (SELECT to_jsonb(m) FROM moved AS m), 'leaves the lock as it was');
SELECT is(pg_temp.outcomes(pg_temp.req(3, 2, 4, room => 101)), '1 CONFLICT 1',
          'which still holds its place');

SELECT is(pg_temp.outcomes(pg_temp.req(1, 4, 6, room => 102, property => 70, reservation => 80,
                                       correlation => 'third', metadata => '{"c": 3}')),
          '1 LOCKED 1', 'a move to a free place');
SELECT results_eq(
    'SELECT property_id, reservation_id, correlation_id, metadata FROM pg_temp.row_of(1)',
    $$VALUES (pg_temp.u(70), pg_temp.u(80), 'third', '{"c": 3}'::jsonb)$$,
          'replaces what was given');
SELECT is(pg_temp.outcomes(pg_temp.req(3, 0, 9, room => 101)), '1 LOCKED 3',
          'the old place is free');

SELECT is(pg_temp.outcomes(pg_temp.req(1, 4, 6, type => 9)), '1 LOCKED 1',
          'from a room to its type');
SELECT is((SELECT room_id FROM pg_temp.row_of(1)), NULL, 'has no room any more');
SELECT is(pg_temp.outcomes(pg_temp.req(4, 5, 7, type => 9)), '1 CONFLICT 1', 'and holds the type');
SELECT is(pg_temp.outcomes(pg_temp.req(1, 4, 6, type => 8)), '1 LOCKED 1', 'to another type');
SELECT is(pg_temp.outcomes(pg_temp.req(1, 4, 6, room => 103, type => 8)), '1 LOCKED 1',
          'and to a room');
SELECT is(pg_temp.outcomes(pg_temp.req(4, 5, 7, type => 9), pg_temp.req(5, 5, 7, type => 8)),
          '1 LOCKED 4, 2 LOCKED 5', 'the types are free');
SELECT is(pg_temp.outcomes(pg_temp.req(1, 5, 6, room => 104), pg_temp.req(6, 5, 6, room => 103)),
          '1 LOCKED 1, 2 CONFLICT 1', 'who asks for a place in the batch that vacates it is too early');
SELECT is(pg_temp.outcomes(pg_temp.req(6, 5, 6, room => 103)), '1 LOCKED 6', 'and in time in the next');
SELECT is(pg_temp.outcomes(pg_temp.req(1, -60, -50, room => 104)), '1 STAY_OVER',
          'no move to a stay that is over');
SELECT is((SELECT stay_start FROM pg_temp.row_of(1)), pg_temp.day(5), 'the lock stands');

-- Locks that have ended are granted anew.
SELECT is(pg_temp.outcomes(pg_temp.req(11, 0, 3, room => 111, property => 7, reservation => 8,
                                       correlation => 'c', metadata => '{"a": 1}'),
                           pg_temp.req(12, 0, 3, room => 112, property => 7, reservation => 8,
                                       correlation => 'c', metadata => '{"a": 1}'),
                           pg_temp.req(13, 0, 3, room => 113, property => 7, reservation => 8,
                                       correlation => 'c', metadata => '{"a": 1}')),
          '1 LOCKED 11, 2 LOCKED 12, 3 LOCKED 13', 'three locks');
CREATE TEMP TABLE first AS SELECT * FROM inventory_locks_shadow;
SELECT guard.bulk_release(pg_temp.u(1), ARRAY[pg_temp.u(11)], 'BULK', 'b', pg_temp.u(500), 'bulk');
SELECT pg_temp.expire(12);
SELECT pg_temp.expire(13);
UPDATE inventory_locks_shadow SET status = 'EXPIRED' WHERE id = pg_temp.u(13);
SELECT is(pg_temp.outcomes(pg_temp.req(11, 0, 3, room => 111, reason => 'AGAIN'),
                           pg_temp.req(12, 0, 3, room => 112, reason => 'AGAIN'),
                           pg_temp.req(13, 1, 2, room => 114, reason => 'AGAIN', reservation => 9)),
          '1 LOCKED 11, 2 LOCKED 12, 3 LOCKED 13', 'a released, an expired and a swept one again');
SELECT results_eq(
    $$SELECT status, reason, property_id, reservation_id, correlation_id, metadata, release_reason, released_at, release_id
      FROM inventory_locks_shadow WHERE id IN (pg_temp.u(11), pg_temp.u(12)) ORDER BY id$$,
    $$SELECT 'ACTIVE', 'AGAIN', NULL::uuid, NULL::uuid, NULL::text, NULL::jsonb, NULL::text, NULL::timestamptz, NULL::uuid
      FROM generate_series(1, 2)$$,
    'keep nothing of their former life');
SELECT results_eq(
    'SELECT status, reservation_id, room_id, stay_start, metadata FROM pg_temp.row_of(13)',
    $$VALUES ('ACTIVE', pg_temp.u(9), pg_temp.u(114), pg_temp.day(1), NULL::jsonb)$$,
    'also at another place');
SELECT is((SELECT count(*) FROM inventory_locks_shadow AS l JOIN first AS f USING (tenant_id, id)
           WHERE l.id IN (pg_temp.u(11), pg_temp.u(12), pg_temp.u(13))
             AND l.fencing_token > f.fencing_token AND l.created_at = f.created_at
             AND l.expires_at > now() AND l.updated_at >= now()),
          3::bigint, 'with new tokens and a new ttl');
SELECT is((SELECT count(DISTINCT fencing_token) FROM inventory_locks_shadow),
          (SELECT count(*) FROM inventory_locks_shadow), 'no token twice');

-- Not when somebody has their place by now.
SELECT pg_temp.release(11);
SELECT is(pg_temp.outcomes(pg_temp.req(20, 0, 3, room => 111)), '1 LOCKED 20',
          'somebody takes the place');
CREATE TEMP TABLE released AS SELECT * FROM pg_temp.row_of(11);
SELECT is(pg_temp.outcomes(pg_temp.req(11, 0, 3, room => 111)), '1 CONFLICT 20',
          'the former holder is refused');
SELECT is(pg_temp.json_of(11), (SELECT to_jsonb(r) FROM released AS r), 'and stays released');
SELECT is(pg_temp.outcomes(pg_temp.req(11, 0, 3, room => 111, tenant => 2)), '1 LOCKED 11',
          'the same id of another tenant is another lock');
SELECT is(pg_temp.json_of(11), (SELECT to_jsonb(r) FROM released AS r), 'and touches nothing here');

SELECT * FROM finish();
ROLLBACK;
