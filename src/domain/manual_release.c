/* manual_release.c: see manual_release.h. */
#include "domain/manual_release.h"

#include <string.h>

#include "domain/request.h"

static void read_required(struct violations *v, const char *field, struct text_span text,
                          size_t max, struct text_span *out) {
    if (text.data == NULL)
        violations_add(v, field, "is required");
    (void)field_text(v, field, text, max, out);
}

static void read_reason(struct violations *v, struct text_span text, struct text_span *out) {
    read_required(v, "reason", text, MANUAL_RELEASE_REASON_MAX, out);
    if (out->data != NULL && text_code_points(out->data, out->length) < MANUAL_RELEASE_REASON_MIN)
        violations_add(v, "reason", "must have at least 3 characters");
}

bool manual_release_request(const struct manual_release_input *input, struct violations *v,
                            struct manual_release_request *out) {
    memset(out, 0, sizeof *out);
    (void)field_id(v, "tenantId", input->tenant_id, FIELD_REQUIRED, &out->tenant_id);
    (void)field_id(v, "lockId", input->lock_id, FIELD_REQUIRED, &out->lock_id);
    (void)field_optional_id(v, "reservationId", input->reservation_id, &out->reservation_id);
    read_reason(v, input->reason, &out->reason);
    read_required(v, "actorId", input->actor_id, MANUAL_RELEASE_ACTOR_MAX, &out->actor_id);
    read_required(v, "actorName", input->actor_name, MANUAL_RELEASE_ACTOR_MAX, &out->actor_name);
    (void)field_text(v, "actorEmail", input->actor_email, MANUAL_RELEASE_EMAIL_MAX,
                     &out->actor_email);
    (void)field_text(v, "correlationId", input->correlation_id, REQUEST_TEXT_MAX,
                     &out->correlation_id);
    (void)field_metadata(v, "metadata", input->metadata, &out->metadata);
    return v->count == 0 && id_v7(&out->audit_id) && id_v7(&out->event_id);
}
