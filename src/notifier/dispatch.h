/*
 * dispatch.h: all events that are under way, and what they share: webhooks, ledger, dead letters.
 * Used by the notifier and by the replay of dead letters.
 *
 * A record is taken from Kafka, read, and carried out as one delivery (see delivery.h) beside many
 * others. Nothing here waits for anything else but by need: a webhook that hangs holds up its own
 * calls only. There are bounds for all of it: dispatch_is_full() says when to take no more.
 */
#ifndef NOTIFIER_DISPATCH_H
#define NOTIFIER_DISPATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/settings.h"
#include "db/conninfo.h"
#include "http/client.h"
#include "kafka/consumer.h"
#include "kafka/dead_letters.h"
#include "notifier/delivery.h"
#include "notifier/endpoint.h"
#include "notifier/ledger.h"
#include "notifier/signer.h"

/* Most events under way, and most bytes in them. */
#define DISPATCH_EVENTS_MAX 4096
#define DISPATCH_BYTES_MAX ((size_t)16 * 1024 * 1024)

/* Lists by event id. */
#define DISPATCH_BUCKETS 1024

/* What has been done since the program began. */
struct dispatch_counts {
    int64_t received;
    int64_t delivered[RECIPIENT_CHANNELS];
    int64_t failed_tries;
    int64_t dead[RECIPIENT_CHANNELS]; /* given up */
    int64_t malformed;
    int64_t skipped;     /* nothing to be done, or all had been done before */
    int64_t without_url; /* channels with recipients and no webhook */
    int64_t unroutable;  /* recipients that fit no channel */
    int64_t parked;
    int64_t dry_runs;
    int64_t lag_ms_max; /* from the release to the webhook's answer; since the last report */
    /* events that have ended */
    int64_t events_delivered; /* without a failure */
    int64_t events_failed;
};

struct dispatch {
    const struct settings *settings;
    bool replay; /* letters come back: what was given up is tried again, and nothing is parked */
    bool dry_run;
    bool failed; /* out of memory while reading: the program must not go on */
    struct http http;
    struct signer signer;
    struct ledger ledger;
    struct dead_letters dead_letters;
    struct endpoint endpoints[RECIPIENT_CHANNELS];
    struct leg_queue ready[RECIPIENT_CHANNELS];
    TAILQ_HEAD(delivery_list, delivery) deliveries;
    struct delivery_list buckets[DISPATCH_BUCKETS];
    int count;
    size_t bytes;
    mono_time next_wake; /* the first pause that ends */
    struct dispatch_counts counts;
    struct dispatch_counts reported;
    mono_time next_report;
};

/* What is wrong with the settings, beyond each by itself: static text, or NULL. */
MUST_CHECK const char *dispatch_check(const struct settings *settings);

/* False when something cannot start, which has been logged; there is nothing to end then. The
 * settings and the conninfo must outlive it. Must not move afterwards. */
MUST_CHECK bool dispatch_init(struct dispatch *d, struct poller *poller,
                              const struct settings *settings, const struct conninfo *conninfo,
                              bool replay);
void dispatch_exit(struct dispatch *d);

void dispatch_tick(struct dispatch *d, mono_time now);
mono_time dispatch_deadline(const struct dispatch *d);

/* Takes a message that is being received. */
void dispatch_take(struct dispatch *d, struct partition *partition, const rd_kafka_message_t *m);

/* Has all deliveries of a partition leave; those of all when it is NULL. */
void dispatch_leave(struct dispatch *d, const struct partition *partition);

bool dispatch_is_full(const struct dispatch *d);
/* Whether there is room again: some way below full, so that it does not go to and fro. */
bool dispatch_has_room(const struct dispatch *d);

static inline bool dispatch_is_empty(const struct dispatch *d) {
    return d->count == 0;
}

/* --- for deliveries ------------------------------------------------------------------------ */

struct leg_queue *dispatch_queue(struct dispatch *d, const struct leg *leg);
/* Something is due at that time. */
void dispatch_wake_at(struct dispatch *d, mono_time when);
/* Whether another delivery of the same event is before this one. */
bool dispatch_is_behind(const struct dispatch *d, const struct delivery *delivery);
/* A delivery has ended: frees it, and lets the next one of the same event begin. */
void dispatch_end(struct dispatch *d, struct delivery *delivery);

#endif
