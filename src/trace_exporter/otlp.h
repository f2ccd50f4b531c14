/*
 * otlp.h: what is said to a collector, and what it answers: OTLP/HTTP with JSON
 * (https://opentelemetry.io/docs/specs/otlp/#otlphttp).
 */
#ifndef TRACE_EXPORTER_OTLP_H
#define TRACE_EXPORTER_OTLP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/settings.h"
#include "base/text.h"
#include "trace_exporter/span_queue.h"

/* Header lines that are sent at most. */
#define OTLP_HEADERS_MAX 32

/* Where spans go to, and what is the same in all calls. */
struct otlp {
    char *url;
    struct buffer resource; /* JSON */
    struct buffer header_text;
    struct text_span headers[OTLP_HEADERS_MAX]; /* "Name: value" */
    size_t header_count;
};

/* What is wrong with the settings: static text with no values in it, or NULL. */
MUST_CHECK const char *otlp_check(const struct settings *settings);

/* False when memory ran out. Settings that otlp_check() refuses must not come here. End it with
 * otlp_exit() in either case. */
MUST_CHECK bool otlp_init(struct otlp *o, const struct settings *settings);
void otlp_exit(struct otlp *o);

/* Appends the body of a call with these spans, grouped by program. */
void otlp_append(struct buffer *body, const struct otlp *o, const struct span_list *spans);

/* How many spans a collector says it has not taken, though its status is 2xx: 0 when it does not
 * say so in a way that is known. */
int64_t otlp_rejected(struct text_span answer);

/* Whether a call with this status is to be made again; 0: there was no answer. */
bool otlp_may_retry(int status);

#endif
