-- Traces: the traceparent of a request is with its events, and with nobody else's; without one there is nothing.
BEGIN;
\ir support/helpers.psql
SELECT plan(22);

-- "locked 1 a, 2 -": the events that were written since the last call, each with the number of its lock and its trace.
CREATE TEMP TABLE seen (id bigint);
CREATE FUNCTION pg_temp.news() RETURNS text LANGUAGE sql AS $$
    WITH news AS (INSERT INTO seen SELECT o.id FROM guard.outbox AS o WHERE o.id NOT IN (SELECT s.id FROM seen AS s) RETURNING id)
    SELECT coalesce(string_agg(concat_ws(' ', regexp_replace(m.event_type, '.*\.', ''), pg_temp.n(m.lock_id), coalesce(m.traceparent, '-')),
               ', ' ORDER BY m.id, m.ordinal), '')
    FROM (VALUES (true), (false)) AS s (announcements),
         guard.read_stream(s.announcements, guard.outbox_top(), pg_current_snapshot(), 0, 0, NULL, 0, 0, 10000, 1000, 100000000) AS m JOIN news USING (id)
$$;
-- read_stream sees what has been committed, or what this snapshot sees: rows of this transaction are made older.
CREATE FUNCTION pg_temp.settle() RETURNS void LANGUAGE sql AS $$ UPDATE guard.outbox SET xid = '3'::xid8 $$;
CREATE FUNCTION pg_temp.told() RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_temp.settle(); RETURN pg_temp.news(); END $$;
-- Grants rooms to locks of the same numbers.
CREATE FUNCTION pg_temp.grant_traced(locks integer[], traces text[], rooms integer[] DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(a.outcome, ' ' ORDER BY a.ordinal) FROM
    (SELECT array_agg(pg_temp.u(1)) AS tenants, array_agg(pg_temp.u(n)) AS ids, array_agg(pg_temp.u((coalesce(rooms, locks))[i])) AS rooms,
            array_agg(pg_temp.day(0)) AS starts, array_agg(pg_temp.day(3)) AS ends, array_agg(600) AS ttls,
            array_agg('TEST'::text) AS reasons, array_agg(NULL::uuid) AS nulls, array_agg(NULL::text) AS texts, array_agg(NULL::jsonb) AS objects
     FROM unnest(locks) WITH ORDINALITY AS l (n, i)) AS r,
    guard.lock_batch(r.tenants, r.ids, r.ids, r.nulls, r.nulls, r.tenants, r.rooms, r.starts, r.ends, r.ttls, r.reasons, r.texts, r.objects,
                     traces) AS a
$$;

-- Grants.
SELECT is(pg_temp.grant_traced('{1,2,3}', '{a,NULL,c}'), 'LOCKED LOCKED LOCKED', 'a batch of which some have a trace');
SELECT is(pg_temp.told(), 'locked 1 a, locked 2 -, locked 3 c', 'each has its own');
SELECT is(pg_temp.grant_traced('{4,5}', NULL), 'LOCKED LOCKED', 'a batch without traces');
SELECT is(pg_temp.told() || (SELECT count(*) FROM guard.outbox WHERE traces IS NULL), 'locked 4 -, locked 5 -1', 'has nothing to keep');
SELECT is(pg_temp.grant_traced('{6,7,8}', '{a,b,c}', '{6,1,8}'), 'LOCKED CONFLICT LOCKED', 'a batch with a conflict');
SELECT is(pg_temp.told(), 'locked 6 a, locked 8 c', 'those that were granted');
SELECT pg_temp.expire(2) \g /dev/null
SELECT is(pg_temp.grant_traced('{9,10,3,1}', '{a,b,c,NULL}', '{9,2,3,1}'), 'LOCKED LOCKED LOCKED LOCKED', 'new ones, an expired place, renewals');
SELECT is(pg_temp.told(), 'locked 9 a, expired 2 -, locked 3 c, locked 1 -, locked 10 b', 'what has expired was nobody''s doing');
SELECT is((SELECT outcome FROM guard.lock_one(pg_temp.u(1), pg_temp.u(11), NULL, NULL, NULL, pg_temp.u(1), pg_temp.u(11), pg_temp.day(0), pg_temp.day(2),
              60, 'ONE', NULL, NULL, '{x}')), 'LOCKED', 'a lone lock');
SELECT is((SELECT outcome FROM guard.lock_one(pg_temp.u(1), pg_temp.u(11), pg_temp.u(11), NULL, NULL, pg_temp.u(1), pg_temp.u(12), pg_temp.day(0),
              pg_temp.day(2), 60, 'ONE', NULL, NULL, '{y}')), 'LOCKED', 'moves');
SELECT is(pg_temp.told(), 'locked 11 x, locked 11 y', 'with its trace');

-- Releases.
SELECT is((SELECT string_agg(a.outcome, ' ' ORDER BY a.ordinal) FROM guard.release_batch(ARRAY[pg_temp.u(1), pg_temp.u(1), pg_temp.u(1)],
              ARRAY[pg_temp.u(1), pg_temp.u(99), pg_temp.u(3)], '{NULL,NULL,NULL}', '{r,r,r}', '{NULL,NULL,NULL}', '{NULL,NULL,NULL}', 'api',
              '{a,b,c}') AS a), 'RELEASED NOT_FOUND RELEASED', 'releases');
SELECT is(pg_temp.told(), 'released 1 a, released 3 c', 'have theirs');
SELECT is(guard.bulk_release(pg_temp.u(1), ARRAY[pg_temp.u(4), pg_temp.u(99), pg_temp.u(5)], 'r', NULL, pg_temp.u(7), 'bulk', 'z'), 2, 'a bulk release');
SELECT is(pg_temp.told(), 'released 4 z, released 5 z', 'has one for all');
SELECT is(guard.bulk_release(pg_temp.u(1), ARRAY[pg_temp.u(4), pg_temp.u(5)], 'r', NULL, pg_temp.u(7), 'bulk', 'z'), 2, 'sent again');
SELECT is(pg_temp.told(), '', 'it says nothing');
SELECT is((SELECT string_agg(a.outcome, ' ' ORDER BY a.ordinal) FROM guard.manual_release_batch(ARRAY[pg_temp.u(1), pg_temp.u(1)],
              ARRAY[pg_temp.u(6), pg_temp.u(8)], '{NULL,NULL}', ARRAY[pg_temp.u(71), pg_temp.u(72)], ARRAY[pg_temp.u(81), pg_temp.u(82)],
              '{r,r}', '{o,o}', '{o,o}', '{NULL,NULL}', '{NULL,NULL}', '{NULL,NULL}', ARRAY['["x"]', '["x"]']::jsonb[], '{a,NULL}') AS a),
          'RELEASED RELEASED', 'by force');
SELECT is(pg_temp.told(), 'manual_release 6 a, manual_release 8 -, released 6 a, released 8 -', 'the announcement has it, too');

-- Commands.
SELECT is((SELECT string_agg(a.outcome, ' ' ORDER BY a.ordinal) FROM guard.perform_releases('{c1,c2}', ARRAY[pg_temp.u(1), pg_temp.u(1)],
              ARRAY[pg_temp.u(9), pg_temp.u(10)], '{NULL,NULL}', '{r,r}', '{NULL,NULL}', '{NULL,NULL}', '{a,b}') AS a), 'RELEASED RELEASED', 'commands');
SELECT is((SELECT string_agg(a.outcome, ' ' ORDER BY a.ordinal) FROM guard.perform_locks('{c1,c3,c4}',
              ARRAY[pg_temp.u(1), pg_temp.u(1), pg_temp.u(1)], ARRAY[pg_temp.u(21), pg_temp.u(22), pg_temp.u(23)], '{NULL,NULL,NULL}', '{NULL,NULL,NULL}',
              '{NULL,NULL,NULL}', ARRAY[pg_temp.u(1), pg_temp.u(1), pg_temp.u(1)], ARRAY[pg_temp.u(21), pg_temp.u(22), pg_temp.u(23)],
              ARRAY[pg_temp.day(0), pg_temp.day(0), pg_temp.day(0)], ARRAY[pg_temp.day(1), pg_temp.day(1), pg_temp.day(1)], '{60,60,60}', '{r,r,r}',
              '{NULL,NULL,NULL}', '{NULL,NULL,NULL}', '{a,b,c}') AS a), 'DUPLICATE LOCKED LOCKED', 'one of them known');
SELECT is(pg_temp.told(), 'released 9 a, released 10 b, locked 22 b, locked 23 c', 'keep theirs');

SELECT * FROM finish();
ROLLBACK;
