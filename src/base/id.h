/*
 * id.h: universally unique identifiers (RFC 9562), the keys of everything that is stored.
 */
#ifndef BASE_ID_H
#define BASE_ID_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"

/* Length of the text form, without a NUL. */
#define ID_TEXT_LENGTH 36

/* The 16 bytes in the order in which they are written. */
struct id {
    unsigned char bytes[16];
};

/*
 * Reads the canonical form (8-4-4-4-12 hexadecimal digits in either case, RFC 9562 section 4). Any
 * version and variant is taken; braces, "urn:uuid:", spaces and other lengths are not. On false
 * *out is not to be used.
 */
MUST_CHECK bool id_parse(struct id *out, const char *text, size_t length);

/* Writes the canonical form in lower case, and a NUL. */
void id_format(const struct id *id, char out[ID_TEXT_LENGTH + 1]);

bool id_equal(const struct id *a, const struct id *b);

/* Orders ids by their bytes, as PostgreSQL does; below, at or above 0. */
int id_compare(const struct id *a, const struct id *b);

/* Version 5 (RFC 9562, section 5.5): the same namespace and name give the same id, everywhere. */
void id_v5(struct id *out, const struct id *namespace_id, const char *name, size_t length);

/*
 * Version 7 (RFC 9562, section 5.7): time-ordered and random. Each id of a process is greater than
 * the one before it, whatever the clock does: the 12 bits after the version hold the fraction of
 * the millisecond (section 6.2, method 3) and are counted on when the clock stands still or is set
 * back. The other 62 bits come from getrandom(), fetched for many ids at once. Not thread-safe, and
 * a process forked without exec must not go on using it, because it would share random bytes with
 * its parent. False when the kernel gives no random bytes; the id is not to be used then.
 */
MUST_CHECK bool id_v7(struct id *out);

#endif
