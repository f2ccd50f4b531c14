/*
 * access_log.h: one line of the log for each request that is answered, at level info, or for a
 * sample of them (log_is_sampled()); always for those that failed for no fault of the caller's. The
 * lines are gathered: log_flush() writes them.
 */
#ifndef GUARD_ACCESS_LOG_H
#define GUARD_ACCESS_LOG_H

#include "guard/exchange.h"

/* Of an exchange that is about to be sent, with a body of so many bytes. */
void access_log_write(const struct exchange *x, size_t bytes_out);

#endif
