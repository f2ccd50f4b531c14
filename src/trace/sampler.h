/*
 * sampler.h: which traces spans are told of, by the settings OTEL_TRACES_SAMPLER and
 * OTEL_TRACES_SAMPLER_ARG, as OpenTelemetry defines them
 * (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
 */
#ifndef TRACE_SAMPLER_H
#define TRACE_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "trace/context.h"

struct sampler {
    bool by_parent; /* who has begun the trace decides */
    uint64_t bound; /* else those are taken whose random part, without its last bit, is below */
};

/* Returns what is wrong with the two: static text with no values in it, or NULL. An empty argument
 * is 1. */
MUST_CHECK const char *sampler_init(struct sampler *s, const char *name, const char *argument);

/* Whether to take a new trace, with this random part. */
static inline bool sampler_takes_new(const struct sampler *s, uint64_t random_part) {
    return random_part >> 1 < s->bound;
}

/* Whether to take a trace that was begun by others. */
bool sampler_takes(const struct sampler *s, const struct trace_context *parent);

#endif
