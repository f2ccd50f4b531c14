/*
 * producer.h: puts messages into Kafka, each with one report of what became of it.
 *
 * It is idempotent and waits for all replicas (enable.idempotence, acks=all), and there is no way
 * around that: messages of one key arrive in the order in which they were sent, and none twice, as
 * long as one client lives. A message waits for Kafka as long as it takes (message.timeout.ms 0),
 * unless a KAFKA_PROPERTY_ says otherwise. What fails must not leave a gap that later messages
 * close (enable.gapless.guarantee): librdkafka's client is then of no use any more, and nor is it
 * after one of its fatal errors. So there is one way out of all trouble, for the owner to take:
 * drop the client with all that is in it, and send anew, with another one, what was not reported as
 * taken.
 *
 *   DOWN --pause over--> UP --producer_drop(), fatal error--> DOWN
 *
 * Source: "Idempotent Producer" and "Fatal errors" in INTRODUCTION.md of librdkafka.
 */
#ifndef KAFKA_PRODUCER_H
#define KAFKA_PRODUCER_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/settings.h"
#include "base/text.h"
#include "kafka/wakeup.h"

struct producer_header {
    const char *name;
    struct text_span value;
};

struct producer_message {
    const char *topic;
    struct text_span key;
    struct text_span value;
    const struct producer_header *headers;
    size_t header_count;
    void *opaque; /* comes back with the report */
};

struct producer_owner {
    void *context;
    /* Called once for each message: Kafka has it (RD_KAFKA_RESP_ERR_NO_ERROR), or perhaps not. Must
     * not call the producer. Messages that are in a client when it is dropped get no report. */
    void (*reported)(void *context, void *opaque, rd_kafka_resp_err_t error);
};

struct producer {
    struct wakeup wakeup;
    rd_kafka_conf_t *config;
    rd_kafka_t *client;      /* NULL: DOWN */
    rd_kafka_queue_t *queue; /* its main queue */
    struct producer_owner owner;
    mono_time retry_at; /* DOWN: not before this is the next client made */
    bool fatal;
    bool unreachable; /* no broker answers, as far as librdkafka has said */
};

/* What is wrong with the settings and the KAFKA_PROPERTY_ variables of this process: static text
 * with no values in it, or NULL. */
MUST_CHECK const char *producer_check(const struct settings *settings);

/*
 * Makes the first client, which then connects by itself: Kafka need not be there. False when
 * librdkafka or the kernel refuses, which has been logged; there is nothing to end then. Must not
 * move afterwards.
 */
MUST_CHECK bool producer_init(struct producer *p, struct poller *poller,
                              const struct settings *settings, const struct producer_owner *owner);
/* Drops the client with everything in it. */
void producer_exit(struct producer *p);

/* Makes a client when there is none and the pause is over. */
void producer_tick(struct producer *p, mono_time now);
mono_time producer_deadline(const struct producer *p);

/*
 * Copies the message; only when the producer is up. Returns
 *   RD_KAFKA_RESP_ERR_NO_ERROR            a report will come
 *   RD_KAFKA_RESP_ERR__QUEUE_FULL         librdkafka's queue is: again after the next report
 *   RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE  longer than message.max.bytes: it can never be sent
 *   anything else                         the client must be dropped
 */
MUST_CHECK rd_kafka_resp_err_t producer_send(struct producer *p,
                                             const struct producer_message *message);

/* Drops the client, and all messages in it without a report: some of them may have reached Kafka,
 * or still do so. No new client is made before `until`. Not from a report. */
void producer_drop(struct producer *p, mono_time until);

static inline bool producer_is_up(const struct producer *p) {
    return p->client != NULL;
}

/* Whether the client has told a fatal error (it has been logged) and must be dropped. */
static inline bool producer_is_broken(const struct producer *p) {
    return p->fatal;
}

/* Whether Kafka gave this error because of the message itself, or of another one in its batch: sent
 * again as it is, it will get it again. */
bool producer_refuses_message(rd_kafka_resp_err_t error);

/* message.max.bytes: no longer message is sent. */
int64_t producer_message_bytes_max(const struct producer *p);

#endif
