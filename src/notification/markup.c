/* markup.c: see markup.h. */
#include "notification/markup.h"

#include <stdbool.h>

static const char *reference_of(char c) {
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    default:
        return NULL;
    }
}

static const char *quote_reference_of(char c) {
    return c == '"' ? "&quot;" : c == '\'' ? "&#39;" : NULL;
}

void markup_append_html(struct buffer *out, struct text_span text) {
    for (size_t i = 0; i < text.length; i++) {
        const char c = text.data[i];
        const char *reference = reference_of(c);
        if (reference == NULL)
            reference = quote_reference_of(c);
        if (reference != NULL)
            buffer_append_text(out, reference);
        else
            buffer_append_char(out, c);
    }
}

static bool is_alphanumeric(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

void markup_append_slack(struct buffer *out, struct text_span text) {
    static const char ZERO_WIDTH_SPACE[] = "\xE2\x80\x8B";
    for (size_t i = 0; i < text.length; i++) {
        const char c = text.data[i];
        const char *reference = reference_of(c);
        if (reference != NULL)
            buffer_append_text(out, reference);
        else
            buffer_append_char(out, c);
        if (c == '@' && (i == 0 || !is_alphanumeric(text.data[i - 1])))
            buffer_append_text(out, ZERO_WIDTH_SPACE);
    }
}

void markup_append_none(struct buffer *out, struct text_span text) {
    buffer_append(out, text.data, text.length);
}
