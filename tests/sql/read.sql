-- Reading locks: one, and pages of them.
BEGIN;
\ir support/helpers.psql
SELECT plan(45);

SELECT is((SELECT count(*) FROM pg_temp.lock(
              pg_temp.req(1, 0, 2, room => 101, type => 9, reservation => 8),
              pg_temp.req(2, 2, 4, room => 101, type => 9, reservation => 8),
              pg_temp.req(3, 0, 2, room => 102, type => 9),
              pg_temp.req(4, 4, 6, type => 9, metadata => '{"a": 1}'),
              pg_temp.req(5, 6, 8, room => 101, type => 9),
              pg_temp.req(6, 6, 8, room => 102, type => 7),
              pg_temp.req(1, 0, 2, room => 101, type => 9, reservation => 8, tenant => 2))
           WHERE outcome = 'LOCKED'), 7::bigint, 'locks');
SELECT pg_temp.release(2, reason => 'GONE');
SELECT pg_temp.expire(3);
SELECT pg_temp.expire(5);
UPDATE inventory_locks_shadow SET status = 'EXPIRED' WHERE id = pg_temp.u(5);

-- One.
CREATE FUNCTION pg_temp.get(tenant integer, id integer) RETURNS SETOF guard.lock_view LANGUAGE sql AS $$
    SELECT g.id, g.tenant_id, g.property_id, g.reservation_id, g.room_type_id, g.room_id,
           g.stay_start, g.stay_end, g.reason, g.correlation_id, g.expires_at, g.ttl_seconds,
           g.metadata, g.status, g.release_reason, g.released_at, g.fencing_token,
           g.created_at, g.updated_at
    FROM guard.get_batch(ARRAY[pg_temp.u(tenant)], ARRAY[pg_temp.u(id)]) AS g
    WHERE g.outcome = 'FOUND'
$$;
SELECT is((SELECT to_jsonb(g) FROM pg_temp.get(1, 4) AS g), pg_temp.json_of(4, 'release_id'),
          'a lock is its row');
SELECT is((SELECT status FROM pg_temp.get(1, 1)), 'ACTIVE',
          'an active one');
SELECT results_eq('SELECT status, release_reason FROM pg_temp.get(1, 2)',
                  $$VALUES ('RELEASED', 'GONE')$$, 'a released one');
SELECT is((SELECT status FROM pg_temp.get(1, 3)), 'EXPIRED',
          'an expired one, not swept yet');
SELECT is((SELECT status FROM pg_temp.get(1, 5)), 'EXPIRED',
          'an expired one, swept');
SELECT is_empty('SELECT * FROM pg_temp.get(1, 99)', 'an unknown one');
SELECT is_empty('SELECT * FROM pg_temp.get(2, 4)',
          'one of another tenant');

SELECT results_eq(
    $$SELECT ordinal, outcome, pg_temp.n(id) FROM guard.get_batch(
          ARRAY[pg_temp.u(1), pg_temp.u(2), pg_temp.u(1), pg_temp.u(2)],
          ARRAY[pg_temp.u(4), pg_temp.u(4), pg_temp.u(4), pg_temp.u(1)]) ORDER BY ordinal$$,
    $$VALUES (1, 'FOUND', 4), (2, 'NOT_FOUND', NULL), (3, 'FOUND', 4), (4, 'FOUND', 1)$$,
    'a batch: an answer for each, one lock twice');
SELECT is_empty($$SELECT * FROM guard.get_batch('{}', '{}')$$, 'a batch of none');

-- Pages.
CREATE FUNCTION pg_temp.list(
    room integer DEFAULT NULL, type integer DEFAULT NULL, reservation integer DEFAULT NULL,
    status text DEFAULT NULL, from_day numeric DEFAULT NULL, to_day numeric DEFAULT NULL,
    after integer DEFAULT NULL, max integer DEFAULT 50, tenant integer DEFAULT 1)
RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(pg_temp.n(l.id)::text, ' ')
    FROM guard.list_page(pg_temp.u(tenant), pg_temp.u(room), pg_temp.u(type), pg_temp.u(reservation),
                          status, pg_temp.day(from_day), pg_temp.day(to_day), pg_temp.u(after), max) AS l
$$;
SELECT is(pg_temp.list(), '1 2 3 4 5 6', 'all of a tenant, by id');
SELECT is(pg_temp.list(tenant => 2), '1', 'all of another');
SELECT is(pg_temp.list(tenant => 3), NULL, 'nobody''s');
SELECT results_eq(
    $$SELECT to_jsonb(l) FROM guard.list_page(pg_temp.u(1), NULL, NULL, NULL, NULL, NULL, NULL, NULL, 50) AS l$$,
    $$SELECT to_jsonb(g) FROM generate_series(1, 6) AS i, pg_temp.get(1, i) AS g ORDER BY i$$,
    'each as it is read by itself');

