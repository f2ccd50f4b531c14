-- A release answers with the lock as it is now.

DROP FUNCTION guard.release_batch(uuid[], uuid[], uuid[], text[], text[], jsonb[]);
DROP TYPE guard.release_answer;

-- Releases a batch of locks. Every array has one element for each request; no two
-- requests of a batch have the same tenant and id. A lock that has ended already
-- (released, or past its expires_at) stays as it is. The answer is RELEASED with
-- the lock, also when it had ended before, or NOT_FOUND.
CREATE FUNCTION guard.release_batch(
    p_tenants uuid[], p_ids uuid[], p_reservations uuid[],
    p_reasons text[], p_correlations text[], p_metadata jsonb[])
RETURNS SETOF guard.lock_answer
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
DECLARE
    v_now     timestamptz := clock_timestamp();
    v_held    integer[];
    v_ordinal integer;
    v_lock    public.inventory_locks_shadow;
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
        IF NOT FOUND THEN
            SELECT l.* INTO v_lock
            FROM public.inventory_locks_shadow AS l
            WHERE l.tenant_id = p_tenants[v_ordinal] AND l.id = p_ids[v_ordinal]
              AND (p_reservations[v_ordinal] IS NULL
                   OR l.reservation_id = p_reservations[v_ordinal]);
        END IF;
        -- What is not released here but ACTIVE is past its time: it reads as EXPIRED.
        RETURN NEXT ROW(
            v_ordinal, CASE WHEN FOUND THEN 'RELEASED' ELSE 'NOT_FOUND' END,
            v_lock.id, v_lock.tenant_id, v_lock.property_id, v_lock.reservation_id,
            v_lock.room_type_id, v_lock.room_id, v_lock.stay_start, v_lock.stay_end,
            v_lock.reason, v_lock.correlation_id, v_lock.expires_at, v_lock.ttl_seconds,
            v_lock.metadata,
            CASE WHEN v_lock.status = 'ACTIVE' THEN 'EXPIRED' ELSE v_lock.status END,
            v_lock.release_reason, v_lock.released_at,
            v_lock.fencing_token, v_lock.created_at, v_lock.updated_at)::guard.lock_answer;
    END LOOP;
END
$$;
