/*
 * log_sink.h: stderr, written to without ever waiting for whoever reads it. Used by log.c.
 *
 * The descriptor is shared with other processes, which may count on it to block, so O_NONBLOCK is
 * not set on it. Instead:
 *   pipe, terminal   opened anew through /proc/self/fd, for an open file description of our own
 *   pipe of others   (it may not be opened) filled from a pipe of our own with splice(2), which can
 *                    be told not to wait
 *   socket           send(2) with MSG_DONTWAIT; journald's for example
 *   file, the rest   write(2)
 *
 * Source: pipe(7), splice(2), proc(5), unix(7).
 */
#ifndef BASE_LOG_SINK_H
#define BASE_LOG_SINK_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"

/* Looks at what stderr is. */
void log_sink_init(void);

/* Writes at most PIPE_BUF bytes, whole lines. False: they are lost. */
MUST_CHECK bool log_sink_write(const char *data, size_t length);

#endif
