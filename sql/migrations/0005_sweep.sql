-- Housekeeping: marking expired locks, and deleting old finished ones. Both work in
-- small batches and pass over rows that somebody else has in hand.

-- Marks up to p_limit expired locks. Returns how many it marked, and how long the
-- longest expired of them had been waiting for it.
CREATE FUNCTION guard.sweep_expired(
    p_limit integer, OUT swept integer, OUT lag_ms bigint)
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
DECLARE
    v_now  timestamptz := clock_timestamp();
    v_lock record;
BEGIN
    swept := 0;
    lag_ms := 0;
    FOR v_lock IN
        SELECT l.tenant_id, l.id, l.expires_at
        FROM public.inventory_locks_shadow AS l
        WHERE l.status = 'ACTIVE' AND l.expires_at <= v_now
        ORDER BY l.expires_at
        LIMIT p_limit
        FOR UPDATE SKIP LOCKED
    LOOP
        UPDATE public.inventory_locks_shadow AS l
        SET status = 'EXPIRED', updated_at = v_now
        WHERE l.tenant_id = v_lock.tenant_id AND l.id = v_lock.id;
        swept := swept + 1;
        lag_ms := greatest(lag_ms, extract(epoch FROM v_now - v_lock.expires_at) * 1000);
    END LOOP;
END
$$;

-- Deletes up to p_limit locks that ended at least p_days days ago. Returns how many.
-- The service's role has no DELETE on the table: this function, which belongs to
-- the owner, is the one way, and it never touches an active lock nor one day's
-- worth of finished ones.
CREATE FUNCTION guard.purge_finished(p_days integer, p_limit integer)
RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
DECLARE
    -- A variable, so that the index is searched for it and not read from end to end.
    v_before timestamptz := clock_timestamp() - make_interval(days => p_days);
    v_lock   record;
    v_purged integer := 0;
BEGIN
    IF coalesce(p_days, 0) < 1 THEN
        RAISE EXCEPTION 'locks are kept for at least one day' USING ERRCODE = '22023';
    END IF;
    FOR v_lock IN
        SELECT l.tenant_id, l.id
        FROM public.inventory_locks_shadow AS l
        WHERE l.status <> 'ACTIVE' AND l.updated_at < v_before
        ORDER BY l.updated_at
        LIMIT p_limit
        FOR UPDATE SKIP LOCKED
    LOOP
        DELETE FROM public.inventory_locks_shadow AS l
        WHERE l.tenant_id = v_lock.tenant_id AND l.id = v_lock.id;
        v_purged := v_purged + 1;
    END LOOP;
    RETURN v_purged;
END
$$;
