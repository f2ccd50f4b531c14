/*
 * trace.h: the trace that a request or a message belongs to, as long as it is in hand.
 *
 * Its context goes on with whatever it causes. When spans are told of it, the context names this
 * program's own span, and the parent is the span of who caused it. Else the context is the one that
 * it came with.
 */
#ifndef TRACE_TRACE_H
#define TRACE_TRACE_H

#include <stdbool.h>

#include "trace/context.h"

/* All zeros: it belongs to none. */
struct trace {
    struct trace_context context;
    char parent[TRACE_SPAN_ID_LENGTH + 1]; /* "": nobody caused it */
    bool sampled;                          /* spans are told of it */
};

#endif
