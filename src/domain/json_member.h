/*
 * json_member.h: the members of JSON objects. Each function appends `label`, which
 * is the member's name with all that stands before its value, and the value.
 */
#ifndef DOMAIN_JSON_MEMBER_H
#define DOMAIN_JSON_MEMBER_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/id.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "domain/field.h"

void json_member_id(struct buffer *out, const char *label, const struct id *id);
/* null when it is not set. */
void json_member_optional_id(struct buffer *out, const char *label, const struct optional_id *id);
/* RFC 3339 in UTC with milliseconds. */
void json_member_time(struct buffer *out, const char *label, timestamp_us time);
/* null when there is no data. */
void json_member_text(struct buffer *out, const char *label, struct text_span text);
void json_member_integer(struct buffer *out, const char *label, int64_t value);
/* The text of an object as it is; an empty one when there is no data. */
void json_member_object(struct buffer *out, const char *label, struct text_span json);

#endif
