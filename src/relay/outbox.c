/* outbox.c: see outbox.h. */
#include "relay/outbox.h"

#include <string.h>

#include "db/row.h"
#include "relay/inventory_event.h"

/*
 * lead: the two numbers are this service's and this lock's, by agreement; 1 is the sweeper's.
 *
 * listen: in a block, because a proxy that cannot do it must not keep the relay from working.
 */
const char OUTBOX_PREPARE[] =
    "PREPARE " OUTBOX_LEAD " AS SELECT pg_try_advisory_lock(1096237635, 2);"
    "PREPARE " OUTBOX_WINDOW " AS SELECT pg_current_snapshot()::text, guard.outbox_top();"
    "PREPARE " OUTBOX_READ " (bool, int8, text, int8, int4, text, int8, int4, int4, int4, int8) AS"
    " SELECT * FROM guard.read_stream($1, $2, $3::pg_snapshot, $4, $5, $6::pg_snapshot, $7, $8, $9,"
    "                                 $10, $11);"
    "PREPARE " OUTBOX_DELETE " (int8[]) AS SELECT guard.delete_events($1);"
    "PREPARE " OUTBOX_WRITERS " (text) AS"
    " SELECT top, writers::text, still_open FROM guard.outbox_writers($1::text[]);"
    "PREPARE " OUTBOX_DEPTH " (int8, int4) AS"
    " SELECT (SELECT coalesce(sum(o.events), 0)::int4"
    "         FROM (SELECT o.events FROM guard.outbox AS o WHERE o.id >= $1 ORDER BY o.id LIMIT $2)"
    "              AS o),"
    "  coalesce((SELECT (extract(epoch FROM clock_timestamp() - o.created_at) * 1000)::int8"
    "            FROM guard.outbox AS o WHERE o.id >= $1 ORDER BY o.id LIMIT 1), 0);"
    "DO $$ BEGIN EXECUTE 'LISTEN guard_outbox';"
    " EXCEPTION WHEN OTHERS THEN RAISE NOTICE 'no LISTEN: %', SQLERRM; END $$";

enum { BOOL = 16, INT8 = 20, INT4 = 23, TEXT = 25, TIMESTAMPTZ = 1184, UUID = 2950 };

/* Of guard.read_stream(), in its order. */
enum {
    COLUMN_MORE,
    COLUMN_ID,
    COLUMN_ORDINAL,
    COLUMN_EVENTS,
    COLUMN_STREAM,
    COLUMN_TYPE,
    COLUMN_OCCURRED_AT,
    COLUMN_EVENT_ID,
    COLUMN_TENANT_ID,
    COLUMN_LOCK_ID,
    COLUMN_BYTES,
    COLUMN_PAYLOAD,
    COLUMN_RELEASED_BY,
    COLUMN_PROPERTY_ID,
    COLUMN_RESERVATION_ID,
    COLUMN_ROOM_TYPE_ID,
    COLUMN_ROOM_ID,
    COLUMN_STAY_START,
    COLUMN_STAY_END,
    COLUMN_EXPIRES_AT,
    COLUMN_REASON,
    COLUMN_CORRELATION_ID,
    COLUMN_FENCING_TOKEN,
    COLUMN_RELEASED_AT,
    COLUMN_RELEASE_REASON,
    COLUMN_TRACEPARENT,
    COLUMN_COUNT,
};

