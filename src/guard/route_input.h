/*
 * route_input.h: the fields of a request, which may come from the body, the query and a header, and
 * the answer when they are not valid. What is wrong with a field's place or spelling is added to
 * the violations; a field that is absent is a span without data. Spans live as long as the request.
 */
#ifndef GUARD_ROUTE_INPUT_H
#define GUARD_ROUTE_INPUT_H

#include "guard/exchange.h"

/* 500: the service has no memory, whatever the request is. */
void route_answer_no_memory(struct exchange *x);

/* 400 with all violations; 500 when there are none (then no ids could be made) or no memory. */
void route_answer_invalid(struct exchange *x, const struct violations *v);

/* The same, for a stay that has ended by the database's clock. */
void route_answer_stay_over(struct exchange *x);

/* A field that may come from two places: from either, but not with two meanings. */
struct text_span route_either(struct text_span first, struct text_span second, const char *field,
                              struct violations *v);

/* Of the body, or of the header that stands in for it. */
struct text_span route_body_tenant_id(struct exchange *x, struct violations *v);
struct text_span route_body_correlation_id(struct exchange *x, struct violations *v);

/* Of the query. In a time "+" is the sign of an offset. */
struct text_span route_query_value(struct exchange *x, const char *name, struct violations *v);
struct text_span route_query_time(struct exchange *x, const char *name, struct violations *v);
/* Of the query, or of the header that stands in for it. */
struct text_span route_query_tenant_id(struct exchange *x, struct violations *v);

#endif
