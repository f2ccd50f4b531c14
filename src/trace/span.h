/*
 * span.h: tells a span: what was done for a trace, from when to when. Each is made once it has
 * ended, as the JSON object that OTLP/HTTP wants
 * (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding), on one line.
 *
 *     if (trace->sampled) {
 *         span_begin(&(struct span){…});
 *         span_text("messaging.system", "kafka");
 *         span_end(NULL);
 *     }
 *
 * Nothing else may tell a span in between. Names of attributes are OpenTelemetry's (Semantic
 * Conventions 1.30), those of this service begin with "availability_guard.".
 */
#ifndef TRACE_SPAN_H
#define TRACE_SPAN_H

#include <stdint.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/text.h"
#include "trace/trace.h"

/* Longer texts are left out. */
#define SPAN_TEXT_MAX ((size_t)512)

/* As OTLP numbers them. */
enum span_kind {
    SPAN_INTERNAL = 1,
    SPAN_SERVER = 2,
    SPAN_CLIENT = 3,
    SPAN_PRODUCER = 4,
    SPAN_CONSUMER = 5,
};

enum span_place {
    SPAN_ITSELF, /* the one that the trace's context names */
    SPAN_PART,   /* a part of it */
};

struct span {
    const struct trace *trace; /* sampled */
    enum span_place place;
    enum span_kind kind;
    struct text_span name; /* valid UTF-8 */
    mono_time from, to;
};

void span_begin(const struct span *span);

/* Attributes. Keys are plain; a text that is not valid UTF-8, or has no data, is left out. */
void span_text(const char *key, const char *value);
void span_span(const char *key, struct text_span value);
void span_id(const char *key, const struct id *value);
void span_integer(const char *key, int64_t value);

/* error: what went wrong, in few words that are the same each time; NULL: nothing. */
void span_end(const char *error);

#endif
