#include "base/poller.h"

#include <limits.h>
#include <stddef.h>
#include <unistd.h>

/* What epoll reports without having been asked. */
#define ALWAYS_REPORTED ((uint32_t)(EPOLLERR | EPOLLHUP))

bool poller_init(struct poller *poller) {
    poller->pending_count = 0;
    poller->pending_next = 0;
    poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return poller->epoll_fd >= 0;
}

void poller_exit(struct poller *poller) {
    if (poller->epoll_fd >= 0)
        (void)close(poller->epoll_fd);
    poller->epoll_fd = -1;
    poller->pending_count = 0;
    poller->pending_next = 0;
}

/* Keeps only these events of the source in what is still to be handed out; 0 drops it. */
static void limit_pending(struct poller *poller, const struct poll_source *source,
                          uint32_t events) {
    for (int i = poller->pending_next; i < poller->pending_count; i++) {
        if (poller->pending[i].data.ptr == source)
            poller->pending[i].events &= events;
    }
}

static bool control(struct poller *poller, int operation, struct poll_source *source,
                    uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = source};
    return epoll_ctl(poller->epoll_fd, operation, source->fd, &event) == 0;
}

bool poller_add(struct poller *poller, struct poll_source *source, uint32_t events) {
    return control(poller, EPOLL_CTL_ADD, source, events);
}

bool poller_change(struct poller *poller, struct poll_source *source, uint32_t events) {
    if (!control(poller, EPOLL_CTL_MOD, source, events))
        return false;
    limit_pending(poller, source, events | ALWAYS_REPORTED);
    return true;
}

void poller_remove(struct poller *poller, struct poll_source *source) {
    /* Fails when the descriptor was closed before, which has made epoll forget it. */
    (void)control(poller, EPOLL_CTL_DEL, source, 0);
    limit_pending(poller, source, 0);
}

/* Milliseconds until the deadline, rounded up: what is rounded down would spin at the end. */
static int timeout_ms(mono_time deadline) {
    if (mono_is_never(deadline))
        return -1;
    mono_time now = mono_now();
    if (!mono_is_before(now, deadline))
        return 0;
    int64_t us = mono_diff_us(deadline, now);
    int64_t ms = us / 1000 + (us % 1000 ? 1 : 0);
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

int poller_wait(struct poller *poller, mono_time deadline, const sigset_t *mask) {
    int count = epoll_pwait(poller->epoll_fd, poller->pending, POLLER_EVENTS_MAX,
                            timeout_ms(deadline), mask);
    if (count <= 0)
        return count;
    poller->pending_count = count;
    poller->pending_next = 0;
    while (poller->pending_next < poller->pending_count) {
        struct epoll_event event = poller->pending[poller->pending_next++];
        struct poll_source *source = event.data.ptr;
        if (event.events != 0) /* else removed or changed by a callback of this round */
            source->ready(source, event.events);
    }
    poller->pending_count = 0;
    poller->pending_next = 0;
    return count;
}
