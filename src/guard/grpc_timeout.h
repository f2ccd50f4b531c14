/*
 * grpc_timeout.h: how long a caller waits, as the header grpc-timeout says it.
 *
 * Source: "gRPC over HTTP2", Timeout: 1 to 8 digits and a unit, H M S m u or n.
 */
#ifndef GUARD_GRPC_TIMEOUT_H
#define GUARD_GRPC_TIMEOUT_H

#include <stdint.h>

#include "base/attributes.h"
#include "base/text.h"

/* In milliseconds, rounded up: only 0 itself gives 0. False, with *out unchanged, when it is not a
 * timeout. */
MUST_CHECK bool grpc_timeout_parse(int64_t *out, struct text_span text);

#endif
