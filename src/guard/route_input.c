/* route_input.c: see route_input.h. */
#include "guard/route_input.h"

#include <string.h>

void route_answer_no_memory(struct exchange *x) {
    exchange_answer_problem(x, PROBLEM_INTERNAL_ERROR, "out of memory", NULL);
}

void route_answer_invalid(struct exchange *x, const struct violations *v) {
    if (x->body.no_memory) {
        route_answer_no_memory(x);
        return;
    }
    if (v->count == 0) {
        /* The only other way in which a request can't be made. */
        exchange_answer_problem(x, PROBLEM_INTERNAL_ERROR, "no random bytes for an id", NULL);
        return;
    }
    exchange_answer_problem(x, PROBLEM_INVALID_REQUEST, "the request is not valid; see errors", v);
}

void route_answer_stay_over(struct exchange *x) {
    struct violations v = {.count = 0};
    violations_add(&v, "stayEnd", "the stay is over already");
    route_answer_invalid(x, &v);
}

/* Whether two spellings mean the same: ids in any case, other texts byte by byte. */
static bool same_value(struct text_span a, struct text_span b) {
    struct id a_id;
    struct id b_id;
    if (id_parse(&a_id, a.data, a.length) && id_parse(&b_id, b.data, b.length))
        return id_equal(&a_id, &b_id);
    return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

/* A field that may come from two places, such as the body and a header: from either, but not with
 * two meanings. */
struct text_span route_either(struct text_span first, struct text_span second, const char *field,
                              struct violations *v) {
    if (first.data == NULL)
        return second;
    if (second.data != NULL && !same_value(first, second))
        violations_add(v, field, "is given twice, with different values");
    return first;
}

struct text_span route_body_tenant_id(struct exchange *x, struct violations *v) {
    return route_either(request_body_text(&x->body, "tenantId", v), x->request.tenant_id,
                        "tenantId", v);
}

struct text_span route_body_correlation_id(struct exchange *x, struct violations *v) {
    return route_either(request_body_text(&x->body, "correlationId", v), x->request.correlation_id,
                        "correlationId", v);
}

static struct text_span decode_query(struct exchange *x, const char *name, bool plus_is_plus,
                                     struct violations *v) {
    bool bad = false;
    const struct text_span value =
        http_request_query(&x->request, name, plus_is_plus, &x->query, &bad);
    if (bad)
        violations_add(v, name, "must be given once, percent-encoded UTF-8");
    return value;
}

struct text_span route_query_value(struct exchange *x, const char *name, struct violations *v) {
    return decode_query(x, name, false, v);
}

struct text_span route_query_time(struct exchange *x, const char *name, struct violations *v) {
    return decode_query(x, name, true, v);
}

struct text_span route_query_tenant_id(struct exchange *x, struct violations *v) {
    return route_either(route_query_value(x, "tenantId", v), x->request.tenant_id, "tenantId", v);
}
