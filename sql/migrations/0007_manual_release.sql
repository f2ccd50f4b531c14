-- Manual releases: the audit trail, the events that announce them, and the ledger of what
-- has been delivered.

-- --- the audit trail ---------------------------------------------------------------------

-- Rows are only ever added. Those of a tenant form a chain: each holds the digest of the one
-- before, so that a row which somebody changes or takes out, whatever their privileges, is
-- missed by guard.verify_audit_chain().
CREATE TABLE public.inventory_lock_audits (
    id                  uuid        NOT NULL,
    tenant_id           uuid        NOT NULL,
    lock_id             uuid        NOT NULL,
    action              text        NOT NULL,
    performed_by_id     text        NOT NULL,
    performed_by_name   text        NOT NULL,
    performed_by_email  text,
    reason              text        NOT NULL,
    metadata            jsonb,
    created_at          timestamptz NOT NULL,
    -- 1, 2, 3, … within the tenant
    sequence            bigint      NOT NULL,
    previous_digest     bytea       NOT NULL,
    digest              bytea       NOT NULL,

    PRIMARY KEY (tenant_id, id),
    -- guard.list_audits: a tenant's rows in their order
    CONSTRAINT inventory_lock_audits_sequence_key UNIQUE (tenant_id, sequence),
    CONSTRAINT inventory_lock_audits_action_check CHECK (action IN ('MANUAL_RELEASE'))
);

COMMENT ON TABLE public.inventory_lock_audits IS
    'Who forced which lock open, when and why. Append-only; guard.verify_audit_chain() checks it.';

-- guard.list_audits with a lock
CREATE INDEX inventory_lock_audits_lock
    ON public.inventory_lock_audits (tenant_id, lock_id, sequence);

-- guard.list_audits by time
CREATE INDEX inventory_lock_audits_time
    ON public.inventory_lock_audits (tenant_id, created_at, sequence);

-- guard.list_audits with an actor
CREATE INDEX inventory_lock_audits_actor
    ON public.inventory_lock_audits (tenant_id, performed_by_id, sequence);

-- The last row of each tenant's chain: who takes rows off its end is found out too.
CREATE TABLE guard.audit_heads (
    tenant_id   uuid        NOT NULL PRIMARY KEY,
    sequence    bigint      NOT NULL,
    digest      bytea       NOT NULL,
    created_at  timestamptz NOT NULL
);

