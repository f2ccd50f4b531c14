-- The constraints of 0001 again, by indexes that stay fast when the table grows, and a batch
-- that costs less.
--
-- A search for what overlaps a stay read many pages of the old indexes: in them the tenant came
-- first, which divides nothing when one tenant has most of the locks, and the room second, of
-- which GiST compares only the first 53 bits or so when it chooses where an entry belongs. A
-- hash of the room divides the locks evenly, whatever the ids look like, and costs little to
-- compare. The columns themselves still decide: a hash that two rooms share is no conflict.
--
-- Building the indexes anew takes a minute for each two million active locks or so, and nobody
-- can take a lock meanwhile.

ALTER TABLE public.inventory_locks_shadow
    DROP CONSTRAINT inventory_locks_shadow_room_excl,
    DROP CONSTRAINT inventory_locks_shadow_type_excl,
    -- The rule of the house: no two active locks of one room overlap.
    ADD CONSTRAINT inventory_locks_shadow_room_excl
        EXCLUDE USING gist (uuid_hash(room_id) WITH =, tenant_id WITH =, room_id WITH =,
                            tstzrange(stay_start, stay_end) WITH &&)
        WHERE (status = 'ACTIVE' AND room_id IS NOT NULL),
    -- The same for locks of a whole room type. The two kinds are independent.
    ADD CONSTRAINT inventory_locks_shadow_type_excl
        EXCLUDE USING gist (uuid_hash(room_type_id) WITH =, tenant_id WITH =,
                            room_type_id WITH =, tstzrange(stay_start, stay_end) WITH &&)
        WHERE (status = 'ACTIVE' AND room_id IS NULL);

-- Active locks that overlap this place, but for the lock p_except itself.
CREATE OR REPLACE FUNCTION guard.in_the_way(
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
        WHERE uuid_hash(l.room_id) = uuid_hash(p_room)
          AND l.tenant_id = p_tenant AND l.room_id = p_room
          AND tstzrange(l.stay_start, l.stay_end) && tstzrange(p_start, p_end)
          AND l.status = 'ACTIVE' AND l.room_id IS NOT NULL
          AND l.id <> p_except;
    ELSE
        RETURN QUERY
        SELECT l.* FROM public.inventory_locks_shadow AS l
        WHERE uuid_hash(l.room_type_id) = uuid_hash(p_type)
          AND l.tenant_id = p_tenant AND l.room_type_id = p_type
          AND tstzrange(l.stay_start, l.stay_end) && tstzrange(p_start, p_end)
          AND l.status = 'ACTIVE' AND l.room_id IS NULL
          AND l.id <> p_except;
    END IF;
END
$$;

DROP FUNCTION guard.take_resources(uuid[], uuid[], uuid[], uuid[]);

-- One thing that only one transaction at a time may work on: a resource (kind 0) or an id (1).
CREATE FUNCTION guard.resource_key(p_tenant uuid, p_name uuid, p_kind bigint)
RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT uuid_hash_extended(p_name, uuid_hash_extended(p_tenant, p_kind)) $$;

-- Takes the resources of a batch for the rest of the transaction, in one order
-- for all batches, so that no two of them wait for each other.
--
-- The exclusion constraints alone would keep locks from overlapping. This order
-- is there for the fencing tokens: a token drawn before somebody else was granted
-- the same resource, but used after, would be smaller than theirs.
--
-- Ids that callers chose (p_keys, null for the others) are taken too: a row that another batch
-- inserts under an id of this one, after this one has locked the rows that it knows, would have
-- to be locked out of order. Other ids are new, and nobody else knows them.
CREATE FUNCTION guard.take_resources(
    p_tenants uuid[], p_types uuid[], p_rooms uuid[], p_keys uuid[])
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    -- The lone request, without a query to set up. (An IF is the cheapest way to call.)
    IF cardinality(p_tenants) = 1 AND p_keys[1] IS NULL THEN
        IF pg_advisory_xact_lock(guard.resource_key(
               p_tenants[1], coalesce(p_rooms[1], p_types[1]), 0)) IS NULL THEN
        END IF;
        RETURN;
    END IF;
    PERFORM pg_advisory_xact_lock(k.key)
    FROM (SELECT DISTINCT guard.resource_key(i.tenant, n.name, n.kind) AS key
          FROM unnest(p_tenants, p_types, p_rooms, p_keys) AS i (tenant, type, room, id),
          LATERAL (VALUES (coalesce(i.room, i.type), 0), (i.id, 1)) AS n (name, kind)
          WHERE n.name IS NOT NULL
          ORDER BY 1
          OFFSET 0) AS k;
END
$$;

DROP FUNCTION guard.lock_batch(
    uuid[], uuid[], uuid[], uuid[], uuid[], uuid[], timestamptz[], timestamptz[],
    integer[], text[], text[], jsonb[]);

-- Grants a batch of at most 1000 locks. Every array has one element for each request; no
-- two requests of a batch have the same tenant and id. p_keys has the id again where the
-- caller chose it by an idempotency key, else null. Answers come in any order.
--
-- About plans: see the same function in 0002.
CREATE FUNCTION guard.lock_batch(
    p_tenants uuid[], p_ids uuid[], p_keys uuid[], p_properties uuid[], p_reservations uuid[],
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
    PERFORM guard.take_resources(p_tenants, p_types, p_rooms, p_keys);
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
        -- In the select list the arrays are read side by side; as functions in FROM each of
        -- them would be stored first.
        FROM (SELECT unnest(p_tenants) AS tenant_id, unnest(p_ids) AS id,
                     unnest(p_properties) AS property_id,
                     unnest(p_reservations) AS reservation_id,
                     unnest(p_types) AS room_type_id, unnest(p_rooms) AS room_id,
                     unnest(p_starts) AS stay_start, unnest(p_ends) AS stay_end,
                     unnest(p_ttls) AS ttl_seconds, unnest(p_reasons) AS reason,
                     unnest(p_correlations) AS correlation_id, unnest(p_metadata) AS metadata,
                     generate_series(1, cardinality(p_ids)) AS ordinal) AS i
        WHERE i.stay_end > v_now
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
