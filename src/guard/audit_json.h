/* audit_json.h: a row of the audit trail as JSON, as callers see it. */
#ifndef GUARD_AUDIT_JSON_H
#define GUARD_AUDIT_JSON_H

#include "base/buffer.h"
#include "domain/audit.h"

void audit_json_append(struct buffer *out, const struct audit *audit);

#endif
