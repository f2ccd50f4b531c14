/* breaker.c: see breaker.h. */
#include "notifier/breaker.h"

void breaker_init(struct breaker *b, int failures_max, int64_t pause_ms) {
    *b = (struct breaker){.state = BREAKER_CLOSED,
                          .failures_max = failures_max,
                          .pause_ms = pause_ms,
                          .until = MONO_NEVER};
}

bool breaker_admits(struct breaker *b, mono_time now) {
    if (b->state == BREAKER_CLOSED)
        return true;
    if (b->state == BREAKER_TRYING || mono_is_before(now, b->until))
        return false;
    b->state = BREAKER_TRYING;
    return true;
}

bool breaker_succeed(struct breaker *b) {
    const bool closes = b->state != BREAKER_CLOSED;
    b->state = BREAKER_CLOSED;
    b->failures = 0;
    return closes;
}

bool breaker_fail(struct breaker *b, mono_time now) {
    if (b->state == BREAKER_OPEN)
        return false; /* a call from before it opened */
    b->failures++;
    if (b->state == BREAKER_CLOSED && b->failures < b->failures_max)
        return false;
    b->state = BREAKER_OPEN;
    b->until = mono_after_ms(now, b->pause_ms);
    return true;
}
