-- Manual releases: the lock, its audit row and its event, all or nothing. The chain of the audit
-- rows is in audit.sql; several sessions at once are in test_concurrency.py.
BEGIN;
\ir support/helpers.psql
-- Only announcements are in the outbox then; inventory events: inventory_events.sql.
SET LOCAL availability_guard.inventory_events = off;
SELECT plan(51);

-- What a call asks for; numbers stand for ids, as in req().
CREATE TYPE pg_temp.manual AS (
    tenant integer, lock integer, reservation integer, audit integer, event integer, reason text,
    actor text, name text, email text, correlation text, metadata jsonb, recipients jsonb);
CREATE FUNCTION pg_temp.manual(
    lock integer, audit integer, tenant integer DEFAULT 1, reservation integer DEFAULT NULL,
    reason text DEFAULT 'guest moved', email text DEFAULT NULL, correlation text DEFAULT NULL,
    metadata jsonb DEFAULT NULL, recipients jsonb DEFAULT NULL)
RETURNS pg_temp.manual LANGUAGE sql STABLE AS $$
    SELECT ROW(tenant, lock, reservation, audit, audit + 1000, reason, 'ops.' || lock, 'Alex Night',
               email, correlation, metadata, recipients)::pg_temp.manual
$$;
CREATE FUNCTION pg_temp.call(VARIADIC reqs pg_temp.manual[])
RETURNS SETOF guard.manual_release_answer LANGUAGE sql AS $$
    SELECT a.* FROM
    (SELECT array_agg(pg_temp.u(r.tenant)) AS tenants, array_agg(pg_temp.u(r.lock)) AS locks,
            array_agg(pg_temp.u(r.reservation)) AS reservations,
            array_agg(pg_temp.u(r.audit)) AS audits, array_agg(pg_temp.u(r.event)) AS events,
            array_agg(r.reason) AS reasons, array_agg(r.actor) AS actors,
            array_agg(r.name) AS names, array_agg(r.email) AS emails,
            array_agg(r.correlation) AS correlations, array_agg(r.metadata) AS metadata,
            array_agg(r.recipients) AS recipients
     FROM unnest(reqs) AS r) AS i,
    guard.manual_release_batch(i.tenants, i.locks, i.reservations, i.audits, i.events, i.reasons,
        i.actors, i.names, i.emails, i.correlations, i.metadata, i.recipients) AS a
$$;
-- "1 RELEASED RELEASED, 2 NOT_FOUND": ordinal, outcome and status, in order.
CREATE FUNCTION pg_temp.manually(VARIADIC reqs pg_temp.manual[]) RETURNS text LANGUAGE sql AS $$
    SELECT string_agg(concat_ws(' ', a.ordinal, a.outcome, a.status), ', ' ORDER BY a.ordinal)
    FROM pg_temp.call(VARIADIC reqs) AS a
$$;

SELECT is(pg_temp.outcomes(
    pg_temp.req(1, 0, 3, room => 101, reservation => 8, correlation => 'c', metadata => '{"a": 1, "b": 1}'),
    pg_temp.req(2, 0, 3, room => 102), pg_temp.req(3, 0.5, 3), pg_temp.req(4, 0, 3, room => 104),
    pg_temp.req(5, 0, 3, room => 105), pg_temp.req(6, 0, 3, room => 106),
    pg_temp.req(1, 0, 3, room => 101, tenant => 2)),
    '1 LOCKED 1, 2 LOCKED 2, 3 LOCKED 3, 4 LOCKED 4, 5 LOCKED 5, 6 LOCKED 6, 7 LOCKED 1', 'locks');
CREATE TEMP TABLE before AS SELECT * FROM inventory_locks_shadow;

-- Not there, or not this one.
SELECT is(pg_temp.manually(pg_temp.manual(99, 1)), '1 NOT_FOUND', 'an unknown lock');
SELECT is(pg_temp.manually(pg_temp.manual(2, 1, tenant => 2)), '1 NOT_FOUND', 'a lock of another tenant');
SELECT is(pg_temp.manually(pg_temp.manual(1, 1, reservation => 9)), '1 NOT_FOUND', 'another reservation');
SELECT is(pg_temp.manually(pg_temp.manual(2, 1, reservation => 9)), '1 NOT_FOUND',
          'a reservation where the lock has none');

