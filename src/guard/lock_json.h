/* lock_json.h: a lock as JSON, as callers see it: snake_case, times in UTC with milliseconds. */
#ifndef GUARD_LOCK_JSON_H
#define GUARD_LOCK_JSON_H

#include "base/buffer.h"
#include "domain/lock.h"

/* Whether the metadata is shown: not of somebody else's lock. */
enum lock_json_metadata { LOCK_JSON_WITH_METADATA, LOCK_JSON_WITHOUT_METADATA };

void lock_json_append(struct buffer *out, const struct lock *lock,
                      enum lock_json_metadata metadata);

#endif
