/*
 * call_span.h: the span of one call of a webhook (see trace/span.h). It does not say where the
 * webhook is: its address is a secret.
 */
#ifndef NOTIFIER_CALL_SPAN_H
#define NOTIFIER_CALL_SPAN_H

#include "base/clock.h"
#include "http/outcome.h"
#include "trace/trace.h"

/* Tells the span, until now, if its trace is sampled. tries: how many there were before. */
void call_span_tell(const struct trace *trace, const char *channel, mono_time from, int tries,
                    const struct outcome *outcome);

#endif
