-- Granting locks: a batch of requests in one call, one round trip, one transaction.

CREATE TYPE guard.lock_request AS (
    tenant_id       uuid,
    id              uuid,
    property_id     uuid,
    reservation_id  uuid,
    room_type_id    uuid,
    room_id         uuid,
    stay_start      timestamptz,
    stay_end        timestamptz,
    ttl_seconds     integer,
    reason          text,
    correlation_id  text,
    metadata        jsonb
);

-- A lock as the service shows it, its columns in the order in which it reads them.
CREATE TYPE guard.lock_view AS (
    id              uuid,
    tenant_id       uuid,
    property_id     uuid,
    reservation_id  uuid,
    room_type_id    uuid,
    room_id         uuid,
    stay_start      timestamptz,
    stay_end        timestamptz,
    reason          text,
    correlation_id  text,
    expires_at      timestamptz,
    ttl_seconds     integer,
    metadata        jsonb,
    status          text,
    release_reason  text,
    released_at     timestamptz,
    fencing_token   bigint,
    created_at      timestamptz,
    updated_at      timestamptz
);

-- The answer to the request at this position (from 1) of the batch:
--   LOCKED     the lock that is held now
--   CONFLICT   the oldest lock in the way
--   STAY_OVER  the stay had ended by the database's clock; no lock
CREATE TYPE guard.lock_answer AS (
    ordinal         integer,
    outcome         text,
    id              uuid,
    tenant_id       uuid,
    property_id     uuid,
    reservation_id  uuid,
    room_type_id    uuid,
    room_id         uuid,
    stay_start      timestamptz,
    stay_end        timestamptz,
    reason          text,
    correlation_id  text,
    expires_at      timestamptz,
    ttl_seconds     integer,
    metadata        jsonb,
    status          text,
    release_reason  text,
    released_at     timestamptz,
    fencing_token   bigint,
    created_at      timestamptz,
    updated_at      timestamptz
);

CREATE FUNCTION guard.expires_at(p_now timestamptz, p_ttl_seconds integer, p_stay_end timestamptz)
RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE
AS $$ SELECT least(p_stay_end, p_now + make_interval(secs => p_ttl_seconds)) $$;

-- Takes the resources of a batch for the rest of the transaction, in one order
-- for all batches, so that no two of them wait for each other.
--
-- The exclusion constraints alone would keep locks from overlapping. This order
-- is there for the fencing tokens: a token drawn before somebody else was granted
-- the same resource, but used after, would be smaller than theirs.
--
-- The ids are taken too: a row that another batch inserts under an id of this one, after
-- this one has locked the rows that it knows, would have to be locked out of order.
CREATE FUNCTION guard.take_resources(
    p_tenants uuid[], p_types uuid[], p_rooms uuid[], p_ids uuid[])
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(k.key)
    FROM (SELECT DISTINCT uuid_hash_extended(n.name, uuid_hash_extended(i.tenant, n.kind)) AS key
          FROM unnest(p_tenants, p_types, p_rooms, p_ids) AS i (tenant, type, room, id),
          LATERAL (VALUES (coalesce(i.room, i.type), 0), (i.id, 1)) AS n (name, kind)
          ORDER BY 1
          OFFSET 0) AS k;
END
$$;

-- Active locks that overlap this place, but for the lock p_except itself.
CREATE FUNCTION guard.in_the_way(
    p_tenant uuid, p_type uuid, p_room uuid,
    p_start timestamptz, p_end timestamptz, p_except uuid)
