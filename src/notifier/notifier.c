/* notifier.c: see notifier.h. */
#include "notifier/notifier.h"

#include "metrics/metrics.h"

#define LAG_EVERY_MS 1000

static void take_message(void *context, struct partition *partition,
                         const rd_kafka_message_t *message) {
    struct notifier *n = context;
    dispatch_take(&n->dispatch, partition, message);
}

static void leave_partition(void *context, const struct partition *partition) {
    struct notifier *n = context;
    dispatch_leave(&n->dispatch, partition);
}

static int count(void *context) {
    const struct notifier *n = context;
    return n->dispatch.count;
}

static bool is_full(void *context) {
    const struct notifier *n = context;
    return dispatch_is_full(&n->dispatch);
}

static bool has_room(void *context) {
    const struct notifier *n = context;
    return dispatch_has_room(&n->dispatch);
}

bool notifier_init(struct notifier *n, struct poller *poller, const struct settings *settings,
                   const struct conninfo *conninfo) {
    const struct intake_owner owner = {n, take_message, leave_partition, count, is_full, has_room};
    n->next_lag = mono_now();
    if (!dispatch_init(&n->dispatch, poller, settings, conninfo, false))
        return false;
    if (intake_init(&n->intake, poller, settings,
                    settings->availability_guard_notification_consumer_group,
                    settings->availability_guard_notification_topic, &owner))
        return true;
    dispatch_exit(&n->dispatch);
    return false;
}

void notifier_exit(struct notifier *n) {
    dispatch_exit(&n->dispatch);
    intake_exit(&n->intake);
}

/* librdkafka takes locks for it: now and then is enough. */
static void show_lag(struct notifier *n, mono_time now) {
    if (mono_is_before(now, n->next_lag))
        return;
    metrics_set(METRICS_CELL(notification_consumer_lag), consumer_lag(&n->intake.consumer));
    n->next_lag = mono_after_ms(now, LAG_EVERY_MS);
}

void notifier_tick(struct notifier *n, mono_time now) {
    dispatch_tick(&n->dispatch, now);
    intake_tick(&n->intake, now);
    show_lag(n, now);
}

mono_time notifier_deadline(const struct notifier *n) {
    return mono_earlier(dispatch_deadline(&n->dispatch), intake_deadline(&n->intake));
}

void notifier_stop(struct notifier *n) {
    intake_stop(&n->intake);
}

bool notifier_is_done(const struct notifier *n) {
    return n->intake.state == INTAKE_DONE;
}

bool notifier_is_broken(const struct notifier *n) {
    return n->dispatch.failed || intake_is_broken(&n->intake);
}
