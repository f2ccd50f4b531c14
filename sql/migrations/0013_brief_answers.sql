-- A new lock costs less: its answer holds only what the caller does not know, its event is kept as
-- the arrays that it came in, and a session waits for fewer calls without a conflict before it
-- leaves out the first look at the index.
--
-- What the version before calls stays: lock_batch and lock_one with whole locks as answers, and
-- read_stream. Gone is what only the version before that has called.

DROP FUNCTION guard.read_events(
    pg_snapshot, bigint, integer, pg_snapshot, bigint, integer, integer, integer, bigint);
DROP FUNCTION guard.insert_batch(
    timestamptz, bigint, uuid[], uuid[], uuid[], uuid[], uuid[], uuid[], timestamptz[],
    timestamptz[], integer[], text[], text[], jsonb[]);

-- --- the outbox ----------------------------------------------------------------------------

-- New locks of one call, all granted at one time, as their arrays came in: to make an array of
-- locks of them costs 7 % of the whole call. Their fencing tokens count up from the first.
CREATE TYPE guard.granted_locks AS (
    first_token     bigint,
    ids             uuid[],
    tenants         uuid[],
    properties      uuid[],
    reservations    uuid[],
    types           uuid[],
    rooms           uuid[],
    starts          timestamptz[],
    ends            timestamptz[],
    ttls            integer[],
    reasons         text[],
    correlations    text[]
);

-- A row has its locks in one of the two columns.
ALTER TABLE guard.outbox
    ADD COLUMN granted guard.granted_locks,
    ALTER COLUMN granted SET STORAGE EXTERNAL;

-- The locks of a row of the outbox, in their order; null: it has none.
CREATE FUNCTION guard.outbox_locks(o guard.outbox) RETURNS guard.lock_event[]
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    g guard.granted_locks := o.granted; -- read once, not for each of its columns
BEGIN
    IF g.ids IS NULL THEN
        RETURN o.locks;
    END IF;
    RETURN ARRAY(
        SELECT ROW(g.ids[i.n], g.tenants[i.n], g.properties[i.n], g.reservations[i.n],
                   g.types[i.n], g.rooms[i.n], g.starts[i.n], g.ends[i.n],
                   guard.expires_at(o.created_at, g.ttls[i.n], g.ends[i.n]), g.reasons[i.n],
                   g.correlations[i.n], g.first_token + i.n - 1, NULL, NULL)::guard.lock_event
        FROM generate_series(1, cardinality(g.ids)) AS i (n)
        ORDER BY i.n);
END
$$;

-- The same as in 0012, with both kinds of locks.
CREATE OR REPLACE FUNCTION guard.read_stream(
    p_announcements boolean, p_to bigint,
    p_window pg_snapshot, p_id bigint, p_ordinal integer,
    p_past pg_snapshot, p_past_id bigint, p_past_ordinal integer,
    p_limit integer, p_payload_bytes integer, p_bytes bigint)
RETURNS TABLE (
    more boolean, id bigint, ordinal integer, events integer, stream text, event_type text,
    occurred_at timestamptz, event_id uuid, tenant_id uuid, lock_id uuid, bytes integer,
    payload text, released_by text,
    property_id uuid, reservation_id uuid, room_type_id uuid, room_id uuid,
    stay_start timestamptz, stay_end timestamptz, expires_at timestamptz, reason text,
    correlation_id text, fencing_token bigint, released_at timestamptz, release_reason text,
    traceparent text)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
#variable_conflict use_column
DECLARE
    v_row   record;
    v_ids   bigint[];
    v_count integer := 0;
    v_bytes bigint := 0;
    v_more  boolean := false;
