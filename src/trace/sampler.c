/* sampler.c: see sampler.h. */
#include "trace/sampler.h"

#include <stdlib.h>
#include <string.h>

/* Above all random parts without their last bit: the ratio 1. */
#define ALL (UINT64_C(1) << 63)

/* A decimal number from 0 to 1; no exponent, no "nan". */
static bool parse_ratio(double *ratio, const char *text) {
    char *end = NULL;
    if (strspn(text, "0123456789.") != strlen(text))
        return false;
    *ratio = strtod(text, &end);
    return end != text && *end == '\0' && *ratio <= 1;
}

const char *sampler_init(struct sampler *s, const char *name, const char *argument) {
    static const char PARENT[] = "parentbased_";
    double ratio = 1;
    *s = (struct sampler){.by_parent = strncmp(name, PARENT, sizeof PARENT - 1) == 0};
    if (s->by_parent)
        name += sizeof PARENT - 1;
    if (strcmp(name, "always_on") == 0) {
        s->bound = ALL;
        return NULL;
    }
    if (strcmp(name, "always_off") == 0)
        return NULL;
    if (strcmp(name, "traceidratio") != 0)
        return "OTEL_TRACES_SAMPLER: allowed is always_on, always_off or traceidratio, each with or"
               " without parentbased_ before it";
    if (*argument != '\0' && !parse_ratio(&ratio, argument))
        return "OTEL_TRACES_SAMPLER_ARG: allowed is a number from 0 to 1";
    s->bound = ratio < 1 ? (uint64_t)(ratio * (double)ALL) : ALL;
    return NULL;
}

bool sampler_takes(const struct sampler *s, const struct trace_context *parent) {
    return s->by_parent ? trace_context_is_sampled(parent)
                        : sampler_takes_new(s, trace_context_random_part(parent));
}
