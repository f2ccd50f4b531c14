-- Releases: single ones in batches, and bulk.
BEGIN;
\ir support/helpers.psql
SELECT plan(36);

SELECT is(pg_temp.outcomes(pg_temp.req(1, 0, 3, room => 101, reservation => 8, correlation => 'c', metadata => '{"a": 1, "b": 1}'),
                           pg_temp.req(2, 0, 3, room => 102), pg_temp.req(3, 0, 3, room => 103),
                           pg_temp.req(4, 0, 3, room => 104, reservation => 8)),
          '1 LOCKED 1, 2 LOCKED 2, 3 LOCKED 3, 4 LOCKED 4', 'locks');
CREATE TEMP TABLE before AS SELECT * FROM inventory_locks_shadow;

-- Not ours to release.
SELECT is(pg_temp.release(99), 'NOT_FOUND', 'an unknown lock');
SELECT is(pg_temp.release(1, tenant => 2), 'NOT_FOUND', 'a lock of another tenant');
SELECT is(pg_temp.release(1, reservation => 9), 'NOT_FOUND', 'another reservation');
SELECT is(pg_temp.release(2, reservation => 9), 'NOT_FOUND',
          'a reservation where the lock has none');
SELECT is((SELECT jsonb_agg(to_jsonb(l) ORDER BY id) FROM inventory_locks_shadow AS l),
          (SELECT jsonb_agg(to_jsonb(b) ORDER BY id) FROM before AS b), 'nothing has changed');

-- A release.
SELECT is(pg_temp.release(1, 8, 'CHECK_OUT', 'd', '{"b": 2, "c": {"x": 3}}'), 'RELEASED',
          'released');
SELECT results_eq(
    'SELECT status, release_reason, correlation_id, metadata FROM pg_temp.row_of(1)',
    $$VALUES ('RELEASED', 'CHECK_OUT', 'd', '{"a": 1, "b": 2, "c": {"x": 3}}'::jsonb)$$,
    'with its reason; metadata merged');
SELECT ok((SELECT released_at = updated_at AND released_at BETWEEN now() AND clock_timestamp() AND release_id IS NULL
           FROM pg_temp.row_of(1)), 'now');
SELECT is(pg_temp.json_of(1, 'status', 'release_reason', 'released_at', 'updated_at', 'correlation_id', 'metadata'),
          (SELECT to_jsonb(b) - '{status,release_reason,released_at,updated_at,correlation_id,metadata}'::text[]
           FROM before AS b WHERE id = pg_temp.u(1)), 'the rest stays');
CREATE TEMP TABLE once AS SELECT * FROM pg_temp.row_of(1);
SELECT is(pg_temp.release(1, 8, 'TWICE', 'e', '{"z": 1}'), 'RELEASED', 'released twice');
SELECT is(pg_temp.json_of(1), (SELECT to_jsonb(o) FROM once AS o), 'changes nothing');
SELECT is(pg_temp.release(1, 9), 'NOT_FOUND', 'nor is it found by another reservation now');
SELECT is(pg_temp.outcomes(pg_temp.req(5, 1, 2, room => 101)), '1 LOCKED 5', 'the room is free');

-- Nothing given, nothing changed; no metadata yet.
SELECT is(pg_temp.release(2), 'RELEASED', 'without anything');
SELECT results_eq('SELECT correlation_id, metadata, release_reason FROM pg_temp.row_of(2)',
                  $$VALUES (NULL::text, NULL::jsonb, 'RELEASE_REQUEST')$$,
          'leaves those as they were');
SELECT is(pg_temp.release(3, metadata => '{"k": "v"}'), 'RELEASED', 'metadata onto none');
SELECT is((SELECT metadata FROM pg_temp.row_of(3)), '{"k": "v"}', 'is set');

-- Ended by its time.
SELECT pg_temp.expire(4);
CREATE TEMP TABLE expired AS SELECT * FROM pg_temp.row_of(4);
SELECT is(pg_temp.release(4, 8, 'LATE'), 'RELEASED', 'an expired lock');
SELECT is(pg_temp.json_of(4), (SELECT to_jsonb(e) FROM expired AS e), 'stays as it is');

-- A batch over two tenants.
SELECT is(pg_temp.outcomes(pg_temp.req(21, 0, 1, room => 201), pg_temp.req(22, 0, 1, room => 202, reservation => 5),
                           pg_temp.req(21, 0, 1, room => 201, tenant => 2)),
          '1 LOCKED 21, 2 LOCKED 22, 3 LOCKED 21', 'locks of two tenants');