BEGIN
    -- First which rows: nothing large is read for that. A lock is about a quarter of its message,
    -- and less as a part of arrays.
    FOR v_row IN
        SELECT o.id, o.events - CASE WHEN o.id = p_id THEN p_ordinal ELSE 0 END AS events,
               CASE WHEN o.payload IS NULL
                    THEN coalesce(4 * pg_column_size(o.locks), 6 * pg_column_size(o.granted))
                    WHEN octet_length(o.payload) <= p_payload_bytes THEN octet_length(o.payload)
                    ELSE 0 END AS bytes
        FROM guard.outbox AS o
        WHERE o.id >= p_id AND o.id <= p_to AND (o.id > p_id OR o.events > p_ordinal)
          AND (o.stream = 'notification') = p_announcements
          AND guard.is_seen(o.xid, p_window)
          AND (p_past IS NULL OR NOT guard.is_seen(o.xid, p_past) OR o.id > p_past_id
               OR o.id = p_past_id AND o.events > p_past_ordinal)
        ORDER BY o.id
        LIMIT p_limit + 1
    LOOP
        v_more := v_count > 0 AND v_count + v_row.events > p_limit OR v_bytes >= p_bytes;
        EXIT WHEN v_more;
        v_ids := v_ids || v_row.id;
        v_count := v_count + v_row.events;
        v_bytes := v_bytes + v_row.bytes;
    END LOOP;
    IF v_ids IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT v_more OR v_count > p_limit,
           o.id, coalesce(l.ordinal, 1)::integer, o.events, o.stream, o.event_type, o.created_at,
           o.event_id, coalesce(o.tenant_id, l.tenant_id), coalesce(o.lock_id, l.id),
           octet_length(o.payload),
           CASE WHEN octet_length(o.payload) <= p_payload_bytes THEN o.payload END,
           o.released_by,
           l.property_id, l.reservation_id, l.room_type_id, l.room_id, l.stay_start, l.stay_end,
           l.expires_at, l.reason, l.correlation_id, l.fencing_token, l.released_at,
           l.release_reason, o.traces[coalesce(l.ordinal, 1)]
    FROM guard.outbox AS o
    LEFT JOIN LATERAL unnest(guard.outbox_locks(o)) WITH ORDINALITY
        AS l (id, tenant_id, property_id, reservation_id, room_type_id, room_id, stay_start,
              stay_end, expires_at, reason, correlation_id, fencing_token, released_at,
              release_reason, ordinal) ON true
    WHERE o.id = ANY (v_ids)
      AND (o.id > p_id OR coalesce(l.ordinal, 1) > p_ordinal)
      AND (p_past IS NULL OR NOT guard.is_seen(o.xid, p_past) OR o.id > p_past_id
           OR o.id = p_past_id AND coalesce(l.ordinal, 1) > p_past_ordinal)
    ORDER BY o.id, l.ordinal
    LIMIT p_limit;
END
$$;

-- --- events of new locks -------------------------------------------------------------------

-- The event of locks that guard.lock_batch_brief has just inserted: of all of them (p_ordinals is
-- null), or of those with these numbers. p_traces is that of the call. The caller holds the rows of
-- all these locks, as guard.read_stream counts on.
CREATE OR REPLACE FUNCTION guard.note_granted(
    p_ordinals integer[], p_now timestamptz, p_token bigint,
    p_tenants uuid[], p_ids uuid[], p_properties uuid[], p_reservations uuid[],
    p_types uuid[], p_rooms uuid[], p_starts timestamptz[], p_ends timestamptz[],
    p_ttls integer[], p_reasons text[], p_correlations text[], p_traces text[])
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF NOT guard.writes_events() THEN
        RETURN;
    END IF;
    IF p_ordinals IS NULL THEN
        INSERT INTO guard.outbox (stream, event_type, created_at, events, granted, traces)
        VALUES ('inventory', 'inventory.locked', p_now, cardinality(p_ids),
                ROW(p_token, p_ids, p_tenants, p_properties, p_reservations, p_types, p_rooms,
                    p_starts, p_ends, p_ttls, p_reasons, p_correlations)::guard.granted_locks,
                p_traces);
        RETURN;
    END IF;
    INSERT INTO guard.outbox (stream, event_type, created_at, events, locks, traces)
    SELECT 'inventory', 'inventory.locked', p_now, count(*), array_agg(
               ROW(p_ids[i.n], p_tenants[i.n], p_properties[i.n], p_reservations[i.n],
                   p_types[i.n], p_rooms[i.n], p_starts[i.n], p_ends[i.n],
                   guard.expires_at(p_now, p_ttls[i.n], p_ends[i.n]), p_reasons[i.n],
                   p_correlations[i.n], p_token + i.n - 1, NULL, NULL)::guard.lock_event),
           CASE WHEN p_traces IS NOT NULL THEN guard.traces_of(p_traces, p_ordinals) END
    FROM unnest(p_ordinals) AS i (n);
END
$$;

-- --- grants --------------------------------------------------------------------------------

