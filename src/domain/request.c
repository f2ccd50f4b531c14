/* request.c: see request.h. */
#include "domain/request.h"

#include <string.h>

static const struct text_span REASON_LOCK = {"RESERVATION_CREATE", 18};
static const struct text_span REASON_RELEASE = {"RELEASE_REQUEST", 15};
static const struct text_span REASON_BULK_RELEASE = {"BULK_RELEASE", 12};

struct request_limits request_limits_of(const struct settings *settings) {
    return (struct request_limits){
        .default_ttl_seconds = (int32_t)settings->lock_default_ttl_seconds,
        .max_ttl_seconds = (int32_t)settings->lock_max_ttl_seconds,
        .max_stay_us = settings->lock_max_stay_days * US_PER_DAY,
    };
}

static struct text_span read_reason(struct violations *v, struct text_span text,
                                    struct text_span otherwise) {
    struct text_span reason = otherwise;
    (void)field_text(v, "reason", text, REQUEST_REASON_MAX, &reason);
    return reason;
}

static struct text_span read_text(struct violations *v, const char *field, struct text_span text) {
    struct text_span out = {NULL, 0};
    (void)field_text(v, field, text, REQUEST_TEXT_MAX, &out);
    return out;
}

static void read_stay(const struct lock_input *input, const struct request_limits *limits,
                      struct violations *v, struct lock_request *out) {
    const bool start =
        field_timestamp(v, "stayStart", input->stay_start, FIELD_REQUIRED, &out->stay_start);
    const bool end = field_timestamp(v, "stayEnd", input->stay_end, FIELD_REQUIRED, &out->stay_end);
    if (!start || !end)
        return;
    if (out->stay_end <= out->stay_start)
        violations_add(v, "stayEnd", "must be after stayStart");
    else if (out->stay_end - out->stay_start > limits->max_stay_us)
        violations_add(v, "stayEnd", "is too far from stayStart: the stay is too long");
}

static void read_ttl(const struct lock_input *input, const struct request_limits *limits,
                     struct violations *v, struct lock_request *out) {
    out->ttl_seconds = limits->default_ttl_seconds;
    if (input->ttl_seconds < 0)
        violations_add(v, "ttlSeconds", "must not be negative");
    else if (input->ttl_seconds > limits->max_ttl_seconds)
        out->ttl_seconds = limits->max_ttl_seconds;
    else if (input->ttl_seconds > 0)
        out->ttl_seconds = (int32_t)input->ttl_seconds;
}

/* Clients that exist use the reservation's id as key and later release by it: a key that is a uuid
 * is the lock's id. Any other key gets an id that is the same whenever the tenant uses it. */
static bool make_lock_id(struct text_span key, struct lock_request *out) {
    out->has_key = key.data != NULL;
    if (!out->has_key)
        return id_v7(&out->id);
    if (!id_parse(&out->id, key.data, key.length))
        id_v5(&out->id, &out->tenant_id, key.data, key.length);
    return true;
}

bool request_lock(const struct lock_input *input, const struct request_limits *limits,
                  struct violations *v, struct lock_request *out) {
    memset(out, 0, sizeof *out);
    (void)field_id(v, "tenantId", input->tenant_id, FIELD_REQUIRED, &out->tenant_id);
    (void)field_optional_id(v, "propertyId", input->property_id, &out->property_id);
    (void)field_optional_id(v, "reservationId", input->reservation_id, &out->reservation_id);
    (void)field_id(v, "roomTypeId", input->room_type_id, FIELD_REQUIRED, &out->room_type_id);
    if (input->room_id.length > 0)
        (void)field_optional_id(v, "roomId", input->room_id, &out->room_id);
    read_stay(input, limits, v, out);
    read_ttl(input, limits, v, out);
    out->reason = read_reason(v, input->reason, REASON_LOCK);
    out->correlation_id = read_text(v, "correlationId", input->correlation_id);
    (void)field_metadata(v, "metadata", input->metadata, &out->metadata);
    const struct text_span key = read_text(v, "idempotencyKey", input->idempotency_key);
    return v->count == 0 && make_lock_id(key, out);
}

bool request_release(const struct release_input *input, struct violations *v,
                     struct release_request *out) {
    memset(out, 0, sizeof *out);
    (void)field_id(v, "tenantId", input->tenant_id, FIELD_REQUIRED, &out->tenant_id);
    (void)field_id(v, "lockId", input->lock_id, FIELD_REQUIRED, &out->lock_id);
    (void)field_optional_id(v, "reservationId", input->reservation_id, &out->reservation_id);
    out->reason = read_reason(v, input->reason, REASON_RELEASE);
    out->correlation_id = read_text(v, "correlationId", input->correlation_id);
    (void)field_metadata(v, "metadata", input->metadata, &out->metadata);
    return v->count == 0;
}

bool request_bulk_release(const struct bulk_release_input *input, struct violations *v,
                          struct bulk_release_request *out) {
    (void)field_id(v, "tenantId", input->tenant_id, FIELD_REQUIRED, &out->tenant_id);
    out->reason = read_reason(v, input->reason, REASON_BULK_RELEASE);
    out->correlation_id = read_text(v, "correlationId", input->correlation_id);
    return v->count == 0 && id_v7(&out->release_id);
}

bool request_get(const struct get_input *input, struct violations *v, struct get_request *out) {
    (void)field_id(v, "tenantId", input->tenant_id, FIELD_REQUIRED, &out->tenant_id);
    (void)field_id(v, "lockId", input->lock_id, FIELD_REQUIRED, &out->lock_id);
    return v->count == 0;
}

static bool is_status(struct text_span text) {
    static const char *const KNOWN[] = {"ACTIVE", "RELEASED", "EXPIRED"};
    for (size_t i = 0; i < sizeof KNOWN / sizeof KNOWN[0]; i++) {
        if (text.length == strlen(KNOWN[i]) && memcmp(text.data, KNOWN[i], text.length) == 0)
            return true;
    }
    return false;
}

bool request_list(const struct list_input *input, struct violations *v, struct list_request *out) {
    memset(out, 0, sizeof *out);
    int64_t limit = REQUEST_LIST_DEFAULT;
    (void)field_id(v, "tenantId", input->tenant_id, FIELD_REQUIRED, &out->tenant_id);
    (void)field_optional_id(v, "roomId", input->room_id, &out->room_id);
    (void)field_optional_id(v, "roomTypeId", input->room_type_id, &out->room_type_id);
    (void)field_optional_id(v, "reservationId", input->reservation_id, &out->reservation_id);
    out->status = input->status;
    if (out->status.data != NULL && !is_status(out->status))
        violations_add(v, "status", "must be ACTIVE, RELEASED or EXPIRED");
    out->has_from = field_timestamp(v, "from", input->from, FIELD_OPTIONAL, &out->from);
    out->has_to = field_timestamp(v, "to", input->to, FIELD_OPTIONAL, &out->to);
    if (out->has_from && out->has_to && out->to <= out->from)
        violations_add(v, "to", "must be after from");
    (void)field_integer(v, "limit", input->limit, 1, REQUEST_LIST_MAX, &limit);
    out->limit = (int32_t)limit;
    if (input->cursor.data != NULL) {
        out->after.set = id_parse(&out->after.id, input->cursor.data, input->cursor.length);
        if (!out->after.set)
            violations_add(v, "cursor", "is not one that this service gave out");
    }
    return v->count == 0;
}
