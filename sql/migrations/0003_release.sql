-- Releasing locks: a batch of single releases, and one part of a bulk release.

-- The answer to the request at this position (from 1) of the batch: RELEASED, also
-- when the lock had ended before, or NOT_FOUND.
CREATE TYPE guard.release_answer AS (
    ordinal integer,
    outcome text
);

-- Releases a batch of locks. Every array has one element for each request; no two
-- requests of a batch have the same tenant and id. A lock that has ended already
-- (released, or past its expires_at) stays as it is.
CREATE FUNCTION guard.release_batch(
    p_tenants uuid[], p_ids uuid[], p_reservations uuid[],
    p_reasons text[], p_correlations text[], p_metadata jsonb[])
RETURNS SETOF guard.release_answer
LANGUAGE plpgsql
AS $$
DECLARE
    v_now timestamptz;
BEGIN
    -- Rows are locked in one order, so that two batches don't wait for each other.
    -- Rows that have ended are left alone: a grant that reclaims their place may
    -- have them in hand.
    PERFORM FROM unnest(p_tenants, p_ids) AS i (tenant_id, id)
    JOIN public.inventory_locks_shadow AS l
      ON l.tenant_id = i.tenant_id AND l.id = i.id
    WHERE l.status = 'ACTIVE' AND l.expires_at > clock_timestamp()
    ORDER BY l.tenant_id, l.id
    FOR UPDATE OF l;
    -- Read only now, so that the wait for the rows is not dated back.
    v_now := clock_timestamp();

    RETURN QUERY
    WITH input AS MATERIALIZED (
        SELECT * FROM unnest(p_tenants, p_ids, p_reservations, p_reasons, p_correlations,
                             p_metadata)
            WITH ORDINALITY
            AS i (tenant_id, id, reservation_id, reason, correlation_id, metadata, ordinal)
    ), released AS (
        UPDATE public.inventory_locks_shadow AS l
        SET status         = 'RELEASED',
            release_reason = i.reason,
            released_at    = v_now,
            updated_at     = v_now,
            correlation_id = coalesce(i.correlation_id, l.correlation_id),
            metadata       = CASE WHEN i.metadata IS NULL THEN l.metadata
                                  ELSE coalesce(l.metadata, '{}') || i.metadata END
        FROM input AS i
        WHERE l.tenant_id = i.tenant_id AND l.id = i.id
          AND (i.reservation_id IS NULL OR i.reservation_id = l.reservation_id)
          AND l.status = 'ACTIVE' AND l.expires_at > v_now
    )
    SELECT i.ordinal::integer, CASE WHEN l.id IS NULL THEN 'NOT_FOUND' ELSE 'RELEASED' END
    FROM input AS i
    LEFT JOIN public.inventory_locks_shadow AS l
      ON l.tenant_id = i.tenant_id AND l.id = i.id
     AND (i.reservation_id IS NULL OR i.reservation_id = l.reservation_id);
END
$$;

-- Releases those of the locks that are active, and returns how many locks this
-- release (p_release) has ended in this call or, when the same call is sent again
-- because its answer was lost, had ended then.
CREATE FUNCTION guard.bulk_release(
    p_tenant uuid, p_ids uuid[], p_reason text, p_correlation text, p_release uuid)
RETURNS integer
LANGUAGE plpgsql
AS $$
DECLARE
    v_now   timestamptz;
    v_count integer;
BEGIN
    -- As in release_batch: one order, and the time after the wait.
    PERFORM FROM public.inventory_locks_shadow AS l
    WHERE l.tenant_id = p_tenant AND l.id = ANY (p_ids)
      AND l.status = 'ACTIVE' AND l.expires_at > clock_timestamp()
    ORDER BY l.id
    FOR UPDATE;
    v_now := clock_timestamp();

    UPDATE public.inventory_locks_shadow AS l
    SET status         = 'RELEASED',
        release_reason = p_reason,
        released_at    = v_now,
        updated_at     = v_now,
        correlation_id = coalesce(p_correlation, l.correlation_id),
        release_id     = p_release
    WHERE l.tenant_id = p_tenant AND l.id = ANY (p_ids)
      AND l.status = 'ACTIVE' AND l.expires_at > v_now;

    SELECT count(*) INTO v_count
    FROM public.inventory_locks_shadow AS l
    WHERE l.tenant_id = p_tenant AND l.id = ANY (p_ids)
      AND l.status = 'RELEASED' AND l.release_id = p_release;
    RETURN v_count;
END
$$;
