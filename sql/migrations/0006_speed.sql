-- The constraints of 0001 again, by indexes that stay fast when the table grows, and a batch
-- that costs less.
--
-- A search for what overlaps a stay read many pages of the old indexes: in them the tenant came
-- first, which divides nothing when one tenant has most of the locks, and the room second, of
-- which GiST compares only the first 53 bits or so when it chooses where an entry belongs. A
-- hash of the room divides the locks evenly, whatever the ids look like, and costs little to
-- compare. The columns themselves still decide: a hash that two rooms share is no conflict.
--
-- What the version before calls stays: lock_batch without keys, get_lock and list_locks. It runs
-- until it is replaced.
--
-- Building the indexes anew takes minutes where there are millions of active locks, and nobody can
-- take a lock meanwhile.

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
-- Ids that callers chose (p_ids, null for the others) are taken too: a row that another batch
-- inserts under an id of this one, after this one has locked the rows that it knows, would have
-- to be locked out of order. Other ids are new, and nobody else knows them.
CREATE OR REPLACE FUNCTION guard.take_resources(
    p_tenants uuid[], p_types uuid[], p_rooms uuid[], p_ids uuid[])
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(k.key)
    FROM (SELECT DISTINCT guard.resource_key(i.tenant, n.name, n.kind) AS key
          FROM unnest(p_tenants, p_types, p_rooms, p_ids) AS i (tenant, type, room, id),
          LATERAL (VALUES (coalesce(i.room, i.type), 0), (i.id, 1)) AS n (name, kind)
          WHERE n.name IS NOT NULL
          ORDER BY 1
          OFFSET 0) AS k;
END
$$;

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

    -- The usual case: new locks on free places, all in one statement. The arrays are read by
    -- subscript: functions in FROM would store them first, and each costs a check of privileges.
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

-- Grants one lock: the same as a batch of one, at five sixths of its cost.
CREATE FUNCTION guard.lock_one(
    p_tenant uuid, p_id uuid, p_key uuid, p_property uuid, p_reservation uuid,
    p_type uuid, p_room uuid, p_start timestamptz, p_end timestamptz,
    p_ttl integer, p_reason text, p_correlation text, p_metadata jsonb)
RETURNS SETOF guard.lock_answer
LANGUAGE plpgsql
AS $$
DECLARE
    v_resource bigint;
    v_key      bigint;
    v_done     text;
    v_now      timestamptz;
BEGIN
    -- In the order of take_resources. (To assign is the cheapest way to call: it needs no query.)
    v_resource := guard.resource_key(p_tenant, coalesce(p_room, p_type), 0);
    v_key := coalesce(guard.resource_key(p_tenant, p_key, 1), v_resource);
    v_done := pg_advisory_xact_lock(least(v_resource, v_key));
    IF v_key <> v_resource THEN
        v_done := pg_advisory_xact_lock(greatest(v_resource, v_key));
    END IF;
    v_now := clock_timestamp();
    RETURN QUERY
    INSERT INTO public.inventory_locks_shadow AS l
           (id, tenant_id, property_id, reservation_id, room_type_id, room_id,
            stay_start, stay_end, expires_at, ttl_seconds, reason, correlation_id,
            metadata, fencing_token, created_at, updated_at)
    SELECT p_id, p_tenant, p_property, p_reservation, p_type, p_room,
           p_start, p_end, guard.expires_at(v_now, p_ttl, p_end), p_ttl, p_reason,
           p_correlation, p_metadata, nextval('guard.fencing_token'), v_now, v_now
    WHERE p_end > v_now
    ON CONFLICT DO NOTHING
    RETURNING 1, 'LOCKED'::text,
           l.id, l.tenant_id, l.property_id, l.reservation_id, l.room_type_id, l.room_id,
           l.stay_start, l.stay_end, l.reason, l.correlation_id, l.expires_at, l.ttl_seconds,
           l.metadata, l.status, l.release_reason, l.released_at, l.fencing_token,
           l.created_at, l.updated_at;
    IF FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT * FROM guard.lock_batch(
        ARRAY[p_tenant], ARRAY[p_id], ARRAY[p_key], ARRAY[p_property], ARRAY[p_reservation],
        ARRAY[p_type], ARRAY[p_room], ARRAY[p_start], ARRAY[p_end],
        ARRAY[p_ttl], ARRAY[p_reason], ARRAY[p_correlation], ARRAY[p_metadata]);
END
$$;

