/* produce_span.c: see produce_span.h. */
#include "relay/produce_span.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trace/span.h"
#include "trace/tracing.h"

void produce_span_trace(struct trace *trace, const struct outbox_event *event) {
    *trace = (struct trace){.sampled = false};
    tracing_go_on(trace, event->traceparent);
}

struct produce_span *produce_span_begin(const struct trace *trace, const char *topic) {
    struct produce_span *span = trace->sampled ? malloc(sizeof *span) : NULL;
    if (span != NULL)
        *span = (struct produce_span){.trace = *trace, .from = mono_now(), .topic = topic};
    return span;
}

void produce_span_tell(const struct produce_span *span, const struct id *event_id,
                       const char *error) {
    char name[280];
    if (span == NULL)
        return;
    (void)snprintf(name, sizeof name, "send %s", span->topic);
    span_begin(&(struct span){
        .trace = &span->trace,
        .place = SPAN_ITSELF,
        .kind = SPAN_PRODUCER,
        .name = {name, strlen(name)},
        .from = span->from,
        .to = mono_now(),
    });
    span_text("messaging.system", "kafka");
    span_text("messaging.operation.name", "send");
    span_text("messaging.operation.type", "send");
    span_text("messaging.destination.name", span->topic);
    span_id("messaging.message.id", event_id);
    span_end(error);
}
