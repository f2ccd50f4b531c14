#include "base/text.h"

#include <string.h>

static unsigned char lower(char c) {
    unsigned char u = (unsigned char)c;
    return u >= 'A' && u <= 'Z' ? (unsigned char)(u + ('a' - 'A')) : u;
}

/* True when none of the eight bytes is NUL or beyond ASCII. */
static bool is_plain_ascii(const char *bytes) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t tops = UINT64_C(0x8080808080808080);
    uint64_t word;
    memcpy(&word, bytes, sizeof(word));
    /* Subtracting 1 from each byte borrows into the top bit where a byte is NUL. */
    return ((word | (word - ones)) & tops) == 0;
}

size_t text_utf8_sequence(const char *text, size_t length) {
    const unsigned char *s = (const unsigned char *)text;
    unsigned char least = 0x80; /* bounds of the second byte; they exclude overlong forms, */
    unsigned char most = 0xBF;  /* surrogates, and what is above U+10FFFF (RFC 3629, section 4) */
    size_t size = 0;

    if (s[0] >= 0x01 && s[0] <= 0x7F)
        return 1;
    if (s[0] >= 0xC2 && s[0] <= 0xDF) {
        size = 2;
    } else if (s[0] >= 0xE0 && s[0] <= 0xEF) {
        size = 3;
        if (s[0] == 0xE0)
            least = 0xA0;
        else if (s[0] == 0xED)
            most = 0x9F;
    } else if (s[0] >= 0xF0 && s[0] <= 0xF4) {
        size = 4;
        if (s[0] == 0xF0)
            least = 0x90;
        else if (s[0] == 0xF4)
            most = 0x8F;
    }
    if (size == 0 || size > length || s[1] < least || s[1] > most)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    }
    return size;
}

bool text_is_valid_utf8(const char *text, size_t length) {
    size_t i = 0;
    while (i < length) {
        if (length - i >= 8 && is_plain_ascii(text + i)) {
            i += 8;
            continue;
        }
        size_t size = text_utf8_sequence(text + i, length - i);
        if (size == 0)
            return false;
        i += size;
    }
    return true;
}

bool text_is_control(const char *character, size_t size) {
    unsigned char first = (unsigned char)character[0];
    if (size == 1)
        return first < 0x20 || first == 0x7F;
    return size == 2 && first == 0xC2 && (unsigned char)character[1] < 0xA0;
}

size_t text_code_points(const char *text, size_t length) {
    size_t count = 0;
    for (size_t i = 0; i < length; i++) {
        /* Every byte but the continuation bytes begins a code point. */
        if (((unsigned char)text[i] & 0xC0) != 0x80)
            count++;
    }
    return count;
}

bool text_is(struct text_span text, const char *word) {
    return text.length == strlen(word) && memcmp(text.data, word, text.length) == 0;
}

bool text_equals_nocase(const char *a, size_t a_length, const char *b, size_t b_length) {
    if (a_length != b_length)
        return false;
    for (size_t i = 0; i < a_length; i++) {
        if (lower(a[i]) != lower(b[i]))
            return false;
    }
    return true;
}

bool text_parse_int(int64_t *out, const char *text, size_t length) {
    bool negative = length > 0 && text[0] == '-';
    size_t i = negative ? 1 : 0;
    int64_t value = 0;
    if (i == length)
        return false;
    for (; i < length; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        int digit = text[i] - '0';
        /* Counted on the side of the sign, because the least value has no positive counterpart. */
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, negative ? -digit : digit, &value))
            return false;
    }
    *out = value;
    return true;
}

int text_hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    unsigned char letter = lower(c);
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

bool text_percent_decode(const char *in, size_t length, bool plus_is_space, char *out,
                         size_t *out_length) {
    size_t written = 0;
    for (size_t i = 0; i < length; i++) {
        char c = in[i];
        if (c == '%') {
            if (length - i < 3)
                return false;
            int high = text_hex_digit(in[i + 1]);
            int low = text_hex_digit(in[i + 2]);
            if (high < 0 || low < 0)
                return false;
            c = (char)(high * 16 + low);
            i += 2;
        } else if (c == '+' && plus_is_space) {
            c = ' ';
        }
        out[written++] = c;
    }
    *out_length = written;
    return true;
}

bool text_next_pair(struct text_span *query, struct text_span *name, struct text_span *value) {
    while (query->length > 0 && query->data[0] == '&') {
        query->data++;
        query->length--;
    }
    if (query->length == 0)
        return false;

    const char *ampersand = memchr(query->data, '&', query->length);
    size_t piece = ampersand ? (size_t)(ampersand - query->data) : query->length;
    const char *equals = memchr(query->data, '=', piece);

    name->data = query->data;
    if (equals) {
        name->length = (size_t)(equals - query->data);
        value->data = equals + 1;
        value->length = piece - name->length - 1;
    } else {
        name->length = piece;
        *value = (struct text_span){NULL, 0};
    }
    query->data += piece;
    query->length -= piece;
    return true;
}
