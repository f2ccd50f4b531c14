-- Traces: who had a traceparent (W3C Trace Context) with a request finds it again at its events.
--
-- What a lock without a trace costs must not grow by it: arguments and columns are null then, and
-- nothing is computed of them.
--
-- What the version before calls stays: functions got an argument more, which may be missing.

-- --- the outbox ----------------------------------------------------------------------------

-- The traceparent of each of its events, in their order; null when none of them has one.
ALTER TABLE guard.outbox
    ADD COLUMN traces text[],
    ALTER COLUMN traces SET STORAGE EXTERNAL;

-- --- events of locks -----------------------------------------------------------------------

-- The traces of some of a batch, those with these numbers, in their order.
CREATE FUNCTION guard.traces_of(p_traces text[], p_ordinals integer[]) RETURNS text[]
LANGUAGE sql IMMUTABLE
AS $$ SELECT array_agg(p_traces[i.n] ORDER BY i.place)
      FROM unnest(p_ordinals) WITH ORDINALITY AS i (n, place) $$;

DROP FUNCTION guard.note_locks(text, timestamptz, guard.lock_event[], text);
DROP FUNCTION guard.note_granted(
    integer[], timestamptz, bigint, uuid[], uuid[], uuid[], uuid[], uuid[], uuid[], timestamptz[],
    timestamptz[], integer[], text[], text[]);

-- Writes the events of one type of this transaction, if there are any, with the traces of the locks
-- (null: none has one). The caller holds the rows of all these locks, as guard.read_events counts
-- on.
CREATE FUNCTION guard.note_locks(
    p_type text, p_now timestamptz, p_locks guard.lock_event[], p_released_by text,
    p_traces text[])
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    v_some guard.lock_event[];
BEGIN
    IF p_released_by NOT IN ('api', 'bulk', 'manual', 'command') THEN
        RAISE EXCEPTION 'no such door: %', p_released_by USING ERRCODE = '22023';
    END IF;
    IF NOT guard.writes_events() THEN
        RETURN;
    END IF;
    FOR v_first IN 1 .. coalesce(cardinality(p_locks), 0) BY 1000 LOOP
        v_some := p_locks[v_first : v_first + 999];
        INSERT INTO guard.outbox (stream, event_type, created_at, events, locks, released_by,
                                  traces)
        VALUES ('inventory', p_type, p_now, cardinality(v_some), v_some, p_released_by,
                p_traces[v_first : v_first + 999]);
    END LOOP;
END
$$;

-- The same for locks that guard.lock_batch has just inserted, those with these numbers, or all of
-- them (null); p_traces is as above. Straight from the arrays of the call: to read the rows again
-- would cost twice as much.
CREATE FUNCTION guard.note_granted(
    p_ordinals integer[], p_now timestamptz, p_token bigint,
    p_tenants uuid[], p_ids uuid[], p_properties uuid[], p_reservations uuid[],
    p_types uuid[], p_rooms uuid[], p_starts timestamptz[], p_ends timestamptz[],
    p_ttls integer[], p_reasons text[], p_correlations text[], p_traces text[])
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO guard.outbox (stream, event_type, created_at, events, locks, traces)
    SELECT 'inventory', 'inventory.locked', p_now, count(*), array_agg(
               ROW(p_ids[i.n], p_tenants[i.n], p_properties[i.n], p_reservations[i.n],
                   p_types[i.n], p_rooms[i.n], p_starts[i.n], p_ends[i.n],
                   guard.expires_at(p_now, p_ttls[i.n], p_ends[i.n]), p_reasons[i.n],
                   p_correlations[i.n], p_token + i.n - 1, NULL, NULL)::guard.lock_event),
           p_traces
    FROM unnest(coalesce(p_ordinals, ARRAY(SELECT generate_series(1, cardinality(p_ids)))))
        AS i (n);
END
$$;

-- --- grants --------------------------------------------------------------------------------

DROP FUNCTION guard.clear_place(guard.lock_request, timestamptz);
DROP FUNCTION guard.grant_one(guard.lock_request, timestamptz);
DROP FUNCTION guard.lock_batch(
    uuid[], uuid[], uuid[], uuid[], uuid[], uuid[], uuid[], timestamptz[], timestamptz[], integer[],
    text[], text[], jsonb[]);
DROP FUNCTION guard.lock_one(
    uuid, uuid, uuid, uuid, uuid, uuid, uuid, timestamptz, timestamptz, integer, text, text, jsonb);

