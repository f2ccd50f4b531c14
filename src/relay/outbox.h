/*
 * outbox.h: the statements on the outbox: what goes in, what comes out. The functions behind them
 * are in sql/migrations.
 *
 * Events are read in windows: what a snapshot sees, in the order of the rows' numbers; then what
 * the next snapshot sees besides. So the events of a lock come in the order in which they came to
 * be, and nothing waits for transactions that stay open: sql/migrations/0008_inventory_events.sql
 * says why (guard.read_stream). A row holds one event, or many, of one stream; each stream has a
 * cursor of its own.
 *
 * Rows that have been deleted stay in the table as long as any transaction might see them, and
 * reading has to go over them. So a window does not begin at the first number, but behind those
 * that were settled (mark.h) before the window before began: that one has seen all of these rows
 * that there will ever be. And each read ends after so many numbers, whether there is anything or
 * not, so that also the first window, which knows nothing, is read in statements that end in time.
 */
#ifndef RELAY_OUTBOX_H
#define RELAY_OUTBOX_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/id.h"
#include "base/text.h"
#include "db/params.h"

/* Where an event stands. In a window, and among the events of a lock, this is the order of time. */
struct outbox_place {
    int64_t id;      /* of its row */
    int32_t ordinal; /* in its row, from 1 */
};

/* Which topic an event is for. What is unknown is read with inventory events. */
enum outbox_stream {
    OUTBOX_NOTIFICATION,
    OUTBOX_INVENTORY,
    OUTBOX_STREAMS,
    OUTBOX_UNKNOWN = OUTBOX_STREAMS,
};

/* What has been seen to: of the window the events up to `at`, and of what the window before saw
 * those up to `past_to`. Make it by outbox_cursor_reset() of zeroed memory. */
struct outbox_cursor {
    struct buffer window; /* snapshots as text; empty: none */
    struct buffer past;
    struct outbox_place at;
    struct outbox_place past_to;
    int64_t top;     /* the window has no greater number */
    int64_t settled; /* what was, before the window's snapshot */
    int64_t read_to; /* the number up to which the read under way goes */
    bool at_end;     /* of the window: the next one is due */
    bool moved;      /* since the statement under way was asked: its answer is of no use */
};

struct outbox_event {
    struct outbox_place place;
    int32_t row_events; /* how many its row holds */
    int32_t payload_bytes;
    enum outbox_stream stream;
    struct id event_id;
    struct id tenant_id;
    struct id lock_id;
    struct text_span type;
    struct text_span payload;     /* without data when it is longer than was asked for */
    struct text_span traceparent; /* without data when it has none */
};

/* SQL that prepares the statements, and has NOTIFY guard_outbox wake the session where it can. */
extern const char OUTBOX_PREPARE[];

/* Asks for the lead: an advisory lock that lasts as long as the connection. */
#define OUTBOX_LEAD "lead"
/* Whether the answer to OUTBOX_LEAD is yes. */
MUST_CHECK bool outbox_leads(const PGresult *result);

/* Nothing has been seen to, and the first window is due. */
void outbox_cursor_reset(struct outbox_cursor *cursor);
void outbox_cursor_free(struct outbox_cursor *cursor);
/* The event at this place and all behind it are to be read again. */
void outbox_cursor_retreat(struct outbox_cursor *cursor, struct outbox_place place);

/* Asks for a snapshot. */
#define OUTBOX_WINDOW "snapshot"
struct outbox_window {
    struct text_span snapshot; /* points into the result */
    int64_t top;               /* no row that the snapshot sees has a greater number */
};
/* False when the answer has not the form that is known here. */
MUST_CHECK bool outbox_take_snapshot(struct outbox_window *window, const PGresult *result);
/*
 * Moves the cursor to this window; at its end already, if nothing can be in it. settled: what is,
 * as of before this snapshot. keep_past: rows that the window before saw are still there, and must
 * not be read again. False when memory ran out; the cursor stays then.
 */
MUST_CHECK bool outbox_cursor_go_on(struct outbox_cursor *cursor,
                                    const struct outbox_window *window, int64_t settled,
                                    bool keep_past);

/* Reads events of the window beyond the cursor. */
#define OUTBOX_READ "read"
/* So many numbers at most, whether there is anything or not: a few hundredths of a second. */
#define OUTBOX_READ_SPAN 50000
struct outbox_limits {
    int32_t events;
    int32_t payload_bytes; /* longer payloads are not read, only their lengths */
    int64_t bytes;         /* payloads of about this length together, and perhaps one more row */
};
void outbox_put_read(struct params *p, enum outbox_stream stream, struct outbox_cursor *cursor,
                     const struct outbox_limits *limits);
/* All that the read gave has been seen to, and there is no more up to where it went. */
void outbox_cursor_pass(struct outbox_cursor *cursor);

struct outbox_batch {
    const PGresult *result;
    int count; /* events */
    bool more; /* in the window, behind these */
};
/* False when the answer has not the form that is known here. */
MUST_CHECK bool outbox_take_read(struct outbox_batch *batch, const PGresult *result);
/* Event number `at`, from 0 to less than batch->count. Its texts point into the result or into
 * `text`, which is overwritten. False when memory ran out. */
MUST_CHECK bool outbox_event_at(const struct outbox_batch *batch, int at, struct buffer *text,
                                struct outbox_event *event);

/* Takes rows out: an array of their numbers. */
#define OUTBOX_DELETE "delete"

/* Asks who may still commit a row, and whether any of some (text of an array) is among them: see
 * guard.outbox_writers() in sql/migrations/0012_streams.sql. */
#define OUTBOX_WRITERS "writers"
struct outbox_writers {
    int64_t top;            /* the greatest number that has been drawn */
    struct text_span names; /* of transactions, as text of an array; points into the result */
    bool still_open;
};
/* False when the answer has not the form that is known here. */
MUST_CHECK bool outbox_take_writers(struct outbox_writers *writers, const PGresult *result);

/* Counts the events of the first OUTBOX_DEPTH_MAX rows and one more from a number on, and says how
 * old the first is. */
#define OUTBOX_DEPTH "depth"
#define OUTBOX_DEPTH_MAX 100000
struct outbox_depth {
    int32_t events; /* above OUTBOX_DEPTH_MAX: perhaps there are more */
    int64_t oldest_ms;
};
MUST_CHECK bool outbox_take_depth(struct outbox_depth *depth, const PGresult *result);

/* Whether a comes after b. */
bool outbox_is_after(struct outbox_place a, struct outbox_place b);

#endif
