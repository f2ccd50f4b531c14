-- Commands that are to have their effect once, however often they come: the ledger of those that
-- have been performed, and the functions that perform them.
--
-- A command's entry is written in the transaction of its effect: both are there, or neither. An
-- idempotency key would not do. A lock that was granted by a command and released by somebody
-- else since must not be granted again because Kafka delivers the command once more.

CREATE TABLE guard.performed_commands (
    tenant_id   uuid        NOT NULL,
    command_id  text        COLLATE "C" NOT NULL,
    -- a bulk release is performed in parts, each named by the place (from 0) of its first lock in
    -- the command; anything else is part 0
    part        integer     NOT NULL,
    -- what came of it: LOCKED, CONFLICT, STAY_OVER, RELEASED, NOT_FOUND
    outcome     text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT clock_timestamp(),

    PRIMARY KEY (tenant_id, command_id, part),
    CONSTRAINT performed_commands_outcome_check
        CHECK (outcome IN ('LOCKED', 'CONFLICT', 'STAY_OVER', 'RELEASED', 'NOT_FOUND'))
);

COMMENT ON TABLE guard.performed_commands IS
    'Which commands of the command topic have been performed: none is performed twice.';

-- guard.purge_commands
CREATE INDEX performed_commands_age ON guard.performed_commands (created_at);

-- The answer to the command at this position (from 1) of the batch: its outcome, or DUPLICATE when
-- it has been performed before.
CREATE TYPE guard.command_answer AS (
    ordinal integer,
    outcome text
);

-- Enters those of a batch's commands that are new into the ledger, with the outcome that is
-- expected, and returns their positions. No two have the same tenant and id.
--
-- Somebody else who is performing one of them at this moment is waited for: the primary key sees to
-- that. The entries are made in one order for all batches, and before anything else is taken: who
-- waits here holds entries only that come before in this order, and who holds rooms and locks,
-- which are taken later, does not wait here. So nobody waits for each other in a circle.
CREATE FUNCTION guard.begin_commands(p_tenants uuid[], p_commands text[], p_outcome text)
RETURNS integer[]
LANGUAGE plpgsql
AS $$
DECLARE
    v_new integer[];
BEGIN
    WITH begun AS (
        INSERT INTO guard.performed_commands AS c (tenant_id, command_id, part, outcome)
        SELECT p_tenants[i.n], p_commands[i.n], 0, p_outcome
        FROM generate_series(1, cardinality(p_commands)) AS i (n)
        ORDER BY p_tenants[i.n], p_commands[i.n] COLLATE "C"
        ON CONFLICT DO NOTHING
        RETURNING c.tenant_id, c.command_id)
    SELECT array_agg(i.ordinal ORDER BY i.ordinal)
    INTO v_new
    FROM unnest(p_tenants, p_commands) WITH ORDINALITY AS i (tenant_id, command_id, ordinal)
    JOIN begun AS b ON b.tenant_id = i.tenant_id AND b.command_id = i.command_id COLLATE "C";
    RETURN coalesce(v_new, '{}');
END
$$;

-- A command whose outcome was not the one that was expected.
CREATE FUNCTION guard.note_outcome(p_tenant uuid, p_command text, p_outcome text)
RETURNS void
LANGUAGE plpgsql
AS $$
BEGIN
    UPDATE guard.performed_commands AS c SET outcome = p_outcome
    WHERE c.tenant_id = p_tenant AND c.command_id = p_command COLLATE "C" AND c.part = 0;
END
$$;

-- Grants locks as guard.lock_batch does, each command once.
CREATE FUNCTION guard.perform_locks(
    p_commands text[],
    p_tenants uuid[], p_ids uuid[], p_keys uuid[], p_properties uuid[], p_reservations uuid[],
    p_types uuid[], p_rooms uuid[], p_starts timestamptz[], p_ends timestamptz[],
    p_ttls integer[], p_reasons text[], p_correlations text[], p_metadata jsonb[])
RETURNS SETOF guard.command_answer
LANGUAGE plpgsql
AS $$
DECLARE
    v_new    integer[] := guard.begin_commands(p_tenants, p_commands, 'LOCKED');
    v_answer guard.lock_answer;