-- Takes the resources of a batch, see 0006. Where no caller has chosen an id (p_ids is null), each
-- request has one.
CREATE OR REPLACE FUNCTION guard.take_resources(
    p_tenants uuid[], p_types uuid[], p_rooms uuid[], p_ids uuid[])
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    IF p_ids IS NULL THEN
        PERFORM pg_advisory_xact_lock(k.key)
        FROM (SELECT guard.resource_key(p_tenants[i.n], coalesce(p_rooms[i.n], p_types[i.n]), 0)
                     AS key
              FROM generate_series(1, cardinality(p_tenants)) AS i (n)
              ORDER BY 1
              OFFSET 0) AS k;
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(k.key)
    FROM (SELECT DISTINCT guard.resource_key(i.tenant, n.name, n.kind) AS key
          FROM unnest(p_tenants, p_types, p_rooms, p_ids) AS i (tenant, type, room, id),
          LATERAL (VALUES (coalesce(i.room, i.type), 0), (i.id, 1)) AS n (name, kind)
          WHERE n.name IS NOT NULL
          ORDER BY 1
          OFFSET 0) AS k;
END
$$;

-- How many calls without a conflict, one after the other, are enough to leave out the first look at
-- the index (0010). That saves a fifth of a call, and costs half a call when it was in vain: it
-- pays as long as fewer than three calls of ten meet somebody. Where they are more, few get past
-- four in a row.
CREATE FUNCTION guard.free_batches_enough() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT 4 $$;

-- Grants a batch of at most 1000 locks. Every array has one element for each request, or is null
-- when none has a value; no two requests of a batch have the same tenant and id. p_keys has the id
-- again where the caller chose it by an idempotency key, else null. p_traces is null when no
-- request has a trace. Answers come in any order.
--
-- Brief: the answer to a new lock has no id. It holds what the caller does not know: its
-- expires_at, metadata (as they are kept), fencing_token and created_at, which is also its
-- updated_at. All else is as it was asked for, and its status is ACTIVE.
--
-- About plans: see guard.lock_batch in 0002.
CREATE FUNCTION guard.lock_batch_brief(
    p_tenants uuid[], p_ids uuid[], p_keys uuid[], p_properties uuid[], p_reservations uuid[],
    p_types uuid[], p_rooms uuid[], p_starts timestamptz[], p_ends timestamptz[],
    p_ttls integer[], p_reasons text[], p_correlations text[], p_metadata jsonb[],
    p_traces text[] DEFAULT NULL)
RETURNS SETOF guard.lock_answer
LANGUAGE plpgsql
AS $$
DECLARE
    v_now     timestamptz;
    v_at      timestamptz;
    v_token   bigint;
    v_done    text;
    v_free    integer;
    v_next    integer;
    v_granted integer;
    v_fresh   integer[];
    v_new     integer[];
    v_rest    integer[];
    v_ordinal integer;
    v_answer  guard.lock_answer;
    q         guard.lock_request;
    v_one     record;
    v_outcome text;
    v_lock    public.inventory_locks_shadow;
    v_expired guard.lock_event[];
    v_locked  guard.lock_event[];
    v_traces  text[];
