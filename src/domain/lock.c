/* lock.c: see lock.h. */
#include "domain/lock.h"

static const struct text_span ACTIVE = {"ACTIVE", sizeof "ACTIVE" - 1};

struct optional_id lock_optional_id(struct row row, int column) {
    struct optional_id out = {.set = false};
    out.set = row_id(row, column, &out.id);
    return out;
}

void lock_read(struct lock *lock, struct row row, int column) {
    int c = column;
    (void)row_id(row, c++, &lock->id);
    (void)row_id(row, c++, &lock->tenant_id);
    lock->property_id = lock_optional_id(row, c++);
    lock->reservation_id = lock_optional_id(row, c++);
    (void)row_id(row, c++, &lock->room_type_id);
    lock->room_id = lock_optional_id(row, c++);
    (void)row_timestamp(row, c++, &lock->stay_start);
    (void)row_timestamp(row, c++, &lock->stay_end);
    lock->reason = row_text(row, c++);
    lock->correlation_id = row_text(row, c++);
    (void)row_timestamp(row, c++, &lock->expires_at);
    (void)row_int4(row, c++, &lock->ttl_seconds);
    lock->metadata = row_jsonb(row, c++);
    lock->status = row_text(row, c++);
    lock->release_reason = row_text(row, c++);
    lock->was_released = row_timestamp(row, c++, &lock->released_at);
    (void)row_int8(row, c++, &lock->fencing_token);
    (void)row_timestamp(row, c++, &lock->created_at);
    (void)row_timestamp(row, c++, &lock->updated_at);
}

void lock_read_granted(struct lock *lock, struct row row, int column,
                       const struct lock_request *request) {
    lock_read(lock, row, column);
    if (PQgetisnull(row.result, row.number, column + LOCK_COLUMN_ID) == 0)
        return;
    lock->id = request->id;
    lock->tenant_id = request->tenant_id;
    lock->property_id = request->property_id;
    lock->reservation_id = request->reservation_id;
    lock->room_type_id = request->room_type_id;
    lock->room_id = request->room_id;
    lock->stay_start = request->stay_start;
    lock->stay_end = request->stay_end;
    lock->reason = request->reason;
    lock->correlation_id = request->correlation_id;
    lock->ttl_seconds = request->ttl_seconds;
    lock->status = ACTIVE;
    lock->updated_at = lock->created_at;
}