BEGIN
    IF cardinality(v_new) < cardinality(p_commands) THEN
        -- What had come too late still goes to the dead letters, where it may not have arrived.
        RETURN QUERY
        SELECT i.n, CASE WHEN c.outcome = 'STAY_OVER' THEN c.outcome ELSE 'DUPLICATE' END
        FROM generate_series(1, cardinality(p_commands)) AS i (n)
        LEFT JOIN LATERAL (SELECT e.outcome FROM guard.performed_commands AS e
                           WHERE e.tenant_id = p_tenants[i.n] AND e.part = 0
                             AND e.command_id = p_commands[i.n] COLLATE "C"
                           OFFSET 0) AS c ON true
        WHERE i.n <> ALL (v_new);
        IF cardinality(v_new) = 0 THEN
            RETURN;
        END IF;
        SELECT array_agg(p_commands[i.n]), array_agg(p_tenants[i.n]), array_agg(p_ids[i.n]),
               array_agg(p_keys[i.n]), array_agg(p_properties[i.n]),
               array_agg(p_reservations[i.n]), array_agg(p_types[i.n]), array_agg(p_rooms[i.n]),
               array_agg(p_starts[i.n]), array_agg(p_ends[i.n]), array_agg(p_ttls[i.n]),
               array_agg(p_reasons[i.n]), array_agg(p_correlations[i.n]),
               array_agg(p_metadata[i.n])
        INTO p_commands, p_tenants, p_ids, p_keys, p_properties, p_reservations, p_types, p_rooms,
             p_starts, p_ends, p_ttls, p_reasons, p_correlations, p_metadata
        FROM (SELECT * FROM unnest(v_new) WITH ORDINALITY AS i (n, place) ORDER BY i.place) AS i;
    END IF;
    FOR v_answer IN
        SELECT * FROM guard.lock_batch(
            p_tenants, p_ids, p_keys, p_properties, p_reservations, p_types, p_rooms,
            p_starts, p_ends, p_ttls, p_reasons, p_correlations, p_metadata)
    LOOP
        IF v_answer.outcome <> 'LOCKED' THEN
            PERFORM guard.note_outcome(p_tenants[v_answer.ordinal], p_commands[v_answer.ordinal],
                                       v_answer.outcome);
        END IF;
        RETURN NEXT ROW(v_new[v_answer.ordinal], v_answer.outcome)::guard.command_answer;
    END LOOP;
END
$$;

-- Releases locks as guard.release_batch does, each command once.
CREATE FUNCTION guard.perform_releases(
    p_commands text[], p_tenants uuid[], p_ids uuid[], p_reservations uuid[],
    p_reasons text[], p_correlations text[], p_metadata jsonb[])
RETURNS SETOF guard.command_answer
LANGUAGE plpgsql
AS $$
DECLARE
    v_new    integer[] := guard.begin_commands(p_tenants, p_commands, 'RELEASED');
    v_answer record;
BEGIN
    IF cardinality(v_new) < cardinality(p_commands) THEN
        RETURN QUERY
        SELECT i.n, 'DUPLICATE' FROM generate_series(1, cardinality(p_commands)) AS i (n)
        WHERE i.n <> ALL (v_new);
        IF cardinality(v_new) = 0 THEN
            RETURN;
        END IF;
        SELECT array_agg(p_commands[i.n]), array_agg(p_tenants[i.n]), array_agg(p_ids[i.n]),
               array_agg(p_reservations[i.n]), array_agg(p_reasons[i.n]),
               array_agg(p_correlations[i.n]), array_agg(p_metadata[i.n])
        INTO p_commands, p_tenants, p_ids, p_reservations, p_reasons, p_correlations, p_metadata
        FROM (SELECT * FROM unnest(v_new) WITH ORDINALITY AS i (n, place) ORDER BY i.place) AS i;
    END IF;
    FOR v_answer IN
        SELECT a.ordinal, a.outcome FROM guard.release_batch(
            p_tenants, p_ids, p_reservations, p_reasons, p_correlations, p_metadata,
            'command') AS a
    LOOP
        IF v_answer.outcome <> 'RELEASED' THEN
            PERFORM guard.note_outcome(p_tenants[v_answer.ordinal], p_commands[v_answer.ordinal],
                                       v_answer.outcome);
        END IF;
        RETURN NEXT ROW(v_new[v_answer.ordinal], v_answer.outcome)::guard.command_answer;
    END LOOP;
END
$$;

-- Performs one part of a bulk release as guard.bulk_release does, once. NULL: it has been performed
-- before.
CREATE FUNCTION guard.perform_bulk_release(
    p_command text, p_part integer,
    p_tenant uuid, p_ids uuid[], p_reason text, p_correlation text, p_release uuid)
RETURNS integer
LANGUAGE plpgsql
AS $$
BEGIN
    INSERT INTO guard.performed_commands (tenant_id, command_id, part, outcome)
    VALUES (p_tenant, p_command, p_part, 'RELEASED')
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    RETURN guard.bulk_release(p_tenant, p_ids, p_reason, p_correlation, p_release, 'command');
END
$$;

-- Forgets up to p_limit commands performed more than p_days ago: longer than Kafka keeps them.
CREATE FUNCTION guard.purge_commands(p_days integer, p_limit integer) RETURNS integer
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
        RAISE EXCEPTION 'commands are kept for at least one day' USING ERRCODE = '22023';
    END IF;
    FOR v_old IN
        SELECT c.tenant_id, c.command_id, c.part
        FROM guard.performed_commands AS c
        WHERE c.created_at < v_before
        ORDER BY c.created_at
        LIMIT p_limit
        FOR UPDATE SKIP LOCKED
    LOOP
        DELETE FROM guard.performed_commands AS c
        WHERE c.tenant_id = v_old.tenant_id AND c.command_id = v_old.command_id
          AND c.part = v_old.part;
        v_purged := v_purged + 1;
    END LOOP;
    RETURN v_purged;
END
$$;
