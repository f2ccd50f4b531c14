/*
 * flight.h: the events between the outbox and Kafka, and what is known of each.
 *
 *   flight_add()  -->  WAITING  --flight_take()-->  TAKEN  --flight_drop_taken()-->  gone
 *                         |
 *                         +--flight_fail()--> FAILED --flight_ground()--> gone, to be read again
 *
 * Waiting and failed events are kept in the order in which they were sent, those that Kafka has
 * taken in the order of its reports. An event keeps only what is needed to delete its row, to read
 * it again, and to name it; its payload is with Kafka's client.
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

struct flight_event {
    struct flight_event *next, *previous;
    struct outbox_place place;
    struct id event_id;
    int32_t bytes;
    bool foreign;
    bool failed;
    bool refused; /* failed because of itself, or of another event in its batch */
};

struct flight_list {
    struct flight_event *first, *last;
    int64_t count;
};

/* Zeroed memory is an empty one. */
struct flight {
    struct flight_list open;  /* WAITING and FAILED */
    struct flight_list taken; /* their rows are to be deleted */
    int64_t failed;           /* of the open ones */
    int64_t bytes;            /* payloads of the open ones */
};

/* The event is WAITING; NULL when memory ran out. */
MUST_CHECK struct flight_event *flight_add(struct flight *f, const struct outbox_event *event);

/* Forgets an open event that was not sent after all, or will not be. */
void flight_remove(struct flight *f, struct flight_event *event);

void flight_take(struct flight *f, struct flight_event *event);
void flight_fail(struct flight *f, struct flight_event *event, bool refused);

/* Puts the places of the first events that were taken, `count` at most, as the two arrays of
 * OUTBOX_DELETE. Returns how many. They stay until flight_drop_taken(). */
int64_t flight_put_taken(const struct flight *f, struct params *p, int64_t count);
void flight_drop_taken(struct flight *f, int64_t count);

/* How many of the first open events one must send to have sent every refused one; 0: none is. */
int64_t flight_span_refused(const struct flight *f);

/* Forgets all open events, and moves the cursor back to before the first ones. */
void flight_ground(struct flight *f, struct outbox_cursor *cursor);

/* Forgets everything. */
void flight_clear(struct flight *f);

/* All that is not deleted yet. */
static inline int64_t flight_count(const struct flight *f) {
    return f->open.count + f->taken.count;
}

#endif
