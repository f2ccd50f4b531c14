/*
 * tracing.h: whether this process tells spans, of which traces, and how they leave it.
 *
 * They are told when an OTLP endpoint is set. No program ever talks to it: spans go as datagrams to
 * the socket GUARD_TRACE_SOCKET, where availability-guard-trace-exporter listens. They are gathered
 * for a tenth of a second, or until a datagram is full. When nobody listens, or too slowly, they
 * are dropped and counted: nothing waits for them.
 *
 * A datagram is the name of the program and its spans (see span.h), each behind a line end.
 */
#ifndef TRACE_TRACING_H
#define TRACE_TRACING_H

#include <stdbool.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/settings.h"
#include "base/text.h"
#include "trace/trace.h"

/* The longest datagram, and the longest span in it. */
#define TRACING_DATAGRAM_MAX ((size_t)32 * 1024)
#define TRACING_SPAN_MAX ((size_t)8 * 1024)

/* What is wrong with the settings: static text with no values in it, or NULL. */
MUST_CHECK const char *tracing_check(const struct settings *settings);

/* Whether these settings ask for spans. */
bool tracing_is_wanted(const struct settings *settings);

/* Begins, as this program (a literal). Before, and without it, no spans are told. */
void tracing_init(const char *program, const struct settings *settings);
/* Sends what has been gathered. */
void tracing_exit(void);

/* Sends what has been gathered long enough. */
void tracing_tick(mono_time now);
mono_time tracing_deadline(void);

/*
 * The trace of what has come in with this traceparent; no data: without one. A traceparent that is
 * not valid counts as none. Where there is none, tracing_begin() makes a new trace when the sampler
 * wants one. `trace` is all zeros before.
 */
void tracing_begin(struct trace *trace, struct text_span traceparent);
void tracing_go_on(struct trace *trace, struct text_span traceparent);
/* The trace of something that is caused by it. */
void tracing_branch(struct trace *trace, const struct trace *cause);

/* --- for span.c ---------------------------------------------------------------------------- */

void tracing_tell(struct text_span span);

#endif
