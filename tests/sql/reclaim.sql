-- Locks whose time has run out, swept or not, block nobody.
BEGIN;
\ir support/helpers.psql
SELECT plan(20);

SELECT is(pg_temp.outcomes(pg_temp.req(1, 0, 2, room => 101), pg_temp.req(2, 2, 4, room => 101),
                           pg_temp.req(3, 4, 6, room => 101), pg_temp.req(4, 0, 2, type => 9),
                           pg_temp.req(5, 9, 10, room => 101)),
          '1 LOCKED 1, 2 LOCKED 2, 3 LOCKED 3, 4 LOCKED 4, 5 LOCKED 5', 'locks');
SELECT pg_temp.expire(1);
SELECT pg_temp.expire(2);
SELECT pg_temp.expire(4);
SELECT pg_temp.expire(5);
CREATE TEMP TABLE before AS SELECT * FROM inventory_locks_shadow;

-- One of those in the way is alive: nothing happens.
SELECT is(pg_temp.outcomes(pg_temp.req(11, 0, 6, room => 101)), '1 CONFLICT 3',
          'a live one among expired ones');
SELECT is((SELECT count(*) FROM inventory_locks_shadow WHERE status = 'EXPIRED'), 0::bigint,
          'nothing is marked for a request that is refused');

-- All of them are expired.
SELECT is(pg_temp.outcomes(pg_temp.req(12, 1, 4, room => 101)), '1 LOCKED 12',
          'two expired ones in the way');
SELECT results_eq(
    $$SELECT pg_temp.n(id), status FROM inventory_locks_shadow WHERE tenant_id = pg_temp.u(1) ORDER BY id$$,
    $$VALUES (1, 'EXPIRED'), (2, 'EXPIRED'), (3, 'ACTIVE'), (4, 'ACTIVE'), (5, 'ACTIVE'), (12, 'ACTIVE')$$,
    'those in the way are marked, and only those');
SELECT is(pg_temp.json_of(1, 'status', 'updated_at'),
          (SELECT to_jsonb(b) - '{status,updated_at}'::text[] FROM before AS b WHERE id = pg_temp.u(1)),
          'marking changes nothing else');
SELECT ok((SELECT updated_at >= now() FROM pg_temp.row_of(1)), 'and dates the change');
SELECT cmp_ok((SELECT fencing_token FROM pg_temp.row_of(12)), '>', (SELECT max(fencing_token) FROM before),
              'the new holder has the larger token');

SELECT is(pg_temp.outcomes(pg_temp.req(13, 1, 3, type => 9)), '1 LOCKED 13',
          'the same with a type');
SELECT is((SELECT status FROM pg_temp.row_of(4)), 'EXPIRED', 'marked');

-- At the very instant.
UPDATE inventory_locks_shadow SET expires_at = clock_timestamp() WHERE id = pg_temp.u(12);
SELECT is(pg_temp.outcomes(pg_temp.req(14, 1, 4, room => 101)), '1 LOCKED 14',
          'free from the instant of expiry on');

-- A lock moves onto an expired one, and out of the way of another.
SELECT is(pg_temp.outcomes(pg_temp.req(14, 9, 10, room => 101)), '1 LOCKED 14',
          'a move onto an expired lock');
SELECT is((SELECT status FROM pg_temp.row_of(5)), 'EXPIRED', 'marks it');

-- The same place in one batch, expired lock in the way.
SELECT pg_temp.expire(14);
SELECT is(pg_temp.outcomes(pg_temp.req(15, 9, 10, room => 101), pg_temp.req(16, 9, 10, room => 101)),
          '1 LOCKED 15, 2 CONFLICT 15', 'two in a batch after an expired one: the first of them');

-- The oldest in the way is shown, also among locks of the same batch, by age and not by id.
SELECT is(pg_temp.outcomes(pg_temp.req(39, 2, 3, room => 301)), '1 LOCKED 39', 'an old one');
UPDATE inventory_locks_shadow SET created_at = created_at - interval '1 hour' WHERE id = pg_temp.u(39);
SELECT is(pg_temp.outcomes(pg_temp.req(31, 0, 1, room => 301), pg_temp.req(32, 1, 2, room => 301)),
          '1 LOCKED 31, 2 LOCKED 32', 'two younger ones before it');
SELECT is(pg_temp.outcomes(pg_temp.req(33, 0, 3, room => 301)), '1 CONFLICT 39',
          'the oldest is shown');
SELECT is(pg_temp.outcomes(pg_temp.req(33, 0, 2, room => 301)), '1 CONFLICT 31',
          'of the same age: by id');

-- An expired lock is nobody's, so its own holder gets a new one.
SELECT pg_temp.expire(39);
CREATE TEMP TABLE old AS SELECT * FROM pg_temp.row_of(39);
SELECT is(pg_temp.outcomes(pg_temp.req(39, 2, 3, room => 301)), '1 LOCKED 39',
          'its holder comes back');
SELECT cmp_ok((SELECT fencing_token FROM pg_temp.row_of(39)), '>', (SELECT fencing_token FROM old),
              'and gets a new token');

SELECT * FROM finish();
ROLLBACK;