-- Clears the place of locks that have expired at p_now, and gives those that it has marked, dated
-- p_granted, or the oldest lock that still holds the place (a row of nulls when it is free).
CREATE FUNCTION guard.clear_place(
    q guard.lock_request, p_now timestamptz, p_granted timestamptz,
    OUT blocker public.inventory_locks_shadow, OUT expired guard.lock_event[])
LANGUAGE plpgsql
AS $$
DECLARE
    v_id   uuid;
    v_lock public.inventory_locks_shadow;
BEGIN
    SELECT w.* INTO blocker
    FROM guard.in_the_way(q.tenant_id, q.room_type_id, q.room_id,
                          q.stay_start, q.stay_end, q.id) AS w
    WHERE w.expires_at > p_now
    ORDER BY w.created_at, w.id
    LIMIT 1;
    IF blocker.id IS NULL THEN
        FOR v_id IN
            SELECT w.id FROM guard.in_the_way(q.tenant_id, q.room_type_id, q.room_id,
                                              q.stay_start, q.stay_end, q.id) AS w
        LOOP
            UPDATE public.inventory_locks_shadow AS l
            SET status = 'EXPIRED', updated_at = p_granted
            WHERE l.tenant_id = q.tenant_id AND l.id = v_id
              AND l.status || '' = 'ACTIVE' AND l.expires_at <= p_now
            RETURNING l.* INTO v_lock;
            IF FOUND THEN
                expired := expired || guard.event_of(v_lock);
            END IF;
        END LOOP;
    END IF;
END
$$;

-- One request that could not simply be inserted. Returns the lock that is held
-- now (outcome LOCKED) or the one in the way (CONFLICT), as it was when that was
-- decided: by now it may have been released. And the locks that have expired by that: those in
-- the way, and the former grant of this lock, if nobody has marked it before. Who is in the way is
-- seen as of p_now; what is done is dated p_granted, which is not before it.
-- The caller has taken the request's resource.
CREATE FUNCTION guard.grant_one(
    q guard.lock_request, p_now timestamptz, p_granted timestamptz,
    OUT outcome text, OUT held public.inventory_locks_shadow, OUT expired guard.lock_event[])
LANGUAGE plpgsql
AS $$
DECLARE
    v_existing public.inventory_locks_shadow;
    v_place    record;
BEGIN
    LOOP
        SELECT * INTO v_existing FROM public.inventory_locks_shadow AS l
        WHERE l.tenant_id = q.tenant_id AND l.id = q.id
        FOR UPDATE;

        v_place := guard.clear_place(q, p_now, p_granted);
        expired := expired || v_place.expired;
        IF (v_place.blocker).id IS NOT NULL THEN
            held := v_place.blocker;
            outcome := 'CONFLICT';
            RETURN;
        END IF;

        outcome := 'LOCKED';
        IF v_existing.id IS NOT NULL THEN
            IF v_existing.status = 'ACTIVE' AND v_existing.expires_at <= p_granted THEN
                expired := expired || guard.event_of(v_existing);
            END IF;
            held := guard.grant_again(q, v_existing, p_granted);
            RETURN;
        END IF;
        INSERT INTO public.inventory_locks_shadow
               (id, tenant_id, property_id, reservation_id, room_type_id, room_id,
                stay_start, stay_end, expires_at, ttl_seconds, reason, correlation_id,
                metadata, fencing_token, created_at, updated_at)
        VALUES (q.id, q.tenant_id, q.property_id, q.reservation_id, q.room_type_id, q.room_id,
                q.stay_start, q.stay_end, guard.expires_at(p_granted, q.ttl_seconds, q.stay_end),
                q.ttl_seconds, q.reason, q.correlation_id,
                q.metadata, nextval('guard.fencing_token'), p_granted, p_granted)
        ON CONFLICT DO NOTHING
        RETURNING * INTO held;
        IF FOUND THEN
            RETURN;
        END IF;
        -- Somebody has just inserted this id for another place: look again.
    END LOOP;
END
$$;

