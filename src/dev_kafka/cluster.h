/*
 * cluster.h: a Kafka of one broker in this process, for development and tests: librdkafka's mock
 * cluster (rdkafka_mock.h) on 127.0.0.1.
 *
 * It has topics that are made when a client asks for them (with the mock's 4 partitions),
 * idempotent producers, consumer groups and committed offsets. All of it lies in memory: it is gone
 * with the process, and of each partition only the last 5 MB are kept. No TLS, no passwords, no
 * administration. The mock chooses its port itself, and keeps it while it is down.
 *
 * Life cycle: cluster_init() -> cluster_set_down(), cluster_set_up(), any number of times ->
 * cluster_exit(). The threads that librdkafka starts inherit the caller's signal mask.
 */
#ifndef DEV_KAFKA_CLUSTER_H
#define DEV_KAFKA_CLUSTER_H

#include <librdkafka/rdkafka.h>
/* It needs the one before. */
#include <librdkafka/rdkafka_mock.h>
#include <stdbool.h>

#include "base/attributes.h"

struct cluster {
    rd_kafka_t *kafka; /* the mock needs one to live in; it never connects anywhere */
    rd_kafka_mock_cluster_t *mock;
};

/* False when librdkafka refuses, which has been logged; then there is nothing to end. */
MUST_CHECK bool cluster_init(struct cluster *c);
void cluster_exit(struct cluster *c);

/* "host:port" of the broker, valid until cluster_exit(). */
const char *cluster_address(const struct cluster *c);

/* Closes every connection and takes no new ones; the messages stay. Both wait until it is done,
 * and return false when librdkafka refuses, which has been logged. */
MUST_CHECK bool cluster_set_down(struct cluster *c);
MUST_CHECK bool cluster_set_up(struct cluster *c);

#endif
