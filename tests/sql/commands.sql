-- Commands that are performed once, and their ledger.
BEGIN;
\ir support/helpers.psql
SELECT plan(49);

-- guard.perform_locks for requests; command names "c1", "c2" … for the numbers.
CREATE FUNCTION pg_temp.perform(commands integer[], VARIADIC reqs guard.lock_request[])
RETURNS text LANGUAGE sql
AS $$
    SELECT string_agg(a.ordinal || ' ' || a.outcome, ', ' ORDER BY a.ordinal) FROM
    (SELECT array_agg(r.tenant_id) AS tenants, array_agg(r.id) AS ids,
            array_agg(r.property_id) AS properties, array_agg(r.reservation_id) AS reservations,
            array_agg(r.room_type_id) AS types, array_agg(r.room_id) AS rooms,
            array_agg(r.stay_start) AS starts, array_agg(r.stay_end) AS ends,
            array_agg(r.ttl_seconds) AS ttls, array_agg(r.reason) AS reasons,
            array_agg(r.correlation_id) AS correlations, array_agg(r.metadata) AS metadata
     FROM unnest(reqs) AS r) AS i,
    guard.perform_locks(ARRAY(SELECT 'c' || n FROM unnest(commands) WITH ORDINALITY AS c (n, o) ORDER BY o),
                        i.tenants, i.ids, i.ids, i.properties, i.reservations, i.types, i.rooms,
                        i.starts, i.ends, i.ttls, i.reasons, i.correlations, i.metadata) AS a
$$;
CREATE FUNCTION pg_temp.perform_releases(commands integer[], ids integer[], reservations integer[] DEFAULT NULL)
RETURNS text LANGUAGE sql
AS $$
    SELECT string_agg(a.ordinal || ' ' || a.outcome, ', ' ORDER BY a.ordinal) FROM
    (SELECT array_agg('c' || c.n ORDER BY c.o) AS commands, array_agg(pg_temp.u(1)) AS tenants,
            array_agg(pg_temp.u(ids[c.o]) ORDER BY c.o) AS ids, array_agg(pg_temp.u(reservations[c.o]) ORDER BY c.o) AS reservations,
            array_agg('r' || c.n ORDER BY c.o) AS reasons, array_agg('x' || c.n ORDER BY c.o) AS correlations,
            array_agg(jsonb_build_object('n', c.n) ORDER BY c.o) AS metadata
     FROM unnest(commands) WITH ORDINALITY AS c (n, o)) AS i,
    guard.perform_releases(i.commands, i.tenants, i.ids, i.reservations, i.reasons, i.correlations, i.metadata) AS a
$$;
CREATE FUNCTION pg_temp.bulk(command text, part integer, ids integer[], tenant integer DEFAULT 1)
RETURNS integer LANGUAGE sql
AS $$
    SELECT guard.perform_bulk_release(command, part, pg_temp.u(tenant), ARRAY(SELECT pg_temp.u(i) FROM unnest(ids) AS i),
                                      'BULK', 'x', gen_random_uuid())
$$;
-- "c1 0 LOCKED": all entries.
CREATE FUNCTION pg_temp.ledger(tenant integer DEFAULT 1) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(concat_ws(' ', c.command_id, c.part, c.outcome), ', ' ORDER BY c.command_id, c.part), '')
    FROM guard.performed_commands AS c WHERE c.tenant_id = pg_temp.u(tenant)
