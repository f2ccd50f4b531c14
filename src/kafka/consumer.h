/*
 * consumer.h: reads a topic as a member of a group, and commits what has been settled (see
 * partition.h). Nothing is committed or stored by librdkafka itself.
 *
 * A member of a group has its partitions taken away by the group, at a time of the group's
 * choosing. It first tells the owner (leaving()), who abandons what it need not finish; the
 * partition goes when the rest has been settled and committed, or after CONSUMER_LEAVE_MS. So the
 * next owner of the partition does not begin what this one has under way. A partition that is lost
 * already goes at once.
 *
 * Source: rd_kafka_conf_set_rebalance_cb() in rdkafka.h. The answer to a rebalance may be given
 * later than in the callback; another rebalance before that makes it void.
 */
#ifndef KAFKA_CONSUMER_H
#define KAFKA_CONSUMER_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/settings.h"
#include "kafka/partition.h"
#include "kafka/wakeup.h"

#define CONSUMER_LEAVE_MS 10000
#define CONSUMER_HOLD_MS 1000

struct consumer_owner {
    void *context;
    /*
     * A message: the place is the owner's to keep, with place_take(), or nothing is to be done with
     * it, and it counts as settled. Called from consumer_tick() and the poller.
     */
    void (*received)(void *context, struct partition *partition, const rd_kafka_message_t *message);
    /* This partition goes. The owner may abandon places of it, now or later. */
    void (*leaving)(void *context, struct partition *partition);
};

/* Everything in here is private to consumer.c. */
struct consumer {
    struct wakeup wakeup;
    rd_kafka_t *client;
    rd_kafka_queue_t *queue; /* of messages and callbacks */
    rd_kafka_queue_t *close_queue;
    struct consumer_owner owner;
    const char *topic;
    struct partitions partitions;
    bool owed; /* a rebalance is to be answered, when the partitions are ready to go */
    mono_time owed_until;
    mono_time next_poll; /* the group wants to see us, even if nothing comes */
    mono_time next_commit;
    bool committing;
    bool held;
    bool paused;
    mono_time pause_at; /* held: then it is paused */
    bool failed;        /* of no use any more; it has been logged */
    bool unreachable;   /* no broker answers, as far as librdkafka has said */
};

/* What is wrong with the settings and the KAFKA_PROPERTY_ variables of this process: static text
 * with no values in it, or NULL. */
MUST_CHECK const char *consumer_check(const struct settings *settings);

/*
 * Joins the group and reads the topic. Kafka need not be there. False when librdkafka or the kernel
 * refuses, which has been logged; there is nothing to end then. Must not move afterwards.
 */
MUST_CHECK bool consumer_join(struct consumer *c, struct poller *poller,
                              const struct settings *settings, const char *group, const char *topic,
                              const struct consumer_owner *owner);

/*
 * Reads all partitions of the topic from what the group has committed up to what is their end now,
 * without joining the group; see consumer_has_ended(). Waits some seconds for Kafka to say where
 * that is, and gives up then.
 */
MUST_CHECK bool consumer_read_to_end(struct consumer *c, struct poller *poller,
                                     const struct settings *settings, const char *group,
                                     const char *topic, const struct consumer_owner *owner);

/* Leaves the group if consumer_close() has not, and forgets all places. */
void consumer_exit(struct consumer *c);

void consumer_tick(struct consumer *c, mono_time now);
mono_time consumer_deadline(const struct consumer *c);

/*
 * While it is held or paused nothing is received. Held for a moment it keeps what has been fetched,
 * and the group does not hear of it; after CONSUMER_HOLD_MS it is paused. Paused it fetches
 * nothing, what has been fetched is fetched again later, but everything else goes on.
 */
void consumer_hold(struct consumer *c, bool held);
void consumer_pause(struct consumer *c);

/* Whether everything that has been settled has been committed. */
bool consumer_is_committed(const struct consumer *c);

/* How many messages are behind what has been settled, in all partitions, as far as the last answers
 * of the brokers tell: they are not asked while it is paused. */
int64_t consumer_lag(const struct consumer *c);

/* Leaves the group; consumer_is_closed() tells when that is done. */
void consumer_close(struct consumer *c);
bool consumer_is_closed(const struct consumer *c);

/* Whether it is of no use any more, which has been logged. */
static inline bool consumer_is_broken(const struct consumer *c) {
    return c->failed;
}

/* Whether all has been received that consumer_read_to_end() is to read. */
bool consumer_has_ended(const struct consumer *c);

#endif