-- SHA-256 of everything in a row but the digest itself, as text that says where each value ends.
CREATE FUNCTION guard.audit_digest(a public.inventory_lock_audits) RETURNS bytea
LANGUAGE sql STABLE
AS $$
    SELECT sha256(convert_to(jsonb_build_array(
        encode(a.previous_digest, 'hex'), a.sequence, a.id, a.tenant_id, a.lock_id, a.action,
        a.performed_by_id, a.performed_by_name, a.performed_by_email, a.reason, a.metadata,
        to_char(a.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text, 'UTF8'))
$$;

-- Adds a row to its tenant's chain. The owner's privileges, because nobody else may move a
-- head. The head's lock lasts to the end of the transaction: rows get their numbers in the
-- order in which they are committed. Times grow with the numbers, also when the clock is set
-- back: guard.list_audits counts on it.
CREATE FUNCTION guard.chain_audit() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    v_head guard.audit_heads;
BEGIN
    INSERT INTO guard.audit_heads (tenant_id, sequence, digest, created_at)
    VALUES (NEW.tenant_id, 0, '', '-infinity')
    ON CONFLICT DO NOTHING;
    SELECT * INTO STRICT v_head FROM guard.audit_heads AS h WHERE h.tenant_id = NEW.tenant_id
    FOR UPDATE;
    NEW.sequence        := v_head.sequence + 1;
    NEW.previous_digest := v_head.digest;
    NEW.created_at      := greatest(clock_timestamp(), v_head.created_at);
    NEW.digest          := guard.audit_digest(NEW);
    UPDATE guard.audit_heads AS h
    SET sequence = NEW.sequence, digest = NEW.digest, created_at = NEW.created_at
    WHERE h.tenant_id = NEW.tenant_id;
    RETURN NEW;
END
$$;

CREATE FUNCTION guard.refuse_audit_change() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = '42501';
END
$$;

CREATE TRIGGER inventory_lock_audits_chain
    BEFORE INSERT ON public.inventory_lock_audits
    FOR EACH ROW EXECUTE FUNCTION guard.chain_audit();
CREATE TRIGGER inventory_lock_audits_append_only
    BEFORE UPDATE OR DELETE ON public.inventory_lock_audits
    FOR EACH ROW EXECUTE FUNCTION guard.refuse_audit_change();
CREATE TRIGGER inventory_lock_audits_keep
    BEFORE TRUNCATE ON public.inventory_lock_audits
    FOR EACH STATEMENT EXECUTE FUNCTION guard.refuse_audit_change();

-- Follows a tenant's chain from its beginning. broken_at is the first number at which it is
-- seen not to be what it must be, NULL when all is well; `checked` rows are before it.
-- broken_id is the row there, if there is one.
CREATE FUNCTION guard.verify_audit_chain(
    p_tenant uuid, OUT checked bigint, OUT broken_at bigint, OUT broken_id uuid, OUT problem text)
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    v_row      public.inventory_lock_audits;
    v_head     guard.audit_heads;
    v_previous bytea := '';
BEGIN
    checked := 0;
    FOR v_row IN
        SELECT * FROM public.inventory_lock_audits AS a
        WHERE a.tenant_id = p_tenant ORDER BY a.sequence
    LOOP
        problem := CASE
            WHEN v_row.sequence <> checked + 1 THEN 'a row is missing'
            WHEN v_row.previous_digest <> v_previous THEN 'the row before was another one'
            WHEN v_row.digest <> guard.audit_digest(v_row) THEN 'the row was changed'
        END;
        IF problem IS NOT NULL THEN
            broken_at := checked + 1;
            broken_id := CASE WHEN v_row.sequence = broken_at THEN v_row.id END;
            RETURN;
        END IF;
        checked := v_row.sequence;
        v_previous := v_row.digest;
    END LOOP;
    -- A head that is missing is that of an empty chain.
    SELECT * INTO v_head FROM guard.audit_heads AS h WHERE h.tenant_id = p_tenant;
    IF coalesce(v_head.sequence, 0) > checked THEN
        problem := 'rows are missing at the end';
        broken_at := checked + 1;
    ELSIF coalesce(v_head.sequence, 0) < checked THEN
        problem := 'a row was added at the end';
        broken_at := coalesce(v_head.sequence, 0) + 1;
    ELSIF coalesce(v_head.digest, '') <> v_previous THEN
        problem := 'the last row was another one';
        broken_at := checked;
    END IF;
    IF broken_at <= checked THEN
        checked := broken_at - 1;
        SELECT a.id INTO broken_id FROM public.inventory_lock_audits AS a
        WHERE a.tenant_id = p_tenant AND a.sequence = broken_at;
    END IF;
END
$$;

-- The same for every tenant there is, or was.
CREATE FUNCTION guard.verify_audit_chains()
RETURNS TABLE (tenant_id uuid, checked bigint, broken_at bigint, broken_id uuid, problem text)
LANGUAGE sql STABLE
AS $$
    SELECT t.tenant_id, v.*
    FROM (SELECT h.tenant_id FROM guard.audit_heads AS h
          UNION
          SELECT a.tenant_id FROM public.inventory_lock_audits AS a) AS t,
    LATERAL guard.verify_audit_chain(t.tenant_id) AS v
$$;

CREATE TYPE guard.audit_view AS (
    id                  uuid,
    lock_id             uuid,
    tenant_id           uuid,
    action              text,
    performed_by_id     text,
    performed_by_name   text,
    performed_by_email  text,
    reason              text,
    metadata            jsonb,
    created_at          timestamptz,
    sequence            bigint
);

-- One page of a tenant's audit rows, newest first or oldest first, beyond p_beyond. A filter
-- that is null does not filter; p_from and p_to hold for created_at, p_to itself is outside.
-- Times grow with the numbers, so a range of times is one of numbers: each end is looked up
-- once, and no page reads rows that are not on it, but for a lock and an actor together.
CREATE FUNCTION guard.list_audits(
    p_tenant uuid, p_lock uuid, p_actor text, p_from timestamptz, p_to timestamptz,
    p_newest_first boolean, p_beyond bigint, p_limit integer)
RETURNS SETOF guard.audit_view
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    v_least    bigint := 1;
    v_greatest bigint := 9223372036854775807;
    v_next     bigint;
    v_where    text := '';
BEGIN
    IF p_from IS NOT NULL THEN
        SELECT a.sequence INTO v_next FROM public.inventory_lock_audits AS a
        WHERE a.tenant_id = p_tenant AND a.created_at >= p_from
        ORDER BY a.created_at, a.sequence LIMIT 1;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        v_least := v_next;
    END IF;
    IF p_to IS NOT NULL THEN
        SELECT a.sequence INTO v_next FROM public.inventory_lock_audits AS a
        WHERE a.tenant_id = p_tenant AND a.created_at >= p_to
        ORDER BY a.created_at, a.sequence LIMIT 1;
        IF FOUND THEN
            v_greatest := v_next - 1;
        END IF;
    END IF;
    IF p_beyond IS NOT NULL AND p_newest_first THEN
        v_greatest := least(v_greatest, p_beyond - 1);
    ELSIF p_beyond IS NOT NULL THEN
        v_least := greatest(v_least, p_beyond + 1);
    END IF;
    IF p_lock IS NOT NULL THEN
        v_where := v_where || ' AND a.lock_id = $2';
    END IF;
    IF p_actor IS NOT NULL THEN
        v_where := v_where || ' AND a.performed_by_id = $3';
    END IF;
    RETURN QUERY EXECUTE
        'SELECT a.id, a.lock_id, a.tenant_id, a.action, a.performed_by_id, a.performed_by_name,'
        ' a.performed_by_email, a.reason, a.metadata, a.created_at, a.sequence'
        ' FROM public.inventory_lock_audits AS a'
        ' WHERE a.tenant_id = $1 AND a.sequence BETWEEN $4 AND $5' || v_where
        || ' ORDER BY a.sequence' || CASE WHEN p_newest_first THEN ' DESC' ELSE '' END
        || ' LIMIT $6'
    USING p_tenant, p_lock, p_actor, v_least, v_greatest, p_limit;
END
$$;

-- --- the outbox ----------------------------------------------------------------------------

-- Events, written in the transaction that makes them true, until Kafka has them.
CREATE TABLE guard.outbox (
    xid         xid8        NOT NULL DEFAULT pg_current_xact_id(),
    id          bigint      GENERATED ALWAYS AS IDENTITY,
    stream      text        NOT NULL,
    event_id    uuid        NOT NULL,
    event_type  text        NOT NULL,
    tenant_id   uuid        NOT NULL,
    lock_id     uuid        NOT NULL,
    payload     text        NOT NULL,
    created_at  timestamptz NOT NULL,

    PRIMARY KEY (xid, id),
    CONSTRAINT outbox_stream_check CHECK (stream IN ('notification'))
);

-- Up to p_limit events behind the one at (p_xid, p_id), in their order. Only those of
-- transactions before the oldest that is still open: what such a transaction adds later comes
-- later in the order too, so a reader that goes on from its last event misses none. A row that
-- is visible and seems to come from the future was written by another server, before a dump
-- and a restore.
CREATE FUNCTION guard.read_outbox(p_xid xid8, p_id bigint, p_limit integer)
RETURNS SETOF guard.outbox
LANGUAGE sql STABLE
AS $$
    SELECT o.* FROM guard.outbox AS o
    WHERE (o.xid, o.id) > (p_xid, p_id)
      AND (o.xid < pg_snapshot_xmin(pg_current_snapshot())
           OR o.xid >= pg_snapshot_xmax(pg_current_snapshot()))
    ORDER BY o.xid, o.id
    LIMIT p_limit
$$;

-- Takes out events that Kafka has. Returns how many were there.
CREATE FUNCTION guard.delete_outbox(p_xids xid8[], p_ids bigint[]) RETURNS integer
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
DECLARE
    v_count integer;
BEGIN
    -- Each by the primary key: OFFSET 0 leaves no other order, whatever was known of the table
    -- when this was planned. An event is never updated, so its place is the same below.
    DELETE FROM guard.outbox AS o
    WHERE o.ctid = ANY (ARRAY(
        SELECT e.ctid FROM unnest(p_xids, p_ids) AS d (xid, id),
        LATERAL (SELECT e.ctid FROM guard.outbox AS e
                 WHERE e.xid = d.xid AND e.id = d.id OFFSET 0) AS e));
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$;

-- --- manual releases -----------------------------------------------------------------------

-- RFC 3339 in UTC with milliseconds, as everywhere in the service.
CREATE FUNCTION guard.format_time(p_time timestamptz) RETURNS text
LANGUAGE sql STABLE
AS $$ SELECT to_char(p_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') $$;

-- What announces a manual release; the notifier reads it.
CREATE FUNCTION guard.manual_release_event(
    l public.inventory_locks_shadow, p_reason text, p_actor_id text, p_actor_name text,
    p_actor_email text, p_recipients jsonb, p_now timestamptz)
RETURNS text
LANGUAGE sql STABLE
AS $$
    SELECT json_build_object(
        'type', 'availability_guard.manual_release', 'sentAt', guard.format_time(p_now),
        'lockId', l.id, 'tenantId', l.tenant_id, 'reservationId', l.reservation_id,
        'roomTypeId', l.room_type_id, 'roomId', l.room_id,
        'stayStart', guard.format_time(l.stay_start), 'stayEnd', guard.format_time(l.stay_end),
        'reason', p_reason,
        'actor', json_build_object('id', p_actor_id, 'name', p_actor_name, 'email', p_actor_email),
        'recipients', p_recipients)::text
$$;

-- The answer to the request at this position (from 1) of the batch: RELEASED, NOT_FOUND, or
-- NOT_ACTIVE with the status that the lock has.
CREATE TYPE guard.manual_release_answer AS (
    ordinal integer,
    outcome text,
    status  text
);

-- Releases a batch of locks by force. Every array has one element for each request; no two
-- requests of a batch have the same tenant and lock. Each release comes with its audit row
-- and, where it has recipients, its event, or not at all. An audit row that is there already
-- is that of the same request, whose answer was lost: whatever has become of the lock since.
CREATE FUNCTION guard.manual_release_batch(
    p_tenants uuid[], p_ids uuid[], p_reservations uuid[], p_audits uuid[], p_events uuid[],
    p_reasons text[], p_actor_ids text[], p_actor_names text[], p_actor_emails text[],
    p_correlations text[], p_metadata jsonb[], p_recipients jsonb[])
RETURNS SETOF guard.manual_release_answer
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
DECLARE
    v_now       timestamptz;
    v_held      integer[];
    v_i         integer;
    v_lock      public.inventory_locks_shadow;
    v_announced boolean := false;
BEGIN
    -- All rows first, in the order of all batches, and only then the heads of the chains, in
    -- theirs: so no two transactions wait for each other. What is not locked here was not there,
    -- and is not found below either: a row that comes in between would be out of order. Rows that
    -- have ended are left alone: a grant that reclaims their place may have them in hand.
    v_now := clock_timestamp();
    v_held := ARRAY(
        SELECT i.ordinal
        FROM (SELECT * FROM unnest(p_tenants, p_ids) WITH ORDINALITY AS i (tenant_id, id, ordinal)
              ORDER BY 1, 2) AS i,
        LATERAL (SELECT FROM public.inventory_locks_shadow AS l
                 WHERE l.tenant_id = i.tenant_id AND l.id = i.id
                   AND l.status || '' = 'ACTIVE' AND l.expires_at > v_now
                 FOR UPDATE) AS l);
    v_now := clock_timestamp();

    FOR v_i IN
        SELECT i.ordinal FROM unnest(p_tenants, p_ids) WITH ORDINALITY AS i (tenant_id, id, ordinal)
        ORDER BY i.tenant_id, i.id
    LOOP
        -- By an order that only the primary key has: other indexes begin with the tenant too,
        -- and a plan made while the table was empty would take any of them.
        PERFORM FROM (SELECT a.tenant_id, a.id FROM public.inventory_lock_audits AS a
                      WHERE (a.tenant_id, a.id) >= (p_tenants[v_i], p_audits[v_i])
                      ORDER BY a.tenant_id, a.id LIMIT 1) AS a
        WHERE a.tenant_id = p_tenants[v_i] AND a.id = p_audits[v_i];
        IF FOUND THEN
            RETURN NEXT ROW(v_i, 'RELEASED', 'RELEASED')::guard.manual_release_answer;
            CONTINUE;
        END IF;
        SELECT * INTO v_lock FROM public.inventory_locks_shadow AS l
        WHERE l.tenant_id = p_tenants[v_i] AND l.id = p_ids[v_i]
          AND (v_i = ANY (v_held) OR l.status || '' <> 'ACTIVE' OR l.expires_at <= v_now)
          AND (p_reservations[v_i] IS NULL OR l.reservation_id = p_reservations[v_i]);
        IF NOT FOUND THEN
            RETURN NEXT ROW(v_i, 'NOT_FOUND', NULL)::guard.manual_release_answer;
            CONTINUE;
        END IF;
        IF v_lock.status <> 'ACTIVE' OR v_lock.expires_at <= v_now THEN
            RETURN NEXT ROW(v_i, 'NOT_ACTIVE',
                            CASE WHEN v_lock.status = 'ACTIVE' THEN 'EXPIRED'
                                 ELSE v_lock.status END)::guard.manual_release_answer;
            CONTINUE;
        END IF;
        UPDATE public.inventory_locks_shadow AS l
        SET status         = 'RELEASED',
            release_reason = p_reasons[v_i],
            released_at    = v_now,
            updated_at     = v_now,
            correlation_id = coalesce(p_correlations[v_i], l.correlation_id),
            metadata       = CASE WHEN p_metadata[v_i] IS NULL THEN l.metadata
                                  ELSE coalesce(l.metadata, '{}') || p_metadata[v_i] END
        WHERE l.tenant_id = p_tenants[v_i] AND l.id = p_ids[v_i];
        INSERT INTO public.inventory_lock_audits
               (id, tenant_id, lock_id, action, performed_by_id, performed_by_name,
                performed_by_email, reason, metadata)
        VALUES (p_audits[v_i], p_tenants[v_i], p_ids[v_i], 'MANUAL_RELEASE', p_actor_ids[v_i],
                p_actor_names[v_i], p_actor_emails[v_i], p_reasons[v_i], p_metadata[v_i]);
        IF p_recipients[v_i] IS NOT NULL THEN
            INSERT INTO guard.outbox
                   (stream, event_id, event_type, tenant_id, lock_id, payload, created_at)
            VALUES ('notification', p_events[v_i], 'availability_guard.manual_release',
                    p_tenants[v_i], p_ids[v_i],
                    guard.manual_release_event(v_lock, p_reasons[v_i], p_actor_ids[v_i],
                                               p_actor_names[v_i], p_actor_emails[v_i],
                                               p_recipients[v_i], v_now), v_now);
            v_announced := true;
        END IF;
        RETURN NEXT ROW(v_i, 'RELEASED', 'RELEASED')::guard.manual_release_answer;
    END LOOP;
    IF v_announced THEN
        NOTIFY guard_outbox;
    END IF;
END
$$;

-- --- the ledger of deliveries --------------------------------------------------------------

-- Which channel of which event has been served: what Kafka delivers twice goes out once.
CREATE TABLE guard.deliveries (
    tenant_id   uuid        NOT NULL,
    event_id    uuid        NOT NULL,
    channel     text        NOT NULL,
    -- DELIVERED, or DEAD: given up, and the event put into the dead-letter topic
    state       text        NOT NULL,
    attempts    integer     NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),

    PRIMARY KEY (tenant_id, event_id, channel),
    CONSTRAINT deliveries_channel_check CHECK (channel IN ('email', 'sms', 'slack')),
    CONSTRAINT deliveries_state_check CHECK (state IN ('DELIVERED', 'DEAD'))
);

-- guard.purge_deliveries
CREATE INDEX deliveries_age ON guard.deliveries (created_at);

CREATE FUNCTION guard.list_deliveries(p_tenant uuid, p_event uuid)
RETURNS TABLE (channel text, state text)
LANGUAGE sql STABLE
AS $$
    SELECT d.channel, d.state FROM guard.deliveries AS d
    WHERE d.tenant_id = p_tenant AND d.event_id = p_event
$$;

-- What has been delivered stays delivered; what was given up may be delivered later.
CREATE FUNCTION guard.record_delivery(
    p_tenant uuid, p_event uuid, p_channel text, p_state text, p_attempts integer)
RETURNS void
LANGUAGE sql
AS $$
    INSERT INTO guard.deliveries AS d (tenant_id, event_id, channel, state, attempts)
    VALUES (p_tenant, p_event, p_channel, p_state, p_attempts)
    ON CONFLICT (tenant_id, event_id, channel) DO UPDATE
    SET state = excluded.state, attempts = d.attempts + excluded.attempts
    WHERE d.state <> 'DELIVERED'
$$;

-- Forgets up to p_limit deliveries older than p_days: longer than Kafka keeps their events.
CREATE FUNCTION guard.purge_deliveries(p_days integer, p_limit integer) RETURNS integer
LANGUAGE plpgsql
SET enable_seqscan = off
AS $$
DECLARE
    -- A variable, so that the index is searched for it and not read from end to end.
    v_before timestamptz := clock_timestamp() - make_interval(days => p_days);
    v_old    record;
    v_purged integer := 0;
BEGIN
    IF coalesce(p_days, 0) < 1 THEN
        RAISE EXCEPTION 'deliveries are kept for at least one day' USING ERRCODE = '22023';
    END IF;
    FOR v_old IN
        SELECT d.tenant_id, d.event_id, d.channel
        FROM guard.deliveries AS d
        WHERE d.created_at < v_before
        ORDER BY d.created_at
        LIMIT p_limit
        FOR UPDATE SKIP LOCKED
    LOOP
        DELETE FROM guard.deliveries AS d
        WHERE d.tenant_id = v_old.tenant_id AND d.event_id = v_old.event_id
          AND d.channel = v_old.channel;
        v_purged := v_purged + 1;
    END LOOP;
    RETURN v_purged;
END
$$;
