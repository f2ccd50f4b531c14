/*
 * context.h: what one service tells the next of a trace: W3C Trace Context, header traceparent
 * (https://www.w3.org/TR/trace-context/).
 *
 *   00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
 *   version, trace id, span id of who tells it, flags
 *
 * It is kept as text: so it comes, so it goes on, and so spans name it.
 */
#ifndef TRACE_CONTEXT_H
#define TRACE_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/text.h"

#define TRACE_ID_LENGTH 32
#define TRACE_SPAN_ID_LENGTH 16
#define TRACE_CONTEXT_LENGTH 55

/* Where the ids stand in the text. */
enum { TRACE_CONTEXT_AT_TRACE_ID = 3, TRACE_CONTEXT_AT_SPAN_ID = 36 };

/* In version 00, with a NUL. The first byte is a NUL when there is none. */
struct trace_context {
    char text[TRACE_CONTEXT_LENGTH + 1];
};

/*
 * Reads a traceparent. Of versions after 00 that part is taken that is as in 00. Refused are other
 * lengths, upper case, version ff, and ids that are all zeros. What is kept of the flags is whether
 * the trace is sampled, and whether its id is random (Level 2, section 3.2.2.5.2). On false *out is
 * as it was.
 */
MUST_CHECK bool trace_context_parse(struct trace_context *out, struct text_span text);

/* Ids are random, and no secret: this is never 0. */
uint64_t trace_context_random(void);

/* The first span of a new trace, whose id ends with this random part. */
void trace_context_make(struct trace_context *out, uint64_t random_part, bool sampled);

/* The next span of the same trace. `out` may be `parent`. */
void trace_context_child(struct trace_context *out, const struct trace_context *parent,
                         bool sampled);

/* The id of a further span. */
void trace_context_new_span_id(char out[TRACE_SPAN_ID_LENGTH]);

/* Says that the trace is sampled, or not. */
void trace_context_set_sampled(struct trace_context *context, bool sampled);

bool trace_context_is_sampled(const struct trace_context *context);

/* The last eight bytes of the trace id, which are random if any of it is. */
uint64_t trace_context_random_part(const struct trace_context *context);

static inline bool trace_context_is_set(const struct trace_context *context) {
    return context->text[0] != '\0';
}

/* All of it, or a part. Without data when there is none. */
static inline struct text_span trace_context_text(const struct trace_context *context) {
    if (!trace_context_is_set(context))
        return (struct text_span){NULL, 0};
    return (struct text_span){context->text, TRACE_CONTEXT_LENGTH};
}
static inline struct text_span trace_context_trace_id(const struct trace_context *context) {
    if (!trace_context_is_set(context))
        return (struct text_span){NULL, 0};
    return (struct text_span){context->text + TRACE_CONTEXT_AT_TRACE_ID, TRACE_ID_LENGTH};
}
static inline struct text_span trace_context_span_id(const struct trace_context *context) {
    if (!trace_context_is_set(context))
        return (struct text_span){NULL, 0};
    return (struct text_span){context->text + TRACE_CONTEXT_AT_SPAN_ID, TRACE_SPAN_ID_LENGTH};
}

#endif