SELECT is((SELECT string_agg(ordinal || ' ' || outcome, ', ' ORDER BY ordinal) FROM guard.release_batch(
              ARRAY[pg_temp.u(2), pg_temp.u(1), pg_temp.u(1), pg_temp.u(1)],
              ARRAY[pg_temp.u(21), pg_temp.u(22), pg_temp.u(98), pg_temp.u(2)],
              ARRAY[NULL, pg_temp.u(6), NULL, NULL],
              ARRAY['A', 'B', 'C', 'D'], ARRAY[NULL, NULL, NULL, NULL]::text[],
              ARRAY[NULL, NULL, NULL, NULL]::jsonb[], 'api')),
          '1 RELEASED, 2 NOT_FOUND, 3 NOT_FOUND, 4 RELEASED', 'each answer to its request');
SELECT results_eq(
    $$SELECT tenant_id, pg_temp.n(id), status, release_reason FROM inventory_locks_shadow
      WHERE id IN (pg_temp.u(21), pg_temp.u(22)) ORDER BY 2, 1$$,
    $$VALUES (pg_temp.u(1), 21, 'ACTIVE', NULL), (pg_temp.u(2), 21, 'RELEASED', 'A'), (pg_temp.u(1), 22, 'ACTIVE', NULL)$$,
    'tenants are kept apart');

-- Bulk.
SELECT is((SELECT count(*) FROM pg_temp.lock(
              pg_temp.req(31, 0, 1, room => 301, correlation => 'c'), pg_temp.req(32, 0, 1, room => 302),
              pg_temp.req(33, 0, 1, room => 303), pg_temp.req(34, 0, 1, room => 304),
              pg_temp.req(31, 0, 1, room => 301, tenant => 2))), 5::bigint, 'five locks');
SELECT pg_temp.expire(33);
SELECT pg_temp.release(34, reason => 'BEFORE');
CREATE FUNCTION pg_temp.bulk(release integer, correlation text DEFAULT NULL, tenant integer DEFAULT 1)
RETURNS integer LANGUAGE sql AS $$
    SELECT guard.bulk_release(pg_temp.u(tenant),
        ARRAY[pg_temp.u(31), pg_temp.u(32), pg_temp.u(33), pg_temp.u(34), pg_temp.u(31), pg_temp.u(97)],
        'BULK_RELEASE', correlation, pg_temp.u(release), 'bulk')
$$;
SELECT is(pg_temp.bulk(901), 2, 'the active ones are counted, each once');
SELECT results_eq(
    $$SELECT pg_temp.n(id), status, release_reason, release_id, correlation_id
      FROM inventory_locks_shadow WHERE tenant_id = pg_temp.u(1) AND id BETWEEN pg_temp.u(31) AND pg_temp.u(34) ORDER BY 1$$,
    $$VALUES (31, 'RELEASED', 'BULK_RELEASE', pg_temp.u(901), 'c'), (32, 'RELEASED', 'BULK_RELEASE', pg_temp.u(901), NULL),
             (33, 'ACTIVE', NULL, NULL, NULL), (34, 'RELEASED', 'BEFORE', NULL, NULL)$$,
    'and are released; what had ended stays as it is');
SELECT ok((SELECT bool_and(released_at = updated_at AND released_at >= now()) FROM inventory_locks_shadow
           WHERE release_id = pg_temp.u(901)), 'now');
SELECT is((SELECT status FROM pg_temp.row_of(31, 2)), 'ACTIVE', 'the other tenant''s lock stands');
CREATE TEMP TABLE bulk AS SELECT * FROM inventory_locks_shadow;
SELECT is(pg_temp.bulk(901), 2, 'the same release sent again counts the same');
SELECT is(pg_temp.bulk(902), 0, 'another release finds nothing to do');
SELECT is((SELECT jsonb_agg(to_jsonb(l) ORDER BY tenant_id, id) FROM inventory_locks_shadow AS l),
          (SELECT jsonb_agg(to_jsonb(b) ORDER BY tenant_id, id) FROM bulk AS b),
          'neither changes anything');
SELECT is(pg_temp.bulk(903, 'd', 2), 1, 'the other tenant releases its own');
SELECT is((SELECT correlation_id FROM pg_temp.row_of(31, 2)), 'd', 'with a correlation id');
SELECT is(pg_temp.outcomes(pg_temp.req(31, 0, 1, room => 301)), '1 LOCKED 31',
          'a released lock granted anew');
SELECT is(pg_temp.bulk(901), 2,
          'is released by a repetition too: whoever sent it has no answer yet');
SELECT is(guard.bulk_release(pg_temp.u(1), '{}', 'BULK_RELEASE', NULL, pg_temp.u(904), 'bulk'), 0,
          'nothing to release');

SELECT * FROM finish();
ROLLBACK;