-- Not active.
SELECT pg_temp.release(4) \g /dev/null
SELECT pg_temp.expire(5) \g /dev/null
SELECT pg_temp.expire(6) \g /dev/null
UPDATE inventory_locks_shadow SET status = 'EXPIRED' WHERE id = pg_temp.u(6);
CREATE TEMP TABLE ended AS SELECT * FROM inventory_locks_shadow WHERE id IN (pg_temp.u(4), pg_temp.u(5), pg_temp.u(6));
SELECT is(pg_temp.manually(pg_temp.manual(4, 1, recipients => '["x"]')), '1 NOT_ACTIVE RELEASED', 'a released lock');
SELECT is(pg_temp.manually(pg_temp.manual(5, 1, recipients => '["x"]')), '1 NOT_ACTIVE EXPIRED',
          'a lock whose time has run out');
SELECT is(pg_temp.manually(pg_temp.manual(6, 1, recipients => '["x"]')), '1 NOT_ACTIVE EXPIRED',
          'one that a sweep has marked');
SELECT is(pg_temp.manually(pg_temp.manual(4, 1, reservation => 9)), '1 NOT_FOUND',
          'nor is its status told to who names another reservation');
SELECT results_eq(
    'SELECT to_jsonb(l) FROM inventory_locks_shadow AS l WHERE id IN (SELECT id FROM ended) ORDER BY id',
    'SELECT to_jsonb(e) FROM ended AS e ORDER BY id', 'nothing of them has changed');
SELECT results_eq(
    $$SELECT to_jsonb(l) FROM inventory_locks_shadow AS l WHERE id <= pg_temp.u(3) ORDER BY tenant_id, id$$,
    $$SELECT to_jsonb(b) FROM before AS b WHERE id <= pg_temp.u(3) ORDER BY tenant_id, id$$, 'nor of the others');
SELECT is_empty('SELECT * FROM inventory_lock_audits', 'none of this was a release');
SELECT is_empty('SELECT * FROM guard.audit_heads', 'nobody has a chain yet');
SELECT is_empty('SELECT * FROM guard.outbox', 'nobody is told');

-- A release with everything.
SELECT is(pg_temp.manually(pg_temp.manual(1, 11, reservation => 8, email => 'alex@hotel.example',
              correlation => 'd', metadata => '{"b": 2, "c": {"x": 3}}', recipients => '["gm@hotel.example", "#é"]')),
          '1 RELEASED RELEASED', 'a release');
SELECT results_eq(
    'SELECT status, release_reason, correlation_id, metadata FROM pg_temp.row_of(1)',
    $$VALUES ('RELEASED', 'guest moved', 'd', '{"a": 1, "b": 2, "c": {"x": 3}}'::jsonb)$$,
    'the lock: with its reason; metadata merged');
SELECT ok((SELECT released_at = updated_at AND released_at BETWEEN now() AND clock_timestamp()
           FROM pg_temp.row_of(1)), 'now');
SELECT is(pg_temp.json_of(1, 'status', 'release_reason', 'released_at', 'updated_at', 'correlation_id', 'metadata'),
          (SELECT to_jsonb(b) - '{status,release_reason,released_at,updated_at,correlation_id,metadata}'::text[]
           FROM before AS b WHERE id = pg_temp.u(1) AND tenant_id = pg_temp.u(1)), 'the rest stays');
SELECT is((SELECT status FROM pg_temp.row_of(1, 2)), 'ACTIVE', 'so does the other tenant''s lock');
SELECT results_eq(
    $$SELECT tenant_id, id, lock_id, action, performed_by_id, performed_by_name, performed_by_email, reason, metadata, sequence
      FROM inventory_lock_audits$$,
    $$VALUES (pg_temp.u(1), pg_temp.u(11), pg_temp.u(1), 'MANUAL_RELEASE', 'ops.1', 'Alex Night', 'alex@hotel.example',
              'guest moved', '{"b": 2, "c": {"x": 3}}'::jsonb, 1::bigint)$$,
    'its audit row: who, what, why, with the metadata of the request alone');
SELECT results_eq(
    'SELECT stream, event_id, event_type, tenant_id, lock_id FROM guard.outbox',
    $$VALUES ('notification', pg_temp.u(1011), 'availability_guard.manual_release', pg_temp.u(1), pg_temp.u(1))$$,
    'its event');
SELECT ok((SELECT o.xid = pg_current_xact_id() AND o.created_at = l.released_at
           FROM guard.outbox AS o, pg_temp.row_of(1) AS l), 'written in this transaction, at that time');
