/* sms.c: see sms.h. */
#include "notification/sms.h"

#include <string.h>

#define SEPTETS_PER_SEGMENT 153
#define UNITS_PER_SEGMENT 67

static const char DOTS[] = "...";
#define DOTS_LENGTH (sizeof DOTS - 1)

/* In the order of the table; without escape. */
static const char GSM_DEFAULT[] =
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
static const char GSM_EXTENSION[] = "\f^{}\\[~]|€";

/* No character begins in the middle of another one in UTF-8, so what is found is one. */
static bool has(const char *characters, size_t length, const char *character, size_t size) {
    return memmem(characters, length, character, size) != NULL;
}

/* 0: not in the alphabet. */
static size_t septets_of(const char *character, size_t size) {
    if (has(GSM_DEFAULT, sizeof GSM_DEFAULT - 1, character, size))
        return 1;
    return has(GSM_EXTENSION, sizeof GSM_EXTENSION - 1, character, size) ? 2 : 0;
}

/* Characters beyond U+FFFF are those of four bytes. */
static size_t units_of(const char *character, size_t size) {
    (void)character;
    return size == 4 ? 2 : 1;
}

struct alphabet {
    size_t (*cost_of)(const char *character, size_t size);
    size_t per_segment;
};
static const struct alphabet GSM = {septets_of, SEPTETS_PER_SEGMENT};
static const struct alphabet UCS2 = {units_of, UNITS_PER_SEGMENT};

/* How far a message is filled. */
struct fill {
    size_t segments; /* those that are full */
    size_t used;     /* of the one after them */
};

static struct fill fill_add(struct fill fill, const struct alphabet *alphabet, size_t cost) {
    if (fill.used + cost > alphabet->per_segment) {
        fill.segments++;
        fill.used = 0;
    }
    fill.used += cost;
    return fill;
}

static size_t fill_segments(struct fill fill) {
    return fill.segments + (fill.used > 0 ? 1 : 0);
}

static bool dots_fit(struct fill fill, const struct alphabet *alphabet) {
    for (size_t i = 0; i < DOTS_LENGTH; i++)
        fill = fill_add(fill, alphabet, 1);
    return fill_segments(fill) <= SMS_SEGMENTS_MAX;
}

bool sms_is_gsm(struct text_span text) {
    size_t size = 0;
    for (size_t i = 0; i < text.length; i += size) {
        size = text_utf8_sequence(text.data + i, text.length - i);
        if (size == 0 || septets_of(text.data + i, size) == 0)
            return false;
    }
    return true;
}

static const struct alphabet *alphabet_of(struct text_span text) {
    return sms_is_gsm(text) ? &GSM : &UCS2;
}

/* Also finds the length of what can stay of the text when dots come behind it. */
static struct fill measure(struct text_span text, const struct alphabet *alphabet, size_t *cut) {
    struct fill fill = {0, 0};
    size_t size = 0;
    *cut = 0;
    for (size_t i = 0; i < text.length; i += size) {
        size = text_utf8_sequence(text.data + i, text.length - i);
        if (size == 0)
            break;
        fill = fill_add(fill, alphabet, alphabet->cost_of(text.data + i, size));
        if (dots_fit(fill, alphabet))
            *cut = i + size;
    }
    return fill;
}

size_t sms_segments(struct text_span text) {
    size_t cut = 0;
    return fill_segments(measure(text, alphabet_of(text), &cut));
}

void sms_append(struct buffer *out, struct text_span text) {
    size_t cut = 0;
    const struct fill fill = measure(text, alphabet_of(text), &cut);
    if (fill_segments(fill) <= SMS_SEGMENTS_MAX) {
        buffer_append(out, text.data, text.length);
        return;
    }
    buffer_append(out, text.data, cut);
    buffer_append_text(out, DOTS);
}
