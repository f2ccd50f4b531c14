/*
 * retry.h: how long to wait before a call that failed is made again.
 */
#ifndef HTTP_RETRY_H
#define HTTP_RETRY_H

#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/* The longest pause that grows by itself, unless the first one is longer, and the longest that a
 * server may ask for. */
#define RETRY_PAUSE_MAX_MS INT64_C(60000)
#define RETRY_ASKED_MAX_MS INT64_C(120000)

/* Nothing was asked for. */
#define RETRY_NOT_ASKED INT64_C(-1)

/*
 * The pause before the next try after `tries` (1 or more) that failed, in milliseconds: backoff_ms,
 * doubled with every try up to a bound, and up to a quarter more, by chance (any 32 random bits),
 * so that what failed together does not come back together. When the server asked for a pause, it
 * gets at least that, within bounds.
 */
int64_t retry_pause_ms(int64_t backoff_ms, int tries, int64_t asked_ms, uint32_t chance);

/*
 * Reads the value of a Retry-After header (RFC 9110, section 10.2.3): seconds, or a date in any
 * form that HTTP ever had, seen from now_s (seconds since 1970). Gives milliseconds, 0 for dates in
 * the past, RETRY_NOT_ASKED when it is neither; at most RETRY_ASKED_MAX_MS.
 */
int64_t retry_after_ms(const char *value, int64_t now_s);

#endif
