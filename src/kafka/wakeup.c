/* wakeup.c: see wakeup.h. */
#include "kafka/wakeup.h"

#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

static const uint64_t ONE = 1;

static void take_events(struct poll_source *source, uint32_t events) {
    struct wakeup *w = (struct wakeup *)source;
    uint64_t count = 0;
    (void)events;
    /* Before the queues are served: what comes meanwhile must wake us again. */
    (void)!read(w->source.fd, &count, sizeof count);
    w->woken(w->context);
}

bool wakeup_init(struct wakeup *w, struct poller *poller, void (*woken)(void *context),
                 void *context) {
    w->source.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    w->source.ready = take_events;
    w->poller = poller;
    w->woken = woken;
    w->context = context;
    if (w->source.fd < 0)
        return false;
    if (poller_add(poller, &w->source, EPOLLIN))
        return true;
    (void)close(w->source.fd);
    w->source.fd = -1;
    return false;
}

void wakeup_exit(struct wakeup *w) {
    if (w->source.fd < 0)
        return;
    poller_remove(w->poller, &w->source);
    (void)close(w->source.fd);
    w->source.fd = -1;
}

void wakeup_attach(struct wakeup *w, rd_kafka_queue_t *queue) {
    rd_kafka_queue_io_event_enable(queue, w->source.fd, &ONE, sizeof ONE);
    wakeup_raise(w);
}

void wakeup_detach(struct wakeup *w, rd_kafka_queue_t *queue) {
    (void)w;
    rd_kafka_queue_io_event_enable(queue, -1, NULL, 0);
}

void wakeup_raise(struct wakeup *w) {
    /* Fails only when the counter is at its greatest: then it is raised already. */
    (void)!write(w->source.fd, &ONE, sizeof ONE);
}
