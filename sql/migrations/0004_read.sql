-- Reading locks. What is past its expires_at reads as EXPIRED, swept or not.

CREATE FUNCTION guard.get_lock(p_tenant uuid, p_id uuid)
RETURNS SETOF guard.lock_view
LANGUAGE sql STABLE
AS $$
    SELECT l.id, l.tenant_id, l.property_id, l.reservation_id, l.room_type_id, l.room_id,
           l.stay_start, l.stay_end, l.reason, l.correlation_id, l.expires_at, l.ttl_seconds,
           l.metadata,
           CASE WHEN l.status = 'ACTIVE' AND l.expires_at <= clock_timestamp()
                THEN 'EXPIRED' ELSE l.status END,
           l.release_reason, l.released_at, l.fencing_token, l.created_at, l.updated_at
    FROM public.inventory_locks_shadow AS l
    WHERE l.tenant_id = p_tenant AND l.id = p_id
$$;

-- One page of a tenant's locks in the order of their ids, after p_after. A filter
-- that is null does not filter; p_from and p_to are the collision range.
-- The statement is put together from the filters in use, so that each combination
-- gets a plan of its own. A page is small: an index that has its order is read until
-- the page is full, and not collected in a bitmap first.
CREATE FUNCTION guard.list_locks(
    p_tenant uuid, p_room uuid, p_type uuid, p_reservation uuid, p_status text,
    p_from timestamptz, p_to timestamptz, p_after uuid, p_limit integer)
RETURNS SETOF guard.lock_view
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
DECLARE
    v_now   timestamptz := clock_timestamp();
    v_where text := '';
BEGIN
    IF p_room IS NOT NULL THEN
        v_where := v_where || ' AND l.room_id = $2';
    END IF;
    IF p_type IS NOT NULL THEN
        v_where := v_where || ' AND l.room_type_id = $3';
    END IF;
    IF p_reservation IS NOT NULL THEN
        v_where := v_where || ' AND l.reservation_id = $4';
    END IF;
    IF p_from IS NOT NULL OR p_to IS NOT NULL THEN
        v_where := v_where || ' AND tstzrange(l.stay_start, l.stay_end) && tstzrange($6, $7)';
    END IF;
    IF p_after IS NOT NULL THEN
        v_where := v_where || ' AND l.id > $8';
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
    RETURN QUERY EXECUTE
        'SELECT l.id, l.tenant_id, l.property_id, l.reservation_id, l.room_type_id, l.room_id,
                l.stay_start, l.stay_end, l.reason, l.correlation_id, l.expires_at,
                l.ttl_seconds, l.metadata,
                CASE WHEN l.status = ''ACTIVE'' AND l.expires_at <= $10
                     THEN ''EXPIRED'' ELSE l.status END,
                l.release_reason, l.released_at, l.fencing_token, l.created_at, l.updated_at
         FROM public.inventory_locks_shadow AS l
         WHERE l.tenant_id = $1' || v_where || ' ORDER BY l.id LIMIT $9'
        USING p_tenant, p_room, p_type, p_reservation, p_status, p_from, p_to, p_after,
              p_limit, v_now;
END
$$;
