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
SET enable_seqscan = off
AS $$
DECLARE
    v_now     timestamptz := clock_timestamp();
    v_held    integer[];
    v_ordinal integer;
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
          AND l.status || '' = 'ACTIVE' AND l.expires_at > v_now;
        IF NOT FOUND THEN
            PERFORM FROM public.inventory_locks_shadow AS l
            WHERE l.tenant_id = p_tenants[v_ordinal] AND l.id = p_ids[v_ordinal]
              AND (p_reservations[v_ordinal] IS NULL
                   OR l.reservation_id = p_reservations[v_ordinal]);
        END IF;
        RETURN NEXT ROW(v_ordinal, CASE WHEN FOUND THEN 'RELEASED'
                                        ELSE 'NOT_FOUND' END)::guard.release_answer;
    END LOOP;
END
$$;

-- Releases those of the locks that are active, and returns how many locks this
-- release (p_release) has ended in this call or, when the same call is sent again
-- because its answer was lost, had ended then.
CREATE FUNCTION guard.bulk_release(
    p_tenant uuid, p_ids uuid[], p_reason text, p_correlation text, p_release uuid)
RETURNS integer
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
DECLARE
    v_now   timestamptz := clock_timestamp();
    v_ids   uuid[] := ARRAY(SELECT DISTINCT i.id FROM unnest(p_ids) AS i (id) ORDER BY i.id);
    v_held  uuid[];
    v_id    uuid;
    v_count integer := 0;
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
          AND l.status || '' = 'ACTIVE' AND l.expires_at > v_now;
        IF NOT FOUND THEN
            PERFORM FROM public.inventory_locks_shadow AS l
            WHERE l.tenant_id = p_tenant AND l.id = v_id
              AND l.status || '' = 'RELEASED' AND l.release_id = p_release;
        END IF;
        v_count := v_count + FOUND::integer;
    END LOOP;
    RETURN v_count;
END
$$;
