/*
 * consumer.h: reads a topic and remembers what of it has been settled.
 *
 * Each message is given a place in its partition's row, in the order of offsets. The owner settles
 * places in any order, and what is committed is always the lowest offset that is not settled: what
 * comes after it is read again when the process dies. Nothing is committed or stored by librdkafka
 * itself.
 *
 *   received() --> taken --place_settle()--> gone
 *                       \--place_abandon()--> gone; its offset and all behind it stay uncommitted
 *
 * A member of a group has its partitions taken away by the group, at a time of the group's
 * choosing. It first tells the owner (leaving()), who abandons what it need not finish; the
 * partition goes when the rest has been settled and committed, or after CONSUMER_LEAVE_MS. So the
 * next owner of the partition does not begin what this one has under way. A partition that is lost
 * already goes at once. Places of a partition that has gone belong to none, and are settled without
 * effect.
 *
 * Source: rd_kafka_conf_set_rebalance_cb() in rdkafka.h. The answer to a rebalance may be given
 * later than in the callback; another rebalance before that makes it void.
 */
#ifndef NOTIFIER_CONSUMER_H
#define NOTIFIER_CONSUMER_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/settings.h"
#include "kafka/wakeup.h"

#define CONSUMER_LEAVE_MS 10000

struct partition;

/* Embedded in what the owner makes of a message. */
struct place {
    TAILQ_ENTRY(place) link;
    struct partition *partition; /* NULL: it has gone */
    int64_t offset;
};

struct partition {
    int32_t number;
    TAILQ_HEAD(, place) places;
    int64_t next_offset; /* behind the last message received; -1 before the first */
    int64_t ceiling;     /* of an abandoned place: nothing from here on may be committed */
    int64_t committed;   /* the last that was sent to be committed, or -1 */
    int64_t end;         /* when reading to an end: the first offset not to be read */
    bool ended;          /* and everything before it has been received */
    bool leaving;
};

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
    struct partition **partitions; /* in no order */
    int partition_count;
    int partition_room;
    rd_kafka_topic_partition_list_t *owed; /* a rebalance to answer when these are ready to go */
    mono_time owed_until;
    mono_time next_poll; /* the group wants to see us, even if nothing comes */
    mono_time next_commit;
    bool committing;
    bool paused;
    bool failed;      /* of no use any more; it has been logged */
    bool unreachable; /* no broker answers, as far as librdkafka has said */
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

/* While it is paused nothing is received, but everything else goes on. */
void consumer_pause(struct consumer *c, bool paused);

/* How many messages are in its partitions and not settled yet, as far as Kafka has told. */
int64_t consumer_lag(const struct consumer *c);

/* Whether everything that has been settled has been committed. */
bool consumer_is_committed(const struct consumer *c);

/* Leaves the group; consumer_is_closed() tells when that is done. */
void consumer_close(struct consumer *c);
bool consumer_is_closed(const struct consumer *c);

/* Whether it is of no use any more, which has been logged. */
static inline bool consumer_is_broken(const struct consumer *c) {
    return c->failed;
}

/* Whether all has been received that consumer_read_to_end() is to read. */
bool consumer_has_ended(const struct consumer *c);

/* Takes a place for a message that is being received. */
void place_take(struct place *place, struct partition *partition, const rd_kafka_message_t *m);
/* Does nothing with a message that is being received: it, and what comes after it, stay
 * uncommitted. */
void consumer_skip(struct partition *partition, const rd_kafka_message_t *m);

void place_settle(struct place *place);
void place_abandon(struct place *place);

/* What may be committed: the offset to go on from, or -1 while nothing was received. */
int64_t partition_position(const struct partition *p);

#endif
