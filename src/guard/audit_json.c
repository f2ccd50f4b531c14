/* audit_json.c: see audit_json.h. */
#include "guard/audit_json.h"

#include "domain/json_member.h"

void audit_json_append(struct buffer *out, const struct audit *audit) {
    json_member_id(out, "{\"id\":", &audit->id);
    json_member_id(out, ",\"lock_id\":", &audit->lock_id);
    json_member_id(out, ",\"tenant_id\":", &audit->tenant_id);
    json_member_text(out, ",\"action\":", audit->action);
    json_member_text(out, ",\"performed_by_id\":", audit->performed_by_id);
    json_member_text(out, ",\"performed_by_name\":", audit->performed_by_name);
    json_member_text(out, ",\"performed_by_email\":", audit->performed_by_email);
    json_member_text(out, ",\"reason\":", audit->reason);
    json_member_object(out, ",\"metadata\":", audit->metadata);
    json_member_time(out, ",\"created_at\":", audit->created_at);
    buffer_append_char(out, '}');
}
