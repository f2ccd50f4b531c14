/*
 * consume_span.h: the span of a message that was received, until it is settled (see trace/span.h).
 */
#ifndef KAFKA_CONSUME_SPAN_H
#define KAFKA_CONSUME_SPAN_H

#include "base/clock.h"
#include "kafka/record.h"
#include "trace/trace.h"

/* The header, of messages that are received and of those that are sent. */
#define CONSUME_SPAN_HEADER "traceparent"

/* Tells the span, until now, if its trace is sampled. outcome: a word, as in the metrics; error: as
 * of span_end(). */
void consume_span_tell(const struct trace *trace, const struct record *record, const char *group,
                       mono_time from, const char *outcome, const char *error);

#endif