SELECT is((SELECT array_agg(k.key) FROM guard.outbox AS o, json_object_keys(o.payload::json) AS k (key)),
          '{type,sentAt,lockId,tenantId,reservationId,roomTypeId,roomId,stayStart,stayEnd,reason,actor,recipients}'::text[],
          'the members of the event, in their order');
SELECT is((SELECT payload::jsonb FROM guard.outbox),
    jsonb_build_object(
        'type', 'availability_guard.manual_release',
        'sentAt', to_char((SELECT released_at FROM pg_temp.row_of(1)) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'lockId', '00000000-0000-0000-0000-000000000001', 'tenantId', '00000000-0000-0000-0000-000000000001',
        'reservationId', '00000000-0000-0000-0000-000000000008',
        'roomTypeId', '00000000-0000-0000-0000-000000000001', 'roomId', '00000000-0000-0000-0000-000000000065',
        'stayStart', to_char(pg_temp.day(0) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS".000Z"'),
        'stayEnd', to_char(pg_temp.day(3) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS".000Z"'),
        'reason', 'guest moved',
        'actor', '{"id": "ops.1", "name": "Alex Night", "email": "alex@hotel.example"}'::jsonb,
        'recipients', '["gm@hotel.example", "#é"]'::jsonb),
    'and their values');

-- With as little as possible: a lock of a room type, without metadata, reservation and email.
SELECT is(pg_temp.manually(pg_temp.manual(3, 13, recipients => '["x"]')), '1 RELEASED RELEASED', 'a lock of a type');
SELECT results_eq('SELECT correlation_id, metadata FROM pg_temp.row_of(3)', 'VALUES (NULL::text, NULL::jsonb)',
          'what is not given stays as it was');
SELECT is((SELECT o.payload::jsonb - '{type,sentAt,lockId,tenantId,roomTypeId,stayStart,stayEnd,reason}'::text[]
           FROM guard.outbox AS o WHERE o.event_id = pg_temp.u(1013)),
          '{"reservationId": null, "roomId": null, "actor": {"id": "ops.3", "name": "Alex Night", "email": null}, "recipients": ["x"]}',
          'and is null in the event');
SELECT results_eq('SELECT performed_by_email, metadata FROM inventory_lock_audits WHERE id = pg_temp.u(13)',
    'VALUES (NULL::text, NULL::jsonb)', 'and in the audit row');
SELECT is(pg_temp.manually(pg_temp.manual(2, 12, metadata => '{"k": "v"}')), '1 RELEASED RELEASED', 'without recipients');
SELECT is_empty('SELECT * FROM guard.outbox WHERE lock_id = pg_temp.u(2)', 'there is no event');
SELECT is((SELECT metadata FROM pg_temp.row_of(2)), '{"k": "v"}', 'metadata onto none is set');

-- Once more.
SELECT is(pg_temp.manually(pg_temp.manual(1, 21, reason => 'again', recipients => '["x"]')), '1 NOT_ACTIVE RELEASED',
          'a second release is none');
CREATE TEMP TABLE once AS SELECT * FROM inventory_locks_shadow;
SELECT is(pg_temp.manually(pg_temp.manual(1, 11, reason => 'again', metadata => '{"z": 1}', recipients => '["x"]')),
          '1 RELEASED RELEASED', 'the same release, whose answer was lost, succeeds again');
SELECT is(pg_temp.manually(pg_temp.manual(1, 11, tenant => 2, reservation => 9)), '1 NOT_FOUND',
          'but an audit row of another tenant says nothing');
SELECT is(pg_temp.outcomes(pg_temp.req(1, 0, 3, room => 101, ttl => 7000)), '1 LOCKED 1', 'the lock is granted anew');
CREATE TEMP TABLE anew AS SELECT * FROM pg_temp.row_of(1);
SELECT is(pg_temp.manually(pg_temp.manual(1, 11, recipients => '["x"]')), '1 RELEASED RELEASED',
          'and again: whoever sent it has no answer yet');
SELECT is(pg_temp.json_of(1), (SELECT to_jsonb(a) FROM anew AS a), 'the new holder is not disturbed');
DELETE FROM inventory_locks_shadow WHERE tenant_id = pg_temp.u(1) AND id = pg_temp.u(1);
SELECT is(pg_temp.manually(pg_temp.manual(1, 11, recipients => '["x"]')), '1 RELEASED RELEASED', 'even if the lock is gone');
SELECT is((SELECT count(*) FROM inventory_lock_audits WHERE tenant_id = pg_temp.u(1) AND lock_id = pg_temp.u(1)), 1::bigint,
          'all of that is one audit row');
SELECT is((SELECT count(*) FROM guard.outbox WHERE lock_id = pg_temp.u(1)), 1::bigint, 'and one event');

-- A batch over several tenants, in no order.
SELECT is((SELECT count(*) FROM pg_temp.lock(
              pg_temp.req(31, 0, 1, room => 31, tenant => 3), pg_temp.req(32, 0, 1, room => 32, tenant => 3),
              pg_temp.req(31, 0, 1, room => 31, tenant => 4), pg_temp.req(33, 0, 1, room => 33, tenant => 4),
              pg_temp.req(34, 0, 1, room => 34, tenant => 3))), 5::bigint, 'five locks');
SELECT is(pg_temp.manually(
              pg_temp.manual(33, 43, tenant => 4, reason => 'one', recipients => '["a"]'),
              pg_temp.manual(32, 42, tenant => 3, reason => 'two'),
              pg_temp.manual(98, 48, tenant => 3),
              pg_temp.manual(31, 41, tenant => 4, reason => 'three', recipients => '["b"]'),
              pg_temp.manual(4, 44, tenant => 1),
              pg_temp.manual(31, 40, tenant => 3, reason => 'four'),
              pg_temp.manual(34, 49, tenant => 3, reservation => 1)),
          '1 RELEASED RELEASED, 2 RELEASED RELEASED, 3 NOT_FOUND, 4 RELEASED RELEASED, 5 NOT_ACTIVE RELEASED, 6 RELEASED RELEASED, 7 NOT_FOUND',
          'each answer to its request');
SELECT results_eq(
    $$SELECT pg_temp.n(tenant_id), pg_temp.n(id), status, release_reason FROM inventory_locks_shadow
      WHERE tenant_id IN (pg_temp.u(3), pg_temp.u(4)) ORDER BY 1, 2$$,
    $$VALUES (3, 31, 'RELEASED', 'four'), (3, 32, 'RELEASED', 'two'), (3, 34, 'ACTIVE', NULL),
             (4, 31, 'RELEASED', 'three'), (4, 33, 'RELEASED', 'one')$$,
    'tenants are kept apart');
SELECT results_eq(
    $$SELECT pg_temp.n(tenant_id), sequence, pg_temp.n(id), pg_temp.n(lock_id), reason FROM inventory_lock_audits
      WHERE tenant_id IN (pg_temp.u(3), pg_temp.u(4)) ORDER BY 1, 2$$,
    $$VALUES (3, 1::bigint, 40, 31, 'four'), (3, 2, 42, 32, 'two'), (4, 1, 41, 31, 'three'), (4, 2, 43, 33, 'one')$$,
    'each has its own chain, and its rows are those of its locks');
SELECT results_eq(
    $$SELECT pg_temp.n(event_id), pg_temp.n(tenant_id), pg_temp.n(lock_id), (payload::jsonb) ->> 'reason' FROM guard.outbox
      WHERE tenant_id IN (pg_temp.u(3), pg_temp.u(4)) ORDER BY 1$$,
    $$VALUES (1041, 4, 31, 'three'), (1043, 4, 33, 'one')$$, 'events only where somebody is told');
SELECT is_empty('SELECT * FROM guard.verify_audit_chains() WHERE problem IS NOT NULL', 'all chains are whole');
SELECT is_empty($$SELECT * FROM pg_temp.call(VARIADIC '{}'::pg_temp.manual[])$$, 'nothing to release');

-- All or nothing: what the audit trail refuses is not released either.
SELECT throws_ok(
    $$SELECT * FROM pg_temp.call(pg_temp.manual(34, 60, tenant => 3, recipients => '["x"]'), pg_temp.manual(1, 61, tenant => 2, reason => NULL))$$,
    '23502', NULL, 'a batch with a bad row fails as a whole');
SELECT results_eq(
    $$SELECT status FROM inventory_locks_shadow WHERE (tenant_id, id) IN ((pg_temp.u(3), pg_temp.u(34)), (pg_temp.u(2), pg_temp.u(1)))$$,
    $$VALUES ('ACTIVE'), ('ACTIVE')$$, 'its locks stand');
SELECT is_empty('SELECT * FROM inventory_lock_audits WHERE id IN (pg_temp.u(60), pg_temp.u(61))', 'no audit row');
SELECT is_empty('SELECT * FROM guard.outbox WHERE event_id = pg_temp.u(1060)', 'no event');

SELECT * FROM finish();
ROLLBACK;
