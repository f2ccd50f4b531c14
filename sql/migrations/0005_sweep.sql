-- Housekeeping: marking expired locks, and deleting old finished ones. Both work in
-- small batches and pass over rows that somebody else has in hand.

-- Marks up to p_limit expired locks. Returns how many it marked, and how long the
-- longest expired of them had been waiting for it.
CREATE FUNCTION guard.sweep_expired(
    p_limit integer, OUT swept integer, OUT lag_ms bigint)
LANGUAGE plpgsql
AS $$
DECLARE
    v_now timestamptz := clock_timestamp();
BEGIN
    WITH expired AS MATERIALIZED (
        SELECT l.tenant_id, l.id, l.expires_at
        FROM public.inventory_locks_shadow AS l
        WHERE l.status = 'ACTIVE' AND l.expires_at <= v_now
        ORDER BY l.expires_at
        LIMIT p_limit
        FOR UPDATE SKIP LOCKED
    ), marked AS (
        UPDATE public.inventory_locks_shadow AS l
        SET status = 'EXPIRED', updated_at = v_now
        FROM expired AS e
        WHERE l.tenant_id = e.tenant_id AND l.id = e.id
        RETURNING e.expires_at
    )
    SELECT count(*), coalesce(extract(epoch FROM v_now - min(m.expires_at)) * 1000, 0)
    INTO swept, lag_ms
    FROM marked AS m;
END
$$;

-- Deletes up to p_limit locks that ended at least p_days days ago. Returns how many.
-- The service's role has no DELETE on the table: this function, which belongs to
-- the owner, is the one way, and it never touches an active lock nor one day's
-- worth of finished ones.
CREATE FUNCTION guard.purge_finished(p_days integer, p_limit integer)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_purged integer;
BEGIN
    IF coalesce(p_days, 0) < 1 THEN
        RAISE EXCEPTION 'locks are kept for at least one day' USING ERRCODE = '22023';
    END IF;
    WITH old AS MATERIALIZED (
        SELECT l.tenant_id, l.id
        FROM public.inventory_locks_shadow AS l
        WHERE l.status <> 'ACTIVE'
          AND l.updated_at < clock_timestamp() - make_interval(days => p_days)
        ORDER BY l.updated_at
        LIMIT p_limit
        FOR UPDATE SKIP LOCKED
    )
    DELETE FROM public.inventory_locks_shadow AS l
    USING old AS o
    WHERE l.tenant_id = o.tenant_id AND l.id = o.id;
    GET DIAGNOSTICS v_purged = ROW_COUNT;
    RETURN v_purged;
END
$$;
