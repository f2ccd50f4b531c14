/*
 * delivery.h: one event on its way to the people it is for.
 *
 *   QUEUED --the same event before it is done--> ASKING --ledger--> CALLING --+--> NOTING --> gone
 *                                                  ^                          |       ^
 *                                                  +---pause over--- PARKED <-+       |
 *                                                                             +-> DEAD_LETTERING
 *
 * It has a leg for each channel. Those that have recipients, a webhook, and have not been served
 * are called, all at once, each on its own schedule:
 *
 *   READY --place and breaker--> CALLING --2xx--> DELIVERED
 *     ^                             |--transient--> WAITING until `due`, READY; or EXHAUSTED when
 *     |                             |               it was repeated often enough
 *     +-- WAITING <-----------------+--permanent--> REFUSED
 *
 * When every leg has come to its end: if every one is exhausted, the world is ill, not the event:
 * it is PARKED and begins anew after a pause, and nothing is committed. Else those that have failed
 * go to the dead-letter topic, and when Kafka has the letter and the ledger its notes, it is
 * settled.
 *
 * An order to leave (the partition goes, or the program ends) drops what need not be finished: a
 * call under way and what follows from it is finished, nothing new is begun.
 */
#ifndef NOTIFIER_DELIVERY_H
#define NOTIFIER_DELIVERY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/timestamp.h"
#include "kafka/consumer.h"
#include "kafka/dead_letters.h"
#include "kafka/record.h"
#include "notification/recipient.h"
#include "notifier/announcement.h"
#include "notifier/endpoint.h"
#include "notifier/ledger.h"
#include "trace/trace.h"

struct dispatch;
struct delivery;

enum leg_state {
    LEG_UNUSED, /* nobody to tell this way, or no webhook */
    LEG_SERVED, /* the ledger has it as delivered, or given up already */
    LEG_READY,  /* in the queue of its channel */
    LEG_CALLING,
    LEG_WAITING, /* until `due` */
    LEG_DELIVERED,
    LEG_EXHAUSTED, /* only transient failures */
    LEG_REFUSED,   /* not to be repeated */
};

struct leg {
    TAILQ_ENTRY(leg) link; /* while READY */
    struct delivery *delivery;
    struct endpoint *endpoint;
    enum leg_state state;
    int tries;        /* since it began, or began anew */
    int32_t attempts; /* all of them */
    mono_time due;
    mono_time called;   /* when the call under way was begun, */
    struct trace trace; /* and as what */
    char reason[96];    /* why the last try failed */
    struct ledger_request note;
};

TAILQ_HEAD(leg_queue, leg);

enum delivery_state {
    DELIVERY_QUEUED, /* behind another one of the same event */
    DELIVERY_ASKING,
    DELIVERY_CALLING,
    DELIVERY_PARKED, /* until `due` */
    DELIVERY_DEAD_LETTERING,
    DELIVERY_NOTING,
};

struct delivery {
    TAILQ_ENTRY(delivery) link;        /* of all */
    TAILQ_ENTRY(delivery) bucket_link; /* of those whose ids are alike */
    struct dispatch *dispatch;
    struct record *record; /* owned */
    struct place place;
    enum delivery_state state;
    bool announces; /* the record was understood; else only the letter counts */
    bool leaving;
    struct id tenant_id;
    struct id event_id;
    timestamp_us sent_at;
    struct trace trace;
    mono_time taken; /* from Kafka */
    int rounds;      /* how often it was parked */
    mono_time due;
    int notes; /* on their way to the ledger */
    struct leg legs[RECIPIENT_CHANNELS];
    struct ledger_request look_up;
    struct dead_letter letter;
};

/*
 * Makes a delivery of an event that was understood (a, for the channels in `wanted`), or of a
 * record that was not (a is NULL, and `problem` says why). Takes the record over. NULL: out of
 * memory, the record is still the caller's. It does nothing before delivery_begin().
 */
MUST_CHECK struct delivery *delivery_new(struct dispatch *dispatch, struct record *record,
                                         const struct announcement *a,
                                         const bool wanted[RECIPIENT_CHANNELS],
                                         const char *problem);
/* Takes it out of everything. Its place is left alone. Not while a leg is calling. */
void delivery_free(struct delivery *d);

/* May end it. */
void delivery_begin(struct delivery *d);

/* The pause of a leg, or of the delivery, may be over; what is due next, if anything, goes into
 * *next. May end the delivery. */
void delivery_wake(struct delivery *d, mono_time now, mono_time *next);

/* See above. May end the delivery. */
void delivery_leave(struct delivery *d);

/* Calls the webhook of a leg that has just been taken off its queue, if the breaker lets it. May
 * end the delivery. */
void leg_call(struct leg *leg, mono_time now);

#endif
