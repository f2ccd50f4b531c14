/*
 * wakeup.h: lets queues of librdkafka wake the poller, through an eventfd.
 *
 * librdkafka's threads write to it when something comes into a queue; the poller then calls woken()
 * in the program's own thread, which serves the queues:
 *
 *   idle --wakeup_init()--> watched --wakeup_attach(queue)--> watched, woken() is called …
 *        <--wakeup_exit()--         <--wakeup_detach(queue)--
 *
 * woken() must serve each queue until it is empty (rd_kafka_poll(), rd_kafka_consumer_poll() or
 * rd_kafka_queue_poll() with timeout 0 until nothing comes), because there is one call only until a
 * queue has been served; or stop earlier, and have itself called again with wakeup_raise(). It may
 * be called when there is nothing.
 *
 * Source: rd_kafka_queue_io_event_enable() in rdkafka.h.
 */
#ifndef KAFKA_WAKEUP_H
#define KAFKA_WAKEUP_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "base/attributes.h"
#include "base/poller.h"

struct wakeup {
    struct poll_source source; /* first, so that the poller's callback finds the wakeup */
    struct poller *poller;
    void (*woken)(void *context);
    void *context;
};

/* False with errno set when the kernel refuses. After true it must not move; end with
 * wakeup_exit(). woken() is called from poller_wait() only. */
MUST_CHECK bool wakeup_init(struct wakeup *w, struct poller *poller, void (*woken)(void *context),
                            void *context);

/* All queues must have been detached. */
void wakeup_exit(struct wakeup *w);

/* From now on this queue wakes the poller; also when there is something in it already. Any number
 * of queues may share a wakeup. The queue is not kept: the caller still destroys it. */
void wakeup_attach(struct wakeup *w, rd_kafka_queue_t *queue);

/* Before the queue or its client is destroyed, and before wakeup_exit(). */
void wakeup_detach(struct wakeup *w, rd_kafka_queue_t *queue);

/* woken() is called in the next round of the poller. */
void wakeup_raise(struct wakeup *w);

#endif
