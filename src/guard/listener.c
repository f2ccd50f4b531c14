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

static void take_events(struct poll_source *source, uint32_t events) {
    struct listener *l = (struct listener *)source;
    (void)events;
    for (int i = 0; i < ACCEPTS_MAX && l->pool->count < l->connections_max; i++) {
        const int fd = accept4(l->source.fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            connection_open(l->pool, fd);
            continue;
        }
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            log_error("accept: %s", strerror(errno));
        return;
    }
}

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

static size_t most_connections(void) {
    struct rlimit limit = {.rlim_cur = 1024};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
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

void listener_adjust(struct listener *l) {
    if (l->source.fd < 0)
        return;
    const bool full = l->pool->count >= l->connections_max;
    if (full && l->watched) {
        log_warn("%zu connections: no more for now", l->pool->count);
        unwatch(l);
    } else if (!full && !l->watched && !watch(l)) {
        log_error("cannot accept: %s", strerror(errno));
    }
}

void listener_exit(struct listener *l) {
    unwatch(l);
    if (l->source.fd >= 0)
        close(l->source.fd);
    l->source.fd = -1;
}