-- Grants a batch of at most 1000 locks. Every array has one element for each request; no
-- two requests of a batch have the same tenant and id. p_keys has the id again where the
-- caller chose it by an idempotency key, else null. p_traces is null when no request has a trace.
-- Answers come in any order.
--
-- About plans: see the same function in 0002.
CREATE FUNCTION guard.lock_batch(
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
                v_now, v_token, p_tenants, p_ids, p_properties, p_reservations, p_types, p_rooms,
                p_starts, p_ends, p_ttls, p_reasons, p_correlations, p_metadata);
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
CREATE FUNCTION guard.lock_one(
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

-- --- releases ------------------------------------------------------------------------------

DROP FUNCTION guard.release_batch(uuid[], uuid[], uuid[], text[], text[], jsonb[], text);
DROP FUNCTION guard.bulk_release(uuid, uuid[], text, text, uuid, text);
DROP FUNCTION guard.manual_release_batch(
    uuid[], uuid[], uuid[], uuid[], uuid[], text[], text[], text[], text[], text[], jsonb[],
    jsonb[]);

-- Releases a batch of locks. Every array has one element for each request; no two
-- requests of a batch have the same tenant and id. A lock that has ended already
-- (released, or past its expires_at) stays as it is. The answer to each is RELEASED, also when
-- it had ended before, with the lock as it is now; or NOT_FOUND. p_released_by says in the events
-- which door it was; p_traces is as in lock_batch.
CREATE FUNCTION guard.release_batch(
    p_tenants uuid[], p_ids uuid[], p_reservations uuid[],
    p_reasons text[], p_correlations text[], p_metadata jsonb[], p_released_by text,
    p_traces text[] DEFAULT NULL)
RETURNS SETOF guard.lock_answer
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
DECLARE
    v_now      timestamptz := clock_timestamp();
    v_held     integer[];
    v_ordinal  integer;
    v_lock     public.inventory_locks_shadow;
    v_released guard.lock_event[];
    v_traces   text[];
BEGIN
    -- Rows are locked in one order, so that two batches don't wait for each other.
    -- Rows that have ended are left alone: a grant that reclaims their place may
    -- have them in hand.
    -- Only what is locked here is released below: a row that is granted anew in between
    -- would be out of order.
    v_held := ARRAY(
        SELECT i.ordinal
        FROM (SELECT * FROM unnest(p_tenants, p_ids) WITH ORDINALITY AS i (tenant_id, id, ordinal)
              ORDER BY 1, 2) AS i,
        LATERAL (SELECT FROM public.inventory_locks_shadow AS l
                 WHERE l.tenant_id = i.tenant_id AND l.id = i.id
                   AND l.status || '' = 'ACTIVE' AND l.expires_at > v_now
                 FOR UPDATE) AS l);
    -- Read again, so that the wait for the rows is not dated back.
    v_now := clock_timestamp();

    FOR v_ordinal IN 1 .. cardinality(p_ids) LOOP
        UPDATE public.inventory_locks_shadow AS l
        SET status         = 'RELEASED',
            release_reason = p_reasons[v_ordinal],
            released_at    = v_now,
            updated_at     = v_now,
            correlation_id = coalesce(p_correlations[v_ordinal], l.correlation_id),
            metadata       = CASE WHEN p_metadata[v_ordinal] IS NULL THEN l.metadata
                                  ELSE coalesce(l.metadata, '{}') || p_metadata[v_ordinal] END
        WHERE l.tenant_id = p_tenants[v_ordinal] AND l.id = p_ids[v_ordinal]
          AND v_ordinal = ANY (v_held)
          AND (p_reservations[v_ordinal] IS NULL OR l.reservation_id = p_reservations[v_ordinal])
          AND l.status || '' = 'ACTIVE' AND l.expires_at > v_now
        RETURNING l.* INTO v_lock;
        IF FOUND THEN
            v_released := v_released || guard.event_of(v_lock);
            IF p_traces IS NOT NULL THEN
                v_traces := array_append(v_traces, p_traces[v_ordinal]);
            END IF;
        ELSE
            SELECT * INTO v_lock FROM public.inventory_locks_shadow AS l
            WHERE l.tenant_id = p_tenants[v_ordinal] AND l.id = p_ids[v_ordinal]
              AND (p_reservations[v_ordinal] IS NULL
                   OR l.reservation_id = p_reservations[v_ordinal]);
        END IF;
        RETURN NEXT guard.answer_of(
            v_ordinal, CASE WHEN FOUND THEN 'RELEASED' ELSE 'NOT_FOUND' END, v_lock, v_now);
    END LOOP;
    PERFORM guard.note_locks('inventory.released', v_now, v_released, p_released_by, v_traces);
END
$$;

-- Releases those of the locks that are active, and returns how many locks this
-- release (p_release) has ended in this call or, when the same call is sent again
-- because its answer was lost, had ended then. p_released_by: as in release_batch. All of it
-- has one trace, or none.
CREATE FUNCTION guard.bulk_release(
    p_tenant uuid, p_ids uuid[], p_reason text, p_correlation text, p_release uuid,
    p_released_by text, p_trace text DEFAULT NULL)
RETURNS integer
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
DECLARE
    v_now      timestamptz := clock_timestamp();
    v_ids      uuid[] := ARRAY(SELECT DISTINCT i.id FROM unnest(p_ids) AS i (id) ORDER BY i.id);
    v_held     uuid[];
    v_id       uuid;
    v_count    integer := 0;
    v_lock     public.inventory_locks_shadow;
    v_released guard.lock_event[];
BEGIN
    -- As in release_batch: one order, and the time after the wait.
    v_held := ARRAY(
        SELECT i.id
        FROM unnest(v_ids) AS i (id),
        LATERAL (SELECT FROM public.inventory_locks_shadow AS l
                 WHERE l.tenant_id = p_tenant AND l.id = i.id
                   AND l.status || '' = 'ACTIVE' AND l.expires_at > v_now
                 FOR UPDATE) AS l);
    v_now := clock_timestamp();

    FOREACH v_id IN ARRAY v_ids LOOP
        UPDATE public.inventory_locks_shadow AS l
        SET status         = 'RELEASED',
            release_reason = p_reason,
            released_at    = v_now,
            updated_at     = v_now,
            correlation_id = coalesce(p_correlation, l.correlation_id),
            release_id     = p_release
        WHERE l.tenant_id = p_tenant AND l.id = v_id AND v_id = ANY (v_held)
          AND l.status || '' = 'ACTIVE' AND l.expires_at > v_now
        RETURNING l.* INTO v_lock;
        IF FOUND THEN
            v_released := v_released || guard.event_of(v_lock);
        ELSE
            PERFORM FROM public.inventory_locks_shadow AS l
            WHERE l.tenant_id = p_tenant AND l.id = v_id
              AND l.status || '' = 'RELEASED' AND l.release_id = p_release;
        END IF;
        v_count := v_count + FOUND::integer;
    END LOOP;
    PERFORM guard.note_locks('inventory.released', v_now, v_released, p_released_by,
                             CASE WHEN p_trace IS NOT NULL
                                  THEN array_fill(p_trace, ARRAY[coalesce(cardinality(v_released), 0)])
                                  END);
    RETURN v_count;
END
$$;

-- Releases a batch of locks by force. Every array has one element for each request; no two
-- requests of a batch have the same tenant and lock. Each release comes with its audit row, its
-- event and, where it has recipients, its announcement, or not at all. An audit row that is there
-- already is that of the same request, whose answer was lost: whatever has become of the lock
-- since.
CREATE FUNCTION guard.manual_release_batch(
    p_tenants uuid[], p_ids uuid[], p_reservations uuid[], p_audits uuid[], p_events uuid[],
    p_reasons text[], p_actor_ids text[], p_actor_names text[], p_actor_emails text[],
    p_correlations text[], p_metadata jsonb[], p_recipients jsonb[], p_traces text[] DEFAULT NULL)
RETURNS SETOF guard.manual_release_answer
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
DECLARE
    v_now       timestamptz;
    v_held      integer[];
    v_i         integer;
    v_lock      public.inventory_locks_shadow;
    v_released  guard.lock_event[];
    v_traces    text[];
    v_announced boolean := false;
BEGIN
    -- All rows first, in the order of all batches, and only then the heads of the chains, in
    -- theirs: so no two transactions wait for each other. What is not locked here was not there,
    -- and is not found below either: a row that comes in between would be out of order. Rows that
    -- have ended are left alone: a grant that reclaims their place may have them in hand.
    v_now := clock_timestamp();
    v_held := ARRAY(
        SELECT i.ordinal
        FROM (SELECT * FROM unnest(p_tenants, p_ids) WITH ORDINALITY AS i (tenant_id, id, ordinal)
              ORDER BY 1, 2) AS i,
        LATERAL (SELECT FROM public.inventory_locks_shadow AS l
                 WHERE l.tenant_id = i.tenant_id AND l.id = i.id
                   AND l.status || '' = 'ACTIVE' AND l.expires_at > v_now
                 FOR UPDATE) AS l);
    v_now := clock_timestamp();

    FOR v_i IN
        SELECT i.ordinal FROM unnest(p_tenants, p_ids) WITH ORDINALITY AS i (tenant_id, id, ordinal)
        ORDER BY i.tenant_id, i.id
    LOOP
        -- By an order that only the primary key has: other indexes begin with the tenant too,
        -- and a plan made while the table was empty would take any of them.
        PERFORM FROM (SELECT a.tenant_id, a.id FROM public.inventory_lock_audits AS a
                      WHERE (a.tenant_id, a.id) >= (p_tenants[v_i], p_audits[v_i])
                      ORDER BY a.tenant_id, a.id LIMIT 1) AS a
        WHERE a.tenant_id = p_tenants[v_i] AND a.id = p_audits[v_i];
        IF FOUND THEN
            RETURN NEXT ROW(v_i, 'RELEASED', 'RELEASED')::guard.manual_release_answer;
            CONTINUE;
        END IF;
        SELECT * INTO v_lock FROM public.inventory_locks_shadow AS l
        WHERE l.tenant_id = p_tenants[v_i] AND l.id = p_ids[v_i]
          AND (v_i = ANY (v_held) OR l.status || '' <> 'ACTIVE' OR l.expires_at <= v_now)
          AND (p_reservations[v_i] IS NULL OR l.reservation_id = p_reservations[v_i]);
        IF NOT FOUND THEN
            RETURN NEXT ROW(v_i, 'NOT_FOUND', NULL)::guard.manual_release_answer;
            CONTINUE;
        END IF;
        IF v_lock.status <> 'ACTIVE' OR v_lock.expires_at <= v_now THEN
            RETURN NEXT ROW(v_i, 'NOT_ACTIVE',
                            CASE WHEN v_lock.status = 'ACTIVE' THEN 'EXPIRED'
                                 ELSE v_lock.status END)::guard.manual_release_answer;
            CONTINUE;
        END IF;
        UPDATE public.inventory_locks_shadow AS l
        SET status         = 'RELEASED',
            release_reason = p_reasons[v_i],
            released_at    = v_now,
            updated_at     = v_now,
            correlation_id = coalesce(p_correlations[v_i], l.correlation_id),
            metadata       = CASE WHEN p_metadata[v_i] IS NULL THEN l.metadata
                                  ELSE coalesce(l.metadata, '{}') || p_metadata[v_i] END
        WHERE l.tenant_id = p_tenants[v_i] AND l.id = p_ids[v_i]
        RETURNING l.* INTO v_lock;
        v_released := v_released || guard.event_of(v_lock);
        IF p_traces IS NOT NULL THEN
            v_traces := array_append(v_traces, p_traces[v_i]);
        END IF;
        INSERT INTO public.inventory_lock_audits
               (id, tenant_id, lock_id, action, performed_by_id, performed_by_name,
                performed_by_email, reason, metadata)
        VALUES (p_audits[v_i], p_tenants[v_i], p_ids[v_i], 'MANUAL_RELEASE', p_actor_ids[v_i],
                p_actor_names[v_i], p_actor_emails[v_i], p_reasons[v_i], p_metadata[v_i]);
        IF p_recipients[v_i] IS NOT NULL THEN
            INSERT INTO guard.outbox
                   (stream, event_id, event_type, tenant_id, lock_id, payload, created_at, traces)
            VALUES ('notification', p_events[v_i], 'availability_guard.manual_release',
                    p_tenants[v_i], p_ids[v_i],
                    guard.manual_release_event(v_lock, p_reasons[v_i], p_actor_ids[v_i],
                                               p_actor_names[v_i], p_actor_emails[v_i],
                                               p_recipients[v_i], v_now), v_now,
                    CASE WHEN p_traces[v_i] IS NOT NULL THEN ARRAY[p_traces[v_i]] END);
            v_announced := true;
        END IF;
        RETURN NEXT ROW(v_i, 'RELEASED', 'RELEASED')::guard.manual_release_answer;
    END LOOP;
    PERFORM guard.note_locks('inventory.released', v_now, v_released, 'manual', v_traces);
    -- Not for inventory events: word to somebody who listens makes commits wait for each other.
    IF v_announced THEN
        NOTIFY guard_outbox;
    END IF;
END
$$;

-- --- expiry --------------------------------------------------------------------------------

-- Marks up to p_limit expired locks. Returns how many it marked, and how long the
-- longest expired of them had been waiting for it.
CREATE OR REPLACE FUNCTION guard.sweep_expired(
    p_limit integer, OUT swept integer, OUT lag_ms bigint)
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
DECLARE
    v_now     timestamptz := clock_timestamp();
    v_lock    public.inventory_locks_shadow;
    v_expired guard.lock_event[];
BEGIN
    swept := 0;
    lag_ms := 0;
    FOR v_lock IN
        SELECT l.*
        FROM public.inventory_locks_shadow AS l
        WHERE l.status = 'ACTIVE' AND l.expires_at <= v_now
        ORDER BY l.expires_at
        LIMIT p_limit
        FOR UPDATE SKIP LOCKED
    LOOP
        UPDATE public.inventory_locks_shadow AS l
        SET status = 'EXPIRED', updated_at = v_now
        WHERE l.tenant_id = v_lock.tenant_id AND l.id = v_lock.id;
        v_expired := v_expired || guard.event_of(v_lock);
        swept := swept + 1;
        lag_ms := greatest(lag_ms, extract(epoch FROM v_now - v_lock.expires_at) * 1000);
    END LOOP;
    PERFORM guard.note_locks('inventory.expired', v_now, v_expired, NULL, NULL);
END
$$;

-- --- commands ------------------------------------------------------------------------------

DROP FUNCTION guard.perform_locks(
    text[], uuid[], uuid[], uuid[], uuid[], uuid[], uuid[], uuid[], timestamptz[], timestamptz[],
    integer[], text[], text[], jsonb[]);
DROP FUNCTION guard.perform_releases(text[], uuid[], uuid[], uuid[], text[], text[], jsonb[]);
DROP FUNCTION guard.perform_bulk_release(text, integer, uuid, uuid[], text, text, uuid);

-- Grants locks as guard.lock_batch does, each command once.
CREATE FUNCTION guard.perform_locks(
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
        SELECT * FROM guard.lock_batch(
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

-- Releases locks as guard.release_batch does, each command once.
CREATE FUNCTION guard.perform_releases(
    p_commands text[], p_tenants uuid[], p_ids uuid[], p_reservations uuid[],
    p_reasons text[], p_correlations text[], p_metadata jsonb[],
    p_traces text[] DEFAULT NULL)
RETURNS SETOF guard.command_answer
LANGUAGE plpgsql
AS $$
DECLARE
    v_new    integer[] := guard.begin_commands(p_tenants, p_commands, 'RELEASED');
    v_answer record;
BEGIN
    IF cardinality(v_new) < cardinality(p_commands) THEN
        RETURN QUERY
        SELECT i.n, 'DUPLICATE' FROM generate_series(1, cardinality(p_commands)) AS i (n)
        WHERE i.n <> ALL (v_new);
        IF cardinality(v_new) = 0 THEN
            RETURN;
        END IF;
        SELECT array_agg(p_commands[i.n]), array_agg(p_tenants[i.n]), array_agg(p_ids[i.n]),
               array_agg(p_reservations[i.n]), array_agg(p_reasons[i.n]),
               array_agg(p_correlations[i.n]), array_agg(p_metadata[i.n]),
               CASE WHEN p_traces IS NOT NULL THEN guard.traces_of(p_traces, v_new) END
        INTO p_commands, p_tenants, p_ids, p_reservations, p_reasons, p_correlations, p_metadata,
             p_traces
        FROM (SELECT * FROM unnest(v_new) WITH ORDINALITY AS i (n, place) ORDER BY i.place) AS i;
    END IF;
    FOR v_answer IN
        SELECT a.ordinal, a.outcome FROM guard.release_batch(
            p_tenants, p_ids, p_reservations, p_reasons, p_correlations, p_metadata,
            'command', p_traces) AS a
    LOOP
        IF v_answer.outcome <> 'RELEASED' THEN
            PERFORM guard.note_outcome(p_tenants[v_answer.ordinal], p_commands[v_answer.ordinal],
                                       v_answer.outcome);
        END IF;
        RETURN NEXT ROW(v_new[v_answer.ordinal], v_answer.outcome)::guard.command_answer;
    END LOOP;
END
$$;

-- Performs one part of a bulk release as guard.bulk_release does, once. NULL: it has been performed
-- before.
CREATE FUNCTION guard.perform_bulk_release(
    p_command text, p_part integer,
    p_tenant uuid, p_ids uuid[], p_reason text, p_correlation text, p_release uuid,
    p_trace text DEFAULT NULL)
RETURNS integer
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO guard.performed_commands (tenant_id, command_id, part, outcome)
    VALUES (p_tenant, p_command, p_part, 'RELEASED')
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN guard.bulk_release(p_tenant, p_ids, p_reason, p_correlation, p_release, 'command',
                              p_trace);
END
$$;