BEGIN
    IF cardinality(p_ids) > 1000 THEN
        RAISE EXCEPTION 'a batch holds at most 1000 requests' USING ERRCODE = '22023';
    END IF;
    v_done := guard.take_resources(p_tenants, p_types, p_rooms, p_keys);
    -- Read only now: the wait for the resources does not count against the TTL,
    -- and a lock that expired meanwhile is seen as expired.
    v_now := clock_timestamp();
    -- The first of the batch's tokens. They also tell which rows this call has inserted.
    v_token := nextval('guard.fencing_token');

    -- The usual case: new locks on free places, all in one statement. The arrays are read by
    -- subscript: functions in FROM would store them first, and each costs a check of privileges.
    v_free := guard.free_batches();
    IF v_free >= guard.free_batches_enough() THEN
        BEGIN
            INSERT INTO public.inventory_locks_shadow
                   (id, tenant_id, property_id, reservation_id, room_type_id, room_id,
                    stay_start, stay_end, expires_at, ttl_seconds, reason, correlation_id,
                    metadata, fencing_token, created_at, updated_at)
            SELECT p_ids[i.n], p_tenants[i.n], p_properties[i.n], p_reservations[i.n], p_types[i.n],
                   p_rooms[i.n], p_starts[i.n], p_ends[i.n],
                   guard.expires_at(v_now, p_ttls[i.n], p_ends[i.n]), p_ttls[i.n], p_reasons[i.n],
                   p_correlations[i.n], p_metadata[i.n], v_token + i.n - 1, v_now, v_now
            FROM generate_series(1, cardinality(p_ids)) AS i (n)
            WHERE p_ends[i.n] > v_now;
            GET DIAGNOSTICS v_granted = ROW_COUNT;
        EXCEPTION WHEN exclusion_violation OR unique_violation THEN
            NULL; -- nothing has been done
        END;
    END IF;
    IF v_granted IS NULL THEN
        INSERT INTO public.inventory_locks_shadow
               (id, tenant_id, property_id, reservation_id, room_type_id, room_id,
                stay_start, stay_end, expires_at, ttl_seconds, reason, correlation_id,
                metadata, fencing_token, created_at, updated_at)
        SELECT p_ids[i.n], p_tenants[i.n], p_properties[i.n], p_reservations[i.n], p_types[i.n],
               p_rooms[i.n], p_starts[i.n], p_ends[i.n],
               guard.expires_at(v_now, p_ttls[i.n], p_ends[i.n]), p_ttls[i.n], p_reasons[i.n],
               p_correlations[i.n], p_metadata[i.n], v_token + i.n - 1, v_now, v_now
        FROM generate_series(1, cardinality(p_ids)) AS i (n)
        WHERE p_ends[i.n] > v_now
        ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS v_granted = ROW_COUNT;
    END IF;
    IF v_granted < cardinality(p_ids) THEN
        -- What was granted and what not: new requests, and those whose id is known or whose stay
        -- is over.
        SELECT array_agg(i.ordinal) FILTER (WHERE l.token = v_token + i.ordinal - 1),
               array_agg(i.ordinal) FILTER (WHERE l.token IS NULL AND i.stay_end > v_now),
               array_agg(i.ordinal) FILTER (WHERE l.token <> v_token + i.ordinal - 1
                                               OR i.stay_end <= v_now)
        INTO v_fresh, v_new, v_rest
        FROM unnest(p_tenants, p_ids, p_ends) WITH ORDINALITY
            AS i (tenant_id, id, stay_end, ordinal)
        LEFT JOIN LATERAL (SELECT l.fencing_token AS token
                           FROM public.inventory_locks_shadow AS l
                           WHERE l.tenant_id = i.tenant_id AND l.id = i.id
                           OFFSET 0) AS l ON true;
        v_next := 0;
    ELSE
        v_next := least(v_free + 1, guard.free_batches_enough());
    END IF;
    IF v_next <> v_free THEN
        PERFORM set_config('availability_guard.free_batches', v_next::text, false);
    END IF;
    IF v_granted > 0 THEN
        RETURN QUERY
        SELECT i.n, 'LOCKED'::text,
               NULL::uuid, NULL::uuid, NULL::uuid, NULL::uuid, NULL::uuid, NULL::uuid,
               NULL::timestamptz, NULL::timestamptz, NULL::text, NULL::text,
               guard.expires_at(v_now, p_ttls[i.n], p_ends[i.n]), NULL::integer, p_metadata[i.n],
               NULL::text, NULL::text, NULL::timestamptz, v_token + i.n - 1, v_now,
               NULL::timestamptz
        FROM generate_series(1, cardinality(p_ids)) AS i (n)
        WHERE v_fresh IS NULL OR i.n = ANY (v_fresh);
        v_done := guard.note_granted(
            v_fresh, v_now, v_token, p_tenants, p_ids, p_properties, p_reservations, p_types,
            p_rooms, p_starts, p_ends, p_ttls, p_reasons, p_correlations, p_traces);
    END IF;
    IF v_granted = cardinality(p_ids) THEN
        RETURN;
    END IF;

    -- The usual reason: somebody else holds the place.
    FOR v_answer IN
        SELECT r.ordinal, 'CONFLICT',
               w.id, w.tenant_id, w.property_id, w.reservation_id, w.room_type_id, w.room_id,
               w.stay_start, w.stay_end, w.reason, w.correlation_id, w.expires_at, w.ttl_seconds,
               w.metadata, w.status, w.release_reason, w.released_at, w.fencing_token,
               w.created_at, w.updated_at
        FROM unnest(v_new) AS r (ordinal),
        LATERAL (SELECT b.*
                 FROM guard.in_the_way(p_tenants[r.ordinal], p_types[r.ordinal],
                                       p_rooms[r.ordinal], p_starts[r.ordinal],
                                       p_ends[r.ordinal], p_ids[r.ordinal]) AS b
                 WHERE b.expires_at > v_now
                 ORDER BY b.created_at, b.id
                 LIMIT 1) AS w
    LOOP
        RETURN NEXT v_answer;
        v_new := array_remove(v_new, v_answer.ordinal);
    END LOOP;
    v_rest := v_rest || v_new;
    IF coalesce(cardinality(v_rest), 0) = 0 THEN
        RETURN;
    END IF;

    -- The rest goes one by one: known ids, places that expired locks hold, stays that are over.
    -- Their rows, and those of expired locks, are locked in the order that releases keep too.
    PERFORM FROM (SELECT p_tenants[r.ordinal] AS tenant_id, p_ids[r.ordinal] AS id
                  FROM unnest(v_rest) AS r (ordinal)
                  UNION
                  SELECT w.tenant_id, w.id
                  FROM unnest(v_rest) AS r (ordinal),
                  LATERAL guard.in_the_way(p_tenants[r.ordinal], p_types[r.ordinal],
                                           p_rooms[r.ordinal], p_starts[r.ordinal],
                                           p_ends[r.ordinal], p_ids[r.ordinal]) AS w
                  WHERE w.expires_at <= v_now
                  ORDER BY 1, 2) AS i,
    LATERAL (SELECT FROM public.inventory_locks_shadow AS l
             WHERE l.tenant_id = i.tenant_id AND l.id = i.id
             FOR UPDATE) AS l;
    -- Read again: somebody who changed such a row meanwhile did so before this.
    v_at := clock_timestamp();

    FOREACH v_ordinal IN ARRAY v_rest LOOP
        IF p_ends[v_ordinal] <= v_at THEN
            v_outcome := 'STAY_OVER';
            v_lock := NULL;
        ELSE
            q := ROW(p_tenants[v_ordinal], p_ids[v_ordinal], p_properties[v_ordinal],
                     p_reservations[v_ordinal], p_types[v_ordinal], p_rooms[v_ordinal],
                     p_starts[v_ordinal], p_ends[v_ordinal], p_ttls[v_ordinal],
                     p_reasons[v_ordinal], p_correlations[v_ordinal], p_metadata[v_ordinal]);
            v_one := guard.grant_one(q, v_now, v_at);
            v_outcome := v_one.outcome;
            v_lock := v_one.held;
            v_expired := v_expired || v_one.expired;
            IF v_outcome = 'LOCKED' THEN
                v_locked := v_locked || guard.event_of(v_lock);
                IF p_traces IS NOT NULL THEN
                    v_traces := array_append(v_traces, p_traces[v_ordinal]);
                END IF;
            END IF;
        END IF;
        RETURN NEXT guard.answer_of(v_ordinal, v_outcome, v_lock, v_now);
    END LOOP;
    -- In this order: a lock whose former grant has expired is granted anew after that.
    PERFORM guard.note_locks('inventory.expired', v_at, v_expired, NULL, NULL);
    PERFORM guard.note_locks('inventory.locked', v_at, v_locked, NULL, v_traces);
