-- Housekeeping: the sweep and the purge. Several sessions at once: test_concurrency.py.
BEGIN;
\ir support/helpers.psql
SELECT plan(24);

SELECT results_eq('SELECT swept, lag_ms FROM guard.sweep_expired(10)', 'VALUES (0, 0::bigint)',
    'nothing to sweep');

SELECT is((SELECT count(*) FROM pg_temp.lock(VARIADIC (
              SELECT array_agg(pg_temp.req(i, 0, 1, room => i)) FROM generate_series(1, 10) AS i))),
          10::bigint, 'ten locks');
SELECT pg_temp.expire(i, i * interval '1 minute') FROM generate_series(1, 7) AS i;
SELECT pg_temp.release(7);
UPDATE inventory_locks_shadow SET status = 'EXPIRED' WHERE id = pg_temp.u(6);
SELECT pg_temp.release(10);
CREATE TEMP TABLE before AS SELECT * FROM inventory_locks_shadow;
CREATE TEMP TABLE sweep AS SELECT * FROM guard.sweep_expired(3);
SELECT is((SELECT swept FROM sweep), 3, 'not more than the limit');
SELECT results_eq(
    $$SELECT pg_temp.n(id) FROM inventory_locks_shadow WHERE status = 'EXPIRED' ORDER BY 1$$,
    $$VALUES (4), (5), (6), (7)$$, 'the longest expired first');
SELECT ok((SELECT lag_ms BETWEEN 420000 AND 421000 + extract(epoch FROM clock_timestamp() - now()) * 1000 FROM sweep),
          'lag is how long the longest expired one had waited');
SELECT is(pg_temp.json_of(5, 'status', 'updated_at'),
          (SELECT to_jsonb(b) - '{status,updated_at}'::text[] FROM before AS b WHERE id = pg_temp.u(5)),
          'marking changes nothing else');
SELECT ok((SELECT updated_at >= now() FROM pg_temp.row_of(5)), 'and dates the change');
SELECT is((SELECT swept FROM guard.sweep_expired(100)), 3, 'the rest');
SELECT results_eq('SELECT swept, lag_ms FROM guard.sweep_expired(100)', 'VALUES (0, 0::bigint)',
    'and no more');
SELECT results_eq(
    $$SELECT status, count(*) FROM inventory_locks_shadow GROUP BY 1 ORDER BY 1$$,
    $$VALUES ('ACTIVE', 2::bigint), ('EXPIRED', 7), ('RELEASED', 1)$$,
          'active and released locks are left alone');
SELECT is(pg_temp.json_of(10), (SELECT to_jsonb(b) FROM before AS b WHERE id = pg_temp.u(10)),
          'wholly');

-- Purge. Locks 1 to 7 expired, 10 is released, 8 and 9 are active.
CREATE FUNCTION pg_temp.age(n integer, days numeric) RETURNS void LANGUAGE sql AS $$
    UPDATE inventory_locks_shadow SET updated_at = now() - days * interval '1 day' WHERE id = pg_temp.u(n)
$$;
SELECT is(guard.purge_finished(1, 100), 0, 'nothing is old');
SELECT pg_temp.age(i, 9.5 + i) FROM generate_series(1, 4) AS i;
SELECT pg_temp.age(8, 5000);
SELECT pg_temp.age(10, 11.01);
SELECT is(guard.purge_finished(15, 100), 0, 'nothing is that old');
SELECT is(guard.purge_finished(11, 2), 2, 'not more than the limit');
SELECT results_eq('SELECT pg_temp.n(id) FROM inventory_locks_shadow ORDER BY 1',
                  'VALUES (1), (2), (5), (6), (7), (8), (9), (10)', 'the oldest first');
SELECT is(guard.purge_finished(11, 100), 2, 'released or expired');
SELECT results_eq('SELECT pg_temp.n(id) FROM inventory_locks_shadow ORDER BY 1',
                  'VALUES (1), (5), (6), (7), (8), (9)', 'the younger and the active ones stay');
SELECT is(guard.purge_finished(1, 100), 1, 'one day is the least');
SELECT throws_ok('SELECT guard.purge_finished(0, 100)', '22023', NULL, 'no days are refused');
SELECT throws_ok('SELECT guard.purge_finished(-1, 100)', '22023', NULL, 'negative ones too');
SELECT throws_ok('SELECT guard.purge_finished(NULL, 100)', '22023', NULL, 'and none given');
SELECT is((SELECT status FROM pg_temp.row_of(8)), 'ACTIVE', 'an active lock is never too old');

-- An active lock whose time ran out is swept first, and is purged by the age of that.
SELECT pg_temp.expire(8, '400 days');
SELECT is(guard.purge_finished(1, 100), 0, 'expired but not swept: not finished');
SELECT guard.sweep_expired(100) \g /dev/null
SELECT is(guard.purge_finished(1, 100), 0, 'finished only since now');

SELECT * FROM finish();
ROLLBACK;