$$;
CREATE FUNCTION pg_temp.statuses(VARIADIC ids integer[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(coalesce(l.status, '-'), ' ' ORDER BY i.o)
    FROM unnest(ids) WITH ORDINALITY AS i (n, o) LEFT JOIN LATERAL pg_temp.row_of(i.n) AS l ON true
$$;

-- Locks.
SELECT is(pg_temp.perform('{1,2,3}', pg_temp.req(1, 0, 3, room => 101), pg_temp.req(2, 1, 2, room => 101),
                          pg_temp.req(3, -40, -39, room => 103)),
          '1 LOCKED, 2 CONFLICT, 3 STAY_OVER', 'every outcome of a lock');
SELECT is(pg_temp.ledger(), 'c1 0 LOCKED, c2 0 CONFLICT, c3 0 STAY_OVER', 'is in the ledger');
SELECT ok((SELECT bool_and(created_at BETWEEN now() AND clock_timestamp()) FROM guard.performed_commands), 'dated');
SELECT is(pg_temp.statuses(1, 2, 3), 'ACTIVE - -', 'and one lock is there');
SELECT ok((SELECT fencing_token > 0 AND ttl_seconds = 3600 AND reason = 'TEST' FROM pg_temp.row_of(1)), 'as by lock_batch');
CREATE TEMP TABLE before AS SELECT * FROM pg_temp.row_of(1);

-- Once more.
SELECT is(pg_temp.perform('{1,2,3}', pg_temp.req(1, 0, 3, room => 101), pg_temp.req(2, 1, 2, room => 101),
                          pg_temp.req(3, -40, -39, room => 103)),
          '1 DUPLICATE, 2 DUPLICATE, 3 STAY_OVER', 'all of them again; what came too late is told as that');
SELECT is(pg_temp.perform('{1}', pg_temp.req(1, 5, 6, room => 102, reason => 'OTHER')), '1 DUPLICATE', 'whatever it says');
SELECT results_eq('SELECT * FROM pg_temp.row_of(1)', 'SELECT * FROM before', 'nothing has changed');
SELECT is(pg_temp.release(1), 'RELEASED', 'somebody else releases the lock');
SELECT is(pg_temp.perform('{1}', pg_temp.req(1, 0, 3, room => 101)), '1 DUPLICATE', 'and the command comes once more');
SELECT is(pg_temp.statuses(1), 'RELEASED', 'it is not granted again');
SELECT is(pg_temp.perform('{2}', pg_temp.req(2, 1, 2, room => 101)), '1 DUPLICATE', 'what was refused');
SELECT is(pg_temp.statuses(2), '-', 'is not granted later');
SELECT is(pg_temp.ledger(), 'c1 0 LOCKED, c2 0 CONFLICT, c3 0 STAY_OVER', 'the ledger stays');

-- New ones among known ones, in any order.
SELECT is(pg_temp.perform('{1,11,2,10,3,12}', pg_temp.req(1, 0, 3, room => 101), pg_temp.req(11, 0, 3, room => 111),
                          pg_temp.req(2, 0, 3, room => 101), pg_temp.req(10, 0, 3, room => 110),
                          pg_temp.req(3, 0, 3, room => 103), pg_temp.req(12, 0, 3, room => 110)),
          '1 DUPLICATE, 2 LOCKED, 3 DUPLICATE, 4 LOCKED, 5 STAY_OVER, 6 CONFLICT', 'each gets its own answer');
SELECT is(pg_temp.ledger(), 'c1 0 LOCKED, c10 0 LOCKED, c11 0 LOCKED, c12 0 CONFLICT, c2 0 CONFLICT, c3 0 STAY_OVER', 'and its own entry');
SELECT is((SELECT string_agg(pg_temp.n(id) || ' ' || pg_temp.n(room_id), ', ' ORDER BY id) FROM inventory_locks_shadow WHERE status = 'ACTIVE'),
          '10 110, 11 111', 'the right ones are granted');

-- Another tenant's command of the same name is another one.
SELECT is(pg_temp.perform('{1,1}', pg_temp.req(1, 0, 3, room => 101), pg_temp.req(1, 0, 3, room => 101, tenant => 2)),
          '1 DUPLICATE, 2 LOCKED', 'of two tenants');
SELECT is(pg_temp.ledger(2), 'c1 0 LOCKED', 'a ledger for each');

-- An error takes the entries with it.
SELECT throws_ok($$SELECT pg_temp.perform('{30,31}', pg_temp.req(30, 0, 3, room => 130), pg_temp.req(31, 3, 0, room => 131))$$,
                 NULL, NULL, 'a batch that fails');
SELECT is(pg_temp.perform('{30}', pg_temp.req(30, 0, 3, room => 130)), '1 LOCKED', 'leaves no entry: its commands can go alone');

-- A known lock is renewed and moved by new commands, as by new requests.
SELECT is(pg_temp.perform('{32}', pg_temp.req(30, 4, 5, room => 132)), '1 LOCKED', 'another command, the same lock');
SELECT is((SELECT pg_temp.n(room_id) FROM pg_temp.row_of(30)), 132, 'moves it');

-- Releases.
SELECT is(pg_temp.perform_releases('{40,41,42}', '{10,99,11}', '{NULL,NULL,5}'), '1 RELEASED, 2 NOT_FOUND, 3 NOT_FOUND', 'every outcome of a release');
SELECT is(pg_temp.statuses(10, 11), 'RELEASED ACTIVE', 'one is released');
SELECT results_eq('SELECT release_reason, correlation_id, metadata FROM pg_temp.row_of(10)',
                  $$VALUES ('r40', 'x40', '{"n": 40}'::jsonb)$$, 'with what the command says');
SELECT is(pg_temp.perform('{43}', pg_temp.req(10, 0, 3, room => 110)), '1 LOCKED', 'granted anew');
SELECT is(pg_temp.perform_releases('{44,40,41}', '{11,10,99}'), '1 RELEASED, 2 DUPLICATE, 3 DUPLICATE', 'the release once more');
SELECT is(pg_temp.statuses(10, 11), 'ACTIVE RELEASED', 'does not release it again');
SELECT is(pg_temp.perform_releases('{40}', '{10}'), '1 DUPLICATE', 'nor alone');
SELECT is((SELECT release_reason FROM pg_temp.row_of(11)), 'r44', 'reasons keep to their commands');
SELECT is((SELECT string_agg(command_id || ' ' || outcome, ', ' ORDER BY command_id) FROM guard.performed_commands
           WHERE command_id IN ('c40', 'c41', 'c42', 'c44')),
          'c40 RELEASED, c41 NOT_FOUND, c42 NOT_FOUND, c44 RELEASED', 'in the ledger');
SELECT is(pg_temp.perform_releases('{1}', '{10}'), '1 DUPLICATE', 'a name is one command, whatever it is about');

-- Bulk releases, in parts.
SELECT is(pg_temp.perform('{50,51,52}', pg_temp.req(50, 0, 1, room => 150), pg_temp.req(51, 0, 1, room => 151),
                          pg_temp.req(52, 0, 1, room => 152)), '1 LOCKED, 2 LOCKED, 3 LOCKED', 'three locks');
SELECT is(pg_temp.bulk('b', 0, '{50,51,98}'), 2, 'a part');
SELECT is(pg_temp.bulk('b', 0, '{50,51,98}'), NULL::integer, 'once more: known');
SELECT is(pg_temp.statuses(50, 51, 52), 'RELEASED RELEASED ACTIVE', 'released');
SELECT is(pg_temp.perform('{53}', pg_temp.req(50, 0, 1, room => 150)), '1 LOCKED', 'granted anew');
SELECT is(pg_temp.bulk('b', 0, '{50,51,98}'), NULL::integer, 'the part once more');
SELECT is(pg_temp.bulk('b', 1, '{52}'), 1, 'and the next for the first time');
SELECT is(pg_temp.statuses(50, 51, 52), 'ACTIVE RELEASED RELEASED', 'each had its effect once');
SELECT is((SELECT string_agg(part || ' ' || outcome, ', ' ORDER BY part) FROM guard.performed_commands WHERE command_id = 'b'),
          '0 RELEASED, 1 RELEASED', 'both are in the ledger');
SELECT is(pg_temp.bulk('b', 0, '{50}', tenant => 2), 0, 'another tenant''s is another');

-- Purge: entries 1 to 6 are so many days old.
DELETE FROM guard.performed_commands;
INSERT INTO guard.performed_commands (tenant_id, command_id, part, outcome, created_at)
SELECT pg_temp.u(i % 2), 'c', i, 'RELEASED', now() - i * interval '1 day' FROM generate_series(1, 6) AS i;
SELECT is(guard.purge_commands(7, 100), 0, 'nothing is that old');
SELECT is(guard.purge_commands(3, 2), 2, 'not more than the limit');
SELECT results_eq('SELECT part FROM guard.performed_commands ORDER BY 1', 'VALUES (1), (2), (3), (4)', 'the oldest first');
SELECT is(guard.purge_commands(1, 100), 4, 'one day is the least');
SELECT throws_ok('SELECT guard.purge_commands(0, 100)', '22023', NULL, 'no days are refused');
SELECT throws_ok('SELECT guard.purge_commands(NULL, 100)', '22023', NULL, 'and none given');

SELECT * FROM finish();
ROLLBACK;
