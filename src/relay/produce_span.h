/*
 * produce_span.h: the span of an event that is sent to Kafka, until it is known what became of it
 * (see trace/span.h).
 */
#ifndef RELAY_PRODUCE_SPAN_H
#define RELAY_PRODUCE_SPAN_H

#include "base/clock.h"
#include "base/id.h"
#include "relay/outbox.h"
#include "trace/trace.h"

/* What is kept of it meanwhile; one piece of memory: free() ends it. */
struct produce_span {
    struct trace trace;
    mono_time from;
    const char *topic;
};

/* The trace of an event, as it goes on to whoever reads it from Kafka. */
void produce_span_trace(struct trace *trace, const struct outbox_event *event);

/* NULL when none is to be told, or there is no memory for it. The topic must live as long. */
struct produce_span *produce_span_begin(const struct trace *trace, const char *topic);

/* Kafka has the event now; or not, and the error says why. Nothing is done when it is NULL. */
void produce_span_tell(const struct produce_span *span, const struct id *event_id,
                       const char *error);

#endif