-- Reads a batch of locks: an answer for each, FOUND or NOT_FOUND. What is past its expires_at
-- reads as EXPIRED, swept or not.
CREATE FUNCTION guard.get_batch(p_tenants uuid[], p_ids uuid[])
RETURNS SETOF guard.lock_answer
LANGUAGE sql STABLE
AS $$
    SELECT i.n, CASE WHEN l.id IS NULL THEN 'NOT_FOUND' ELSE 'FOUND' END,
           l.id, l.tenant_id, l.property_id, l.reservation_id, l.room_type_id, l.room_id,
           l.stay_start, l.stay_end, l.reason, l.correlation_id, l.expires_at, l.ttl_seconds,
           l.metadata,
           CASE WHEN l.status = 'ACTIVE' AND l.expires_at <= statement_timestamp()
                THEN 'EXPIRED' ELSE l.status END,
           l.release_reason, l.released_at, l.fencing_token, l.created_at, l.updated_at
    FROM generate_series(1, cardinality(p_ids)) AS i (n)
    LEFT JOIN LATERAL (SELECT t.* FROM public.inventory_locks_shadow AS t
                       WHERE t.tenant_id = p_tenants[i.n] AND t.id = p_ids[i.n]
                       OFFSET 0) AS l ON true
$$;

-- One page of a tenant's locks in the order of their ids, after p_after. A filter
-- that is null does not filter; p_from and p_to are the collision range.
--
-- Where no index knows the filter, at most 10,000 locks are looked at, so that nobody can hold
-- up the service by asking for what is rare: a page that ends there is followed by a row of
-- nulls with the id to go on after.
--
-- The statement is put together from the filters in use, so that each combination gets a plan
-- of its own. A page is small: an index that has its order is read until the page is full, and
-- not collected in a bitmap first.
CREATE FUNCTION guard.list_page(
    p_tenant uuid, p_room uuid, p_type uuid, p_reservation uuid, p_status text,
    p_from timestamptz, p_to timestamptz, p_after uuid, p_limit integer)
RETURNS SETOF guard.lock_view
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
DECLARE
    v_looks CONSTANT integer := 10000;
    v_now   timestamptz := statement_timestamp();
    v_in    text := 'l.tenant_id = $1'; -- what an index knows
    v_where text := 'true';
    v_after text := CASE WHEN p_after IS NULL THEN '' ELSE ' AND l.id > $8' END;
    v_bound text := 'ORDER BY l.id LIMIT $11';
    v_found integer;
    v_last  guard.lock_view;
BEGIN
    IF p_room IS NOT NULL THEN
        v_where := v_where || ' AND l.room_id = $2';
    END IF;
    IF p_type IS NOT NULL THEN
        v_where := v_where || ' AND l.room_type_id = $3';
    END IF;
    IF p_from IS NOT NULL OR p_to IS NOT NULL THEN
        v_where := v_where || ' AND tstzrange(l.stay_start, l.stay_end) && tstzrange($6, $7)';
    END IF;
    CASE p_status
        WHEN 'ACTIVE' THEN
            v_where := v_where || ' AND l.status = ''ACTIVE'' AND l.expires_at > $10';
        WHEN 'EXPIRED' THEN
            v_where := v_where || ' AND (l.status = ''EXPIRED'''
                               || ' OR l.status = ''ACTIVE'' AND l.expires_at <= $10)';
        WHEN 'RELEASED' THEN
            v_where := v_where || ' AND l.status = ''RELEASED''';
        ELSE
            NULL;
    END CASE;
    IF p_reservation IS NOT NULL THEN
        v_in := v_in || ' AND l.reservation_id = $4';
        v_bound := 'OFFSET 0';
    ELSIF p_room IS NOT NULL AND p_status = 'ACTIVE' THEN
        v_in := v_in || ' AND uuid_hash(l.room_id) = uuid_hash($2) AND l.room_id = $2'
                     || ' AND l.status = ''ACTIVE''';
        v_bound := 'OFFSET 0';
    ELSIF v_where = 'true' THEN
        v_bound := ''; -- the page itself is the bound
    END IF;
    RETURN QUERY EXECUTE
        'SELECT l.id, l.tenant_id, l.property_id, l.reservation_id, l.room_type_id, l.room_id,
                l.stay_start, l.stay_end, l.reason, l.correlation_id, l.expires_at,
                l.ttl_seconds, l.metadata,
                CASE WHEN l.status = ''ACTIVE'' AND l.expires_at <= $10
                     THEN ''EXPIRED'' ELSE l.status END,
                l.release_reason, l.released_at, l.fencing_token, l.created_at, l.updated_at
         FROM (SELECT l.* FROM public.inventory_locks_shadow AS l
               WHERE ' || v_in || v_after || ' ' || v_bound || ') AS l
         WHERE ' || v_where || ' ORDER BY l.id LIMIT $9'
        USING p_tenant, p_room, p_type, p_reservation, p_status, p_from, p_to, p_after,
              p_limit, v_now, v_looks;
    GET DIAGNOSTICS v_found = ROW_COUNT;
    IF v_found = p_limit OR v_bound NOT LIKE '%LIMIT%' THEN
        RETURN;
    END IF;
    EXECUTE 'SELECT l.id FROM public.inventory_locks_shadow AS l
             WHERE ' || v_in || v_after || ' ORDER BY l.id OFFSET $11 - 1 LIMIT 1'
        INTO v_last.id
        USING p_tenant, p_room, p_type, p_reservation, p_status, p_from, p_to, p_after,
              p_limit, v_now, v_looks;
    IF v_last.id IS NOT NULL THEN
        RETURN NEXT v_last;
    END IF;
END
$$;
