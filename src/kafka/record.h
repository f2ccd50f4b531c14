/*
 * record.h: one message of Kafka, copied out of librdkafka, whose own would keep everything alive
 * that came with it in one answer of the broker.
 */
#ifndef KAFKA_RECORD_H
#define KAFKA_RECORD_H

#include <librdkafka/rdkafka.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/text.h"

struct record_header {
    const char *name;
    struct text_span value; /* no data: null */
};

/* One piece of memory: free() ends it. */
struct record {
    const char *topic;
    int32_t partition;
    int64_t offset;
    struct text_span key;   /* no data: null */
    struct text_span value; /* no data: null */
    size_t size;            /* of all that was allocated */
    size_t header_count;
    struct record_header headers[];
};

/* NULL when out of memory. */
MUST_CHECK struct record *record_copy(const rd_kafka_message_t *message);

/* The value of the last header with this name, as Kafka's own clients look them up; no data when
 * there is none, or it is null. */
struct text_span record_header(const struct record *record, const char *name);

#endif
