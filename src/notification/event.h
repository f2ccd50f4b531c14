/*
 * event.h: the event that announces a manual release, as it comes from Kafka.
 *
 *   {"type":"availability_guard.manual_release","sentAt":TIME,"lockId":UUID,"tenantId":UUID,
 *    "reservationId":UUID|null,"roomTypeId":UUID,"roomId":UUID|null,"stayStart":TIME,
 *    "stayEnd":TIME,"reason":TEXT,"actor":{"id":TEXT,"name":TEXT,"email":TEXT|null},
 *    "recipients":[TEXT…]}
 *
 * A topic is open to everyone who may write to it, so nothing is taken for granted: the bytes are
 * valid UTF-8 and JSON (RFC 8259) without NUL and without a name that stands twice in one object,
 * every member above is there (those that may be null may also be missing) and within its bounds.
 * Other members are ignored, so that an event may grow.
 */
#ifndef NOTIFICATION_EVENT_H
#define NOTIFICATION_EVENT_H

#include <jansson.h>
#include <stddef.h>

#include "base/attributes.h"
#include "base/id.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "domain/field.h"

#define EVENT_TYPE_MANUAL_RELEASE "availability_guard.manual_release"

#define EVENT_BYTES_MAX ((size_t)1024 * 1024)
#define EVENT_TEXT_MAX 1000 /* characters of the reason, and of each of the actor's texts */

/* Texts are valid UTF-8 without NUL, and not empty. Those of a parsed event live as long as it. */
struct event {
    timestamp_us sent_at;
    struct id lock_id;
    struct id tenant_id;
    struct optional_id reservation_id;
    struct id room_type_id;
    struct optional_id room_id; /* not set: the lock was one of the whole room type */
    timestamp_us stay_start;
    timestamp_us stay_end; /* later than stay_start */
    struct text_span reason;
    struct text_span actor_id;
    struct text_span actor_name;
    struct text_span actor_email; /* no data: not known */
    /* Texts, at most RECIPIENTS_MAX of at most RECIPIENT_BYTES_MAX bytes; none is possible, and
     * they need not be different. For recipients_add_array(). Belongs to the event. */
    const json_t *recipients;
    json_t *tree; /* owns the texts of a parsed event; else NULL */
};

enum event_result {
    EVENT_OK,
    EVENT_MALFORMED, /* and will be, however often it is read */
    EVENT_NO_MEMORY, /* says nothing about the event: try again later */
};

/* What is wrong with a malformed event: one line of ASCII, fit for logs and headers. It names the
 * member or the place, and quotes nothing of what the event holds. */
struct event_error {
    char text[160];
};

/*
 * Reads an event from `length` bytes, which are not needed any more afterwards. Unless it is
 * EVENT_OK nothing is left to free, and `error` says why; event_exit() does no harm then.
 */
MUST_CHECK enum event_result event_parse(struct event *event, const char *bytes, size_t length,
                                         struct event_error *error);

/* Frees the texts of a parsed event and zeroes it. Does no harm to a zeroed one. */
void event_exit(struct event *event);

#endif
