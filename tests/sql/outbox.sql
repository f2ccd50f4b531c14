-- The outbox as the relay uses it. Rows of transactions that are still open: test_outbox.py.
BEGIN;
\ir support/helpers.psql
SELECT plan(46);

-- An event with a transaction of our choice; its number comes by itself. It is not of the announcements at first, so that all are
-- one stream.
CREATE FUNCTION pg_temp.put(xid text, event integer, payload text DEFAULT '{}') RETURNS void LANGUAGE sql AS $$
    INSERT INTO guard.outbox (xid, stream, event_id, event_type, tenant_id, lock_id, payload, created_at)
    VALUES (xid::xid8, 'other', pg_temp.u(event), 'type', pg_temp.u(1), pg_temp.u(event), payload, now())
$$;
-- A row of events of these locks.
CREATE FUNCTION pg_temp.put_locks(xid text, VARIADIC locks integer[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO guard.outbox (xid, stream, event_type, created_at, events, locks)
    SELECT xid::xid8, 'inventory', 'inventory.locked', now(), cardinality(locks),
           array_agg(ROW(pg_temp.u(l), pg_temp.u(1), pg_temp.u(2), pg_temp.u(3), pg_temp.u(4), pg_temp.u(5), pg_temp.day(1), pg_temp.day(2),
                         pg_temp.day(0), 'why', 'c', 1000 + l, NULL, NULL)::guard.lock_event ORDER BY o)
    FROM unnest(locks) WITH ORDINALITY AS u (l, o)
$$;
-- "1 2 3": the numbers of the locks in the order in which they are read; "+" when there is more.
CREATE FUNCTION pg_temp.read(win text DEFAULT '1000:1000:', id bigint DEFAULT 0, ordinal integer DEFAULT 0, past text DEFAULT NULL,
    past_id bigint DEFAULT 9223372036854775807, past_ordinal integer DEFAULT 0, page integer DEFAULT 100, bytes bigint DEFAULT 1000000)
RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(pg_temp.n(e.lock_id)::text, ' ' ORDER BY e.ordinality) || CASE WHEN bool_and(e.more) THEN ' +' ELSE '' END, '')
    FROM guard.read_stream(false, guard.outbox_top(), win::pg_snapshot, id, ordinal, past::pg_snapshot, past_id, past_ordinal, page, 100, bytes) WITH ORDINALITY AS e
$$;
CREATE FUNCTION pg_temp.id(lock integer) RETURNS bigint LANGUAGE sql AS $$
    SELECT o.id FROM guard.outbox AS o WHERE pg_temp.n(o.lock_id) = lock OR EXISTS (SELECT FROM unnest(guard.outbox_locks(o)) AS l WHERE pg_temp.n(l.id) = lock)
$$;
CREATE FUNCTION pg_temp.delete(VARIADIC locks integer[]) RETURNS integer LANGUAGE sql AS $$
    SELECT guard.delete_events(array_agg(pg_temp.id(l))) FROM unnest(locks) AS l
$$;

SELECT is(pg_temp.read(), '', 'an empty outbox');
SELECT is(guard.delete_events('{}'), 0, 'nothing to delete');

-- Windows. Numbers of transactions that this server has given long ago: 3 to 700.
SELECT pg_temp.put('12', 1), pg_temp.put_locks('9', 2, 3, 4), pg_temp.put('100', 5), pg_temp.put_locks('12', 6, 7), pg_temp.put('9', 8) \g /dev/null
SELECT is(pg_temp.read(), '1 2 3 4 5 6 7 8', 'by number, whatever the transactions are');
SELECT is(pg_temp.read('50:50:'), '1 2 3 4 6 7 8', 'what was not committed then is not in the window');
SELECT is(pg_temp.read('10:200:10,12'), '2 3 4 5 8', 'nor what was open');
SELECT is(pg_temp.read('10:10:'), '2 3 4 8', 'a window');
SELECT is(pg_temp.read('200:200:', past => '10:10:'), '1 5 6 7', 'and the next one, with what has become visible since');
SELECT is(pg_temp.read('200:200:', past => '200:200:'), '', 'and the next, with nothing');
SELECT is(pg_temp.read('200:200:', past => '10:10:', past_id => pg_temp.id(3), past_ordinal => 2), '1 4 5 6 7 8',
          'or again from a place on in the window before');
SELECT is(pg_temp.read('200:200:', past => '10:10:', past_id => pg_temp.id(3), past_ordinal => 0), '1 2 3 4 5 6 7 8', 'from a row on');
SELECT is(pg_temp.read('200:200:', past => '10:10:', past_id => 0), '1 2 3 4 5 6 7 8', 'or all of it');
SELECT is(pg_temp.read('200:200:', pg_temp.id(5), 1, '10:10:', pg_temp.id(2), 1), '6 7 8', 'both places together');

-- Pages.
SELECT is(pg_temp.read(page => 1), '1 +', 'not more than the limit');
SELECT is(pg_temp.read(id => pg_temp.id(1), ordinal => 1, page => 2), '2 3 +', 'a part of a row');
SELECT is(pg_temp.read(id => pg_temp.id(3), ordinal => 2, page => 2), '4 5 +', 'its rest, and on');
SELECT is(pg_temp.read(id => pg_temp.id(5), ordinal => 1, page => 3), '6 7 8', 'to the end');
SELECT is(pg_temp.read(id => pg_temp.id(6), ordinal => 1, page => 1), '7 +', 'the last of a row');
SELECT is(pg_temp.read(id => pg_temp.id(8), ordinal => 1), '', 'behind the last');
SELECT is(pg_temp.read(id => pg_temp.id(4), ordinal => 3), '5 6 7 8', 'behind a row');
SELECT is(pg_temp.read(bytes => 1), '1 +', 'not more bytes, but the first row in any case');
SELECT is(pg_temp.read(bytes => 3), '1 2 3 4 +', 'of the row that goes beyond them, all');
SELECT is(pg_temp.read(bytes => 3, page => 2), '1 +', 'unless the limit says no');

-- What is read.
SELECT results_eq(
    $$SELECT id, ordinal, events, stream, event_type, occurred_at, event_id, tenant_id, lock_id, bytes, payload, released_by, reason, fencing_token
      FROM guard.read_stream(false, guard.outbox_top(), '1000:1000:', 0, 0, NULL, 0, 0, 1, 100, 1000)$$,
    $$VALUES (pg_temp.id(1), 1, 1, 'other', 'type', now(), pg_temp.u(1), pg_temp.u(1), pg_temp.u(1), 2, '{}', NULL::text, NULL::text, NULL::bigint)$$,
    'an event with a payload is read as it was written');
SELECT results_eq(
    $$SELECT id, ordinal, events, stream, event_type, occurred_at, event_id, tenant_id, lock_id, bytes, payload, released_by,
             property_id, reservation_id, room_type_id, room_id, stay_start, stay_end, expires_at, reason, correlation_id, fencing_token, released_at, release_reason
      FROM guard.read_stream(false, guard.outbox_top(), '1000:1000:', pg_temp.id(2), 0, NULL, 0, 0, 2, 100, 1000)$$,
    $$SELECT pg_temp.id(2), i, 3, 'inventory', 'inventory.locked', now(), NULL::uuid, pg_temp.u(1), pg_temp.u(1 + i), NULL::integer, NULL::text, NULL::text,
             pg_temp.u(2), pg_temp.u(3), pg_temp.u(4), pg_temp.u(5), pg_temp.day(1), pg_temp.day(2), pg_temp.day(0), 'why', 'c', 1001::bigint + i, NULL::timestamptz, NULL::text
      FROM generate_series(1, 2) AS i$$, 'the others by lock');
SELECT pg_temp.put('12', 9, repeat('x', 101)), pg_temp.put('12', 10, repeat('x', 100)) \g /dev/null
SELECT results_eq(format($$SELECT bytes, length(payload) FROM guard.read_stream(false, guard.outbox_top(), '1000:1000:', %s, 1, NULL, 0, 0, 9, 100, 1000)$$, pg_temp.id(8)),
    'VALUES (101, NULL), (100, 100)', 'a payload that is too long stays where it is');
SELECT is(pg_temp.read(id => pg_temp.id(8), ordinal => 1, bytes => 1), '9 10', 'and does not count');

-- After a dump and a restore, the numbers of transactions begin anew.
SELECT pg_temp.put('18446744073709551615', 11), pg_temp.put_locks('9223372036854775808', 12, 13) \g /dev/null
SELECT is(pg_temp.read('10:10:'), '2 3 4 8 11 12 13', 'rows that seem to come from the future are in every window');
SELECT is(pg_temp.read('200:200:', past => '10:10:'), '1 5 6 7 9 10', 'and in every one before');
SELECT is(pg_temp.read('10:10:', past => '10:10:', past_id => pg_temp.id(12), past_ordinal => 1), '13', 'up to a place');

-- One stream, and so many numbers.
UPDATE guard.outbox SET stream = 'notification' WHERE stream = 'other';
CREATE FUNCTION pg_temp.read_stream(announcements boolean, to_ integer, page integer DEFAULT 100) RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(pg_temp.n(e.lock_id)::text, ' ' ORDER BY e.ordinality) || CASE WHEN bool_and(e.more) THEN ' +' ELSE '' END, '')
    FROM guard.read_stream(announcements, pg_temp.id(to_), '1000:1000:', 0, 0, NULL, 0, 0, page, 100, 1000000) WITH ORDINALITY AS e
