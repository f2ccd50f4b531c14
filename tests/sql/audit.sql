-- The audit trail: it only grows, its rows form a chain that shows what was done to it, and the
-- pages that are read from it.
BEGIN;
\ir support/helpers.psql
SELECT plan(82);

CREATE FUNCTION pg_temp.add(
    id integer, lock integer DEFAULT 1, actor text DEFAULT 'ops.1', tenant integer DEFAULT 1,
    reason text DEFAULT 'why', metadata jsonb DEFAULT NULL)
RETURNS void LANGUAGE sql AS $$
    INSERT INTO inventory_lock_audits
           (id, tenant_id, lock_id, action, performed_by_id, performed_by_name, reason, metadata)
    VALUES (pg_temp.u(id), pg_temp.u(tenant), pg_temp.u(lock), 'MANUAL_RELEASE', actor, 'Alex', reason, metadata)
$$;
-- "5 checked", or "2 checked, broken at 3 (13): the row was changed".
CREATE FUNCTION pg_temp.verdict(tenant integer DEFAULT 1) RETURNS text LANGUAGE sql AS $$
    SELECT concat(v.checked, ' checked', ', broken at ' || v.broken_at,
                  ' (' || pg_temp.n(v.broken_id) || ')', ': ' || v.problem)
    FROM guard.verify_audit_chain(pg_temp.u(tenant)) AS v
$$;

SELECT is(pg_temp.verdict(), '0 checked', 'an empty chain is whole');
SELECT is_empty('SELECT * FROM guard.verify_audit_chains()', 'without rows there are no chains');

-- Rows 11 to 15 of tenant 1, and two of tenant 2 between them.
SELECT pg_temp.add(11) \g /dev/null
SELECT pg_temp.add(12, 2, 'ops.2', metadata => '{"a": [1, 2.50], "é": null}') \g /dev/null
SELECT pg_temp.add(11, tenant => 2) \g /dev/null
SELECT pg_temp.add(13) \g /dev/null
SELECT pg_temp.add(12, tenant => 2) \g /dev/null
SELECT pg_temp.add(14, 2) \g /dev/null
SELECT pg_temp.add(15) \g /dev/null
SELECT is(pg_temp.verdict(), '5 checked', 'a chain that nobody has touched');
SELECT is(pg_temp.verdict(2), '2 checked', 'another tenant''s');
SELECT results_eq(
    'SELECT pg_temp.n(tenant_id), checked, broken_at, broken_id, problem FROM guard.verify_audit_chains() ORDER BY 1',
    'VALUES (1, 5::bigint, NULL::bigint, NULL::uuid, NULL::text), (2, 2, NULL, NULL, NULL)', 'all of them at once');
SELECT results_eq(
    'SELECT pg_temp.n(tenant_id), sequence, pg_temp.n(id) FROM inventory_lock_audits ORDER BY 1, 2',
    'VALUES (1, 1::bigint, 11), (1, 2, 12), (1, 3, 13), (1, 4, 14), (1, 5, 15), (2, 1, 11), (2, 2, 12)',
    'rows are numbered by tenant');
SELECT is_empty(
    $$SELECT a.* FROM inventory_lock_audits AS a
      LEFT JOIN inventory_lock_audits AS b ON b.tenant_id = a.tenant_id AND b.sequence = a.sequence - 1
      WHERE a.previous_digest <> coalesce(b.digest, '') OR length(a.digest) <> 32$$,
    'each has the digest of the one before');
SELECT is((SELECT count(DISTINCT digest) FROM inventory_lock_audits), 7::bigint, 'no two digests are the same');
SELECT results_eq(
    'SELECT tenant_id, sequence, digest, created_at FROM guard.audit_heads ORDER BY 1',
    $$SELECT DISTINCT ON (tenant_id) tenant_id, sequence, digest, created_at FROM inventory_lock_audits
      ORDER BY tenant_id, sequence DESC$$, 'the heads are the last rows');