RETURNS SETOF public.inventory_locks_shadow
LANGUAGE plpgsql STABLE ROWS 2
AS $$
BEGIN
    -- Two statements, so that each finds its own partial index.
    IF p_room IS NOT NULL THEN
        RETURN QUERY
        SELECT l.* FROM public.inventory_locks_shadow AS l
        WHERE l.tenant_id = p_tenant AND l.room_id = p_room
          AND tstzrange(l.stay_start, l.stay_end) && tstzrange(p_start, p_end)
          AND l.status = 'ACTIVE' AND l.room_id IS NOT NULL
          AND l.id <> p_except;
    ELSE
        RETURN QUERY
        SELECT l.* FROM public.inventory_locks_shadow AS l
        WHERE l.tenant_id = p_tenant AND l.room_type_id = p_type
          AND tstzrange(l.stay_start, l.stay_end) && tstzrange(p_start, p_end)
          AND l.status = 'ACTIVE' AND l.room_id IS NULL
          AND l.id <> p_except;
    END IF;
END
$$;

-- Clears the place of expired locks and returns the oldest lock that still
-- holds it, or a row of nulls when the place is free.
CREATE FUNCTION guard.clear_place(q guard.lock_request, p_now timestamptz)
RETURNS public.inventory_locks_shadow
LANGUAGE plpgsql
AS $$
DECLARE
    v_blocker public.inventory_locks_shadow;
    v_expired uuid;
BEGIN
    SELECT w.* INTO v_blocker
    FROM guard.in_the_way(q.tenant_id, q.room_type_id, q.room_id,
                          q.stay_start, q.stay_end, q.id) AS w
    WHERE w.expires_at > p_now
    ORDER BY w.created_at, w.id
    LIMIT 1;
    IF v_blocker.id IS NULL THEN
        FOR v_expired IN
            SELECT w.id FROM guard.in_the_way(q.tenant_id, q.room_type_id, q.room_id,
                                              q.stay_start, q.stay_end, q.id) AS w
        LOOP
            UPDATE public.inventory_locks_shadow AS l
            SET status = 'EXPIRED', updated_at = p_now
            WHERE l.tenant_id = q.tenant_id AND l.id = v_expired
              AND l.status || '' = 'ACTIVE' AND l.expires_at <= p_now;
        END LOOP;
    END IF;
    RETURN v_blocker;
END
$$;

-- A lock that exists already is asked for again: it is renewed where it is,
-- moved, or granted anew. The caller has made sure that its place is free.
CREATE FUNCTION guard.grant_again(
    q guard.lock_request, l public.inventory_locks_shadow, p_now timestamptz)
RETURNS public.inventory_locks_shadow
LANGUAGE plpgsql
AS $$
DECLARE
    v_held  boolean := l.status = 'ACTIVE' AND l.expires_at > p_now;
    v_stays boolean := l.room_id IS NOT DISTINCT FROM q.room_id
                   AND (q.room_id IS NOT NULL OR l.room_type_id = q.room_type_id)
                   AND l.stay_start = q.stay_start AND l.stay_end = q.stay_end;
    v_lock  public.inventory_locks_shadow;
BEGIN
    IF v_held AND v_stays THEN
        UPDATE public.inventory_locks_shadow AS t
        SET expires_at  = guard.expires_at(p_now, q.ttl_seconds, q.stay_end),
            ttl_seconds = q.ttl_seconds,
            updated_at  = p_now
        WHERE t.tenant_id = l.tenant_id AND t.id = l.id
        RETURNING * INTO v_lock;
        RETURN v_lock;
    END IF;
    -- A moved lock keeps what the request does not name; a lock granted anew does not.
    UPDATE public.inventory_locks_shadow AS t
    SET property_id    = coalesce(q.property_id, CASE WHEN v_held THEN l.property_id END),
        reservation_id = coalesce(q.reservation_id, CASE WHEN v_held THEN l.reservation_id END),
        correlation_id = coalesce(q.correlation_id, CASE WHEN v_held THEN l.correlation_id END),
        metadata       = coalesce(q.metadata, CASE WHEN v_held THEN l.metadata END),
        room_type_id   = q.room_type_id,
        room_id        = q.room_id,
        stay_start     = q.stay_start,
        stay_end       = q.stay_end,
        expires_at     = guard.expires_at(p_now, q.ttl_seconds, q.stay_end),
        ttl_seconds    = q.ttl_seconds,
        reason         = q.reason,
        status         = 'ACTIVE',
        release_reason = NULL,
        released_at    = NULL,
        release_id     = NULL,
        fencing_token  = nextval('guard.fencing_token'),
        updated_at     = p_now
    WHERE t.tenant_id = l.tenant_id AND t.id = l.id
    RETURNING * INTO v_lock;
    RETURN v_lock;
