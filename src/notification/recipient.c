/* recipient.c: see recipient.h. */
#include "notification/recipient.h"

#include <stdint.h>
#include <string.h>

#include "notification/characters.h"

#define DIGITS_MIN 7
#define DIGITS_MAX 15 /* E.164 */

const char *recipient_channel_name(enum recipient_channel channel) {
    static const char *const NAMES[] = {
        [RECIPIENT_EMAIL] = "email",
        [RECIPIENT_SMS] = "sms",
        [RECIPIENT_SLACK] = "slack",
        [RECIPIENT_UNROUTABLE] = "unroutable",
    };
    return NAMES[channel];
}

static struct text_span behind(struct text_span text, size_t bytes) {
    return (struct text_span){text.data + bytes, text.length - bytes};
}

/* Takes the next character off the text; false at its end, or where it is not UTF-8. */
static bool next_character(struct text_span *text, uint32_t *character) {
    if (text->length == 0)
        return false;
    const size_t size = text_utf8_sequence(text->data, text->length);
    if (size == 0)
        return false;
    *character = character_decode(text->data, size);
    *text = behind(*text, size);
    return true;
}

/* Up to the last character that is no white space. Bytes that are not UTF-8 are none. */
static size_t length_without_spaces(struct text_span text) {
    struct text_span rest = text;
    size_t length = 0;
    while (rest.length > 0) {
        uint32_t character = 0;
        if (!next_character(&rest, &character))
            rest = behind(rest, 1);
        else if (character_is_space(character))
            continue;
        length = text.length - rest.length;
    }
    return length;
}

static struct text_span trim(struct text_span text) {
    uint32_t character = 0;
    struct text_span rest = text;
    while (next_character(&rest, &character) && character_is_space(character))
        text = rest;
    text.length = length_without_spaces(text);
    return text;
}

static bool is_sendable(struct text_span text) {
    uint32_t character = 0;
    if (text.length > RECIPIENT_BYTES_MAX)
        return false;
    while (next_character(&text, &character)) {
        if (character_is_control(character))
            return false;
    }
    return text.length == 0; /* else it stopped at what is not UTF-8 */
}

static bool read_slack(struct recipient *out) {
    static const char PREFIX[] = "slack:";
    const size_t prefix = sizeof PREFIX - 1;
    if (out->text.length >= prefix && text_equals_nocase(out->text.data, prefix, PREFIX, prefix)) {
        const struct text_span address = trim(behind(out->text, prefix));
        if (address.length == 0)
            return false;
        out->address = address;
        return true;
    }
    return out->text.length > 1 && (out->text.data[0] == '#' || out->text.data[0] == '@');
}

/* What people put between the digits of a telephone number. */
static bool is_separator(uint32_t character) {
    return character_is_space(character) || character == '.' || character == '-' ||
           character == '(' || character == ')' || character == '[' || character == ']' ||
           (character >= 0x2010 && character <= 0x2015) || character == 0x2212;
}

static bool read_sms(struct recipient *out) {
    struct text_span rest = out->text;
    size_t length = 0;
    uint32_t character = 0;
    while (next_character(&rest, &character)) {
        if (is_separator(character))
            continue;
        const bool fits = length == 0
                              ? character == '+'
                              : character >= '0' && character <= '9' && length <= DIGITS_MAX;
        if (!fits)
            return false;
        out->digits[length++] = (char)character;
    }
    if (length < 1 + DIGITS_MIN)
        return false;
    out->address = (struct text_span){out->digits, length};
    return true;
}

static bool is_email(struct text_span text) {
    return text.length > 2 && memchr(text.data + 1, '@', text.length - 2) != NULL;
}

static enum recipient_channel classify(struct recipient *out) {
    if (!is_sendable(out->text))
        return RECIPIENT_UNROUTABLE;
    if (read_slack(out))
        return RECIPIENT_SLACK;
    if (read_sms(out))
        return RECIPIENT_SMS;
    if (is_email(out->text))
        return RECIPIENT_EMAIL;
    return RECIPIENT_UNROUTABLE;
}

bool recipient_read(struct recipient *out, struct text_span text) {
    memset(out, 0, sizeof *out);
    const struct text_span trimmed = trim(text);
    if (trimmed.length == 0)
        return false;
    out->text = trimmed;
    out->address = trimmed;
    out->channel = classify(out);
    return true;
}

bool recipient_equal(const struct recipient *a, const struct recipient *b) {
    if (a->channel != b->channel || a->address.length != b->address.length)
        return false;
    if (a->channel == RECIPIENT_EMAIL)
        return text_equals_nocase(a->address.data, a->address.length, b->address.data,
                                  b->address.length);
    return memcmp(a->address.data, b->address.data, a->address.length) == 0;
}
