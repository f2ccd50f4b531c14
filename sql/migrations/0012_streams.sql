-- The relay reads announcements and inventory events apart from each other, so that one stream does
-- not wait for the other's topic; and it knows up to which number nothing new can appear, so that
-- it does not read again over rows that it has deleted but VACUUM cannot take yet.
--
-- What the version before calls stays: read_events.

-- guard.read_events (0008), which says why the order is right, with the trace of each event, and for
-- one stream: announcements of manual releases, or all else. Rows with numbers above p_to are left
-- for the next call, so that a call ends in time however many dead rows there are.
CREATE FUNCTION guard.read_stream(
    p_announcements boolean, p_to bigint,
    p_window pg_snapshot, p_id bigint, p_ordinal integer,
    p_past pg_snapshot, p_past_id bigint, p_past_ordinal integer,
    p_limit integer, p_payload_bytes integer, p_bytes bigint)
RETURNS TABLE (
    more boolean, id bigint, ordinal integer, events integer, stream text, event_type text,
    occurred_at timestamptz, event_id uuid, tenant_id uuid, lock_id uuid, bytes integer,
    payload text, released_by text,
    property_id uuid, reservation_id uuid, room_type_id uuid, room_id uuid,
    stay_start timestamptz, stay_end timestamptz, expires_at timestamptz, reason text,
    correlation_id text, fencing_token bigint, released_at timestamptz, release_reason text,
    traceparent text)
LANGUAGE plpgsql STABLE
SET enable_seqscan = off SET enable_bitmapscan = off
AS $$
#variable_conflict use_column
DECLARE
    v_row   record;
    v_ids   bigint[];
    v_count integer := 0;
    v_bytes bigint := 0;
    v_more  boolean := false;
BEGIN
    -- First which rows: nothing large is read for that. A lock is about a quarter of its message.
    FOR v_row IN
        SELECT o.id, o.events - CASE WHEN o.id = p_id THEN p_ordinal ELSE 0 END AS events,
               CASE WHEN o.payload IS NULL THEN 4 * pg_column_size(o.locks)
                    WHEN octet_length(o.payload) <= p_payload_bytes THEN octet_length(o.payload)
                    ELSE 0 END AS bytes
        FROM guard.outbox AS o
        WHERE o.id >= p_id AND o.id <= p_to AND (o.id > p_id OR o.events > p_ordinal)
          AND (o.stream = 'notification') = p_announcements
          AND guard.is_seen(o.xid, p_window)
          AND (p_past IS NULL OR NOT guard.is_seen(o.xid, p_past) OR o.id > p_past_id
               OR o.id = p_past_id AND o.events > p_past_ordinal)
        ORDER BY o.id
        LIMIT p_limit + 1
    LOOP
        v_more := v_count > 0 AND v_count + v_row.events > p_limit OR v_bytes >= p_bytes;
        EXIT WHEN v_more;
        v_ids := v_ids || v_row.id;
        v_count := v_count + v_row.events;
        v_bytes := v_bytes + v_row.bytes;
    END LOOP;
    IF v_ids IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT v_more OR v_count > p_limit,
           o.id, coalesce(l.ordinal, 1)::integer, o.events, o.stream, o.event_type, o.created_at,
           o.event_id, coalesce(o.tenant_id, l.tenant_id), coalesce(o.lock_id, l.id),
           octet_length(o.payload),
           CASE WHEN octet_length(o.payload) <= p_payload_bytes THEN o.payload END,
           o.released_by,
           l.property_id, l.reservation_id, l.room_type_id, l.room_id, l.stay_start, l.stay_end,
           l.expires_at, l.reason, l.correlation_id, l.fencing_token, l.released_at,
           l.release_reason, o.traces[coalesce(l.ordinal, 1)]
    FROM guard.outbox AS o
    LEFT JOIN LATERAL unnest(o.locks) WITH ORDINALITY
        AS l (id, tenant_id, property_id, reservation_id, room_type_id, room_id, stay_start,
              stay_end, expires_at, reason, correlation_id, fencing_token, released_at,
              release_reason, ordinal) ON true
    WHERE o.id = ANY (v_ids)
      AND (o.id > p_id OR coalesce(l.ordinal, 1) > p_ordinal)
      AND (p_past IS NULL OR NOT guard.is_seen(o.xid, p_past) OR o.id > p_past_id
           OR o.id = p_past_id AND coalesce(l.ordinal, 1) > p_past_ordinal)
    ORDER BY o.id, l.ordinal
    LIMIT p_limit;
END
$$;

-- The greatest number that has been drawn for a row of the outbox; 0: none. No number that is drawn
-- later is smaller: the sequence must not be given a CACHE.
CREATE FUNCTION guard.outbox_top() RETURNS bigint
LANGUAGE sql VOLATILE
AS $$ SELECT last_value - (NOT is_called)::integer FROM guard.outbox_id_seq $$;

-- The greatest number that has been drawn (top), and who may still commit a row of the outbox: the
-- transactions that are writing to it (writers).
--
-- Say that later none of these is open any more (still_open, of p_writers). Then no row with a
-- number up to that top can appear that a new snapshot does not see: who has one to commit has
-- locked the table before drawing its number, and keeps that lock until its end, when what it has
-- written becomes visible first. (The numbers of transactions would not do. The xmax of a snapshot
-- is no bound of those that have begun; and its xmin stays where it is as long as any transaction
-- in the whole server stays open which has written anywhere.)
--
-- A lock that was taken after a savepoint ends early if the transaction goes back to it, and its
-- rows with it. A prepared transaction keeps its lock, but may go by another name than it did
-- before it was prepared; it has no process. So any of these counts as one of the writers.
CREATE FUNCTION guard.outbox_writers(
    p_writers text[], OUT top bigint, OUT writers text[], OUT still_open boolean)
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    top := guard.outbox_top(); -- first: who draws a larger one need not be among the writers
    SELECT coalesce(array_agg(l.virtualtransaction), '{}'),
           coalesce(bool_or(l.pid IS NULL OR l.virtualtransaction = ANY (p_writers)), false)
    INTO writers, still_open
    FROM pg_locks AS l
    WHERE l.locktype = 'relation' AND l.relation = 'guard.outbox'::regclass
      AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
      AND l.mode = 'RowExclusiveLock' AND l.granted;
END
$$;
