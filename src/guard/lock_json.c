/* lock_json.c: see lock_json.h. */
#include "guard/lock_json.h"

/* Each appends `label`, which is the member's name with what stands before its value. */

static void append_id(struct buffer *out, const char *label, const struct id *id) {
    char text[ID_TEXT_LENGTH + 1];
    id_format(id, text);
    buffer_append_text(out, label);
    buffer_append_char(out, '"');
    buffer_append(out, text, ID_TEXT_LENGTH);
    buffer_append_char(out, '"');
}

static void append_null(struct buffer *out, const char *label) {
    buffer_append_text(out, label);
    buffer_append_text(out, "null");
}

static void append_optional_id(struct buffer *out, const char *label,
                               const struct optional_id *id) {
    if (id->set)
        append_id(out, label, &id->id);
    else
        append_null(out, label);
}

static void append_time(struct buffer *out, const char *label, timestamp_us time) {
    char text[TIMESTAMP_TEXT_LENGTH + 1];
    timestamp_format(time, text);
    buffer_append_text(out, label);
    buffer_append_char(out, '"');
    buffer_append(out, text, TIMESTAMP_TEXT_LENGTH);
    buffer_append_char(out, '"');
}

static void append_text(struct buffer *out, const char *label, struct text_span text) {
    if (text.data == NULL) {
        append_null(out, label);
        return;
    }
    buffer_append_text(out, label);
    buffer_append_json_string(out, text.data, text.length);
}

static void append_integer(struct buffer *out, const char *label, int64_t value) {
    buffer_append_text(out, label);
    buffer_append_int(out, value);
}

static void append_metadata(struct buffer *out, struct text_span json) {
    buffer_append_text(out, ",\"metadata\":");
    if (json.data == NULL)
        buffer_append_text(out, "{}");
    else
        buffer_append(out, json.data, json.length);
}

void lock_json_append(struct buffer *out, const struct lock *lock,
                      enum lock_json_metadata metadata) {
    append_id(out, "{\"id\":", &lock->id);
    append_id(out, ",\"tenant_id\":", &lock->tenant_id);
    append_optional_id(out, ",\"property_id\":", &lock->property_id);
    append_optional_id(out, ",\"reservation_id\":", &lock->reservation_id);
    append_id(out, ",\"room_type_id\":", &lock->room_type_id);
    append_optional_id(out, ",\"room_id\":", &lock->room_id);
    append_time(out, ",\"stay_start\":", lock->stay_start);
    append_time(out, ",\"stay_end\":", lock->stay_end);
    append_text(out, ",\"reason\":", lock->reason);
    append_text(out, ",\"correlation_id\":", lock->correlation_id);
    append_time(out, ",\"expires_at\":", lock->expires_at);
    append_integer(out, ",\"ttl_seconds\":", lock->ttl_seconds);
    if (metadata == LOCK_JSON_WITH_METADATA)
        append_metadata(out, lock->metadata);
    append_text(out, ",\"status\":", lock->status);
    append_text(out, ",\"release_reason\":", lock->release_reason);
    if (lock->was_released)
        append_time(out, ",\"released_at\":", lock->released_at);
    else
        append_null(out, ",\"released_at\":");
    append_integer(out, ",\"fencing_token\":", lock->fencing_token);
    append_time(out, ",\"created_at\":", lock->created_at);
    append_time(out, ",\"updated_at\":", lock->updated_at);
    buffer_append_char(out, '}');
}
