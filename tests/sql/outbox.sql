-- The outbox as the relay uses it. Rows of transactions that are still open: test_outbox.py.
BEGIN;
\ir support/helpers.psql
SELECT plan(23);

-- An event with a transaction of our choice; its number comes by itself.
CREATE FUNCTION pg_temp.put(xid text, event integer) RETURNS void LANGUAGE sql AS $$
    INSERT INTO guard.outbox (xid, stream, event_id, event_type, tenant_id, lock_id, payload, created_at)
    VALUES (xid::xid8, 'notification', pg_temp.u(event), 'type', pg_temp.u(1), pg_temp.u(2), '{"n": ' || event || '}', now())
$$;
-- "1 2 3": the numbers of the events, in the order in which they are read.
CREATE FUNCTION pg_temp.read(behind_xid text DEFAULT '0', behind_id bigint DEFAULT 0, page integer DEFAULT 100)
RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(pg_temp.n(o.event_id)::text, ' ' ORDER BY o.ordinality), '')
    FROM guard.read_outbox(behind_xid::xid8, behind_id, page) WITH ORDINALITY AS o
$$;
CREATE FUNCTION pg_temp.delete(VARIADIC events integer[]) RETURNS integer LANGUAGE sql AS $$
    SELECT guard.delete_outbox(array_agg(o.xid), array_agg(o.id)) FROM guard.outbox AS o
    WHERE pg_temp.n(o.event_id) = ANY (events)
$$;

SELECT is(pg_temp.read(), '', 'an empty outbox');
SELECT is(guard.delete_outbox('{}', '{}'), 0, 'nothing to delete');

-- Written in another order than that of their transactions.
SELECT pg_temp.put('12', 1), pg_temp.put('12', 2), pg_temp.put('9', 3), pg_temp.put('100', 4), pg_temp.put('12', 5),
       pg_temp.put('9', 6) \g /dev/null
SELECT is(pg_temp.read(), '3 6 1 2 5 4', 'by transaction (9, 12, 100), then by number');
SELECT results_eq(
    $$SELECT o.xid, o.stream, o.event_id, o.event_type, o.tenant_id, o.lock_id, o.payload, o.created_at
      FROM guard.read_outbox('0', 0, 1) AS o$$,
    $$VALUES ('9'::xid8, 'notification', pg_temp.u(3), 'type', pg_temp.u(1), pg_temp.u(2), '{"n": 3}', now())$$,
    'an event is read as it was written');
SELECT is(pg_temp.read(page => 4), '3 6 1 2', 'not more than the limit');
SELECT is(pg_temp.read('9', (SELECT id FROM guard.outbox WHERE pg_temp.n(event_id) = 3)), '6 1 2 5 4',
          'on from the first');
SELECT is(pg_temp.read('12', (SELECT id FROM guard.outbox WHERE pg_temp.n(event_id) = 2), 2), '5 4',
          'on from the middle of a transaction');
SELECT is(pg_temp.read('12', 9223372036854775807), '4', 'on from behind a transaction');
SELECT is(pg_temp.read('11', 9223372036854775807), '1 2 5 4', 'also one that is not there');
SELECT is(pg_temp.read('100', (SELECT id FROM guard.outbox WHERE pg_temp.n(event_id) = 4)), '', 'on from the last');

-- After a dump and a restore, the numbers of transactions begin anew.
SELECT pg_temp.put('18446744073709551615', 8), pg_temp.put('9223372036854775808', 9), pg_temp.put('4611686018427387904', 10) \g /dev/null
SELECT is(pg_temp.read(), '3 6 1 2 5 4 10 9 8', 'rows that seem to come from the future are read, in their order');
SELECT is(pg_temp.read('9223372036854775808', 9223372036854775807), '8', 'and gone on from; numbers are unsigned');

-- Deleting.
SELECT is(pg_temp.delete(1, 6, 8), 3, 'as many as were there');
SELECT is(pg_temp.read(), '3 2 5 4 10 9', 'these and no others');
SELECT is(guard.delete_outbox('{9,9,12}'::xid8[], '{-1,-2,-3}'), 0, 'what is not there is not counted');
SELECT is((SELECT guard.delete_outbox(ARRAY[xid, '77', xid], ARRAY[id, id, id + 100000]) FROM guard.outbox WHERE event_id = pg_temp.u(3)),
          1, 'nor what is there under another transaction or number');
SELECT is((SELECT guard.delete_outbox(ARRAY[xid, xid], ARRAY[id, id]) FROM guard.outbox WHERE event_id = pg_temp.u(2)), 1,
          'what is named twice is deleted once');
SELECT is(pg_temp.delete(4, 5, 9, 10), 4, 'the rest');
SELECT is_empty('SELECT * FROM guard.outbox', 'nothing is left');

-- What can be in it.
INSERT INTO guard.outbox (stream, event_id, event_type, tenant_id, lock_id, payload, created_at)
VALUES ('notification', pg_temp.u(7), 'type', pg_temp.u(1), pg_temp.u(2), '{}', now());
SELECT ok((SELECT xid = pg_current_xact_id() FROM guard.outbox), 'a row has the number of its transaction');
SELECT throws_ok($$INSERT INTO guard.outbox (stream, event_id, event_type, tenant_id, lock_id, payload, created_at)
                   VALUES ('other', pg_temp.u(1), 'x', pg_temp.u(1), pg_temp.u(1), '{}', now())$$, '23514', NULL, 'an unknown stream');
SELECT throws_ok($$INSERT INTO guard.outbox (id, stream, event_id, event_type, tenant_id, lock_id, payload, created_at)
                   VALUES (1, 'notification', pg_temp.u(1), 'x', pg_temp.u(1), pg_temp.u(1), '{}', now())$$, '428C9', NULL,
          'numbers are nobody''s choice');
SELECT throws_ok($$INSERT INTO guard.outbox (stream, event_id, event_type, tenant_id, lock_id, payload, created_at)
                   VALUES ('notification', pg_temp.u(1), 'x', pg_temp.u(1), pg_temp.u(1), NULL, now())$$, '23502', NULL, 'no payload');

SELECT * FROM finish();
ROLLBACK;
