/* consume_span.c: see consume_span.h. */
#include "kafka/consume_span.h"

#include <stdio.h>
#include <string.h>

#include "trace/span.h"

void consume_span_tell(const struct trace *trace, const struct record *record, const char *group,
                       mono_time from, const char *outcome, const char *error) {
    char name[280];
    char partition[16];
    if (!trace->sampled)
        return;
    (void)snprintf(name, sizeof name, "process %s", record->topic);
    (void)snprintf(partition, sizeof partition, "%d", (int)record->partition);
    span_begin(&(struct span){
        .trace = trace,
        .place = SPAN_ITSELF,
        .kind = SPAN_CONSUMER,
        .name = {name, strlen(name)},
        .from = from,
        .to = mono_now(),
    });
    span_text("messaging.system", "kafka");
    span_text("messaging.operation.name", "process");
    span_text("messaging.operation.type", "process");
    span_text("messaging.destination.name", record->topic);
    span_text("messaging.destination.partition.id", partition);
    span_text("messaging.consumer.group.name", group);
    span_integer("messaging.kafka.offset", record->offset);
    span_span("messaging.message.id", record_header(record, "event-id"));
    span_text("availability_guard.outcome", outcome);
    span_end(error);
}
