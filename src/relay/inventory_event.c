/* inventory_event.c: see inventory_event.h. */
#include "relay/inventory_event.h"

#include <inttypes.h>
#include <stdio.h>

#include "domain/json_member.h"

/* Random, once and for all. */
static const struct id NAMESPACE = {{0x5c, 0x1e, 0x0b, 0x8d, 0x6a, 0x37, 0x4f, 0x62, 0x9b, 0x04,
                                     0xd3, 0x7a, 0x21, 0xe8, 0xf5, 0x96}};

void inventory_event_id(const struct inventory_event *event, struct id *out) {
    char tenant_id[ID_TEXT_LENGTH + 1];
    char lock_id[ID_TEXT_LENGTH + 1];
    char name[192];
    id_format(&event->lock.tenant_id, tenant_id);
    id_format(&event->lock.id, lock_id);
    /* The three types are short. */
    const int length = snprintf(name, sizeof name, "%.*s %s %s %" PRId64 " %" PRId64,
                                (int)event->type.length, event->type.data, tenant_id, lock_id,
                                event->lock.fencing_token, event->occurred_at);
    id_v5(out, &NAMESPACE, name, length < (int)sizeof name ? (size_t)length : sizeof name - 1);
}

void inventory_event_append(struct buffer *out, const struct inventory_event *event,
                            const struct id *event_id) {
    const struct lock *lock = &event->lock;
    json_member_text(out, "{\"type\":", event->type);
    json_member_id(out, ",\"eventId\":", event_id);
    json_member_time(out, ",\"occurredAt\":", event->occurred_at);
    json_member_id(out, ",\"lockId\":", &lock->id);
    json_member_id(out, ",\"tenantId\":", &lock->tenant_id);
    json_member_optional_id(out, ",\"propertyId\":", &lock->property_id);
    json_member_optional_id(out, ",\"reservationId\":", &lock->reservation_id);
    json_member_id(out, ",\"roomTypeId\":", &lock->room_type_id);
    json_member_optional_id(out, ",\"roomId\":", &lock->room_id);
    json_member_time(out, ",\"stayStart\":", lock->stay_start);
    json_member_time(out, ",\"stayEnd\":", lock->stay_end);
    json_member_time(out, ",\"expiresAt\":", lock->expires_at);
    json_member_text(out, ",\"reason\":", lock->reason);
    json_member_text(out, ",\"correlationId\":", lock->correlation_id);
    json_member_integer(out, ",\"fencingToken\":", lock->fencing_token);
    if (event->released_by.data != NULL) {
        json_member_time(out, ",\"releasedAt\":", lock->released_at);
        json_member_text(out, ",\"releaseReason\":", lock->release_reason);
        json_member_text(out, ",\"releasedBy\":", event->released_by);
    }
    buffer_append_char(out, '}');
}
