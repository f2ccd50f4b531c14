/* lock_body.c: see lock_body.h. */
#include "json/lock_body.h"

struct lock_input lock_body_lock(struct request_body *body, struct violations *v) {
    return (struct lock_input){
        .tenant_id = request_body_text(body, "tenantId", v),
        .property_id = request_body_text(body, "propertyId", v),
        .reservation_id = request_body_text(body, "reservationId", v),
        .room_type_id = request_body_text(body, "roomTypeId", v),
        .room_id = request_body_nullable_text(body, "roomId", v),
        .stay_start = request_body_text(body, "stayStart", v),
        .stay_end = request_body_text(body, "stayEnd", v),
        .reason = request_body_text(body, "reason", v),
        .correlation_id = request_body_text(body, "correlationId", v),
        .idempotency_key = request_body_text(body, "idempotencyKey", v),
        .metadata = request_body_object(body, "metadata", v),
        .ttl_seconds = request_body_integer(body, "ttlSeconds", v),
    };
}

struct release_input lock_body_release(struct request_body *body, struct violations *v) {
    return (struct release_input){
        .tenant_id = request_body_text(body, "tenantId", v),
        .reservation_id = request_body_text(body, "reservationId", v),
        .reason = request_body_text(body, "reason", v),
        .correlation_id = request_body_text(body, "correlationId", v),
        .metadata = request_body_object(body, "metadata", v),
    };
}

struct bulk_release_input lock_body_bulk_release(struct request_body *body, struct violations *v,
                                                 struct bulk_release_request *request) {
    request->lock_ids =
        request_body_ids(body, "lockIds", REQUEST_BULK_MAX, &request->lock_count, v);
    return (struct bulk_release_input){
        .tenant_id = request_body_text(body, "tenantId", v),
        .reason = request_body_text(body, "reason", v),
        .correlation_id = request_body_text(body, "correlationId", v),
    };
}
