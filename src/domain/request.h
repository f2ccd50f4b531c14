/*
 * request.h: what callers ask of the service, validated. A door (HTTP, gRPC, later commands)
 * fills an input with the texts it received; request_*() turns that into a request, or into
 * violations. After that a request is right by construction: nothing behind here checks it again.
 *
 * Texts of a request point to the door's memory, which must live until the request is answered.
 */
#ifndef DOMAIN_REQUEST_H
#define DOMAIN_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/id.h"
#include "base/settings.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "domain/field.h"
#include "domain/violations.h"

#define REQUEST_REASON_MAX 100
#define REQUEST_TEXT_MAX 255
#define REQUEST_BULK_MAX 10000
#define REQUEST_LIST_DEFAULT 50
#define REQUEST_LIST_MAX 200

/* The bounds of requests that are settings. */
struct request_limits {
    int32_t default_ttl_seconds;
    int32_t max_ttl_seconds;
    int64_t max_stay_us;
};

struct request_limits request_limits_of(const struct settings *settings);

/* Every field as received; no data means absent. */
struct lock_input {
    struct text_span tenant_id;
    struct text_span property_id;
    struct text_span reservation_id;
    struct text_span room_type_id;
    struct text_span room_id; /* empty means absent */
    struct text_span stay_start;
    struct text_span stay_end;
    struct text_span reason;
    struct text_span correlation_id;
    struct text_span idempotency_key;
    struct text_span metadata; /* JSON object */
    int64_t ttl_seconds;       /* 0: absent */
};

struct lock_request {
    struct id tenant_id;
    struct id id; /* of the lock: made from the idempotency key, or new */
    bool has_key;
    struct optional_id property_id;
    struct optional_id reservation_id;
    struct id room_type_id;
    struct optional_id room_id;
    timestamp_us stay_start;
    timestamp_us stay_end;
    int32_t ttl_seconds;
    struct text_span reason;
    struct text_span correlation_id;
    struct text_span metadata;
};

struct release_input {
    struct text_span tenant_id;
    struct text_span lock_id;
    struct text_span reservation_id;
    struct text_span reason;
    struct text_span correlation_id;
    struct text_span metadata;
};

struct release_request {
    struct id tenant_id;
    struct id lock_id;
    struct optional_id reservation_id;
    struct text_span reason;
    struct text_span correlation_id;
    struct text_span metadata;
};

struct bulk_release_input {
    struct text_span tenant_id;
    struct text_span reason;
    struct text_span correlation_id;
};

struct bulk_release_request {
    struct id tenant_id;
    struct id release_id; /* tells this release from others when it has to be sent again */
    struct id *lock_ids;  /* owned by the door */
    size_t lock_count;
    struct text_span reason;
    struct text_span correlation_id;
};

struct get_input {
    struct text_span tenant_id;
    struct text_span lock_id;
};

struct get_request {
    struct id tenant_id;
    struct id lock_id;
};

struct list_input {
    struct text_span tenant_id;
    struct text_span room_id;
    struct text_span room_type_id;
    struct text_span reservation_id;
    struct text_span status;
    struct text_span from;
    struct text_span to;
    struct text_span limit;
    struct text_span cursor;
};

struct list_request {
    struct id tenant_id;
    struct optional_id room_id;
    struct optional_id room_type_id;
    struct optional_id reservation_id;
    struct text_span status; /* ACTIVE, RELEASED, EXPIRED, or no data */
    bool has_from;
    bool has_to;
    timestamp_us from;
    timestamp_us to;
    struct optional_id after; /* the last id of the page before */
    int32_t limit;
};

/*
 * Each adds to the violations what is wrong with the input (which may hold some already, for fields
 * the door could not even read), and fills the request. Returns whether there are no violations.
 * request_lock() and request_bulk_release() make ids; when the system gives no random bytes they
 * return false without a violation.
 */
MUST_CHECK bool request_lock(const struct lock_input *input, const struct request_limits *limits,
                             struct violations *v, struct lock_request *out);
MUST_CHECK bool request_release(const struct release_input *input, struct violations *v,
                                struct release_request *out);
/* lock_ids and lock_count are set by the door beforehand. */
MUST_CHECK bool request_bulk_release(const struct bulk_release_input *input, struct violations *v,
                                     struct bulk_release_request *out);
MUST_CHECK bool request_get(const struct get_input *input, struct violations *v,
                            struct get_request *out);
MUST_CHECK bool request_list(const struct list_input *input, struct violations *v,
                             struct list_request *out);

#endif
