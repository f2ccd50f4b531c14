/*
 * partition.h: what of a partition has been received, what of it has been settled, and what may be
 * committed.
 *
 * Each message is given a place in its partition's row, in the order of offsets. The owner settles
 * places in any order, and what may be committed is always the lowest offset that is not settled:
 * what comes after it is read again when the process dies.
 *
 *   received --> taken --place_settle()--> gone
 *                     \--place_abandon()--> gone; its offset and all behind it stay uncommitted
 *
 * Places of a partition that has gone belong to none, and are settled without effect.
 */
#ifndef KAFKA_PARTITION_H
#define KAFKA_PARTITION_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attributes.h"

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

/* Takes a place for a message that is being received. */
void place_take(struct place *place, struct partition *partition, const rd_kafka_message_t *m);
void place_settle(struct place *place);
void place_abandon(struct place *place);

/* Does nothing with a message that is being received: it, and what comes after it, stay
 * uncommitted. */
void partition_skip(struct partition *partition, const rd_kafka_message_t *m);

/* What may be committed: the offset to go on from, or -1 while nothing was received. */
int64_t partition_position(const struct partition *p);

/* Whether there is something to commit that has not been sent to be. */
bool partition_is_dirty(const struct partition *p);

/* Those of a consumer, in no order. All zeros are none. */
struct partitions {
    struct partition **items;
    int count;
    int room;
};

/* NULL: there is none with this number. */
struct partition *partitions_find(const struct partitions *all, int32_t number);

/* One with that end (INT64_MAX: none). False when out of memory. */
MUST_CHECK bool partitions_add(struct partitions *all, int32_t number, int64_t end);

/* Frees all; their places belong to none then. */
void partitions_clear(struct partitions *all);

#endif
