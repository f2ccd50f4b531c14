-- The ledger of deliveries.
BEGIN;
\ir support/helpers.psql
SELECT plan(23);

CREATE FUNCTION pg_temp.record(event integer, channel text, state text, attempts integer, tenant integer DEFAULT 1)
RETURNS void LANGUAGE sql AS $$
    SELECT guard.record_delivery(pg_temp.u(tenant), pg_temp.u(event), channel, state, attempts)
$$;
-- "email DELIVERED 3": channel, state and attempts of all entries.
CREATE FUNCTION pg_temp.ledger(event integer, tenant integer DEFAULT 1) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(concat_ws(' ', d.channel, d.state, d.attempts), ', ' ORDER BY d.channel), '')
    FROM guard.deliveries AS d WHERE d.tenant_id = pg_temp.u(tenant) AND d.event_id = pg_temp.u(event)
$$;

SELECT is_empty('SELECT * FROM guard.list_deliveries(pg_temp.u(1), pg_temp.u(1))', 'nothing delivered yet');
SELECT pg_temp.record(1, 'email', 'DELIVERED', 1) \g /dev/null
SELECT pg_temp.record(1, 'slack', 'DEAD', 4) \g /dev/null
SELECT pg_temp.record(2, 'email', 'DEAD', 2) \g /dev/null
SELECT pg_temp.record(1, 'email', 'DEAD', 9, tenant => 2) \g /dev/null
SELECT is(pg_temp.ledger(1), 'email DELIVERED 1, slack DEAD 4', 'an entry for each channel');
SELECT results_eq('SELECT channel, state FROM guard.list_deliveries(pg_temp.u(1), pg_temp.u(1)) ORDER BY channel',
                  $$VALUES ('email', 'DELIVERED'), ('slack', 'DEAD')$$, 'as the notifier reads them');
SELECT results_eq('SELECT channel, state FROM guard.list_deliveries(pg_temp.u(2), pg_temp.u(1))', $$VALUES ('email', 'DEAD')$$,
                  'those of one tenant');
SELECT is_empty('SELECT * FROM guard.list_deliveries(pg_temp.u(2), pg_temp.u(2))', 'and one event');
SELECT ok((SELECT bool_and(created_at BETWEEN now() AND clock_timestamp()) FROM guard.deliveries), 'dated');
CREATE TEMP TABLE before AS SELECT * FROM guard.deliveries;

-- What is delivered stays delivered.
SELECT pg_temp.record(1, 'email', 'DEAD', 5) \g /dev/null
SELECT pg_temp.record(1, 'email', 'DELIVERED', 7) \g /dev/null
SELECT results_eq('SELECT * FROM guard.deliveries ORDER BY 1, 2, 3', 'SELECT * FROM before ORDER BY 1, 2, 3',
                  'what is delivered stays as it is');
SELECT pg_temp.record(2, 'email', 'DEAD', 3) \g /dev/null
SELECT is(pg_temp.ledger(2), 'email DEAD 5', 'what was given up may be given up again; attempts add up');
SELECT pg_temp.record(2, 'email', 'DELIVERED', 1) \g /dev/null
SELECT is(pg_temp.ledger(2), 'email DELIVERED 6', 'and may be delivered in the end');
SELECT pg_temp.record(2, 'email', 'DEAD', 1) \g /dev/null
SELECT is(pg_temp.ledger(2), 'email DELIVERED 6', 'which is the end');
SELECT is((SELECT created_at FROM guard.deliveries WHERE event_id = pg_temp.u(2)),
          (SELECT created_at FROM before WHERE event_id = pg_temp.u(2)), 'its age is that of the first entry');
SELECT is(pg_temp.ledger(1, 2), 'email DEAD 9', 'another tenant''s stays');

SELECT throws_ok($$SELECT pg_temp.record(3, 'fax', 'DELIVERED', 1)$$, '23514', NULL, 'an unknown channel');
SELECT throws_ok($$SELECT pg_temp.record(3, 'sms', 'LOST', 1)$$, '23514', NULL, 'an unknown state');
SELECT throws_ok($$SELECT pg_temp.record(3, 'sms', 'DELIVERED', NULL)$$, '23502', NULL, 'attempts are counted');

-- Purge: entries 1 to 6 are so many days old.
DELETE FROM guard.deliveries;
SELECT pg_temp.record(i, 'sms', CASE WHEN i % 2 = 0 THEN 'DEAD' ELSE 'DELIVERED' END, 1) FROM generate_series(1, 6) AS i \g /dev/null
UPDATE guard.deliveries SET created_at = now() - pg_temp.n(event_id) * interval '1 day';
SELECT is(guard.purge_deliveries(7, 100), 0, 'nothing is that old');
SELECT is(guard.purge_deliveries(3, 2), 2, 'not more than the limit');
SELECT results_eq('SELECT pg_temp.n(event_id) FROM guard.deliveries ORDER BY 1', 'VALUES (1), (2), (3), (4)', 'the oldest first');
SELECT is(guard.purge_deliveries(3, 100), 2, 'delivered or dead');
SELECT is(guard.purge_deliveries(1, 100), 2, 'one day is the least');
SELECT throws_ok('SELECT guard.purge_deliveries(0, 100)', '22023', NULL, 'no days are refused');
SELECT throws_ok('SELECT guard.purge_deliveries(-1, 100)', '22023', NULL, 'negative ones too');
SELECT throws_ok('SELECT guard.purge_deliveries(NULL, 100)', '22023', NULL, 'and none given');

SELECT * FROM finish();
ROLLBACK;
