/* key_values.c: see key_values.h. */
#include "trace_exporter/key_values.h"

#include <string.h>

static struct text_span trimmed(const char *begin, const char *end) {
    while (begin < end && (*begin == ' ' || *begin == '\t'))
        begin++;
    while (end > begin && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    return (struct text_span){begin, (size_t)(end - begin)};
}

static struct text_span next_piece(struct text_span *text) {
    const char *comma = memchr(text->data, ',', text->length);
    const char *end = comma != NULL ? comma : text->data + text->length;
    const struct text_span piece = trimmed(text->data, end);
    const size_t used = (size_t)(end - text->data) + (comma != NULL ? 1 : 0);
    *text = (struct text_span){text->data + used, text->length - used};
    return piece;
}

bool key_values_next(struct text_span *text, struct text_span *key, struct text_span *value) {
    struct text_span piece = {NULL, 0};
    while (piece.length == 0) {
        if (text->length == 0)
            return false;
        piece = next_piece(text);
    }
    const char *equals = memchr(piece.data, '=', piece.length);
    if (equals == NULL) {
        *key = (struct text_span){piece.data, 0};
        *value = *key;
        return true;
    }
    *key = trimmed(piece.data, equals);
    *value = trimmed(equals + 1, piece.data + piece.length);
    return true;
}

static bool has_controls(const char *text, size_t length) {
    for (size_t i = 0, size = 0; i < length; i += size) {
        size = text_utf8_sequence(text + i, length - i);
        if (text_is_control(text + i, size))
            return true;
    }
    return false;
}

bool key_values_decode(struct text_span value, struct buffer *out) {
    size_t length = 0;
    buffer_clear(out);
    if (!buffer_reserve(out, value.length + 1) ||
        !text_percent_decode(value.data, value.length, false, out->data, &length))
        return false;
    out->length = length;
    return text_is_valid_utf8(out->data, length) && !has_controls(out->data, length);
}