$$;
CREATE FUNCTION pg_temp.all_left() RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(pg_temp.n(coalesce(o.lock_id, l.id))::text, ' ' ORDER BY o.id, l.ordinality)
    FROM guard.outbox AS o LEFT JOIN LATERAL unnest(guard.outbox_locks(o)) WITH ORDINALITY AS l ON true
$$;
SELECT is(pg_temp.read_stream(true, 13), '1 5 8 9 10 11', 'announcements');
SELECT is(pg_temp.read_stream(false, 13), '2 3 4 6 7 12 13', 'all else');
SELECT is(pg_temp.read_stream(true, 8), '1 5 8', 'up to a number');
SELECT is(pg_temp.read_stream(false, 8, page => 4), '2 3 4 +', 'not more than the limit');
SELECT is(guard.outbox_top(), (SELECT max(id) FROM guard.outbox), 'the last number');

-- Deleting.
SELECT is(pg_temp.delete(1, 5, 11), 3, 'as many as were there');
SELECT is(pg_temp.all_left(), '2 3 4 6 7 8 9 10 12 13', 'these and no others');
SELECT is(guard.delete_events('{-1,0}'), 0, 'what is not there is not counted');
SELECT is(pg_temp.delete(2, 3, 4), 1, 'what is named twice is deleted once');

