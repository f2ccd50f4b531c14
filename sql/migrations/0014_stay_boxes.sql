-- The constraints of 0006 again, by indexes that a new lock passes faster, most of all where rooms
-- have many locks.
--
-- A stay is a box there, not a range: a range is unpacked anew for each comparison, which costs
-- several times as much as comparing the numbers of two boxes. And it comes before the room, so
-- that the other locks of a room are passed over without looking at the rest of the entry.
--
-- Building the indexes anew takes minutes where there are millions of active locks, and nobody can
-- take a lock meanwhile.

-- A stay as a box: as high as it is long, in microseconds since 2000, and as wide as any other.
-- (A box without width would be no larger for a longer stay: PostgreSQL compares areas when it
-- chooses the page for an entry.) Boxes that touch overlap, stays do not, so it ends earlier than the
-- stay: by half a microsecond, and from the year 2039 on, when floating-point numbers begin to be
-- too coarse for that, by as much as makes a difference; in 9999 that is a tenth of the millisecond in
-- which callers tell times.
CREATE FUNCTION guard.stay_box(p_start timestamptz, p_end timestamptz) RETURNS box
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$
    SELECT box(
        point(0, tstzrange_subdiff(p_start, '2000-01-01 00:00Z') * 1e6::float8),
        point(1, tstzrange_subdiff(p_end, '2000-01-01 00:00Z') * 1e6::float8
                 - greatest(0.5, tstzrange_subdiff(p_end, '2000-01-01 00:00Z') * 4e-10::float8)))
$$;

ALTER TABLE public.inventory_locks_shadow
    DROP CONSTRAINT inventory_locks_shadow_room_excl,
    DROP CONSTRAINT inventory_locks_shadow_type_excl,
    -- The rule of the house: no two active locks of one room overlap.
    ADD CONSTRAINT inventory_locks_shadow_room_excl
        EXCLUDE USING gist (uuid_hash(room_id) WITH =,
                            guard.stay_box(stay_start, stay_end) WITH &&,
                            room_id WITH =, tenant_id WITH =)
        WHERE (status = 'ACTIVE' AND room_id IS NOT NULL),
    -- The same for locks of a whole room type. The two kinds are independent.
    ADD CONSTRAINT inventory_locks_shadow_type_excl
        EXCLUDE USING gist (uuid_hash(room_type_id) WITH =,
                            guard.stay_box(stay_start, stay_end) WITH &&,
                            room_type_id WITH =, tenant_id WITH =)
        WHERE (status = 'ACTIVE' AND room_id IS NULL);

-- Active locks that overlap this place, but for the lock p_except itself. What the indexes are asked
-- for is computed once, and before (a null key finds nothing, and costs nothing): as parts of a
-- condition it would count as costs of its index, and on an empty table the planner would prefer
-- another one, and keep it when the table has grown.
CREATE OR REPLACE FUNCTION guard.in_the_way(
    p_tenant uuid, p_type uuid, p_room uuid,
    p_start timestamptz, p_end timestamptz, p_except uuid)
RETURNS SETOF public.inventory_locks_shadow
LANGUAGE sql STABLE ROWS 2
AS $$
    SELECT l.*
    FROM (SELECT p_tenant AS tenant, p_type AS type, p_room AS room,
                 uuid_hash(p_room) AS room_hash,
                 CASE WHEN p_room IS NULL THEN uuid_hash(p_type) END AS type_hash,
                 guard.stay_box(p_start, p_end) AS stay
          OFFSET 0) AS k,
    LATERAL (SELECT l.* FROM public.inventory_locks_shadow AS l
             WHERE uuid_hash(l.room_id) = k.room_hash
               AND guard.stay_box(l.stay_start, l.stay_end) && k.stay
               AND l.room_id = k.room AND l.tenant_id = k.tenant
               AND l.status = 'ACTIVE' AND l.room_id IS NOT NULL
             UNION ALL
             SELECT l.* FROM public.inventory_locks_shadow AS l
             WHERE uuid_hash(l.room_type_id) = k.type_hash
               AND guard.stay_box(l.stay_start, l.stay_end) && k.stay
               AND l.room_type_id = k.type AND l.tenant_id = k.tenant
               AND l.status = 'ACTIVE' AND l.room_id IS NULL) AS l
    WHERE l.id <> p_except
$$;