END
$$;

-- One request that could not simply be inserted. Returns the lock that is held
-- now (outcome LOCKED) or the one in the way (CONFLICT), as it was when that was
-- decided: by now it may have been released.
-- The caller has taken the request's resource.
CREATE FUNCTION guard.grant_one(
    q guard.lock_request, p_now timestamptz,
    OUT outcome text, OUT held public.inventory_locks_shadow)
LANGUAGE plpgsql
AS $$
DECLARE
    v_existing public.inventory_locks_shadow;
BEGIN
    LOOP
        SELECT * INTO v_existing FROM public.inventory_locks_shadow AS l
        WHERE l.tenant_id = q.tenant_id AND l.id = q.id
        FOR UPDATE;

        held := guard.clear_place(q, p_now);
        IF held.id IS NOT NULL THEN
            outcome := 'CONFLICT';
            RETURN;
        END IF;

        outcome := 'LOCKED';
        IF v_existing.id IS NOT NULL THEN
            held := guard.grant_again(q, v_existing, p_now);
            RETURN;
        END IF;
        INSERT INTO public.inventory_locks_shadow
               (id, tenant_id, property_id, reservation_id, room_type_id, room_id,
                stay_start, stay_end, expires_at, ttl_seconds, reason, correlation_id,
                metadata, fencing_token, created_at, updated_at)
        VALUES (q.id, q.tenant_id, q.property_id, q.reservation_id, q.room_type_id, q.room_id,
                q.stay_start, q.stay_end, guard.expires_at(p_now, q.ttl_seconds, q.stay_end),
                q.ttl_seconds, q.reason, q.correlation_id,
                q.metadata, nextval('guard.fencing_token'), p_now, p_now)
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
-- two requests of a batch have the same tenant and id. Answers come in any order.
--
-- Plans are kept for as long as a session lives, and one that was made while the table
-- was empty must not read all of it when it is large. So here and in what follows, rows
-- are searched from the requests by the primary key, one by one: LATERAL with OFFSET 0
-- or FOR UPDATE leaves the planner no other order. And where an index on the active or
-- the finished locks could answer instead, the condition reads "status || ''".
CREATE FUNCTION guard.lock_batch(
    p_tenants uuid[], p_ids uuid[], p_properties uuid[], p_reservations uuid[],
    p_types uuid[], p_rooms uuid[], p_starts timestamptz[], p_ends timestamptz[],
    p_ttls integer[], p_reasons text[], p_correlations text[], p_metadata jsonb[])
RETURNS SETOF guard.lock_answer
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
DECLARE
    v_now     timestamptz;
    v_token   bigint;
    v_granted integer;
    v_new     integer[];
    v_rest    integer[];
    v_ordinal integer;
    v_answer  guard.lock_answer;
    q         guard.lock_request;
    v_one     record;
    v_outcome text;
    v_lock    public.inventory_locks_shadow;
