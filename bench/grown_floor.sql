-- pgbench script: the floor of bench/growth. As floor.sql, but where Tables.grow leaves days free.
\set room random(0, 99999)
\set day random(0, 99) * 36 + random(12, 32)
\set nights random(1, 3)
INSERT INTO public.inventory_locks_shadow
    (id, tenant_id, room_type_id, room_id, stay_start, stay_end, expires_at, created_at, updated_at,
     fencing_token, ttl_seconds, reason)
SELECT gen_random_uuid(), '7b5a3c1e-0d2f-4e6a-8b9c-1d3e5f7a9b0c', '2f4e6d8c-1a3b-4c5d-9e8f-7a6b5c4d3e2f',
       (lpad(to_hex(:room::bigint * 2654435761 % 4294967296), 8, '0') || '-0000-4000-8000-'
        || lpad(:room::text, 12, '0'))::uuid,
       d.arrival, d.arrival + :nights * interval '1 day', now() + interval '2 hours', now(), now(),
       nextval('guard.fencing_token'), 7200, 'RESERVATION_CREATE'
FROM (SELECT date_trunc('year', now()) + interval '1 year' + :day * interval '1 day' AS arrival) AS d
ON CONFLICT DO NOTHING;