static const unsigned READ_TYPES[COLUMN_COUNT] = {
    BOOL,        INT8,        INT4, INT4, TEXT, TEXT,        TIMESTAMPTZ, UUID, UUID,
    UUID,        INT4,        TEXT, TEXT, UUID, UUID,        UUID,        UUID, TIMESTAMPTZ,
    TIMESTAMPTZ, TIMESTAMPTZ, TEXT, TEXT, INT8, TIMESTAMPTZ, TEXT,        TEXT,
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

/* --- the cursor --------------------------------------------------------------------------- */

static const struct outbox_place BEGINNING = {0, 0};
static const struct outbox_place END = {INT64_MAX, INT32_MAX};

bool outbox_is_after(struct outbox_place a, struct outbox_place b) {
    return a.id > b.id || (a.id == b.id && a.ordinal > b.ordinal);
}

void outbox_cursor_reset(struct outbox_cursor *cursor) {
    buffer_clear(&cursor->window);
    buffer_clear(&cursor->past);
    cursor->at = BEGINNING;
    cursor->past_to = END;
    cursor->top = 0;
    cursor->settled = 0;
    cursor->at_end = true;
    cursor->moved = true;
}

void outbox_cursor_free(struct outbox_cursor *cursor) {
    buffer_free(&cursor->window);
    buffer_free(&cursor->past);
}

void outbox_cursor_retreat(struct outbox_cursor *cursor, struct outbox_place place) {
    const struct outbox_place before = {place.id, place.ordinal - 1};
    if (outbox_is_after(cursor->at, before))
        cursor->at = before;
    if (outbox_is_after(cursor->past_to, before))
        cursor->past_to = before;
    cursor->at_end = false;
    cursor->moved = true;
}

bool outbox_take_snapshot(struct outbox_window *window, const PGresult *result) {
    static const unsigned TYPES[] = {TEXT, INT8};
    if (!row_has_types(result, TYPES, 2) || PQntuples(result) != 1)
        return false;
    const struct row row = {result, 0};
    window->snapshot = row_text(row, 0);
    return row_int8(row, 1, &window->top);
}

bool outbox_cursor_go_on(struct outbox_cursor *cursor, const struct outbox_window *window,
                         int64_t settled, bool keep_past) {
    const bool goes_back = window->top < cursor->top; /* somebody has set the sequence */
    struct buffer next = {0};
    buffer_append(&next, window->snapshot.data, window->snapshot.length);
    if (next.failed) {
        buffer_free(&next);
        return false;
    }
    buffer_free(&cursor->past);
    cursor->past = cursor->window;
    cursor->window = next;
    if (!keep_past)
        buffer_clear(&cursor->past);
    cursor->at = goes_back ? BEGINNING : (struct outbox_place){cursor->settled, INT32_MAX};
    cursor->past_to = END;
    cursor->top = window->top;
    cursor->settled = settled;
    cursor->at_end = cursor->at.id >= cursor->top;
    return true;
}

void outbox_cursor_pass(struct outbox_cursor *cursor) {
    cursor->at = (struct outbox_place){cursor->read_to, INT32_MAX};
    cursor->at_end = cursor->read_to >= cursor->top;
}

/* --- reading ------------------------------------------------------------------------------ */

static void put_snapshot(struct params *p, const struct buffer *snapshot) {
    if (snapshot->length == 0)
        params_put_null(p);
    else
        params_put_text(p, (struct text_span){snapshot->data, snapshot->length});
}

void outbox_put_read(struct params *p, enum outbox_stream stream, struct outbox_cursor *cursor,
                     const struct outbox_limits *limits) {
    cursor->read_to = cursor->top - cursor->at.id > OUTBOX_READ_SPAN
                          ? cursor->at.id + OUTBOX_READ_SPAN
                          : cursor->top;
    cursor->moved = false;
    params_put_bool(p, stream == OUTBOX_NOTIFICATION);
    params_put_int8(p, cursor->read_to);
    put_snapshot(p, &cursor->window);
    params_put_int8(p, cursor->at.id);
    params_put_int4(p, cursor->at.ordinal);
    put_snapshot(p, &cursor->past);
    params_put_int8(p, cursor->past_to.id);
    params_put_int4(p, cursor->past_to.ordinal);
    params_put_int4(p, limits->events);
    params_put_int4(p, limits->payload_bytes);
    params_put_int8(p, limits->bytes);
}

bool outbox_take_read(struct outbox_batch *batch, const PGresult *result) {
    if (!row_has_types(result, READ_TYPES, COLUMN_COUNT))
        return false;
    batch->result = result;
    batch->count = PQntuples(result);
    batch->more = batch->count > 0 && is_true((struct row){result, 0}, COLUMN_MORE);
    return true;
}

static enum outbox_stream stream_of(struct text_span name) {
    if (text_is(name, "notification"))
        return OUTBOX_NOTIFICATION;
    return text_is(name, "inventory") ? OUTBOX_INVENTORY : OUTBOX_UNKNOWN;
}

/* The message is ready in the row. */
static void read_payload(struct row row, struct outbox_event *event) {
    (void)row_int4(row, COLUMN_BYTES, &event->payload_bytes);
    (void)row_id(row, COLUMN_EVENT_ID, &event->event_id);
    event->payload = row_text(row, COLUMN_PAYLOAD);
}

static void read_lock(struct row row, struct lock *lock) {
    (void)row_id(row, COLUMN_LOCK_ID, &lock->id);
    (void)row_id(row, COLUMN_TENANT_ID, &lock->tenant_id);
    lock->property_id = lock_optional_id(row, COLUMN_PROPERTY_ID);
    lock->reservation_id = lock_optional_id(row, COLUMN_RESERVATION_ID);
    (void)row_id(row, COLUMN_ROOM_TYPE_ID, &lock->room_type_id);
    lock->room_id = lock_optional_id(row, COLUMN_ROOM_ID);
    (void)row_timestamp(row, COLUMN_STAY_START, &lock->stay_start);
    (void)row_timestamp(row, COLUMN_STAY_END, &lock->stay_end);
    (void)row_timestamp(row, COLUMN_EXPIRES_AT, &lock->expires_at);
    lock->reason = row_text(row, COLUMN_REASON);
    lock->correlation_id = row_text(row, COLUMN_CORRELATION_ID);
    (void)row_int8(row, COLUMN_FENCING_TOKEN, &lock->fencing_token);
    (void)row_timestamp(row, COLUMN_RELEASED_AT, &lock->released_at);
    lock->release_reason = row_text(row, COLUMN_RELEASE_REASON);
}

/* The message is made here. */
static bool make_payload(struct row row, struct outbox_event *event, struct buffer *text) {
    struct inventory_event told = {.type = event->type};
    (void)row_timestamp(row, COLUMN_OCCURRED_AT, &told.occurred_at);
    told.released_by = row_text(row, COLUMN_RELEASED_BY);
    read_lock(row, &told.lock);
    inventory_event_id(&told, &event->event_id);
    buffer_clear(text);
    inventory_event_append(text, &told, &event->event_id);
    event->payload = (struct text_span){text->data, text->length};
    event->payload_bytes = (int32_t)text->length;
    return !text->failed;
}

bool outbox_event_at(const struct outbox_batch *batch, int at, struct buffer *text,
                     struct outbox_event *event) {
    const struct row row = {batch->result, at};
    (void)row_int8(row, COLUMN_ID, &event->place.id);
    (void)row_int4(row, COLUMN_ORDINAL, &event->place.ordinal);
    (void)row_int4(row, COLUMN_EVENTS, &event->row_events);
    (void)row_id(row, COLUMN_TENANT_ID, &event->tenant_id);
    (void)row_id(row, COLUMN_LOCK_ID, &event->lock_id);
    event->stream = stream_of(row_text(row, COLUMN_STREAM));
    event->type = row_text(row, COLUMN_TYPE);
    event->traceparent = row_text(row, COLUMN_TRACEPARENT);
    if (event->stream == OUTBOX_INVENTORY)
        return make_payload(row, event, text);
    read_payload(row, event);
    return true;
}

bool outbox_take_writers(struct outbox_writers *writers, const PGresult *result) {
    static const unsigned TYPES[] = {INT8, TEXT, BOOL};
    if (!row_has_types(result, TYPES, 3) || PQntuples(result) != 1)
        return false;
    const struct row row = {result, 0};
    writers->names = row_text(row, 1);
    writers->still_open = is_true(row, 2);
    return row_int8(row, 0, &writers->top);
}

bool outbox_take_depth(struct outbox_depth *depth, const PGresult *result) {
    static const unsigned TYPES[] = {INT4, INT8};
    if (!row_has_types(result, TYPES, 2) || PQntuples(result) != 1)
        return false;
    const struct row row = {result, 0};
    return row_int4(row, 0, &depth->events) && row_int8(row, 1, &depth->oldest_ms);
}