-- The relay of the version before.
SELECT results_eq($$SELECT pg_temp.n(event_id) FROM guard.read_outbox('0', 0, 10)$$, 'VALUES (8), (9), (10)', 'is shown notifications only');
SELECT is((SELECT guard.delete_outbox(array_agg(xid), array_agg(id)) FROM guard.read_outbox('0', 0, 2)), 2, 'and deletes them');
SELECT is(pg_temp.all_left(), '6 7 10 12 13', 'and nothing else');
SELECT is(pg_temp.delete(6, 10, 12), 3, 'the rest');
SELECT is_empty('SELECT * FROM guard.outbox', 'nothing is left');

-- What can be in it.
SELECT lives_ok($$INSERT INTO guard.outbox (stream, event_id, event_type, tenant_id, lock_id, payload, created_at)
                  VALUES ('notification', pg_temp.u(7), 'type', pg_temp.u(1), pg_temp.u(2), '{}', now())$$, 'as the version before writes it');
SELECT ok((SELECT xid = pg_current_xact_id() FROM guard.outbox), 'a row has the number of its transaction');
SELECT throws_ok($$INSERT INTO guard.outbox (id, stream, event_id, event_type, tenant_id, lock_id, payload, created_at)
                   VALUES (1, 'notification', pg_temp.u(1), 'x', pg_temp.u(1), pg_temp.u(1), '{}', now())$$, '428C9', NULL,
          'numbers are nobody''s choice');

SELECT * FROM finish();
ROLLBACK;
