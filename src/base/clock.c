#include "base/clock.h"

#include <time.h>

static int64_t read_us(clockid_t clock) {
    struct timespec now;
    /* Cannot fail: both clocks exist on every Linux, and the pointer is good. */
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

mono_time mono_now(void) {
    return (mono_time){read_us(CLOCK_MONOTONIC)};
}

int64_t wall_now_us(void) {
    return read_us(CLOCK_REALTIME);
}

mono_time mono_after_ms(mono_time start, int64_t ms) {
    if (mono_is_never(start))
        return start;
    int64_t us = 0;
    int64_t sum = 0;
    bool overflow = __builtin_mul_overflow(ms, 1000, &us);
    overflow = overflow || __builtin_add_overflow(start.us, us, &sum);
    if (overflow)
        return ms < 0 ? (mono_time){INT64_MIN} : MONO_NEVER;
    return (mono_time){sum};
}
