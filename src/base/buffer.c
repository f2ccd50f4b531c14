#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first allocation: a short answer fits without growing. */
#define CAPACITY_FIRST 256

void buffer_init(struct buffer *b) {
    *b = (struct buffer){0};
}

void buffer_free(struct buffer *b) {
    free(b->data);
    buffer_init(b);
}

void buffer_clear(struct buffer *b) {
    b->length = 0;
    b->failed = false;
}

void buffer_shrink(struct buffer *b, size_t keep_capacity) {
    size_t wanted = b->length > keep_capacity ? b->length : keep_capacity;
    if (b->capacity <= wanted)
        return;
    if (wanted == 0) {
        free(b->data);
        b->data = NULL;
        b->capacity = 0;
        return;
    }
    char *data = realloc(b->data, wanted);
    if (!data)
        return; /* still whole, only larger than it has to be */
    b->data = data;
    b->capacity = wanted;
}

bool buffer_reserve(struct buffer *b, size_t extra) {
    if (b->failed)
        return false;
    if (extra <= b->capacity - b->length)
        return true;
    if (extra > SIZE_MAX / 2 || b->length > SIZE_MAX / 2 - extra) {
        b->failed = true;
        return false;
    }
    size_t needed = b->length + extra;
    /* Doubling keeps the copying linear in the final length. needed is below SIZE_MAX / 2. */
    size_t capacity = b->capacity > needed / 2 ? b->capacity * 2 : needed;
    if (capacity < CAPACITY_FIRST)
        capacity = CAPACITY_FIRST;
    char *data = realloc(b->data, capacity);
    if (!data) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->capacity = capacity;
    return true;
}

void buffer_append(struct buffer *b, const void *bytes, size_t length) {
    if (length == 0 || !buffer_reserve(b, length))
        return;
    memcpy(b->data + b->length, bytes, length);
    b->length += length;
}

void buffer_append_text(struct buffer *b, const char *text) {
    buffer_append(b, text, strlen(text));
}

void buffer_append_char(struct buffer *b, char c) {
    if (!buffer_reserve(b, 1))
        return;
    b->data[b->length++] = c;
}

void buffer_printf(struct buffer *b, const char *format, ...) {
    va_list values;
    /* Most texts fit into what is there; the others are printed a second time. */
    if (!buffer_reserve(b, 64))
        return;
    size_t room = b->capacity - b->length;
    va_start(values, format);
    int printed = vsnprintf(b->data + b->length, room, format, values);
    va_end(values);
    if (printed < 0) {
        b->failed = true;
        return;
    }
    size_t length = (size_t)printed;
    if (length >= room) {
        if (!buffer_reserve(b, length + 1)) /* vsnprintf() wants room for its NUL */
            return;
        va_start(values, format);
        (void)vsnprintf(b->data + b->length, length + 1, format, values);
        va_end(values);
    }
    b->length += length;
}

void buffer_append_int(struct buffer *b, int64_t value) {
    char digits[20]; /* "-9223372036854775808" */
    char *end = digits + sizeof(digits);
    char *p = end;
    /* Unsigned, because the least value has no positive counterpart. */
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--p = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    if (value < 0)
        *--p = '-';
    buffer_append(b, p, (size_t)(end - p));
}

static bool json_needs_escape(unsigned char c) {
    return c < 0x20 || c == '"' || c == '\\';
}

static void append_json_escape(struct buffer *b, unsigned char c) {
    static const char hex[] = "0123456789abcdef";
    /* The control characters that have a short form, by their number. */
    static const char short_form[0x20] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't',
    };
    if (c >= 0x20) {
        buffer_append(b, (char[]){'\\', (char)c}, 2);
    } else if (short_form[c]) {
        buffer_append(b, (char[]){'\\', short_form[c]}, 2);
    } else {
        buffer_append(b, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
    }
}

void buffer_append_json_string(struct buffer *b, const char *text, size_t length) {
    size_t copied = 0;
    buffer_append_char(b, '"');
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (!json_needs_escape(c))
            continue;
        buffer_append(b, text + copied, i - copied);
        append_json_escape(b, c);
        copied = i + 1;
    }
    if (copied < length)
        buffer_append(b, text + copied, length - copied);
    buffer_append_char(b, '"');
}
