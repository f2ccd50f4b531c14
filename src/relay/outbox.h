/*
 * outbox.h: the statements on the outbox: what goes in, what comes out. The functions behind them
 * are in sql/migrations/0007_manual_release.sql.
 *
 * Events are read in the order (transaction, number), from a cursor on. Transactions that are still
 * open hold back those after them: so nothing ever appears behind the cursor. The exception are
 * events of another server, which came here by dump and restore: their transactions have numbers
 * that are yet to be given here. They come last, and have a cursor of their own, because new events
 * appear before them.
 */
#ifndef RELAY_OUTBOX_H
#define RELAY_OUTBOX_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/id.h"
#include "base/text.h"
#include "db/params.h"

/* Where an event stands: greater than {0, 0}. */
struct outbox_place {
    uint64_t xid;
    int64_t id;
};

struct outbox_cursor {
    struct outbox_place ours;
    struct outbox_place foreign; /* in the order of events that came by dump and restore */
};

/* The texts point into the result. */
struct outbox_event {
    struct outbox_place place;
    bool foreign;
    int32_t payload_bytes;
    struct id event_id;
    struct id tenant_id;
    struct id lock_id;
    struct text_span stream;
    struct text_span type;
    struct text_span payload; /* without data when it is longer than was asked for */
};

/* SQL that prepares the statements, and has NOTIFY guard_outbox wake the session where it can. */
extern const char OUTBOX_PREPARE[];

/* Asks for the lead: an advisory lock that lasts as long as the connection. */
#define OUTBOX_LEAD "lead"
/* Whether the answer to OUTBOX_LEAD is yes. */
MUST_CHECK bool outbox_leads(const PGresult *result);

/* Reads events beyond the cursor. */
#define OUTBOX_READ "read"
struct outbox_limits {
    int32_t events;
    int32_t payload_bytes; /* longer payloads are not read, only their lengths */
    int64_t bytes;         /* payloads of this length together, and perhaps one more */
};
void outbox_put_read(struct params *p, const struct outbox_cursor *cursor,
                     const struct outbox_limits *limits);

struct outbox_batch {
    const PGresult *result;
    int count;      /* events */
    bool held_back; /* there are committed events that an open transaction holds back */
};
/* False when the answer has not the form that is known here. */
MUST_CHECK bool outbox_take_read(struct outbox_batch *batch, const PGresult *result);
/* Event number `at`, from 0 to less than batch->count. */
void outbox_event_at(const struct outbox_batch *batch, int at, struct outbox_event *event);

/* Takes events out: two arrays of the same length. */
#define OUTBOX_DELETE "delete"

/* Counts the events, up to OUTBOX_DEPTH_MAX, and says how old the first one is. */
#define OUTBOX_DEPTH "depth"
#define OUTBOX_DEPTH_MAX 100000
struct outbox_depth {
    int32_t events; /* OUTBOX_DEPTH_MAX + 1: more than can be counted quickly */
    int64_t oldest_ms;
};
MUST_CHECK bool outbox_take_depth(struct outbox_depth *depth, const PGresult *result);

/* Whether a comes after b. */
bool outbox_is_after(struct outbox_place a, struct outbox_place b);

/* The event's own cursor. */
static inline struct outbox_place *outbox_cursor_of(struct outbox_cursor *cursor, bool foreign) {
    return foreign ? &cursor->foreign : &cursor->ours;
}

#endif
