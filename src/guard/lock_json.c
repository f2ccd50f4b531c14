/* lock_json.c: see lock_json.h. */
#include "guard/lock_json.h"

#include "domain/json_member.h"

void lock_json_append(struct buffer *out, const struct lock *lock,
                      enum lock_json_metadata metadata) {
    json_member_id(out, "{\"id\":", &lock->id);
    json_member_id(out, ",\"tenant_id\":", &lock->tenant_id);
    json_member_optional_id(out, ",\"property_id\":", &lock->property_id);
    json_member_optional_id(out, ",\"reservation_id\":", &lock->reservation_id);
    json_member_id(out, ",\"room_type_id\":", &lock->room_type_id);
    json_member_optional_id(out, ",\"room_id\":", &lock->room_id);
    json_member_time(out, ",\"stay_start\":", lock->stay_start);
    json_member_time(out, ",\"stay_end\":", lock->stay_end);
    json_member_text(out, ",\"reason\":", lock->reason);
    json_member_text(out, ",\"correlation_id\":", lock->correlation_id);
    json_member_time(out, ",\"expires_at\":", lock->expires_at);
    json_member_integer(out, ",\"ttl_seconds\":", lock->ttl_seconds);
    if (metadata == LOCK_JSON_WITH_METADATA)
        json_member_object(out, ",\"metadata\":", lock->metadata);
    json_member_text(out, ",\"status\":", lock->status);
    json_member_text(out, ",\"release_reason\":", lock->release_reason);
    if (lock->was_released)
        json_member_time(out, ",\"released_at\":", lock->released_at);
    else
        buffer_append_text(out, ",\"released_at\":null");
    json_member_integer(out, ",\"fencing_token\":", lock->fencing_token);
    json_member_time(out, ",\"created_at\":", lock->created_at);
    json_member_time(out, ",\"updated_at\":", lock->updated_at);
    buffer_append_char(out, '}');
}
