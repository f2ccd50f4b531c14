/* audit.c: see audit.h. */
#include "domain/audit.h"

#include <string.h>

#include "domain/request.h"

void audit_read(struct audit *audit, struct row row) {
    memset(audit, 0, sizeof *audit);
    (void)row_id(row, 0, &audit->id);
    (void)row_id(row, 1, &audit->lock_id);
    (void)row_id(row, 2, &audit->tenant_id);
    audit->action = row_text(row, 3);
    audit->performed_by_id = row_text(row, 4);
    audit->performed_by_name = row_text(row, 5);
    audit->performed_by_email = row_text(row, 6);
    audit->reason = row_text(row, 7);
    audit->metadata = row_jsonb(row, 8);
    (void)row_timestamp(row, 9, &audit->created_at);
    (void)row_int8(row, 10, &audit->sequence);
}

static void read_cursor(struct violations *v, struct text_span text, int64_t *out) {
    int64_t number = 0;
    if (text.data == NULL)
        return;
    if (text_parse_int(&number, text.data, text.length) && number > 0)
        *out = number;
    else
        violations_add(v, "cursor", "is not one that this service gave out");
}

bool audits_request(const struct audits_input *input, enum audit_order order, struct violations *v,
                    struct audits_request *out) {
    memset(out, 0, sizeof *out);
    int64_t limit = REQUEST_LIST_DEFAULT;
    out->order = order;
    (void)field_id(v, "tenantId", input->tenant_id, FIELD_REQUIRED, &out->tenant_id);
    (void)field_optional_id(v, "lockId", input->lock_id, &out->lock_id);
    (void)field_text(v, "actorId", input->actor_id, REQUEST_TEXT_MAX, &out->actor_id);
    out->has_from = field_timestamp(v, "from", input->from, FIELD_OPTIONAL, &out->from);
    out->has_to = field_timestamp(v, "to", input->to, FIELD_OPTIONAL, &out->to);
    if (out->has_from && out->has_to && out->to <= out->from)
        violations_add(v, "to", "must be after from");
    (void)field_integer(v, "limit", input->limit, 1, REQUEST_LIST_MAX, &limit);
    out->limit = (int32_t)limit;
    read_cursor(v, input->cursor, &out->beyond);
    return v->count == 0;
}
