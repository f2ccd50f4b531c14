/*
 * intake.h: reads a topic for an owner who settles its messages later: receives no more than the
 * owner can hold, and comes to an end in order.
 *
 *   RUNNING --stop()--> DRAINING --all done, or out of time--> CLOSING --left the group--> DONE
 *
 * While it drains nothing new is begun: what is under way is finished and committed; the rest stays
 * in Kafka.
 */
#ifndef KAFKA_INTAKE_H
#define KAFKA_INTAKE_H

#include <stdbool.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/settings.h"
#include "kafka/consumer.h"

/* How long what is under way may take to its end, and then leaving the group. */
#define INTAKE_DRAIN_MS 10000
#define INTAKE_CLOSE_MS 5000

enum intake_state {
    INTAKE_RUNNING,
    INTAKE_DRAINING, /* until `until` at most, as in the next */
    INTAKE_CLOSING,
    INTAKE_DONE,
};

struct intake_owner {
    void *context;
    /* A message, as in struct consumer_owner. Not while it drains. */
    void (*received)(void *context, struct partition *partition, const rd_kafka_message_t *message);
    /* This partition goes; NULL: all of them. The owner may abandon places of it, now or later. */
    void (*leaving)(void *context, const struct partition *partition);
    /* How many messages are under way. */
    int (*count)(void *context);
    /* Whether to receive no more, and whether there is room again: some way below full, so that it
     * does not go to and fro. */
    bool (*is_full)(void *context);
    bool (*has_room)(void *context);
};

struct intake {
    struct consumer consumer;
    struct intake_owner owner;
    enum intake_state state;
    mono_time until;
};

/* Joins the group; as consumer_join(). */
MUST_CHECK bool intake_init(struct intake *in, struct poller *poller,
                            const struct settings *settings, const char *group, const char *topic,
                            const struct intake_owner *owner);
/* The owner's places must be settled or abandoned, or never be touched again. */
void intake_exit(struct intake *in);

void intake_tick(struct intake *in, mono_time now);
mono_time intake_deadline(const struct intake *in);

/* Does no harm when it has been told so before. */
void intake_stop(struct intake *in);

/* Whether it cannot go on, which has been logged. */
static inline bool intake_is_broken(const struct intake *in) {
    return consumer_is_broken(&in->consumer);
}

#endif
