/*
 * timestamp.h: points in time as they travel in requests and answers.
 *
 * All times are UTC, in the proleptic Gregorian calendar, without leap seconds. The time zone code
 * of the C library is not used: neither TZ nor a locale can change what is read or written.
 */
#ifndef BASE_TIMESTAMP_H
#define BASE_TIMESTAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"

/* Microseconds since 1970-01-01T00:00:00Z. */
typedef int64_t timestamp_us;

#define US_PER_MS INT64_C(1000)
#define US_PER_SECOND INT64_C(1000000)
#define US_PER_DAY (INT64_C(86400) * US_PER_SECOND)

/* Length of the text form, without a NUL. */
#define TIMESTAMP_TEXT_LENGTH 24

/* What timestamp_parse() can give: 1970-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z. */
#define TIMESTAMP_MIN INT64_C(0)
#define TIMESTAMP_MAX INT64_C(253402300799999000)

/*
 * Reads an RFC 3339 date-time ("T" and "Z" in either case, offset Z or ±hh:mm up to 23:59, 1 to 9
 * digits of a fraction, truncated to milliseconds) or a plain date, which means 00:00Z of that day.
 * Refused are: days that do not exist, hour 24, second 60, a missing offset, anything before or
 * after, and times that are outside of the years 1970 to 9999 in UTC. On false *out is unchanged.
 */
MUST_CHECK bool timestamp_parse(timestamp_us *out, const char *text, size_t length);

/*
 * Writes 2027-01-31T00:00:00.000Z and a NUL. Microseconds are cut off towards the past. Right for
 * the years 1 to 9999; what is outside is written as the first or last millisecond of these.
 */
void timestamp_format(timestamp_us value, char out[TIMESTAMP_TEXT_LENGTH + 1]);

#endif
