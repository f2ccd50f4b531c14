-- A conflict costs less: where most requests of a call meet somebody, the next one of its session looks
-- who is in the way before it tries to insert, and not once more afterwards.
--
-- What a session knows of its last calls (guard.free_batches, since 0010): how many of them in a row
-- met nobody, or -1 when more than half of the last one's requests met somebody.
--
-- Who looks first does not wait for a release that is under way, but is refused.
--
-- And a plain INSERT, as it is tried in hope, also gives way where somebody changes the row in its way
-- without taking turns (by hand): the two would wait for each other, and the call would fail.

-- Answers to those of a batch (p_of: their places in the arrays) for whom there is no row yet, and in
-- whose way an active lock is that has not expired at p_at: the oldest such lock.
CREATE FUNCTION guard.conflicts(
    p_of integer[], p_at timestamptz, p_tenants uuid[], p_ids uuid[], p_types uuid[],
    p_rooms uuid[], p_starts timestamptz[], p_ends timestamptz[])
RETURNS SETOF guard.lock_answer
LANGUAGE sql STABLE
AS $$
    SELECT r.ordinal, 'CONFLICT'::text,
           w.id, w.tenant_id, w.property_id, w.reservation_id, w.room_type_id, w.room_id,
           w.stay_start, w.stay_end, w.reason, w.correlation_id, w.expires_at, w.ttl_seconds,
           w.metadata, w.status, w.release_reason, w.released_at, w.fencing_token,
           w.created_at, w.updated_at
    FROM unnest(p_of) AS r (ordinal),
    LATERAL (SELECT b.*
             FROM guard.in_the_way(p_tenants[r.ordinal], p_types[r.ordinal], p_rooms[r.ordinal],
                                   p_starts[r.ordinal], p_ends[r.ordinal],
                                   p_ids[r.ordinal]) AS b
             WHERE b.expires_at > p_at
             ORDER BY b.created_at, b.id
             LIMIT 1) AS w
    WHERE p_ends[r.ordinal] > p_at
      AND (SELECT l.id FROM public.inventory_locks_shadow AS l
           WHERE l.tenant_id = p_tenants[r.ordinal] AND l.id = p_ids[r.ordinal]) IS NULL
$$;

-- The same as in 0013 but for that.
CREATE OR REPLACE FUNCTION guard.lock_batch_brief(
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
    v_met     integer := 0;
    v_try     integer[];
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
    IF v_free < 0 THEN
        -- Who is in the way is looked for before anything is tried.
        v_try := ARRAY(SELECT generate_series(1, cardinality(p_ids)));
        FOR v_answer IN
            SELECT * FROM guard.conflicts(v_try, v_now, p_tenants, p_ids, p_types, p_rooms,
                                          p_starts, p_ends)
        LOOP
            RETURN NEXT v_answer;
            v_try := array_remove(v_try, v_answer.ordinal);
            v_met := v_met + 1;
        END LOOP;
        IF cardinality(v_try) = 0 THEN
            RETURN;
        END IF;
    ELSIF v_free >= guard.free_batches_enough() THEN
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
        EXCEPTION WHEN exclusion_violation OR unique_violation OR deadlock_detected THEN
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
        WHERE p_ends[i.n] > v_now AND (v_try IS NULL OR i.n = ANY (v_try))
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
                           OFFSET 0) AS l ON true
        WHERE v_try IS NULL OR i.ordinal = ANY (v_try);
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
        v_next := least(v_free + 1, guard.free_batches_enough());
    ELSE
        -- The usual reason: somebody else holds the place.
        FOR v_answer IN
            SELECT * FROM guard.conflicts(v_new, v_now, p_tenants, p_ids, p_types, p_rooms,
                                          p_starts, p_ends)
        LOOP
            RETURN NEXT v_answer;
            v_new := array_remove(v_new, v_answer.ordinal);
            v_met := v_met + 1;
        END LOOP;
        v_next := CASE WHEN 2 * v_met > cardinality(p_ids) THEN -1 ELSE 0 END;
    END IF;
    IF v_next <> v_free THEN
        PERFORM set_config('availability_guard.free_batches', v_next::text, false);
    END IF;
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

-- The same as in 0013 but for that.
CREATE OR REPLACE FUNCTION guard.lock_one_brief(
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
    IF p_end <= v_now OR v_free < 0 THEN
        v_granted := 0; -- the batch looks who is there first
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
        EXCEPTION WHEN exclusion_violation OR unique_violation OR deadlock_detected THEN
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
    v_next := CASE WHEN v_granted = 0 THEN least(v_free, 0)
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