END
$$;

-- Grants one lock: the same as a batch of one, for less. p_traces: as there.
CREATE FUNCTION guard.lock_one_brief(
    p_tenant uuid, p_id uuid, p_key uuid, p_property uuid, p_reservation uuid,
    p_type uuid, p_room uuid, p_start timestamptz, p_end timestamptz,
    p_ttl integer, p_reason text, p_correlation text, p_metadata jsonb,
    p_traces text[] DEFAULT NULL)
RETURNS SETOF guard.lock_answer
LANGUAGE plpgsql
AS $$
DECLARE
    v_resource bigint;
    v_key      bigint;
    v_done     text;
    v_now      timestamptz;
    v_token    bigint;
    v_expires  timestamptz;
    v_free     integer;
    v_next     integer;
    v_granted  integer;
BEGIN
    -- In the order of take_resources. (To assign is the cheapest way to call: it needs no query.)
    v_resource := guard.resource_key(p_tenant, coalesce(p_room, p_type), 0);
    v_key := coalesce(guard.resource_key(p_tenant, p_key, 1), v_resource);
    v_done := pg_advisory_xact_lock(least(v_resource, v_key));
    IF v_key <> v_resource THEN
        v_done := pg_advisory_xact_lock(greatest(v_resource, v_key));
    END IF;
    v_now := clock_timestamp();
    v_token := nextval('guard.fencing_token');
    v_expires := guard.expires_at(v_now, p_ttl, p_end);
    v_free := guard.free_batches();
    IF p_end <= v_now THEN
        v_granted := 0;
    ELSIF v_free >= guard.free_batches_enough() THEN
        BEGIN
            INSERT INTO public.inventory_locks_shadow
                   (id, tenant_id, property_id, reservation_id, room_type_id, room_id,
                    stay_start, stay_end, expires_at, ttl_seconds, reason, correlation_id,
                    metadata, fencing_token, created_at, updated_at)
            VALUES (p_id, p_tenant, p_property, p_reservation, p_type, p_room,
                    p_start, p_end, v_expires, p_ttl, p_reason,
                    p_correlation, p_metadata, v_token, v_now, v_now);
            v_granted := 1;
        EXCEPTION WHEN exclusion_violation OR unique_violation THEN
            v_granted := 0; -- nothing has been done
        END;
    ELSE
        INSERT INTO public.inventory_locks_shadow
               (id, tenant_id, property_id, reservation_id, room_type_id, room_id,
                stay_start, stay_end, expires_at, ttl_seconds, reason, correlation_id,
                metadata, fencing_token, created_at, updated_at)
        VALUES (p_id, p_tenant, p_property, p_reservation, p_type, p_room,
                p_start, p_end, v_expires, p_ttl, p_reason,
                p_correlation, p_metadata, v_token, v_now, v_now)
        ON CONFLICT DO NOTHING;
        GET DIAGNOSTICS v_granted = ROW_COUNT;
    END IF;
    v_next := CASE WHEN v_granted = 0 THEN 0
                   ELSE least(v_free + 1, guard.free_batches_enough()) END;
    IF v_next <> v_free THEN
        PERFORM set_config('availability_guard.free_batches', v_next::text, false);
    END IF;
    IF v_granted = 1 THEN
        IF guard.writes_events() THEN
            INSERT INTO guard.outbox (stream, event_type, created_at, events, locks, traces)
            VALUES ('inventory', 'inventory.locked', v_now, 1, ARRAY[
                ROW(p_id, p_tenant, p_property, p_reservation, p_type, p_room, p_start, p_end,
                    v_expires, p_reason, p_correlation, v_token, NULL, NULL)::guard.lock_event],
                p_traces);
        END IF;
        RETURN NEXT ROW(1, 'LOCKED', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
                        v_expires, NULL, p_metadata, NULL, NULL, NULL, v_token, v_now,
                        NULL)::guard.lock_answer;
        RETURN;
    END IF;
    RETURN QUERY
    SELECT * FROM guard.lock_batch_brief(
        ARRAY[p_tenant], ARRAY[p_id], ARRAY[p_key], ARRAY[p_property], ARRAY[p_reservation],
        ARRAY[p_type], ARRAY[p_room], ARRAY[p_start], ARRAY[p_end],
        ARRAY[p_ttl], ARRAY[p_reason], ARRAY[p_correlation], ARRAY[p_metadata],
        p_traces);
