-- Batches of locks on free places, with one look at the index in place of two.
--
-- ON CONFLICT DO NOTHING makes PostgreSQL look for what is in the way before it inserts a row; the
-- exclusion constraint makes it look again afterwards. The first look is a quarter of the cost of a
-- lock. Without it one conflict fails the whole statement, and its rows stay behind dead. So it is
-- left out while there are no conflicts: after a number of calls of a session, one after the other,
-- in which nobody was in the way. What fails then is done again with care, in the same call
-- (guard.lock_batch and guard.lock_one, in the next migration).

-- How many calls in a row, in this session, have met nobody in the way: up to 16, which is enough
-- for the next to be tried without care. Of those one in sixteen fails, at most.
CREATE FUNCTION guard.free_batches() RETURNS integer
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(nullif(current_setting('availability_guard.free_batches', true), ''), '0')::integer
$$;

-- The insertion of guard.lock_batch where nobody is in the way. It looks at the index once, not
-- twice, and fails as a whole when somebody is, with the error of an exclusion or a unique
-- constraint.
CREATE FUNCTION guard.insert_batch(
    p_now timestamptz, p_token bigint,
    p_tenants uuid[], p_ids uuid[], p_properties uuid[], p_reservations uuid[], p_types uuid[],
    p_rooms uuid[], p_starts timestamptz[], p_ends timestamptz[],
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
