/*
 * inventory_event.h: what became of a lock, as others are told of it: the message and its id.
 */
#ifndef RELAY_INVENTORY_EVENT_H
#define RELAY_INVENTORY_EVENT_H

#include "base/buffer.h"
#include "base/id.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "domain/lock.h"

struct inventory_event {
    struct text_span type; /* inventory.locked, inventory.released or inventory.expired */
    timestamp_us occurred_at;
    struct lock lock; /* as it was right after; what the message does not show is unset */
    struct text_span released_by; /* of a release; else no data */
};

/*
 * The event's id, made of what it says: the same whenever and from whichever server it is read. No
 * two events share one: each grant of a lock has a token of its own, which is renewed at different
 * times, and released or expired once.
 */
void inventory_event_id(const struct inventory_event *event, struct id *out);

/* Appends the message, a JSON object. */
void inventory_event_append(struct buffer *out, const struct inventory_event *event,
                            const struct id *event_id);

#endif
