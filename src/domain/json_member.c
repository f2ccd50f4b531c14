/* json_member.c: see json_member.h. */
#include "domain/json_member.h"

void json_member_id(struct buffer *out, const char *label, const struct id *id) {
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

void json_member_optional_id(struct buffer *out, const char *label, const struct optional_id *id) {
    if (id->set)
        json_member_id(out, label, &id->id);
    else
        append_null(out, label);
}

void json_member_time(struct buffer *out, const char *label, timestamp_us time) {
    char text[TIMESTAMP_TEXT_LENGTH + 1];
    timestamp_format(time, text);
    buffer_append_text(out, label);
    buffer_append_char(out, '"');
    buffer_append(out, text, TIMESTAMP_TEXT_LENGTH);
    buffer_append_char(out, '"');
}

void json_member_text(struct buffer *out, const char *label, struct text_span text) {
    if (text.data == NULL) {
        append_null(out, label);
        return;
    }
    buffer_append_text(out, label);
    buffer_append_json_string(out, text.data, text.length);
}

void json_member_integer(struct buffer *out, const char *label, int64_t value) {
    buffer_append_text(out, label);
    buffer_append_int(out, value);
}

void json_member_object(struct buffer *out, const char *label, struct text_span json) {
    buffer_append_text(out, label);
    if (json.data == NULL)
        buffer_append_text(out, "{}");
    else
        buffer_append(out, json.data, json.length);
}