SELECT is(pg_temp.list(room => 101), '1 2 5', 'of a room');
SELECT is(pg_temp.list(type => 9), '1 2 3 4 5', 'of a type, room locks too');
SELECT is(pg_temp.list(type => 7), '6', 'of another type');
SELECT is(pg_temp.list(reservation => 8), '1 2', 'of a reservation');
SELECT is(pg_temp.list(room => 101, type => 7), NULL, 'filters go together');
SELECT is(pg_temp.list(room => 102, type => 7), '6', 'and match');

SELECT is(pg_temp.list(status => 'ACTIVE'), '1 4 6', 'active: not the expired one');
SELECT is(pg_temp.list(status => 'EXPIRED'), '3 5', 'expired: swept or not');
SELECT is(pg_temp.list(status => 'RELEASED'), '2', 'released');
SELECT is(pg_temp.list(room => 102, status => 'EXPIRED'), '3', 'a room''s expired');
SELECT is(pg_temp.list(room => 102, status => 'ACTIVE'), '6', 'a room''s active');
SELECT is(pg_temp.list(reservation => 8, status => 'RELEASED'), '2', 'a reservation''s released');

SELECT is(pg_temp.list(from_day => 2, to_day => 6), '2 4', 'stays in a range, half-open');
SELECT is(pg_temp.list(from_day => 1, to_day => 2.5), '1 2 3', 'that overlap it');
SELECT is(pg_temp.list(from_day => 5.5), '4 5 6', 'from a day on');
SELECT is(pg_temp.list(to_day => 2), '1 3', 'until a day');
SELECT is(pg_temp.list(from_day => 6, to_day => 8, room => 101), '5', 'a range and a room');
SELECT is(pg_temp.list(from_day => 3, to_day => 3), NULL, 'an empty range has nothing in it');
SELECT is(pg_temp.list(room => 101, type => 9, reservation => 8, status => 'RELEASED', from_day => 3, to_day => 9, after => 1),
          '2', 'every filter at once');

SELECT is(pg_temp.list(max => 2), '1 2', 'the first page');
SELECT is(pg_temp.list(max => 2, after => 2), '3 4', 'the next');
SELECT is(pg_temp.list(max => 2, after => 4), '5 6', 'the last');
SELECT is(pg_temp.list(max => 2, after => 6), NULL, 'and no more');
SELECT is(pg_temp.list(room => 101, max => 2, after => 1), '2 5', 'pages of a filter');
SELECT is(pg_temp.list(after => 0, max => 1), '1', 'after an id that is not there');

-- Keyset: every lock once, whatever the size of the page.
SELECT pg_temp.lock(VARIADIC (SELECT array_agg(pg_temp.req(1000 + i, i, i + 1, room => 500, tenant => 5))
                              FROM generate_series(1, 100) AS i)) \g /dev/null
CREATE FUNCTION pg_temp.pages(size integer) RETURNS uuid[] LANGUAGE plpgsql AS $$
DECLARE
    v_all  uuid[] := '{}';
    v_page uuid[];
BEGIN
    LOOP
        v_page := ARRAY(SELECT l.id FROM guard.list_page(pg_temp.u(5), NULL, NULL, NULL, NULL, NULL, NULL,
                                                          v_all[cardinality(v_all)], size) AS l);
        EXIT WHEN v_page = '{}';
        v_all := v_all || v_page;
    END LOOP;
    RETURN v_all;
END
$$;
SELECT is(pg_temp.pages(7), ARRAY(SELECT id FROM inventory_locks_shadow WHERE tenant_id = pg_temp.u(5) ORDER BY id),
          'pages of 7 are the whole');
SELECT is(pg_temp.pages(7), pg_temp.pages(100), 'as one page of 100 is');

-- A rare filter: no page looks at more than 10,000 locks; a row with only an id says so.
INSERT INTO inventory_locks_shadow (id, tenant_id, room_type_id, room_id, stay_start, stay_end,
    expires_at, created_at, updated_at, fencing_token, ttl_seconds, status, reason)
SELECT pg_temp.u(100000 + i), pg_temp.u(6), pg_temp.u(CASE WHEN i = 15000 THEN 77 ELSE 7 END),
       NULL, now(), now() + interval '1 day', now(), now(), now(), i, 60, 'RELEASED', 'TEST'
FROM generate_series(1, 25000) AS i;
CREATE FUNCTION pg_temp.rare(after integer, status text DEFAULT NULL, max integer DEFAULT 50) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(pg_temp.n(l.id) || CASE WHEN l.tenant_id IS NULL THEN ' and on' ELSE '' END, ', ')
    FROM guard.list_page(pg_temp.u(6), NULL, pg_temp.u(77), NULL, status, NULL, NULL,
                          pg_temp.u(after), max) AS l
$$;
SELECT is(pg_temp.rare(NULL), '110000 and on', 'nothing yet');
SELECT is(pg_temp.rare(110000), '115000, 120000 and on', 'found, and there is more to look at');
SELECT is(pg_temp.rare(110000, max => 1), '115000', 'a full page ends with its last lock');
SELECT is(pg_temp.rare(120000), NULL, 'the end');

SELECT * FROM finish();
ROLLBACK;
