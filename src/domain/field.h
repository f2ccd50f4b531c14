/*
 * field.h: checks of single fields. Each takes the text a door received (no data: the field is
 * absent), stores the value, and adds to the violations what is wrong. They return whether a valid
 * value was stored; a field that has a violation already is left alone.
 */
#ifndef DOMAIN_FIELD_H
#define DOMAIN_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "domain/violations.h"

#define FIELD_METADATA_MAX ((size_t)16 * 1024)

enum presence { FIELD_OPTIONAL, FIELD_REQUIRED };

/* An id that may be missing. */
struct optional_id {
    bool set;
    struct id id;
};

bool field_id(struct violations *v, const char *field, struct text_span text,
              enum presence presence, struct id *out);

bool field_optional_id(struct violations *v, const char *field, struct text_span text,
                       struct optional_id *out);

/* RFC 3339 date-time, or a plain date, which means its first moment in UTC. */
bool field_timestamp(struct violations *v, const char *field, struct text_span text,
                     enum presence presence, timestamp_us *out);

/* Text of 1 to max_code_points characters, valid UTF-8 without NUL. Absent: out stays as it is. */
bool field_text(struct violations *v, const char *field, struct text_span text,
                size_t max_code_points, struct text_span *out);

/* A decimal integer from least to greatest. */
bool field_integer(struct violations *v, const char *field, struct text_span text, int64_t least,
                   int64_t greatest, int64_t *out);

/* A JSON object, which the caller has checked to be one, of at most FIELD_METADATA_MAX bytes as it
 * stands and with the numbers written out as the database writes them. */
bool field_metadata(struct violations *v, const char *field, struct text_span json,
                    struct text_span *out);

#endif
