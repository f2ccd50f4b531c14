-- Batches of locks on free places, with one look at the index in place of two.
--
-- ON CONFLICT DO NOTHING makes PostgreSQL look for what is in the way before it inserts a row; the
-- exclusion constraint makes it look again afterwards. The first look is a quarter of the cost of a
-- lock. Without it one conflict fails the whole statement, and its rows stay behind dead. So it is
-- left out while there are no conflicts: after a number of batches of a session, one after the other,
-- in which nobody was in the way. What fails then is done again with care, in the same call.

-- How many calls in a row, in this session, have met nobody in the way: up to 16, which is enough for
-- the next to be tried without care. Of those one in sixteen fails, at most.
CREATE FUNCTION guard.free_batches() RETURNS integer
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(nullif(current_setting('availability_guard.free_batches', true), ''), '0')::integer
$$;

-- The insertion of guard.lock_batch where nobody is in the way. It looks at the index once, not
-- twice, and fails as a whole when somebody is: with the error of an exclusion or a unique constraint.
CREATE FUNCTION guard.insert_batch(
    p_now timestamptz, p_token bigint,
    p_tenants uuid[], p_ids uuid[], p_keys uuid[], p_properties uuid[], p_reservations uuid[],
    p_types uuid[], p_rooms uuid[], p_starts timestamptz[], p_ends timestamptz[],
    p_ttls integer[], p_reasons text[], p_correlations text[], p_metadata jsonb[])
RETURNS SETOF guard.lock_answer
LANGUAGE plpgsql
AS $$
BEGIN
    RETURN QUERY
    INSERT INTO public.inventory_locks_shadow AS l
           (id, tenant_id, property_id, reservation_id, room_type_id, room_id,
            stay_start, stay_end, expires_at, ttl_seconds, reason, correlation_id,
            metadata, fencing_token, created_at, updated_at)
    SELECT p_ids[i.n], p_tenants[i.n], p_properties[i.n], p_reservations[i.n], p_types[i.n],
           p_rooms[i.n], p_starts[i.n], p_ends[i.n],
           guard.expires_at(p_now, p_ttls[i.n], p_ends[i.n]), p_ttls[i.n], p_reasons[i.n],
           p_correlations[i.n], p_metadata[i.n], p_token + i.n - 1, p_now, p_now
    FROM generate_series(1, cardinality(p_ids)) AS i (n)
    WHERE p_ends[i.n] > p_now
    RETURNING (l.fencing_token - p_token + 1)::integer, 'LOCKED'::text,
           l.id, l.tenant_id, l.property_id, l.reservation_id, l.room_type_id, l.room_id,
           l.stay_start, l.stay_end, l.reason, l.correlation_id, l.expires_at, l.ttl_seconds,
           l.metadata, l.status, l.release_reason, l.released_at, l.fencing_token,
           l.created_at, l.updated_at;
END
$$;

