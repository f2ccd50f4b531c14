/*
 * problem.h: everything that can go wrong, as callers see it: one table of codes, and the body of
 * RFC 9457 ("Problem Details for HTTP APIs") that goes with them.
 */
#ifndef GUARD_PROBLEM_H
#define GUARD_PROBLEM_H

#include <stdbool.h>

#include "base/buffer.h"
#include "domain/violations.h"

enum problem {
    PROBLEM_INVALID_JSON,
    PROBLEM_INVALID_REQUEST,
    PROBLEM_UNAUTHENTICATED,
    PROBLEM_ADMIN_TOKEN_REQUIRED,
    PROBLEM_NOT_FOUND,
    PROBLEM_ROUTE_NOT_FOUND,
    PROBLEM_METHOD_NOT_ALLOWED,
    PROBLEM_LOCK_NOT_ACTIVE,
    PROBLEM_PAYLOAD_TOO_LARGE,
    PROBLEM_UNSUPPORTED_MEDIA_TYPE,
    PROBLEM_INTERNAL_ERROR,
    PROBLEM_NOT_IMPLEMENTED,
    PROBLEM_OVERLOADED,
    PROBLEM_DATABASE_UNAVAILABLE,
    PROBLEM_MANUAL_RELEASE_DISABLED,
    PROBLEM_METRICS_UNAVAILABLE,
    PROBLEM_DEADLINE_EXCEEDED,
};

int problem_status(enum problem problem);

/* The reason phrase of the status. */
const char *problem_title(enum problem problem);

/* Whether a repetition may succeed soon: the answer says so with Retry-After. */
bool problem_passes(enum problem problem);

/* The body. `violations` may be NULL. A problem of the server's tells whether callers may go on
 * without a lock (fail_open). */
void problem_append(struct buffer *out, enum problem problem, const char *detail,
                    const struct violations *violations, const char *request_id, bool fail_open);

#endif
