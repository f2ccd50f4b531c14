/*
 * request_body.h: the JSON object that is a request, the body of an HTTP request or a part of a
 * message, and typed access to its members.
 *
 * Source: RFC 8259. Stricter than it: duplicate names, NUL and invalid UTF-8 are refused.
 */
#ifndef JSON_REQUEST_BODY_H
#define JSON_REQUEST_BODY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/id.h"
#include "base/text.h"
#include "domain/violations.h"
#include "json/flat_object.h"

struct request_body {
    struct flat_object flat; /* the members, when all of them are plain */
    json_t *object;          /* the members, when not; else NULL */
    struct text_span text;
    char *metadata; /* a copy of the member, when it had to be made */
    bool wide;      /* it has an integer of more than 64 bits: all integers are kept as reals */
    bool no_memory; /* what has failed says nothing about the request */
    char error[192];
};

/*
 * Parses the text, which must live as long as the body. Empty text is a body without members. On
 * failure returns false, and `error` says what is wrong and where, or no_memory is set. End with
 * request_body_exit() in both cases.
 */
MUST_CHECK bool request_body_parse(struct request_body *body, struct text_span text);
void request_body_exit(struct request_body *body);

/*
 * The object that is a member of this body, as a body of its own, which lives as long as this one:
 * end it first. False when there is no such member or it is no object; nothing is to be ended then.
 */
MUST_CHECK bool request_body_member(const struct request_body *body, const char *name,
                                    struct request_body *member);

/*
 * Each returns the member, or a span without data when it is absent or of another type; the latter
 * is a violation, as it is when no_memory is set. Spans live as long as the body.
 */
struct text_span request_body_text(const struct request_body *body, const char *name,
                                   struct violations *v);
/* As request_body_text(), but null reads as empty text. */
struct text_span request_body_nullable_text(const struct request_body *body, const char *name,
                                            struct violations *v);
/* The text of a member that is an object, as the caller wrote it: numbers keep their digits. */
struct text_span request_body_object(struct request_body *body, const char *name,
                                     struct violations *v);
/* 0 when the member is absent; the nearest one that there is when it does not fit. */
int64_t request_body_integer(const struct request_body *body, const char *name,
                             struct violations *v);
/* An array of 1 to `most` ids, which the caller frees. NULL and a violation when it is not that. */
struct id *request_body_ids(struct request_body *body, const char *name, size_t most, size_t *count,
                            struct violations *v);

#endif
