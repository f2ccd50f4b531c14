/*
 * audit.h: the audit trail as callers read it: a row, and what may be asked for. Rows come in the
 * order of their numbers, which grow within a tenant.
 */
#ifndef DOMAIN_AUDIT_H
#define DOMAIN_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/id.h"
#include "base/text.h"
#include "base/timestamp.h"
#include "db/row.h"
#include "domain/field.h"
#include "domain/violations.h"

/* Types of the columns of guard.audit_view, in its order (object ids). */
#define AUDIT_COLUMNS 11
#define AUDIT_COLUMN_TYPES 2950, 2950, 2950, 25, 25, 25, 25, 25, 3802, 1184, 20

/* Texts point into the result the row was read from; no data: null. */
struct audit {
    struct id id;
    struct id lock_id;
    struct id tenant_id;
    struct text_span action;
    struct text_span performed_by_id;
    struct text_span performed_by_name;
    struct text_span performed_by_email;
    struct text_span reason;
    struct text_span metadata; /* JSON */
    timestamp_us created_at;
    int64_t sequence;
};

/* Reads a row whose types have been checked. */
void audit_read(struct audit *audit, struct row row);

enum audit_order { AUDIT_OLDEST_FIRST, AUDIT_NEWEST_FIRST };

/* Every field as received; no data means absent. */
struct audits_input {
    struct text_span tenant_id;
    struct text_span lock_id;
    struct text_span actor_id;
    struct text_span from;
    struct text_span to;
    struct text_span limit;
    struct text_span cursor;
};

struct audits_request {
    struct id tenant_id;
    struct optional_id lock_id;
    struct text_span actor_id;
    bool has_from;
    bool has_to;
    timestamp_us from;
    timestamp_us to; /* itself outside */
    enum audit_order order;
    int64_t beyond; /* the last number of the page before; 0: there is none */
    int32_t limit;
};

/* Adds to the violations what is wrong with the input and fills the request; returns whether there
 * are none. */
MUST_CHECK bool audits_request(const struct audits_input *input, enum audit_order order,
                               struct violations *v, struct audits_request *out);

#endif
