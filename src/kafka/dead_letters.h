/*
 * dead_letters.h: puts messages that could not be dealt with into a dead-letter topic: the key,
 * value and headers they came with, and headers that say where from and why:
 *
 *   dlq-source-topic, dlq-source-partition, dlq-source-offset
 *   dlq-error     the reason, in words
 *   dlq-attempts  how often it was tried
 *   dlq-channel   the one channel that failed, if it was one
 *   dlq-value     "omitted": the value is longer than Kafka takes; it still is at its source
 *
 * A letter that is put back after a replay keeps its source. Letters wait for Kafka as long as it
 * takes:
 *
 *   idle --dead_letters_put()--> waiting --sent--> sent --taken--> done(), idle
 *    ^----dead_letters_forget()---|   ^---client dropped---|
 */
#ifndef KAFKA_DEAD_LETTERS_H
#define KAFKA_DEAD_LETTERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/settings.h"
#include "kafka/producer.h"
#include "kafka/record.h"

#define DEAD_LETTER_REASON_MAX 320

/* Belongs to the caller; must not move while it is waiting or sent. */
struct dead_letter {
    TAILQ_ENTRY(dead_letter) link;
    enum dead_letter_state { DEAD_LETTER_IDLE, DEAD_LETTER_WAITING, DEAD_LETTER_SENT } state;
    const struct record *record;
    const char *channel; /* the one that failed; NULL: several, or there are none */
    int attempts;
    char reason[DEAD_LETTER_REASON_MAX];
    int refusals; /* how often Kafka has refused it, alone or with others */
    bool without_value;
    /* Kafka has it. Not called from inside dead_letters_put(). */
    void (*done)(struct dead_letter *letter);
};

TAILQ_HEAD(dead_letter_queue, dead_letter);

struct dead_letters {
    struct producer producer;
    const char *topic;
    struct dead_letter_queue waiting;
    struct dead_letter_queue sent;
    bool failed; /* a letter was not taken: the client has to be dropped */
};

/* False when librdkafka or the kernel refuses, which has been logged; nothing is to be ended then.
 * The settings and the topic's name must outlive it. */
MUST_CHECK bool dead_letters_init(struct dead_letters *d, struct poller *poller,
                                  const struct settings *settings, const char *topic);
/* done() of no letter is called any more. */
void dead_letters_exit(struct dead_letters *d);

void dead_letters_tick(struct dead_letters *d, mono_time now);
mono_time dead_letters_deadline(const struct dead_letters *d);

/* Queues an idle letter: everything but link and state is set, refusals to 0. */
void dead_letters_put(struct dead_letters *d, struct dead_letter *letter);

/* Takes a letter back that waits; false when it is on its way, and done() will come. */
MUST_CHECK bool dead_letters_forget(struct dead_letters *d, struct dead_letter *letter);

#endif
