/* spans.c: see spans.h. */
#include "domain/spans.h"

#include <stdio.h>
#include <string.h>

#include "domain/statements.h"
#include "trace/span.h"

void spans_queued(const struct command *command, mono_time now, const char *error) {
    if (!command->trace.sampled)
        return;
    span_begin(&(struct span){
        .trace = &command->trace,
        .place = SPAN_PART,
        .kind = SPAN_INTERNAL,
        .name = {"queue", 5},
        .from = command->queued_at,
        .to = now,
    });
    span_end(error);
}

void spans_statement(const struct command *command, size_t batch, mono_time sent_at, mono_time now,
                     const char *error) {
    char name[64];
    if (!command->trace.sampled)
        return;
    const char *statement = statements_name(command->kind, batch);
    (void)snprintf(name, sizeof name, "EXECUTE %s", statement);
    span_begin(&(struct span){
        .trace = &command->trace,
        .place = SPAN_PART,
        .kind = SPAN_CLIENT,
        .name = {name, strlen(name)},
        .from = sent_at,
        .to = now,
    });
    span_text("db.system.name", "postgresql");
    span_text("db.operation.name", "EXECUTE");
    span_text("db.query.summary", name);
    /* As the conventions have it: a batch is two or more. */
    if (batch > 1)
        span_integer("db.operation.batch.size", (int64_t)batch);
    if (error != NULL && strlen(error) == OUTCOME_SQLSTATE_LENGTH)
        span_text("db.response.status_code", error);
    span_end(error);
}
