-- The table of locks, and what keeps two of them from overlapping.
--
-- Functions live in the schema "guard"; the tables keep the names under which
-- other systems know them, in "public".

CREATE EXTENSION IF NOT EXISTS btree_gist;

-- The number of the newest migration: what a program asks before it works here.
CREATE FUNCTION guard.schema_version() RETURNS integer
LANGUAGE sql STABLE
AS $$ SELECT max(version) FROM guard.schema_migrations $$;

-- Grows with every grant of any lock. One sequence for all resources is enough: what
-- grows over all of them grows over each. A batch of up to 1000 grants takes one number
-- and counts on from there.
CREATE SEQUENCE guard.fencing_token AS bigint INCREMENT BY 1000 START WITH 1000;

CREATE TABLE public.inventory_locks_shadow (
    id              uuid        NOT NULL,
    tenant_id       uuid        NOT NULL,
    property_id     uuid,
    reservation_id  uuid,
    room_type_id    uuid        NOT NULL,
    room_id         uuid,
    stay_start      timestamptz NOT NULL,
    stay_end        timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    released_at     timestamptz,
    created_at      timestamptz NOT NULL,
    updated_at      timestamptz NOT NULL,
    fencing_token   bigint      NOT NULL,
    ttl_seconds     integer     NOT NULL,
    status          text        NOT NULL DEFAULT 'ACTIVE',
    reason          text        NOT NULL,
    correlation_id  text,
    release_reason  text,
    -- which bulk release ended this lock, so that a bulk release whose
    -- connection broke in COMMIT can still be counted when it is sent again
    release_id      uuid,
    metadata        jsonb,

    PRIMARY KEY (tenant_id, id),
    CONSTRAINT inventory_locks_shadow_status_check
        CHECK (status IN ('ACTIVE', 'RELEASED', 'EXPIRED')),
    CONSTRAINT inventory_locks_shadow_stay_check
        CHECK (stay_start < stay_end),
    -- The rule of the house: no two active locks of one room overlap.
    CONSTRAINT inventory_locks_shadow_room_excl
        EXCLUDE USING gist (tenant_id WITH =, room_id WITH =,
                            tstzrange(stay_start, stay_end) WITH &&)
        WHERE (status = 'ACTIVE' AND room_id IS NOT NULL),
    -- The same for locks of a whole room type. The two kinds are independent.
    CONSTRAINT inventory_locks_shadow_type_excl
        EXCLUDE USING gist (tenant_id WITH =, room_type_id WITH =,
                            tstzrange(stay_start, stay_end) WITH &&)
        WHERE (status = 'ACTIVE' AND room_id IS NULL)
);

COMMENT ON TABLE public.inventory_locks_shadow IS
    'One row a lock: which room or room type is held, for which stay, until when.';

-- guard.sweep_expired: the active locks that expire first.
CREATE INDEX inventory_locks_shadow_expiry
    ON public.inventory_locks_shadow (expires_at)
    WHERE status = 'ACTIVE';

-- guard.list_locks with a reservation: what a front desk asks for.
CREATE INDEX inventory_locks_shadow_reservation
    ON public.inventory_locks_shadow (tenant_id, reservation_id, id)
    WHERE reservation_id IS NOT NULL;

-- guard.purge_finished: finished locks by age. Paid for when a lock ends, not
-- when it is granted.
CREATE INDEX inventory_locks_shadow_finished
    ON public.inventory_locks_shadow (updated_at)
    WHERE status <> 'ACTIVE';
