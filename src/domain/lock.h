/* lock.h: a lock as the database shows it (type guard.lock_view). */
#ifndef DOMAIN_LOCK_H
#define DOMAIN_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "db/row.h"
#include "domain/field.h"
#include "domain/request.h"

/* Columns of guard.lock_view, in its order. */
#define LOCK_COLUMNS 19
#define LOCK_COLUMN_ID 0
#define LOCK_COLUMN_TENANT 1
#define LOCK_COLUMN_TYPES                                                                          \
    2950, 2950, 2950, 2950, 2950, 2950, 1184, 1184, 25, 25, 1184, 23, 3802, 25, 25, 1184, 20,      \
        1184, 1184

/* Texts point into the result, or the request, that the lock was read from; no data: null. */
struct lock {
    struct id id;
    struct id tenant_id;
    struct optional_id property_id;
    struct optional_id reservation_id;
    struct id room_type_id;
    struct optional_id room_id; /* not set: the lock is one of the whole room type */
    timestamp_us stay_start;
    timestamp_us stay_end;
    struct text_span reason;
    struct text_span correlation_id;
    timestamp_us expires_at;
    int32_t ttl_seconds;
    struct text_span metadata; /* JSON */
    struct text_span status;   /* ACTIVE, RELEASED or EXPIRED */
    struct text_span release_reason;
    bool was_released;
    timestamp_us released_at; /* when was_released */
    int64_t fencing_token;
    timestamp_us created_at;
    timestamp_us updated_at;
};

/* What this column holds: an id, or null. */
struct optional_id lock_optional_id(struct row row, int column);

/* Reads the lock whose first column is `column` of this row; the types have been checked. */
void lock_read(struct lock *lock, struct row row, int column);

/* The same for the lock that a request was granted. A row without an id has only what the request
 * does not say (guard.lock_batch_brief). */
void lock_read_granted(struct lock *lock, struct row row, int column,
                       const struct lock_request *request);

#endif
