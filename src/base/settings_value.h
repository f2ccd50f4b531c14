/*
 * settings_value.h: one row of the table of settings, and what can be done with its value. Used by
 * settings*.c only; everybody else reads the members of struct settings.
 */
#ifndef BASE_SETTINGS_VALUE_H
#define BASE_SETTINGS_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"

/* See settings.h for what each kind means. */
enum settings_kind {
    SETTINGS_INTEGER,
    SETTINGS_BOOLEAN,
    SETTINGS_TEXT,
    SETTINGS_HOST,
    SETTINGS_PATH,
    SETTINGS_NETWORKS,
    SETTINGS_TOPIC,
    SETTINGS_TOKENS,
    SETTINGS_LEVEL,
    SETTINGS_FORMAT,
    SETTINGS_SHARE,
};

struct settings_row {
    const char *name;
    const char *initial; /* the default, as text */
    const char *help;
    int64_t least, greatest;
    size_t offset; /* of the member in struct settings */
    enum settings_kind kind;
    bool secret;
};

/* The table. */
extern const struct settings_row settings_rows[];
extern const size_t settings_rows_count;

enum settings_result {
    SETTINGS_OK,
    SETTINGS_WRONG,     /* the text is not allowed */
    SETTINGS_NO_MEMORY, /* the text could not be kept */
};

/*
 * Checks `text` and writes its value to the member at `member` (an int64_t, a bool, a char * from
 * malloc that the caller frees, or an enum). Writes nothing unless it returns SETTINGS_OK.
 */
MUST_CHECK enum settings_result settings_value_parse(const struct settings_row *row,
                                                     const char *text, void *member);

/* True when the member is memory that has to be freed. */
bool settings_value_is_owned(const struct settings_row *row);

/* Appends the value as text that settings_value_parse() would take; secrets unmasked. */
void settings_value_append(struct buffer *b, const struct settings_row *row, const void *member);

/* Appends what is allowed: "an integer from 1 to 65535". */
void settings_value_append_allowed(struct buffer *b, const struct settings_row *row);

#endif