BEGIN
    IF cardinality(p_ids) > 1000 THEN
        RAISE EXCEPTION 'a batch holds at most 1000 requests' USING ERRCODE = '22023';
    END IF;
    PERFORM guard.take_resources(p_tenants, p_types, p_rooms, p_ids);
    -- Read only now: the wait for the resources does not count against the TTL,
    -- and a lock that expired meanwhile is seen as expired.
    v_now := clock_timestamp();
    -- The first of the batch's tokens. They also tell which rows this call has inserted.
    v_token := nextval('guard.fencing_token');

    -- The usual case: new locks on free places, all in one statement.
    RETURN QUERY
    WITH granted AS (
        INSERT INTO public.inventory_locks_shadow AS l
               (id, tenant_id, property_id, reservation_id, room_type_id, room_id,
                stay_start, stay_end, expires_at, ttl_seconds, reason, correlation_id,
                metadata, fencing_token, created_at, updated_at)
        SELECT i.id, i.tenant_id, i.property_id, i.reservation_id, i.room_type_id, i.room_id,
               i.stay_start, i.stay_end, guard.expires_at(v_now, i.ttl_seconds, i.stay_end),
               i.ttl_seconds, i.reason, i.correlation_id,
               i.metadata, v_token + i.ordinal - 1, v_now, v_now
        FROM unnest(p_tenants, p_ids, p_properties, p_reservations, p_types, p_rooms,
                    p_starts, p_ends, p_ttls, p_reasons, p_correlations, p_metadata)
            WITH ORDINALITY
            AS i (tenant_id, id, property_id, reservation_id, room_type_id, room_id,
                  stay_start, stay_end, ttl_seconds, reason, correlation_id, metadata, ordinal)
        WHERE i.stay_end > v_now
        -- In one order, so that batches with the same new ids don't wait for each other.
        ORDER BY i.tenant_id, i.id
        ON CONFLICT DO NOTHING
        RETURNING l.*
    )
    SELECT (g.fencing_token - v_token + 1)::integer, 'LOCKED'::text,
           g.id, g.tenant_id, g.property_id, g.reservation_id, g.room_type_id, g.room_id,
           g.stay_start, g.stay_end, g.reason, g.correlation_id, g.expires_at, g.ttl_seconds,
           g.metadata, g.status, g.release_reason, g.released_at, g.fencing_token,
           g.created_at, g.updated_at
    FROM granted AS g;

    GET DIAGNOSTICS v_granted = ROW_COUNT;
    IF v_granted = cardinality(p_ids) THEN
        RETURN;
    END IF;

    -- What was not granted: new requests, and those whose id is known or whose stay is over.
    SELECT array_agg(i.ordinal) FILTER (WHERE l.token IS NULL AND i.stay_end > v_now),
           array_agg(i.ordinal) FILTER (WHERE l.token IS NOT NULL OR i.stay_end <= v_now)
    INTO v_new, v_rest
    FROM unnest(p_tenants, p_ids, p_ends) WITH ORDINALITY AS i (tenant_id, id, stay_end, ordinal)
    LEFT JOIN LATERAL (SELECT l.fencing_token AS token
                       FROM public.inventory_locks_shadow AS l
                       WHERE l.tenant_id = i.tenant_id AND l.id = i.id
                       OFFSET 0) AS l ON true
    WHERE l.token IS DISTINCT FROM v_token + i.ordinal - 1;

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

    FOREACH v_ordinal IN ARRAY v_rest LOOP
        IF p_ends[v_ordinal] <= v_now THEN
            v_outcome := 'STAY_OVER';
            v_lock := NULL;
        ELSE
            q := ROW(p_tenants[v_ordinal], p_ids[v_ordinal], p_properties[v_ordinal],
                     p_reservations[v_ordinal], p_types[v_ordinal], p_rooms[v_ordinal],
                     p_starts[v_ordinal], p_ends[v_ordinal], p_ttls[v_ordinal],
                     p_reasons[v_ordinal], p_correlations[v_ordinal], p_metadata[v_ordinal]);
            v_one := guard.grant_one(q, v_now);
            v_outcome := v_one.outcome;
            v_lock := v_one.held;
        END IF;
        RETURN NEXT ROW(
            v_ordinal, v_outcome,
            v_lock.id, v_lock.tenant_id, v_lock.property_id, v_lock.reservation_id,
            v_lock.room_type_id, v_lock.room_id, v_lock.stay_start, v_lock.stay_end,
            v_lock.reason, v_lock.correlation_id, v_lock.expires_at, v_lock.ttl_seconds,
            v_lock.metadata, v_lock.status, v_lock.release_reason, v_lock.released_at,
            v_lock.fencing_token, v_lock.created_at, v_lock.updated_at)::guard.lock_answer;
    END LOOP;
END
$$;
