/* listener.c: see listener.h. */
#include "guard/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"

/* Connections accepted in one round: the rest is left to processes with less to do. */
#define ACCEPTS_MAX 16

/* Descriptors for everything that is not a connection from nginx. */
#define OTHER_DESCRIPTORS ((size_t)32)

/* How long nothing is accepted when the system has no descriptor or memory to give. */
#define PAUSE_MS 100

static bool watch(struct listener *l) {
    /* Exclusive: one connection wakes one process, not all. */
    l->watched = poller_add(l->poller, &l->source, EPOLLIN | EPOLLEXCLUSIVE);
    return l->watched;
}

static void unwatch(struct listener *l) {
    if (l->watched)
        poller_remove(l->poller, &l->source);
    l->watched = false;
}

static void take_events(struct poll_source *source, uint32_t events) {
    struct listener *l = (struct listener *)source;
    (void)events;
    for (int i = 0; i < ACCEPTS_MAX && l->pool->count < l->connections_max; i++) {
        const int fd = accept4(l->source.fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            connection_open(l->pool, fd);
            continue;
        }
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
            return;
        log_error("accept: %s", strerror(errno));
        l->resume_at = mono_after_ms(mono_now(), PAUSE_MS);
        unwatch(l);
        return;
    }
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

bool listener_init(struct listener *l, struct poller *poller, struct connection_pool *pool,
                   int fd) {
    *l = (struct listener){.source = {.fd = fd, .ready = take_events},
                           .poller = poller,
                           .pool = pool,
                           .connections_max = most_connections()};
    const int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 && watch(l);
}

void listener_adjust(struct listener *l, mono_time now) {
    if (l->source.fd < 0)
        return;
    const bool full = l->pool->count >= l->connections_max;
    if (full && l->watched) {
        log_warn("%zu connections: no more for now", l->pool->count);
        unwatch(l);
    } else if (!full && !l->watched && !mono_is_before(now, l->resume_at) && !watch(l)) {
        log_error("cannot accept: %s", strerror(errno));
        l->resume_at = mono_after_ms(now, PAUSE_MS);
    }
}

mono_time listener_deadline(const struct listener *l) {
    const bool paused = !l->watched && l->source.fd >= 0 && l->pool->count < l->connections_max;
    return paused ? l->resume_at : MONO_NEVER;
}

void listener_exit(struct listener *l) {
    unwatch(l);
    if (l->source.fd >= 0)
        close(l->source.fd);
    l->source.fd = -1;
}