END
$$;

-- The same with whole locks as answers.
CREATE OR REPLACE FUNCTION guard.lock_batch(
    p_tenants uuid[], p_ids uuid[], p_keys uuid[], p_properties uuid[], p_reservations uuid[],
    p_types uuid[], p_rooms uuid[], p_starts timestamptz[], p_ends timestamptz[],
    p_ttls integer[], p_reasons text[], p_correlations text[], p_metadata jsonb[],
    p_traces text[] DEFAULT NULL)
RETURNS SETOF guard.lock_answer
LANGUAGE plpgsql
AS $$
DECLARE
    v_answer guard.lock_answer;
    v_lock   public.inventory_locks_shadow;
BEGIN
    FOR v_answer IN
        SELECT * FROM guard.lock_batch_brief(
            p_tenants, p_ids, p_keys, p_properties, p_reservations, p_types, p_rooms,
            p_starts, p_ends, p_ttls, p_reasons, p_correlations, p_metadata, p_traces)
    LOOP
        IF v_answer.outcome = 'LOCKED' AND v_answer.id IS NULL THEN
            SELECT * INTO v_lock FROM public.inventory_locks_shadow AS l
            WHERE l.tenant_id = p_tenants[v_answer.ordinal] AND l.id = p_ids[v_answer.ordinal];
            v_answer := guard.answer_of(v_answer.ordinal, 'LOCKED', v_lock, v_lock.created_at);
        END IF;
        RETURN NEXT v_answer;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION guard.lock_one(
    p_tenant uuid, p_id uuid, p_key uuid, p_property uuid, p_reservation uuid,
    p_type uuid, p_room uuid, p_start timestamptz, p_end timestamptz,
    p_ttl integer, p_reason text, p_correlation text, p_metadata jsonb,
    p_traces text[] DEFAULT NULL)
