/*
 * listener.h: the listening socket, which all guard processes of a pool share. A process that has
 * as many connections as it may have leaves the next ones to the others until one of its own ends.
 */
#ifndef GUARD_LISTENER_H
#define GUARD_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "base/poller.h"
#include "guard/connection.h"

struct listener {
    struct poll_source source; /* first, so that the poller's callback finds the listener */
    struct poller *poller;
    struct connection_pool *pool;
    size_t connections_max;
    mono_time resume_at; /* not watched before this: accept() failed */
    bool watched;
};

/* Makes the socket non-blocking and begins to accept, with as many open files as the process may
 * have. False, with errno, on failure. */
MUST_CHECK bool listener_init(struct listener *l, struct poller *poller,
                              struct connection_pool *pool, int fd);

/* Pauses or resumes accepting, by the number of connections. Call it once a round, and when
 * listener_deadline() has come. */
void listener_adjust(struct listener *l, mono_time now);
mono_time listener_deadline(const struct listener *l);

/* Stops accepting for good. */
void listener_exit(struct listener *l);

#endif
