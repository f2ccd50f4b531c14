/*
 * announcement.h: what a message of the notification topic announces, and to whom.
 */
#ifndef NOTIFIER_ANNOUNCEMENT_H
#define NOTIFIER_ANNOUNCEMENT_H

#include <stddef.h>

#include "base/attributes.h"
#include "base/id.h"
#include "kafka/record.h"
#include "notification/event.h"
#include "notification/recipients.h"

struct announcement {
    struct id event_id; /* from the header event-id: the same however often Kafka delivers it */
    struct event event;
    struct recipients recipients;
};

/* Unless it is EVENT_OK nothing is left to free, and `error` says why; announcement_exit() does no
 * harm then. The record is not needed any more afterwards. */
MUST_CHECK enum event_result announcement_read(struct announcement *a, const struct record *record,
                                               struct event_error *error);
void announcement_exit(struct announcement *a);

/* What the webhook of this channel is sent: JSON text of *length bytes, which the caller frees;
 * always the same for the same event. NULL: out of memory. */
char *announcement_body(const struct announcement *a, enum recipient_channel channel,
                        size_t *length);

#endif
