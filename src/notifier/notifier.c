/* notifier.c: see notifier.h. */
#include "notifier/notifier.h"

#include "base/log.h"
#include "metrics/metrics.h"

#define LAG_EVERY_MS 1000

static void take_message(void *context, struct partition *partition,
                         const rd_kafka_message_t *message) {
    struct notifier *n = context;
    if (n->state == NOTIFIER_RUNNING)
        dispatch_take(&n->dispatch, partition, message);
    else
        consumer_skip(partition, message);
}

static void leave_partition(void *context, struct partition *partition) {
    struct notifier *n = context;
    dispatch_leave(&n->dispatch, partition);
}

bool notifier_init(struct notifier *n, struct poller *poller, const struct settings *settings,
                   const struct conninfo *conninfo) {
    const struct consumer_owner owner = {n, take_message, leave_partition};
    n->state = NOTIFIER_RUNNING;
    n->until = MONO_NEVER;
    n->next_lag = mono_now();
    if (!dispatch_init(&n->dispatch, poller, settings, conninfo, false))
        return false;
    if (consumer_join(&n->consumer, poller, settings,
                      settings->availability_guard_notification_consumer_group,
                      settings->availability_guard_notification_topic, &owner))
        return true;
    dispatch_exit(&n->dispatch);
    return false;
}

void notifier_exit(struct notifier *n) {
    dispatch_exit(&n->dispatch);
    consumer_exit(&n->consumer);
}

void notifier_stop(struct notifier *n) {
    if (n->state != NOTIFIER_RUNNING)
        return;
    n->state = NOTIFIER_DRAINING;
    n->until = mono_after_ms(mono_now(), NOTIFIER_DRAIN_MS);
    consumer_pause(&n->consumer, true);
    dispatch_leave(&n->dispatch, NULL);
}

/* Takes no more than it can hold; what waits then waits in Kafka. */
static void adjust_flow(struct notifier *n) {
    if (n->state != NOTIFIER_RUNNING)
        return;
    if (dispatch_is_full(&n->dispatch))
        consumer_pause(&n->consumer, true);
    else if (dispatch_has_room(&n->dispatch))
        consumer_pause(&n->consumer, false);
}

static void go_on_stopping(struct notifier *n, mono_time now) {
    const bool late = !mono_is_before(now, n->until);
    if (n->state == NOTIFIER_DRAINING) {
        const bool done = dispatch_is_empty(&n->dispatch) && consumer_is_committed(&n->consumer);
        if (!done && !late)
            return;
        if (!done)
            log_warn("%d events are left unfinished: they will be read again", n->dispatch.count);
        consumer_close(&n->consumer);
        n->state = NOTIFIER_CLOSING;
        n->until = mono_after_ms(now, NOTIFIER_CLOSE_MS);
    } else if (n->state == NOTIFIER_CLOSING && (late || consumer_is_closed(&n->consumer))) {
        n->state = NOTIFIER_DONE;
    }
}

/* librdkafka takes locks for it: now and then is enough. */
static void show_lag(struct notifier *n, mono_time now) {
    if (mono_is_before(now, n->next_lag))
        return;
    metrics_set(METRICS_CELL(notification_consumer_lag), consumer_lag(&n->consumer));
    n->next_lag = mono_after_ms(now, LAG_EVERY_MS);
}

void notifier_tick(struct notifier *n, mono_time now) {
    dispatch_tick(&n->dispatch, now);
    consumer_tick(&n->consumer, now);
    adjust_flow(n);
    show_lag(n, now);
    go_on_stopping(n, now);
}

/* librdkafka does not say when it is closed. */
#define CLOSED_EVERY_MS 20

mono_time notifier_deadline(const struct notifier *n) {
    const mono_time due =
        mono_earlier(dispatch_deadline(&n->dispatch), consumer_deadline(&n->consumer));
    if (n->state == NOTIFIER_CLOSING)
        return mono_earlier(due, mono_after_ms(mono_now(), CLOSED_EVERY_MS));
    return mono_earlier(due, n->until);
}

bool notifier_is_broken(const struct notifier *n) {
    return n->dispatch.failed || consumer_is_broken(&n->consumer);
}
