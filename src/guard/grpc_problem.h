/*
 * grpc_problem.h: everything that can go wrong, as callers of gRPC see it. A problem is an answer
 * without a message; all of it is in the headers, and the web server makes trailers of those that
 * begin with Grpc-.
 *
 * Source: "gRPC over HTTP2", Responses and Status-Message; "Status codes and their use in gRPC";
 * for Grpc-Retry-Pushback-Ms gRFC A6.
 */
#ifndef GUARD_GRPC_PROBLEM_H
#define GUARD_GRPC_PROBLEM_H

#include <stdbool.h>

#include "base/buffer.h"
#include "domain/violations.h"
#include "guard/problem.h"

enum grpc_status {
    GRPC_STATUS_OK = 0,
    GRPC_STATUS_INVALID_ARGUMENT = 3,
    GRPC_STATUS_DEADLINE_EXCEEDED = 4,
    GRPC_STATUS_NOT_FOUND = 5,
    GRPC_STATUS_RESOURCE_EXHAUSTED = 8,
    GRPC_STATUS_UNIMPLEMENTED = 12,
    GRPC_STATUS_INTERNAL = 13,
    GRPC_STATUS_UNAVAILABLE = 14,
    GRPC_STATUS_UNAUTHENTICATED = 16,
};

enum grpc_status grpc_problem_status(enum problem problem);

/*
 * The headers of the answer, with the empty line. `violations` may be NULL. The message is
 * percent-encoded, and speaks of fields as the .proto does: stay_end for stayEnd. A problem of the
 * server's tells whether callers may go on without a lock (fail_open).
 */
void grpc_problem_append(struct buffer *headers, enum problem problem, const char *detail,
                         const struct violations *violations, bool fail_open);

#endif
