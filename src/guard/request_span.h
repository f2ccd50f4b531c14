/*
 * request_span.h: the span of a request (see trace/span.h).
 */
#ifndef GUARD_REQUEST_SPAN_H
#define GUARD_REQUEST_SPAN_H

#include "guard/exchange.h"

/* The exchange is answered now, with this status of HTTP, or of gRPC if that is its door. Tells the
 * span if its trace is sampled. */
void request_span_tell(const struct exchange *x, int status, enum metrics_result result,
                       mono_time now);

#endif