-- Grants a batch of at most 1000 locks. Every array has one element for each request; no
-- two requests of a batch have the same tenant and id. p_keys has the id again where the
-- caller chose it by an idempotency key, else null. p_traces is null when no request has a trace.
-- Answers come in any order.
--
-- About plans: see the same function in 0002.
CREATE OR REPLACE FUNCTION guard.lock_batch(
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
    v_free    integer;
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
    PERFORM guard.take_resources(p_tenants, p_types, p_rooms, p_keys);
    -- Read only now: the wait for the resources does not count against the TTL,
    -- and a lock that expired meanwhile is seen as expired.
    v_now := clock_timestamp();
    -- The first of the batch's tokens. They also tell which rows this call has inserted.
    v_token := nextval('guard.fencing_token');

    -- The usual case: new locks on free places, all in one statement. The arrays are read by
    -- subscript: functions in FROM would store them first, and each costs a check of privileges.
    v_free := guard.free_batches();
    IF v_free = 16 THEN
        BEGIN
            RETURN QUERY SELECT * FROM guard.insert_batch(
                v_now, v_token, p_tenants, p_ids, p_keys, p_properties, p_reservations, p_types,
                p_rooms, p_starts, p_ends, p_ttls, p_reasons, p_correlations, p_metadata);
            GET DIAGNOSTICS v_granted = ROW_COUNT;
        EXCEPTION WHEN exclusion_violation OR unique_violation THEN
            NULL; -- nothing has been done
        END;
    END IF;
    IF v_granted IS NULL THEN
        RETURN QUERY
        INSERT INTO public.inventory_locks_shadow AS l
               (id, tenant_id, property_id, reservation_id, room_type_id, room_id,
                stay_start, stay_end, expires_at, ttl_seconds, reason, correlation_id,
                metadata, fencing_token, created_at, updated_at)
        SELECT p_ids[i.n], p_tenants[i.n], p_properties[i.n], p_reservations[i.n], p_types[i.n],
               p_rooms[i.n], p_starts[i.n], p_ends[i.n],
               guard.expires_at(v_now, p_ttls[i.n], p_ends[i.n]), p_ttls[i.n], p_reasons[i.n],
               p_correlations[i.n], p_metadata[i.n], v_token + i.n - 1, v_now, v_now
        FROM generate_series(1, cardinality(p_ids)) AS i (n)
        WHERE p_ends[i.n] > v_now
        ON CONFLICT DO NOTHING
        RETURNING (l.fencing_token - v_token + 1)::integer, 'LOCKED'::text,
               l.id, l.tenant_id, l.property_id, l.reservation_id, l.room_type_id, l.room_id,
               l.stay_start, l.stay_end, l.reason, l.correlation_id, l.expires_at, l.ttl_seconds,
               l.metadata, l.status, l.release_reason, l.released_at, l.fencing_token,
               l.created_at, l.updated_at;
        GET DIAGNOSTICS v_granted = ROW_COUNT;
    END IF;
    IF v_granted = cardinality(p_ids) THEN
        IF v_free < 16 THEN
            PERFORM set_config('availability_guard.free_batches', (v_free + 1)::text, false);
        END IF;
        IF v_granted > 0 AND guard.writes_events() THEN
            PERFORM guard.note_granted(
                NULL, v_now, v_token, p_tenants, p_ids, p_properties, p_reservations, p_types,
                p_rooms, p_starts, p_ends, p_ttls, p_reasons, p_correlations, p_traces);
        END IF;
        RETURN;
    END IF;

    IF v_free > 0 THEN
        PERFORM set_config('availability_guard.free_batches', '0', false);
    END IF;
    -- What was granted and what not: new requests, and those whose id is known or whose stay is
    -- over.
    SELECT array_agg(i.ordinal) FILTER (WHERE l.token = v_token + i.ordinal - 1),
           array_agg(i.ordinal) FILTER (WHERE l.token IS NULL AND i.stay_end > v_now),
           array_agg(i.ordinal) FILTER (WHERE l.token <> v_token + i.ordinal - 1
                                           OR i.stay_end <= v_now)
    INTO v_fresh, v_new, v_rest
    FROM unnest(p_tenants, p_ids, p_ends) WITH ORDINALITY AS i (tenant_id, id, stay_end, ordinal)
    LEFT JOIN LATERAL (SELECT l.fencing_token AS token
                       FROM public.inventory_locks_shadow AS l
                       WHERE l.tenant_id = i.tenant_id AND l.id = i.id
                       OFFSET 0) AS l ON true;
    IF v_granted > 0 AND guard.writes_events() THEN
        PERFORM guard.note_granted(
            v_fresh, v_now, v_token, p_tenants, p_ids, p_properties, p_reservations, p_types,
            p_rooms, p_starts, p_ends, p_ttls, p_reasons, p_correlations,
            CASE WHEN p_traces IS NOT NULL THEN guard.traces_of(p_traces, v_fresh) END);
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

-- Grants one lock: the same as a batch of one, at five sixths of its cost. p_traces: as there.
CREATE OR REPLACE FUNCTION guard.lock_one(
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
    v_free     integer;
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
    v_free := guard.free_batches();
    IF v_free = 16 THEN
        BEGIN
            RETURN QUERY
            INSERT INTO public.inventory_locks_shadow AS l
                   (id, tenant_id, property_id, reservation_id, room_type_id, room_id,
                    stay_start, stay_end, expires_at, ttl_seconds, reason, correlation_id,
                    metadata, fencing_token, created_at, updated_at)
            SELECT p_id, p_tenant, p_property, p_reservation, p_type, p_room,
                   p_start, p_end, guard.expires_at(v_now, p_ttl, p_end), p_ttl, p_reason,
                   p_correlation, p_metadata, v_token, v_now, v_now
            WHERE p_end > v_now
            RETURNING 1, 'LOCKED'::text,
                   l.id, l.tenant_id, l.property_id, l.reservation_id, l.room_type_id, l.room_id,
                   l.stay_start, l.stay_end, l.reason, l.correlation_id, l.expires_at, l.ttl_seconds,
                   l.metadata, l.status, l.release_reason, l.released_at, l.fencing_token,
                   l.created_at, l.updated_at;
            GET DIAGNOSTICS v_granted = ROW_COUNT;
        EXCEPTION WHEN exclusion_violation OR unique_violation THEN
            NULL; -- nothing has been done
        END;
    ELSE
        RETURN QUERY
        INSERT INTO public.inventory_locks_shadow AS l
               (id, tenant_id, property_id, reservation_id, room_type_id, room_id,
                stay_start, stay_end, expires_at, ttl_seconds, reason, correlation_id,
                metadata, fencing_token, created_at, updated_at)
        SELECT p_id, p_tenant, p_property, p_reservation, p_type, p_room,
               p_start, p_end, guard.expires_at(v_now, p_ttl, p_end), p_ttl, p_reason,
               p_correlation, p_metadata, v_token, v_now, v_now
        WHERE p_end > v_now
        ON CONFLICT DO NOTHING
        RETURNING 1, 'LOCKED'::text,
               l.id, l.tenant_id, l.property_id, l.reservation_id, l.room_type_id, l.room_id,
               l.stay_start, l.stay_end, l.reason, l.correlation_id, l.expires_at, l.ttl_seconds,
               l.metadata, l.status, l.release_reason, l.released_at, l.fencing_token,
               l.created_at, l.updated_at;
        GET DIAGNOSTICS v_granted = ROW_COUNT;
    END IF;
    IF v_granted = 1 THEN
        IF v_free < 16 THEN
            PERFORM set_config('availability_guard.free_batches', (v_free + 1)::text, false);
        END IF;
        IF guard.writes_events() THEN
            INSERT INTO guard.outbox (stream, event_type, created_at, events, locks, traces)
            VALUES ('inventory', 'inventory.locked', v_now, 1, ARRAY[
                ROW(p_id, p_tenant, p_property, p_reservation, p_type, p_room, p_start, p_end,
                    guard.expires_at(v_now, p_ttl, p_end), p_reason, p_correlation, v_token,
                    NULL, NULL)::guard.lock_event], p_traces);
        END IF;
        RETURN;
    END IF;
    IF v_free > 0 THEN
        PERFORM set_config('availability_guard.free_batches', '0', false);
    END IF;
    RETURN QUERY
    SELECT * FROM guard.lock_batch(
        ARRAY[p_tenant], ARRAY[p_id], ARRAY[p_key], ARRAY[p_property], ARRAY[p_reservation],
        ARRAY[p_type], ARRAY[p_room], ARRAY[p_start], ARRAY[p_end],
        ARRAY[p_ttl], ARRAY[p_reason], ARRAY[p_correlation], ARRAY[p_metadata],
        p_traces);
END
$$;
