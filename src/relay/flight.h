/*
 * flight.h: the events between the outbox and Kafka, the rows that they are of, and what is known
 * of each.
 *
 *   flight_add() --> WAITING --flight_take()--> TAKEN: Kafka has it; so its row says
 *                      |   \--flight_pass()--> PASSED: it cannot be sent; so its row says
 *                      +--flight_fail()--> FAILED --flight_ground()--> gone, to be read again
 *
 * Waiting and failed events are open. They are kept in the order in which they were sent, and each
 * keeps only what is needed to read it again and to name it; its payload is with Kafka's client.
 *
 * A row is known as long as one of its events is open, taken or passed over. When all have been
 * taken it may be deleted, but not before the rows with smaller numbers that are known: whoever
 * begins anew, after this process was killed, then reads all events of a lock from the first on
 * that is left, so that the last one said of a lock is the last one that came to be. A row of which
 * an event was passed over stays in the outbox, and holds up no other. The first
 * FLIGHT_STUCK_MAX of these are remembered, so that nothing of them is sent again.
 */
#ifndef RELAY_FLIGHT_H
#define RELAY_FLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/id.h"
#include "db/params.h"
#include "relay/outbox.h"

#define FLIGHT_STUCK_MAX 1000

struct flight_row;
struct produce_span;

struct flight_event {
    struct flight_event *next, *previous;
    struct flight_row *row;
    int32_t ordinal;
    int32_t bytes;
    struct id event_id;
    bool failed;
    bool refused;              /* failed because of itself, or of another event in its batch */
    struct produce_span *span; /* freed with the event; NULL: none is to be told */
};

struct flight_list {
    struct flight_event *first, *last;
    int64_t count;
};

struct flight_rows {
    struct flight_row *first, *last;
};

/* Zeroed memory is an empty one. */
struct flight {
    struct flight_list open;
    struct flight_rows rows;    /* by number */
    struct flight_rows leaving; /* are being deleted */
    struct flight_row *near;    /* where a row was looked for last, or NULL: before the first */
    int64_t taken;              /* events that Kafka has, of rows that are yet to be deleted */
    int64_t failed;             /* of the open ones */
    int64_t bytes;              /* payloads of the open ones */
    int64_t stuck;              /* rows of which nothing is open, but something passed over */
};

/* The event is WAITING; NULL when memory ran out. */
MUST_CHECK struct flight_event *flight_add(struct flight *f, const struct outbox_event *event);

/* Whether the event has been taken or passed over before. */
bool flight_is_done(struct flight *f, struct outbox_place place);

/* Forgets an open event that was not sent after all. */
void flight_remove(struct flight *f, struct flight_event *event);

/* The event is gone then. */
void flight_take(struct flight *f, struct flight_event *event);
void flight_pass(struct flight *f, struct flight_event *event);

void flight_fail(struct flight *f, struct flight_event *event, bool refused);

/* Whether there are rows to be deleted. */
bool flight_can_delete(const struct flight *f);
/* Puts the numbers of rows to be deleted, `count` at most, as the array of OUTBOX_DELETE. They stay
 * until flight_drop_taken(), and are put again if that is not called. */
void flight_put_taken(struct flight *f, struct params *p, int64_t count);
void flight_drop_taken(struct flight *f);

/* The refused event with the greatest place, or NULL, and how many open ones there are up to it. */
struct flight_event *flight_last_refused(const struct flight *f, int64_t *span);

/* The smallest number of a row that is known, or INT64_MAX. */
int64_t flight_lowest(const struct flight *f);

struct outbox_place flight_place(const struct flight_event *event);

/* Forgets all open events, and moves the cursor back to before the first of them. */
void flight_ground(struct flight *f, struct outbox_cursor *cursor);

/* Forgets everything. */
void flight_clear(struct flight *f);

/* All that is open or yet to be deleted. */
static inline int64_t flight_count(const struct flight *f) {
    return f->open.count + f->taken;
}

#endif
