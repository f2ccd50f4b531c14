-- Reading locks: one, and pages of them.
BEGIN;
\ir support/helpers.psql
SELECT plan(39);

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
SELECT is((SELECT to_jsonb(g) FROM guard.get_lock(pg_temp.u(1), pg_temp.u(4)) AS g), pg_temp.json_of(4, 'release_id'),
          'a lock is its row');
SELECT is((SELECT status FROM guard.get_lock(pg_temp.u(1), pg_temp.u(1))), 'ACTIVE',
          'an active one');
SELECT results_eq('SELECT status, release_reason FROM guard.get_lock(pg_temp.u(1), pg_temp.u(2))',
                  $$VALUES ('RELEASED', 'GONE')$$, 'a released one');
SELECT is((SELECT status FROM guard.get_lock(pg_temp.u(1), pg_temp.u(3))), 'EXPIRED',
          'an expired one, not swept yet');
SELECT is((SELECT status FROM guard.get_lock(pg_temp.u(1), pg_temp.u(5))), 'EXPIRED',
          'an expired one, swept');
SELECT is_empty('SELECT * FROM guard.get_lock(pg_temp.u(1), pg_temp.u(99))', 'an unknown one');
SELECT is_empty('SELECT * FROM guard.get_lock(pg_temp.u(2), pg_temp.u(4))',
          'one of another tenant');

-- Pages.
CREATE FUNCTION pg_temp.list(
    room integer DEFAULT NULL, type integer DEFAULT NULL, reservation integer DEFAULT NULL,
    status text DEFAULT NULL, from_day numeric DEFAULT NULL, to_day numeric DEFAULT NULL,
    after integer DEFAULT NULL, max integer DEFAULT 50, tenant integer DEFAULT 1)
RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(pg_temp.n(l.id)::text, ' ')
    FROM guard.list_locks(pg_temp.u(tenant), pg_temp.u(room), pg_temp.u(type), pg_temp.u(reservation),
                          status, pg_temp.day(from_day), pg_temp.day(to_day), pg_temp.u(after), max) AS l
$$;
SELECT is(pg_temp.list(), '1 2 3 4 5 6', 'all of a tenant, by id');
SELECT is(pg_temp.list(tenant => 2), '1', 'all of another');
SELECT is(pg_temp.list(tenant => 3), NULL, 'nobody''s');
SELECT results_eq(
    $$SELECT to_jsonb(l) FROM guard.list_locks(pg_temp.u(1), NULL, NULL, NULL, NULL, NULL, NULL, NULL, 50) AS l$$,
    $$SELECT to_jsonb(g) FROM generate_series(1, 6) AS i, guard.get_lock(pg_temp.u(1), pg_temp.u(i)) AS g ORDER BY i$$,
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
        v_page := ARRAY(SELECT l.id FROM guard.list_locks(pg_temp.u(5), NULL, NULL, NULL, NULL, NULL, NULL,
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

SELECT * FROM finish();
ROLLBACK;
