/* outbox.c: see outbox.h. */
#include "relay/outbox.h"

#include "db/row.h"

/*
 * lead: the two numbers are this service's and this lock's, by agreement; 1 is the sweeper's.
 *
 * read: a row of the outbox comes with the number of bytes up to its end, so that what does not fit
 * never leaves the server (octet_length() does not unpack a payload). There is one row at least,
 * for held_back; it has no event when there are none.
 *
 * listen: in a block, because a proxy that cannot do it must not keep the relay from working.
 */
const char OUTBOX_PREPARE[] =
    "PREPARE " OUTBOX_LEAD " AS SELECT pg_try_advisory_lock(1096237635, 2);"
    "PREPARE " OUTBOX_READ " (xid8, int8, int4, int4, int8) AS"
    " SELECT h.held_back, e.xid, e.id, e.foreign_xid, e.bytes, e.event_id, e.tenant_id, e.lock_id,"
    "  e.stream, e.event_type, CASE WHEN e.bytes <= $4 THEN e.payload END"
    " FROM (SELECT EXISTS (SELECT FROM guard.outbox AS o"
    "   WHERE o.xid >= pg_snapshot_xmin(pg_current_snapshot())"
    "     AND o.xid < pg_snapshot_xmax(pg_current_snapshot())) AS held_back) AS h"
    " LEFT JOIN (SELECT o.*, o.xid >= pg_snapshot_xmax(pg_current_snapshot()) AS foreign_xid,"
    "   octet_length(o.payload) AS bytes,"
    "   sum(CASE WHEN octet_length(o.payload) <= $4 THEN octet_length(o.payload) ELSE 0 END)"
    "    OVER (ORDER BY o.xid, o.id ROWS UNBOUNDED PRECEDING) AS total"
    "   FROM guard.read_outbox($1, $2, $3) AS o) AS e"
    " ON e.total - CASE WHEN e.bytes <= $4 THEN e.bytes ELSE 0 END < $5"
    " ORDER BY e.xid, e.id;"
    "PREPARE " OUTBOX_DELETE " (xid8[], int8[]) AS SELECT guard.delete_outbox($1, $2);"
    "PREPARE " OUTBOX_DEPTH " (int4) AS"
    " SELECT (SELECT count(*)::int4 FROM (SELECT FROM guard.outbox LIMIT $1) AS o),"
    "  coalesce((SELECT (extract(epoch FROM clock_timestamp() - o.created_at) * 1000)::int8"
    "            FROM guard.outbox AS o ORDER BY o.xid, o.id LIMIT 1), 0);"
    "DO $$ BEGIN EXECUTE 'LISTEN guard_outbox';"
    " EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'no LISTEN: %', SQLERRM; END $$";

enum { BOOL = 16, INT8 = 20, INT4 = 23, TEXT = 25, UUID = 2950, XID8 = 5069 };

enum {
    COLUMN_HELD_BACK,
    COLUMN_XID,
    COLUMN_ID,
    COLUMN_FOREIGN,
    COLUMN_BYTES,
    COLUMN_EVENT_ID,
    COLUMN_TENANT_ID,
    COLUMN_LOCK_ID,
    COLUMN_STREAM,
    COLUMN_TYPE,
    COLUMN_PAYLOAD,
    COLUMN_COUNT,
};

static const unsigned READ_TYPES[COLUMN_COUNT] = {
    [COLUMN_HELD_BACK] = BOOL, [COLUMN_XID] = XID8,     [COLUMN_ID] = INT8,
    [COLUMN_FOREIGN] = BOOL,   [COLUMN_BYTES] = INT4,   [COLUMN_EVENT_ID] = UUID,
    [COLUMN_TENANT_ID] = UUID, [COLUMN_LOCK_ID] = UUID, [COLUMN_STREAM] = TEXT,
    [COLUMN_TYPE] = TEXT,      [COLUMN_PAYLOAD] = TEXT,
};

static bool is_true(struct row row, int column) {
    return PQgetlength(row.result, row.number, column) == 1 &&
           PQgetvalue(row.result, row.number, column)[0] == 1;
}

bool outbox_leads(const PGresult *result) {
    static const unsigned TYPES[] = {BOOL};
    return row_has_types(result, TYPES, 1) && PQntuples(result) == 1 &&
           is_true((struct row){result, 0}, 0);
}

void outbox_put_read(struct params *p, const struct outbox_cursor *cursor,
                     const struct outbox_limits *limits) {
    params_put_int8(p, (int64_t)cursor->ours.xid);
    params_put_int8(p, cursor->ours.id);
    params_put_int4(p, limits->events);
    params_put_int4(p, limits->payload_bytes);
    params_put_int8(p, limits->bytes);
}

bool outbox_take_read(struct outbox_batch *batch, const PGresult *result) {
    if (!row_has_types(result, READ_TYPES, COLUMN_COUNT) || PQntuples(result) < 1)
        return false;
    batch->result = result;
    batch->held_back = is_true((struct row){result, 0}, COLUMN_HELD_BACK);
    batch->count = PQgetisnull(result, 0, COLUMN_XID) ? 0 : PQntuples(result);
    return true;
}

void outbox_event_at(const struct outbox_batch *batch, int at, struct outbox_event *event) {
    const struct row row = {batch->result, at};
    int64_t xid = 0;
    (void)row_int8(row, COLUMN_XID, &xid);
    event->place.xid = (uint64_t)xid;
    (void)row_int8(row, COLUMN_ID, &event->place.id);
    event->foreign = is_true(row, COLUMN_FOREIGN);
    (void)row_int4(row, COLUMN_BYTES, &event->payload_bytes);
    (void)row_id(row, COLUMN_EVENT_ID, &event->event_id);
    (void)row_id(row, COLUMN_TENANT_ID, &event->tenant_id);
    (void)row_id(row, COLUMN_LOCK_ID, &event->lock_id);
    event->stream = row_text(row, COLUMN_STREAM);
    event->type = row_text(row, COLUMN_TYPE);
    event->payload = row_text(row, COLUMN_PAYLOAD);
}

bool outbox_take_depth(struct outbox_depth *depth, const PGresult *result) {
    static const unsigned TYPES[] = {INT4, INT8};
    if (!row_has_types(result, TYPES, 2) || PQntuples(result) != 1)
        return false;
    const struct row row = {result, 0};
    return row_int4(row, 0, &depth->events) && row_int8(row, 1, &depth->oldest_ms);
}

bool outbox_is_after(struct outbox_place a, struct outbox_place b) {
    return a.xid > b.xid || (a.xid == b.xid && a.id > b.id);
}
