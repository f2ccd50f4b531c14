/*
 * breaker.h: leaves a webhook alone that has failed several times in a row, so that it neither
 * holds up others nor is hindered from getting well.
 *
 *   CLOSED --failures in a row--> OPEN --pause over, asked again--> TRYING --succeeded--> CLOSED
 *                                   ^-----------------failed----------|
 */
#ifndef NOTIFIER_BREAKER_H
#define NOTIFIER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/clock.h"

enum breaker_state {
    BREAKER_CLOSED, /* calls are made */
    BREAKER_OPEN,   /* none is, until `until` */
    BREAKER_TRYING, /* one is under way, and decides */
};

struct breaker {
    enum breaker_state state;
    int failures; /* in a row */
    int failures_max;
    int64_t pause_ms;
    mono_time until;
};

/* Closed; opens after failures_max (1 or more) failures in a row, for pause_ms. */
void breaker_init(struct breaker *b, int failures_max, int64_t pause_ms);

/* Whether a call may be made now; it must then be made, and what became of it be told. */
MUST_CHECK bool breaker_admits(struct breaker *b, mono_time now);

/* The webhook answered, also if not what we want to hear. True when this closes the breaker. */
bool breaker_succeed(struct breaker *b);

/* It failed. True when this opens the breaker. */
bool breaker_fail(struct breaker *b, mono_time now);

#endif
