/*
 * poller.h: waits for many descriptors at once (epoll). It is level-triggered, unless a source asks
 * for EPOLLET: that one must look for itself whether more has come while it was busy.
 *
 * A poll_source is embedded in the object that owns the descriptor, and is found again from its
 * callback with offsetof. Life cycle of a source:
 *   idle    --poller_add()-->     watched
 *   watched --ready()-->          watched     any number of times, from poller_wait()
 *   watched --poller_remove()-->  idle        from then on its memory may be freed
 * A callback may add, change and remove any source, itself too, and may free what it removed: a
 * source that another callback removed in the same round is not called any more.
 */
#ifndef BASE_POLLER_H
#define BASE_POLLER_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/attributes.h"
#include "base/clock.h"

/* Most events taken in one round; what is over comes in the next one. */
#define POLLER_EVENTS_MAX 256

struct poll_source {
    int fd;
    /* events: EPOLLIN, EPOLLOUT, …; EPOLLERR and EPOLLHUP come without having been asked for. */
    void (*ready)(struct poll_source *source, uint32_t events);
};

/* Everything in here is private to the poller. Must not move while sources are watched. */
struct poller {
    int epoll_fd;
    int pending_count; /* events of the present round */
    int pending_next;  /* the first one that has not been handed out yet */
    struct epoll_event pending[POLLER_EVENTS_MAX];
};

/* False with errno set when the kernel refuses. After true, end with poller_exit(). */
MUST_CHECK bool poller_init(struct poller *poller);

/* Forgets all sources; closes none of their descriptors. */
void poller_exit(struct poller *poller);

/*
 * Watches source->fd for `events` (may be 0: errors and hang-ups only). fd and ready must be set,
 * and fd must not change until poller_remove(). False with errno set: EEXIST, ENOMEM, ENOSPC, and
 * EPERM for plain files, which cannot be watched.
 */
MUST_CHECK bool poller_add(struct poller *poller, struct poll_source *source, uint32_t events);

/*
 * Watches for other events instead. Holds at once: events of this round that are no longer asked
 * for are not handed out. False with errno set: ENOENT when the source is not watched, ENOMEM.
 */
MUST_CHECK bool poller_change(struct poller *poller, struct poll_source *source, uint32_t events);

/*
 * Stops watching. Best before the descriptor is closed; one that a library has closed already may
 * be removed too, but before a new source is added, which may have got the same number. Harmless
 * when the source is not watched.
 */
void poller_remove(struct poller *poller, struct poll_source *source);

/*
 * Sleeps until something is ready, a signal comes or the deadline has passed (MONO_NEVER: none; the
 * past: does not sleep), then calls ready() of each source that has something. mask, when not NULL,
 * is the signal mask while it sleeps, as in epoll_pwait(2). It never wakes before the deadline: the
 * rest is rounded up to whole milliseconds (and a rest of weeks is cut to 24 days). Returns the
 * number of events of the round, 0 when time ran out, or -1 with errno set; EINTR means that a
 * signal handler has run. Must not be called from a callback.
 */
MUST_CHECK int poller_wait(struct poller *poller, mono_time deadline, const sigset_t *mask);

#endif
