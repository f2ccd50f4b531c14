/*
 * flat_object.h: a JSON object of plain members, read without a tree.
 *
 * Nearly every request is one, and building a tree for it costs more than all the rest of the
 * guard's work. What is not plain goes to the full parser: an escape or a byte beyond ASCII in a
 * string, a nested value, a number with a fraction, an exponent or many digits, and all that is
 * wrong. So this accepts less than RFC 8259 does, and what it accepts it reads as any parser would.
 */
#ifndef JSON_FLAT_OBJECT_H
#define JSON_FLAT_OBJECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/text.h"

/* The contract's longest request has 13 members. */
#define FLAT_OBJECT_MEMBERS_MAX 16

/* OTHER: true and false, which no request has. */
enum flat_kind { FLAT_STRING, FLAT_INTEGER, FLAT_NULL, FLAT_OTHER };

struct flat_member {
    struct text_span name;
    enum flat_kind kind;
    struct text_span string; /* FLAT_STRING: without its quotes */
    int64_t integer;         /* FLAT_INTEGER */
};

struct flat_object {
    size_t count;
    struct flat_member members[FLAT_OBJECT_MEMBERS_MAX];
};

/* True when the text is an object of at most FLAT_OBJECT_MEMBERS_MAX plain members with different
 * names. Spans point into the text. False says nothing about the text, and leaves it empty. */
MUST_CHECK bool flat_object_read(struct flat_object *object, struct text_span text);

/* NULL when there is no such member. */
const struct flat_member *flat_object_get(const struct flat_object *object, const char *name);

#endif
