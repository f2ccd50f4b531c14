/*
 * listener.h: the listening socket, which all guard processes of a pool share.
 *
 * One process with all requests makes larger batches than several with some each, and larger
 * batches are cheaper. But one that waits for its only transaction leaves processors idle. So the
 * first process takes all connections until it has enough to do: two batches of requests, one under
 * way and one that gathers. Then the second has its turn (rank.h). A connection that nobody takes
 * in time is anybody's.
 *
 * A process that has as many connections as it may have takes none until one of its own ends.
 */
#ifndef GUARD_LISTENER_H
#define GUARD_LISTENER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "base/poller.h"
#include "guard/connection.h"
#include "guard/rank.h"

struct listener {
    struct poll_source source; /* first, so that the poller's callback finds the listener */
    struct poller *poller;
    struct connection_pool *pool;
    size_t connections_max;
    size_t enough; /* requests in progress, to leave connections to others */
    struct rank rank;
    mono_time accept_at; /* not watched before this: others go first, or accept() failed */
    mono_time yield_until;
    bool watched;
};

/* Makes the socket non-blocking and begins to accept, with as many open files as the process may
 * have. batch_max: commands of one batch. False, with errno, on failure. */
MUST_CHECK bool listener_init(struct listener *l, struct poller *poller,
                              struct connection_pool *pool, int fd, size_t batch_max);

/* Accepts what was left to others and is still there; pauses or resumes, by the number of
 * connections. Call it once a round, and when listener_deadline() has come. */
void listener_adjust(struct listener *l, mono_time now);
mono_time listener_deadline(const struct listener *l);

/* Stops accepting for good. */
void listener_exit(struct listener *l);

#endif
