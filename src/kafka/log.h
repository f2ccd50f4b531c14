/*
 * log.h: what librdkafka has to say goes to the log.
 */
#ifndef KAFKA_LOG_H
#define KAFKA_LOG_H

#include <librdkafka/rdkafka.h>

/*
 * For rd_kafka_conf_set_log_cb(). Called from threads of librdkafka, which is fine with base/log: a
 * line is one write. Levels are those of syslog(3): what librdkafka calls an error is mostly a
 * broker that went away, so only what is worse is an error here. librdkafka shows no secrets,
 * unless it is told to debug the protocol.
 */
void kafka_log_write(const rd_kafka_t *client, int level, const char *facility, const char *text);

#endif
