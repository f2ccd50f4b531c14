-- What the service's role may do, and nothing more. Applied at every run of the
-- migrations, in one transaction; :"role" is the role's name. Everything is taken
-- away first, so that what an older version granted, or somebody by hand, goes.

REVOKE ALL ON SCHEMA guard FROM PUBLIC, :"role";
REVOKE ALL ON ALL TABLES IN SCHEMA guard FROM PUBLIC, :"role";
REVOKE ALL ON ALL SEQUENCES IN SCHEMA guard FROM PUBLIC, :"role";
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA guard FROM PUBLIC, :"role";
REVOKE ALL ON public.inventory_locks_shadow, public.inventory_lock_audits FROM PUBLIC, :"role";

GRANT USAGE ON SCHEMA guard TO :"role";
GRANT SELECT ON guard.schema_migrations TO :"role";
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA guard TO :"role";
-- Triggers call them without that. Whoever may call them could put them on a table of their own,
-- with types whose casts then run as the owner.
REVOKE EXECUTE ON FUNCTION guard.chain_audit(), guard.refuse_audit_change() FROM :"role";
GRANT USAGE ON SEQUENCE guard.fencing_token TO :"role";

-- Everybody has this as a rule, and the owner of the database may not be the one who can grant it.
SELECT format('GRANT USAGE ON SCHEMA public TO %I', :'role')
WHERE NOT has_schema_privilege(:'role', 'public', 'USAGE') \gexec
GRANT SELECT, INSERT ON public.inventory_locks_shadow TO :"role";
-- Not the columns that say whose lock it is: a row never changes hands.
GRANT UPDATE (property_id, reservation_id, room_type_id, room_id, stay_start, stay_end,
              expires_at, released_at, updated_at, fencing_token, ttl_seconds, status,
              reason, correlation_id, release_reason, release_id, metadata)
    ON public.inventory_locks_shadow TO :"role";
-- Added to and read, by the service as by everybody: never changed.
GRANT SELECT, INSERT ON public.inventory_lock_audits TO :"role";
GRANT SELECT ON guard.audit_heads TO :"role";

GRANT SELECT, INSERT, DELETE ON guard.outbox, guard.deliveries TO :"role";
-- The numbers of rows, to be read: guard.outbox_top.
GRANT SELECT ON SEQUENCE guard.outbox_id_seq TO :"role";
GRANT UPDATE (state, attempts) ON guard.deliveries TO :"role";

GRANT SELECT, INSERT, DELETE ON guard.performed_commands TO :"role";
GRANT UPDATE (outcome) ON guard.performed_commands TO :"role";