RETURNS SETOF guard.lock_answer
LANGUAGE sql
AS $$
    SELECT * FROM guard.lock_batch(
        ARRAY[p_tenant], ARRAY[p_id], ARRAY[p_key], ARRAY[p_property], ARRAY[p_reservation],
        ARRAY[p_type], ARRAY[p_room], ARRAY[p_start], ARRAY[p_end],
        ARRAY[p_ttl], ARRAY[p_reason], ARRAY[p_correlation], ARRAY[p_metadata],
        p_traces)
$$;

-- --- commands ------------------------------------------------------------------------------

-- The same as in 0011, without reading whole locks.
CREATE OR REPLACE FUNCTION guard.perform_locks(
    p_commands text[],
    p_tenants uuid[], p_ids uuid[], p_keys uuid[], p_properties uuid[], p_reservations uuid[],
    p_types uuid[], p_rooms uuid[], p_starts timestamptz[], p_ends timestamptz[],
    p_ttls integer[], p_reasons text[], p_correlations text[], p_metadata jsonb[],
    p_traces text[] DEFAULT NULL)
RETURNS SETOF guard.command_answer
LANGUAGE plpgsql
AS $$
DECLARE
    v_new    integer[] := guard.begin_commands(p_tenants, p_commands, 'LOCKED');
    v_answer guard.lock_answer;
BEGIN
    IF cardinality(v_new) < cardinality(p_commands) THEN
        -- What had come too late still goes to the dead letters, where it may not have arrived.
        RETURN QUERY
        SELECT i.n, CASE WHEN c.outcome = 'STAY_OVER' THEN c.outcome ELSE 'DUPLICATE' END
        FROM generate_series(1, cardinality(p_commands)) AS i (n)
        LEFT JOIN LATERAL (SELECT e.outcome FROM guard.performed_commands AS e
                           WHERE e.tenant_id = p_tenants[i.n] AND e.part = 0
                             AND e.command_id = p_commands[i.n] COLLATE "C"
                           OFFSET 0) AS c ON true
        WHERE i.n <> ALL (v_new);
        IF cardinality(v_new) = 0 THEN
            RETURN;
        END IF;
        SELECT array_agg(p_commands[i.n]), array_agg(p_tenants[i.n]), array_agg(p_ids[i.n]),
               array_agg(p_keys[i.n]), array_agg(p_properties[i.n]),
               array_agg(p_reservations[i.n]), array_agg(p_types[i.n]), array_agg(p_rooms[i.n]),
               array_agg(p_starts[i.n]), array_agg(p_ends[i.n]), array_agg(p_ttls[i.n]),
               array_agg(p_reasons[i.n]), array_agg(p_correlations[i.n]),
               array_agg(p_metadata[i.n]),
               CASE WHEN p_traces IS NOT NULL THEN guard.traces_of(p_traces, v_new) END
        INTO p_commands, p_tenants, p_ids, p_keys, p_properties, p_reservations, p_types, p_rooms,
             p_starts, p_ends, p_ttls, p_reasons, p_correlations, p_metadata, p_traces
        FROM (SELECT * FROM unnest(v_new) WITH ORDINALITY AS i (n, place) ORDER BY i.place) AS i;
    END IF;
    FOR v_answer IN
        SELECT * FROM guard.lock_batch_brief(
            p_tenants, p_ids, p_keys, p_properties, p_reservations, p_types, p_rooms,
            p_starts, p_ends, p_ttls, p_reasons, p_correlations, p_metadata, p_traces)
    LOOP
        IF v_answer.outcome <> 'LOCKED' THEN
            PERFORM guard.note_outcome(p_tenants[v_answer.ordinal], p_commands[v_answer.ordinal],
                                       v_answer.outcome);
        END IF;
        RETURN NEXT ROW(v_new[v_answer.ordinal], v_answer.outcome)::guard.command_answer;
    END LOOP;
END
$$;
