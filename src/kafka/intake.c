/* intake.c: see intake.h. */
#include "kafka/intake.h"

#include "base/log.h"

/* librdkafka does not say when it is closed. */
#define CLOSED_EVERY_MS 20

/* Takes no more than the owner can hold; what waits then waits in Kafka. */
static void adjust_flow(struct intake *in) {
    if (in->state != INTAKE_RUNNING)
        return;
    if (in->owner.is_full(in->owner.context))
        consumer_hold(&in->consumer, true);
    else if (in->owner.has_room(in->owner.context))
        consumer_hold(&in->consumer, false);
}

static void take_message(void *context, struct partition *partition,
                         const rd_kafka_message_t *message) {
    struct intake *in = context;
    if (in->state == INTAKE_RUNNING) {
        in->owner.received(in->owner.context, partition, message);
        adjust_flow(in); /* the next message may be a long one */
    } else {
        partition_skip(partition, message);
    }
}

static void leave_partition(void *context, struct partition *partition) {
    const struct intake *in = context;
    in->owner.leaving(in->owner.context, partition);
}

bool intake_init(struct intake *in, struct poller *poller, const struct settings *settings,
                 const char *group, const char *topic, const struct intake_owner *owner) {
    const struct consumer_owner consumer_owner = {in, take_message, leave_partition};
    in->owner = *owner;
    in->state = INTAKE_RUNNING;
    in->until = MONO_NEVER;
    return consumer_join(&in->consumer, poller, settings, group, topic, &consumer_owner);
}

void intake_exit(struct intake *in) {
    consumer_exit(&in->consumer);
}

void intake_stop(struct intake *in) {
    if (in->state != INTAKE_RUNNING)
        return;
    in->state = INTAKE_DRAINING;
    in->until = mono_after_ms(mono_now(), INTAKE_DRAIN_MS);
    consumer_pause(&in->consumer);
    in->owner.leaving(in->owner.context, NULL);
}

static void go_on_stopping(struct intake *in, mono_time now) {
    const bool late = !mono_is_before(now, in->until);
    if (in->state == INTAKE_DRAINING) {
        const int left = in->owner.count(in->owner.context);
        const bool done = left == 0 && consumer_is_committed(&in->consumer);
        if (!done && !late)
            return;
        if (!done)
            log_warn("%d messages are left unfinished: they will be read again", left);
        consumer_close(&in->consumer);
        in->state = INTAKE_CLOSING;
        in->until = mono_after_ms(now, INTAKE_CLOSE_MS);
    } else if (in->state == INTAKE_CLOSING && (late || consumer_is_closed(&in->consumer))) {
        in->state = INTAKE_DONE;
    }
}

void intake_tick(struct intake *in, mono_time now) {
    consumer_tick(&in->consumer, now);
    adjust_flow(in);
    go_on_stopping(in, now);
}

mono_time intake_deadline(const struct intake *in) {
    const mono_time due = consumer_deadline(&in->consumer);
    if (in->state == INTAKE_CLOSING)
        return mono_earlier(due, mono_after_ms(mono_now(), CLOSED_EVERY_MS));
    return mono_earlier(due, in->until);
}
