/*
 * clock.h: the two clocks.
 *
 * Deadlines and durations use the monotonic clock, which has a type of its own so that it cannot be
 * mixed up with the time of day. The wall clock is for people (log lines) and for making ids; what
 * decides over locks is the database's clock.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* Microseconds since some fixed point (CLOCK_MONOTONIC). Only differences mean something. */
typedef struct {
    int64_t us;
} mono_time;

/* Later than every other time: "no deadline". */
#define MONO_NEVER ((mono_time){INT64_MAX})

/* The present. Never runs backwards. */
mono_time mono_now(void);

/* Microseconds since 1970-01-01T00:00:00Z by the system's clock, which may be set at any time. */
int64_t wall_now_us(void);

/* `ms` milliseconds after `start`; `ms` may be negative. MONO_NEVER stays MONO_NEVER; saturates. */
mono_time mono_after_ms(mono_time start, int64_t ms);

/* True when a is MONO_NEVER. */
static inline bool mono_is_never(mono_time a) {
    return a.us == INT64_MAX;
}

/* True when a is earlier than b; false when they are equal. */
static inline bool mono_is_before(mono_time a, mono_time b) {
    return a.us < b.us;
}

/* The earlier one of two deadlines. */
static inline mono_time mono_earlier(mono_time a, mono_time b) {
    return a.us < b.us ? a : b;
}

/* a - b: positive when a is later. In microseconds, or in whole milliseconds (rounded to zero). */
static inline int64_t mono_diff_us(mono_time a, mono_time b) {
    return a.us - b.us;
}
static inline int64_t mono_diff_ms(mono_time a, mono_time b) {
    return (a.us - b.us) / 1000;
}

#endif
