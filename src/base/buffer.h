/*
 * buffer.h: a byte buffer that grows.
 *
 * Answers, SQL arrays and log lines are built in buffers that live as long as their owner and are
 * cleared, not freed, between uses. Running out of memory does not have to be checked at each
 * append: `failed` is set and stays set, later appends do nothing, and the owner looks once, when
 * the text is complete. Only buffer_clear() and buffer_free() reset it.
 *
 * The bytes are not terminated by a NUL; append one with buffer_append_char(b, '\0') where a C
 * string is needed.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

struct buffer {
    char *data;      /* NULL until the first append; owned by the buffer */
    size_t length;   /* bytes in use */
    size_t capacity; /* bytes allocated */
    bool failed;     /* out of memory: the contents are incomplete and must not be used */
};

/* Makes an empty buffer. Allocates nothing and cannot fail; equals zeroed memory. */
void buffer_init(struct buffer *b);

/* Frees the memory and makes the buffer empty, ready to be used again. */
void buffer_free(struct buffer *b);

/* Empties the buffer, keeps its memory, and resets `failed`. */
void buffer_clear(struct buffer *b);

/*
 * Gives memory back when more than keep_capacity bytes are allocated, so that one huge request
 * does not pin its memory for ever. The contents stay: never below `length` bytes are kept.
 */
void buffer_shrink(struct buffer *b, size_t keep_capacity);

/*
 * Makes room for `extra` more bytes after `length`; true when data[length .. length + extra) may
 * be written (the writer then adds to `length`). False, with `failed` set, when out of memory.
 */
MUST_CHECK bool buffer_reserve(struct buffer *b, size_t extra);

/* Append bytes, a C string without its NUL, one byte. `bytes` may be NULL when length is 0. */
void buffer_append(struct buffer *b, const void *bytes, size_t length);
void buffer_append_text(struct buffer *b, const char *text);
void buffer_append_char(struct buffer *b, char c);

/* Appends what printf would print, of any length, without the NUL. A bad format sets `failed`. */
void buffer_printf(struct buffer *b, const char *format, ...) PRINTF_LIKE(2, 3);

/* Appends a number in decimal. Faster than buffer_printf(). */
void buffer_append_int(struct buffer *b, int64_t value);

/*
 * Appends text as a JSON string (RFC 8259, section 7) with its quotes. Quotation marks,
 * backslashes and control characters are escaped; all other bytes are copied, so the text must be
 * valid UTF-8 for the result to be valid JSON. U+007F and NUL bytes are fine.
 */
void buffer_append_json_string(struct buffer *b, const char *text, size_t length);

#endif
