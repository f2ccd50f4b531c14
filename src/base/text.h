/*
 * text.h: small questions about text that is not terminated by a NUL.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/* A piece of somebody else's text. Valid for as long as that text is. */
struct text_span {
    const char *data;
    size_t length;
};

/*
 * True when the bytes are valid UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above
 * U+10FFFF. A NUL byte is refused too, because PostgreSQL cannot store it. Empty text is valid.
 */
bool text_is_valid_utf8(const char *text, size_t length);

/*
 * The length in bytes (1 to 4) of the valid, non-NUL UTF-8 sequence at the start of the text, or 0
 * when there is none. length must be at least 1.
 */
size_t text_utf8_sequence(const char *text, size_t length);

/*
 * True when the character, a valid sequence of `size` bytes, is a control character: U+0000 to
 * U+001F or U+007F to U+009F.
 */
bool text_is_control(const char *character, size_t size);

/* The number of code points (characters, nearly) in valid UTF-8. */
size_t text_code_points(const char *text, size_t length);

/* True when the text is this word. */
bool text_is(struct text_span text, const char *word);

/* True when both are the same, upper and lower case of ASCII letters taken as equal. */
bool text_equals_nocase(const char *a, size_t a_length, const char *b, size_t b_length);

/*
 * Reads a whole decimal number: an optional "-", then digits and nothing else (no "+", no spaces).
 * False, with *out unchanged, when that is not what it is, or when it does not fit.
 */
MUST_CHECK bool text_parse_int(int64_t *out, const char *text, size_t length);

/* The value of a hexadecimal digit in either case, or -1. */
int text_hex_digit(char c);

/*
 * Undoes percent-encoding (RFC 3986, section 2.1); with plus_is_space "+" becomes a space, as in
 * query strings written by forms. out needs room for `length` bytes and may be the same memory as
 * `in`; it gets no NUL. False when a "%" is not followed by two hexadecimal digits: out is not to
 * be used then. What comes out may be any bytes: check it with text_is_valid_utf8().
 */
MUST_CHECK bool text_percent_decode(const char *in, size_t length, bool plus_is_space, char *out,
                                    size_t *out_length);

/*
 * Takes the next "name=value" off a query string, split at "&": *query moves on behind it. Both
 * are still percent-encoded. Without "=" the value is empty, with data NULL; empty pieces ("&&")
 * are skipped. False when nothing is left.
 */
MUST_CHECK bool text_next_pair(struct text_span *query, struct text_span *name,
                               struct text_span *value);

#endif