-- What a digest is made of, computed another way: docs/database.md says it.
SELECT is(
    (SELECT encode(digest, 'hex') FROM inventory_lock_audits WHERE id = pg_temp.u(12) AND tenant_id = pg_temp.u(1)),
    (SELECT encode(sha256(convert_to(format('["%s", 2, "%s", "%s", "%s", "MANUAL_RELEASE", "ops.2", "Alex", null, "why", {"a": [1, 2.50], "é": null}, "%s"]',
                encode(b.digest, 'hex'), a.id, a.tenant_id, a.lock_id,
                to_char(a.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')), 'UTF8')), 'hex')
     FROM inventory_lock_audits AS a, inventory_lock_audits AS b
     WHERE a.id = pg_temp.u(12) AND b.id = pg_temp.u(11) AND a.tenant_id = b.tenant_id AND a.tenant_id = pg_temp.u(1)),
    'a digest is SHA-256 of the row as JSON');
CREATE FUNCTION pg_temp.digest_in(zone text) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    v_digest bytea;
BEGIN
    PERFORM set_config('timezone', zone, true), set_config('datestyle', 'German', true),
            set_config('bytea_output', 'escape', true), set_config('extra_float_digits', '-5', true);
    SELECT guard.audit_digest(a) INTO v_digest FROM inventory_lock_audits AS a WHERE a.sequence = 2 AND a.tenant_id = pg_temp.u(1);
    RETURN v_digest;
END
$$;
SELECT is(pg_temp.digest_in('Asia/Tokyo'), (SELECT digest FROM inventory_lock_audits WHERE sequence = 2 AND tenant_id = pg_temp.u(1)),
          'whatever the session is set to');
RESET timezone; RESET datestyle; RESET bytea_output; RESET extra_float_digits;

-- The trigger's own columns cannot be chosen.
INSERT INTO inventory_lock_audits (id, tenant_id, lock_id, action, performed_by_id, performed_by_name, reason,
                                   created_at, sequence, previous_digest, digest)
VALUES (pg_temp.u(11), pg_temp.u(3), pg_temp.u(1), 'MANUAL_RELEASE', 'a', 'b', 'c', '2000-01-01', 77, 'x', 'y');
SELECT ok((SELECT sequence = 1 AND previous_digest = '' AND digest = guard.audit_digest(a) AND created_at > now()
           FROM inventory_lock_audits AS a WHERE tenant_id = pg_temp.u(3)), 'numbers, times and digests are the trail''s');

-- Times never go back, even if the clock does.
UPDATE guard.audit_heads SET created_at = now() + interval '1 hour' WHERE tenant_id = pg_temp.u(3);
SELECT pg_temp.add(12, tenant => 3) \g /dev/null
SELECT pg_temp.add(13, tenant => 3) \g /dev/null
SELECT results_eq('SELECT created_at FROM inventory_lock_audits WHERE tenant_id = pg_temp.u(3) ORDER BY sequence OFFSET 1',
                  $$VALUES (now() + interval '1 hour'), (now() + interval '1 hour')$$, 'a clock that was set back');
SELECT is(pg_temp.verdict(3), '3 checked', 'does not break the chain');

-- It only grows, for the owner too.
SELECT throws_ok('UPDATE inventory_lock_audits SET reason = reason', '42501', 'the audit trail is append-only', 'no UPDATE');
SELECT throws_ok('UPDATE inventory_lock_audits SET digest = digest WHERE sequence = 1', '42501', NULL, 'of no column');
SELECT throws_ok('DELETE FROM inventory_lock_audits', '42501', 'the audit trail is append-only', 'no DELETE');
SELECT throws_ok('TRUNCATE inventory_lock_audits', '42501', 'the audit trail is append-only', 'no TRUNCATE');
SELECT throws_ok(
    $$INSERT INTO inventory_lock_audits (id, tenant_id, lock_id, action, performed_by_id, performed_by_name, reason)
      VALUES (pg_temp.u(11), pg_temp.u(1), pg_temp.u(1), 'MANUAL_RELEASE', 'a', 'b', 'c')
      ON CONFLICT (tenant_id, id) DO UPDATE SET reason = 'other'$$, '42501', NULL, 'not by an upsert');
SELECT throws_ok($$SELECT pg_temp.add(11)$$, '23505', NULL, 'an id is there once');
SELECT throws_ok(
    $$INSERT INTO inventory_lock_audits (id, tenant_id, lock_id, action, performed_by_id, performed_by_name, reason)
      VALUES (pg_temp.u(99), pg_temp.u(1), pg_temp.u(1), 'OTHER', 'a', 'b', 'c')$$, '23514', NULL, 'an unknown action');
SELECT is(pg_temp.verdict(), '5 checked', 'what was refused has left no trace');

-- What a superuser can do by going round the triggers is found. The statement is undone.
CREATE FUNCTION pg_temp.after(VARIADIC statements text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    v_statement text;
    v_verdict   text;
BEGIN
    BEGIN
        PERFORM set_config('session_replication_role', 'replica', true);
        FOREACH v_statement IN ARRAY statements LOOP
            EXECUTE replace(replace(v_statement, '@audits', 'inventory_lock_audits'),
                            '@mine', $s$tenant_id = '00000000-0000-0000-0000-000000000001'$s$);
        END LOOP;
        v_verdict := pg_temp.verdict();
        RAISE EXCEPTION 'undo' USING ERRCODE = 'UNDOX';
    EXCEPTION WHEN SQLSTATE 'UNDOX' THEN
        RETURN v_verdict;
    END;
END
$$;
-- Puts the digests of rows right again, as somebody would who knows how they are made.
CREATE FUNCTION pg_temp.seal(first integer, last integer DEFAULT 1000) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    v_row inventory_lock_audits;
BEGIN
    FOR v_row IN SELECT * FROM inventory_lock_audits
                 WHERE tenant_id = pg_temp.u(1) AND sequence BETWEEN first AND last ORDER BY sequence LOOP
        v_row.previous_digest := coalesce((SELECT a.digest FROM inventory_lock_audits AS a
            WHERE a.tenant_id = v_row.tenant_id AND a.sequence = v_row.sequence - 1), '');
        UPDATE inventory_lock_audits AS a
        SET previous_digest = v_row.previous_digest, digest = guard.audit_digest(v_row)
        WHERE a.tenant_id = v_row.tenant_id AND a.sequence = v_row.sequence;
    END LOOP;
END
$$;

SELECT is(pg_temp.after('SELECT 1'), '5 checked', 'nothing done, nothing found');
SELECT is(pg_temp.after(format('UPDATE @audits SET %s WHERE @mine AND sequence = 3', c.change)),
          '2 checked, broken at 3 (13): the row was changed', c.change)
FROM (VALUES ($$reason = 'other'$$), ($$lock_id = id$$), ($$action = 'MANUAL_RELEASE', performed_by_id = 'other'$$),
             ($$performed_by_name = 'other'$$), ($$performed_by_email = ''$$), ($$performed_by_email = 'x@y'$$),
             ($$metadata = '{}'$$), ($$created_at = created_at + interval '1 microsecond'$$),
             ($$digest = ''$$), ($$digest = set_byte(digest, 0, 255 - get_byte(digest, 0))$$)) AS c (change);
SELECT is(pg_temp.after('UPDATE @audits SET id = tenant_id WHERE @mine AND sequence = 3'),
          '2 checked, broken at 3 (1): the row was changed', 'another id');
SELECT is(pg_temp.after('UPDATE @audits SET previous_digest = digest WHERE @mine AND sequence = 3'),
          '2 checked, broken at 3 (13): the row before was another one', 'another digest of the row before');
SELECT is(pg_temp.after($$UPDATE @audits SET metadata = '{"a": [1, 2.5], "é": null}' WHERE @mine AND sequence = 2$$),
          '1 checked, broken at 2 (12): the row was changed', 'a zero of a number');
SELECT is(pg_temp.after($$UPDATE @audits SET reason = 'other' WHERE @mine AND sequence = 1$$),
          '0 checked, broken at 1 (11): the row was changed', 'the first row');
SELECT is(pg_temp.after($$UPDATE @audits SET reason = 'other' WHERE @mine AND sequence = 5$$),
          '4 checked, broken at 5 (15): the row was changed', 'the last row');
SELECT is(pg_temp.after($$UPDATE @audits SET performed_by_id = 'whyops.', reason = '1' WHERE @mine AND sequence = 3$$),
          '2 checked, broken at 3 (13): the row was changed', 'text moved from one column to another');
SELECT is(pg_temp.after($$UPDATE @audits SET reason = 'other' WHERE @mine AND sequence IN (2, 4)$$),
          '1 checked, broken at 2 (12): the row was changed', 'of two the first is told');

-- Changed by somebody who knows how digests are made: the next row, or the head, knows better.
SELECT is(pg_temp.after($$UPDATE @audits SET reason = 'other' WHERE @mine AND sequence = 3$$, 'SELECT pg_temp.seal(3, 3)'),
          '3 checked, broken at 4 (14): the row before was another one', 'a changed row with a digest that fits it');
SELECT is(pg_temp.after($$UPDATE @audits SET reason = 'other' WHERE @mine AND sequence = 3$$, 'SELECT pg_temp.seal(3)'),
          '4 checked, broken at 5 (15): the last row was another one', 'and all that follow it too');
SELECT is(pg_temp.after($$UPDATE @audits SET reason = 'other' WHERE @mine AND sequence = 5$$, 'SELECT pg_temp.seal(5)'),
          '4 checked, broken at 5 (15): the last row was another one', 'the last row and its digest');

-- Taken out.
SELECT is(pg_temp.after('DELETE FROM @audits WHERE @mine AND sequence = 3'),
          '2 checked, broken at 3: a row is missing', 'a row of the middle');
SELECT is(pg_temp.after('DELETE FROM @audits WHERE @mine AND sequence = 1'),
          '0 checked, broken at 1: a row is missing', 'the first row');
SELECT is(pg_temp.after('DELETE FROM @audits WHERE @mine AND sequence = 5'),
          '4 checked, broken at 5: rows are missing at the end', 'the last row');
SELECT is(pg_temp.after('DELETE FROM @audits WHERE @mine AND sequence >= 3'),
          '2 checked, broken at 3: rows are missing at the end', 'the last rows');
SELECT is(pg_temp.after('DELETE FROM @audits WHERE @mine'), '0 checked, broken at 1: rows are missing at the end', 'all rows');
SELECT is(pg_temp.after('TRUNCATE @audits'), '0 checked, broken at 1: rows are missing at the end', 'by TRUNCATE');
SELECT is(pg_temp.after('DELETE FROM @audits WHERE @mine AND sequence = 3',
                        'UPDATE @audits SET sequence = sequence - 1 WHERE @mine AND sequence = 4',
                        'UPDATE @audits SET sequence = sequence - 1 WHERE @mine AND sequence = 5'),
          '2 checked, broken at 3 (14): the row before was another one', 'and the gap closed');
SELECT is(pg_temp.after('DELETE FROM @audits WHERE @mine AND sequence = 3',
                        'UPDATE @audits SET sequence = sequence - 1 WHERE @mine AND sequence = 4',
                        'UPDATE @audits SET sequence = sequence - 1 WHERE @mine AND sequence = 5',
                        'SELECT pg_temp.seal(3)'),
          '4 checked, broken at 5: rows are missing at the end', 'and digests that fit');

-- Put in.
SELECT is(pg_temp.after('UPDATE @audits SET sequence = 6 WHERE @mine AND sequence = 5',
                        $$INSERT INTO @audits SELECT tenant_id, tenant_id, lock_id, action, performed_by_id, performed_by_name,
                              performed_by_email, reason, metadata, created_at, 5, previous_digest, digest
                          FROM @audits WHERE @mine AND sequence = 4$$),
          '4 checked, broken at 5 (1): the row before was another one', 'a row between others');
SELECT is(pg_temp.after($$INSERT INTO @audits SELECT tenant_id, tenant_id, lock_id, action, performed_by_id, performed_by_name,
                              performed_by_email, reason, metadata, created_at, 6, digest, ''
                          FROM @audits WHERE @mine AND sequence = 5$$, 'SELECT pg_temp.seal(6)'),
          '5 checked, broken at 6 (1): a row was added at the end', 'at the end, with a digest that fits');
SELECT is(pg_temp.after($$INSERT INTO @audits SELECT tenant_id, tenant_id, lock_id, action, performed_by_id, performed_by_name,
                              performed_by_email, reason, metadata, created_at, 6, digest, ''
                          FROM @audits WHERE @mine AND sequence = 5$$),
          '5 checked, broken at 6 (1): the row was changed', 'and with one that does not');
SELECT is(pg_temp.after($$INSERT INTO @audits SELECT tenant_id, tenant_id, lock_id, action, performed_by_id, performed_by_name,
                              performed_by_email, reason, metadata, created_at, 0, '', ''
                          FROM @audits WHERE @mine AND sequence = 5$$),
          '0 checked, broken at 1: a row is missing', 'before the first one');

-- Swapped.
SELECT is(pg_temp.after('UPDATE @audits SET sequence = -2 WHERE @mine AND sequence = 2',
                        'UPDATE @audits SET sequence = 2 WHERE @mine AND sequence = 3',
                        'UPDATE @audits SET sequence = 3 WHERE @mine AND sequence = -2'),
          '1 checked, broken at 2 (13): the row before was another one', 'two rows, with all they have');
SELECT is(pg_temp.after($$UPDATE @audits AS a SET reason = b.performed_by_id, lock_id = b.lock_id, performed_by_id = b.performed_by_id
                          FROM @audits AS b WHERE a.tenant_id = b.tenant_id AND a.sequence IN (2, 3) AND b.sequence = 5 - a.sequence$$),
          '1 checked, broken at 2 (12): the row was changed', 'what is in two rows');
SELECT is(pg_temp.after($$UPDATE @audits SET tenant_id = '00000000-0000-0000-0000-000000000009' WHERE @mine AND sequence = 5$$),
          '4 checked, broken at 5: rows are missing at the end', 'a row given to another tenant');

-- The heads.
SELECT is(pg_temp.after('DELETE FROM guard.audit_heads WHERE @mine'),
          '0 checked, broken at 1 (11): a row was added at the end', 'a head that is gone');
SELECT is(pg_temp.after('UPDATE guard.audit_heads SET sequence = 4 WHERE @mine'),
          '4 checked, broken at 5 (15): a row was added at the end', 'a head set back');
SELECT is(pg_temp.after('UPDATE guard.audit_heads SET sequence = 6 WHERE @mine'),
          '5 checked, broken at 6: rows are missing at the end', 'a head set forward');
SELECT is(pg_temp.after('UPDATE guard.audit_heads SET digest = sha256(digest) WHERE @mine'),
          '4 checked, broken at 5 (15): the last row was another one', 'another digest in the head');
SELECT is(pg_temp.verdict(), '5 checked', 'all that is undone');

-- --- pages ---------------------------------------------------------------------------------

-- "15 14 13": the numbers of the rows' ids.
CREATE FUNCTION pg_temp.page(
    newest_first boolean, page integer DEFAULT 100, lock integer DEFAULT NULL, actor text DEFAULT NULL,
    since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL, beyond bigint DEFAULT NULL, tenant integer DEFAULT 1)
RETURNS text LANGUAGE sql AS $$
    SELECT coalesce(string_agg(pg_temp.n(a.id)::text, ' ' ORDER BY a.ordinality), '')
    FROM guard.list_audits(pg_temp.u(tenant), pg_temp.u(lock), actor, since, until, newest_first, beyond, page)
         WITH ORDINALITY AS a
$$;
CREATE FUNCTION pg_temp.at(number integer) RETURNS timestamptz LANGUAGE sql AS $$
    SELECT created_at FROM inventory_lock_audits WHERE tenant_id = pg_temp.u(1) AND sequence = number
$$;
SELECT results_eq(
    'SELECT a.* FROM guard.list_audits(pg_temp.u(1), NULL, NULL, NULL, NULL, true, NULL, 1) AS a',
    $$SELECT id, lock_id, tenant_id, action, performed_by_id, performed_by_name, performed_by_email, reason, metadata,
             created_at, sequence FROM inventory_lock_audits WHERE tenant_id = pg_temp.u(1) AND sequence = 5$$,
    'rows as they are');
SELECT is(pg_temp.page(true), '15 14 13 12 11', 'newest first');
SELECT is(pg_temp.page(false), '11 12 13 14 15', 'oldest first');
SELECT is(pg_temp.page(true, tenant => 2), '12 11', 'of one tenant');
SELECT is(pg_temp.page(true, tenant => 9), '', 'who may have none');
SELECT is(pg_temp.page(true, 2) || ', ' || pg_temp.page(true, 2, beyond => 4) || ', ' || pg_temp.page(true, 2, beyond => 2)
          || ', ' || pg_temp.page(true, 2, beyond => 1), '15 14, 13 12, 11, ', 'pages of two, newest first');
SELECT is(pg_temp.page(false, 2) || ', ' || pg_temp.page(false, 2, beyond => 2) || ', ' || pg_temp.page(false, 2, beyond => 4)
          || ', ' || pg_temp.page(false, 2, beyond => 5), '11 12, 13 14, 15, ', 'oldest first');
SELECT is(pg_temp.page(true, beyond => 9223372036854775807) || '|' || pg_temp.page(false, beyond => 9223372036854775806),
          '15 14 13 12 11|', 'cursors that nobody gave out');
SELECT is(pg_temp.page(false, lock => 2) || '|' || pg_temp.page(true, lock => 2, tenant => 2), '12 14|', 'of one lock');
SELECT is(pg_temp.page(true, actor => 'ops.2') || '|' || pg_temp.page(true, actor => 'OPS.2'), '12|', 'of one actor');
SELECT is(pg_temp.page(true, lock => 2, actor => 'ops.1'), '14', 'of both');
SELECT is(pg_temp.page(true, since => pg_temp.at(3)), '15 14 13', 'since a moment, which is inside');
SELECT is(pg_temp.page(true, until => pg_temp.at(3)), '12 11', 'until a moment, which is outside');
SELECT is(pg_temp.page(false, since => pg_temp.at(2), until => pg_temp.at(4)), '12 13', 'between');
SELECT is(pg_temp.page(true, since => pg_temp.at(5) + interval '1 microsecond') || '|'
          || pg_temp.page(true, until => pg_temp.at(1)) || '|'
          || pg_temp.page(true, since => pg_temp.at(3), until => pg_temp.at(3)), '||', 'where there is nothing');
SELECT is(pg_temp.page(true, since => '2000-01-01', until => '9999-01-01'), '15 14 13 12 11', 'from before to after all');
SELECT is(pg_temp.page(true, 2, since => pg_temp.at(2), beyond => 4) || '|' || pg_temp.page(false, until => pg_temp.at(5), beyond => 2, page => 1),
          '13 12|13', 'with a cursor');
SELECT is(pg_temp.page(true, lock => 1, actor => 'ops.1', since => pg_temp.at(1), until => pg_temp.at(5), beyond => 5), '13 11', 'all at once');
-- Rows of one moment.
SELECT is(pg_temp.page(false, since => now() + interval '1 hour', tenant => 3) || '|'
          || pg_temp.page(false, until => now() + interval '1 hour', tenant => 3), '12 13|11', 'rows of one moment stay together');

SELECT * FROM finish();
ROLLBACK;
