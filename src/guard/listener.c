/* listener.c: see listener.h. */
#include "guard/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/log.h"
#include "guard/rank.h"

/* Connections accepted in one round: those that the process has are not kept waiting. */
#define ACCEPTS_MAX 16

/* How long a connection is left to a process that should take it: far longer than that needs, but
 * one that hangs must not hold up the callers. How often to look meanwhile whether it still has
 * room. */
#define YIELD_MS 50
#define YIELD_LOOK_MS 5

/* Descriptors for everything that is not a connection from nginx. */
#define OTHER_DESCRIPTORS ((size_t)32)

/* How long nothing is accepted when the system has no descriptor or memory to give. */
#define PAUSE_MS 100

static bool watch(struct listener *l) {
    /* Not EPOLLEXCLUSIVE: that would wake one process, and perhaps one that leaves it to others. */
    l->watched = poller_add(l->poller, &l->source, EPOLLIN);
    return l->watched;
}

static void unwatch(struct listener *l) {
    if (l->watched)
        poller_remove(l->poller, &l->source);
    l->watched = false;
}

static void pause_until(struct listener *l, mono_time at) {
    unwatch(l);
    l->accept_at = at;
}

/*
 * O_NONBLOCK belongs to all who share the socket, and so anybody can take it away: systemd does
 * each time it starts a process of a unit with StandardInput=socket, also one that comes after the
 * guards.
 */
static bool never_block(int fd) {
    const int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && ((flags & O_NONBLOCK) != 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
}

/* Taken away between never_block() and accept(), the loop would stand still until somebody calls.
 */
static bool block_briefly(int fd) {
    const struct timeval timeout = {.tv_usec = 1000};
    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) == 0;
}

/* Accepts as many as one round may. Whether nothing is left. */
static bool accept_some(struct listener *l) {
    (void)never_block(l->source.fd);
    for (int i = 0; i < ACCEPTS_MAX && l->pool->count < l->connections_max; i++) {
        const int fd = accept4(l->source.fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            connection_open(l->pool, fd);
            continue;
        }
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
            return true;
        log_error("accept: %s", strerror(errno));
        pause_until(l, mono_after_ms(mono_now(), PAUSE_MS));
        return false;
    }
    return false;
}

static void take_events(struct poll_source *source, uint32_t events) {
    struct listener *l = (struct listener *)source;
    (void)events;
    rank_improve(&l->rank);
    if (!rank_yields(&l->rank)) {
        (void)accept_some(l); /* what is left wakes the process again */
        return;
    }
    const mono_time now = mono_now();
    l->yield_until = mono_after_ms(now, YIELD_MS);
    pause_until(l, mono_after_ms(now, YIELD_LOOK_MS));
}

/* The soft limit of open files is low for the sake of old programs that use select(). */
static size_t most_connections(void) {
    struct rlimit limit = {.rlim_cur = 1024, .rlim_max = 1024};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        const struct rlimit all = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &all) == 0)
            limit = all;
    }
    const size_t most = limit.rlim_cur;
    return most > OTHER_DESCRIPTORS * 2 ? most - OTHER_DESCRIPTORS : OTHER_DESCRIPTORS;
}

bool listener_init(struct listener *l, struct poller *poller, struct connection_pool *pool, int fd,
                   size_t batch_max) {
    *l = (struct listener){.source = {.fd = fd, .ready = take_events},
                           .poller = poller,
                           .pool = pool,
                           .connections_max = most_connections(),
                           .enough = 2 * batch_max};
    rank_init(&l->rank, fd);
    return never_block(fd) && block_briefly(fd) && watch(l);
}

/* It has no room when it has enough to do, and has some again when half of that is done. */
static void tell_room(struct listener *l) {
    if (l->pool->working >= l->enough)
        rank_set_room(&l->rank, false);
    else if (l->pool->working < l->enough / 2)
        rank_set_room(&l->rank, true);
}

static void stop_while_full(struct listener *l) {
    if (l->watched)
        log_warn("%zu connections: no more for now", l->pool->count);
    unwatch(l);
}

static bool has_waiting(const struct listener *l) {
    struct pollfd readable = {.fd = l->source.fd, .events = POLLIN};
    return poll(&readable, 1, 0) > 0;
}

/* After a pause: takes what the others have left. */
static void resume(struct listener *l, mono_time now) {
    if (mono_is_before(now, l->yield_until) && has_waiting(l) && rank_yields(&l->rank)) {
        l->accept_at = mono_after_ms(now, YIELD_LOOK_MS);
        return;
    }
    l->yield_until = now; /* what this round does not take follows without a pause */
    if (!accept_some(l) || watch(l))
        return;
    log_error("cannot accept: %s", strerror(errno));
    pause_until(l, mono_after_ms(now, PAUSE_MS));
}

void listener_adjust(struct listener *l, mono_time now) {
    if (l->source.fd < 0)
        return;
    tell_room(l);
    if (l->pool->count >= l->connections_max)
        stop_while_full(l);
    else if (!l->watched && !mono_is_before(now, l->accept_at))
        resume(l, now);
}

mono_time listener_deadline(const struct listener *l) {
    const bool paused = !l->watched && l->source.fd >= 0 && l->pool->count < l->connections_max;
    return paused ? l->accept_at : MONO_NEVER;
}

void listener_exit(struct listener *l) {
    unwatch(l);
    if (l->source.fd >= 0)
        close(l->source.fd);
    l->source.fd = -1;
}
