/*
 * ledger.h: asks the database which channels of an event have been served, and notes those that
 * have. No webhook is called without having asked: what Kafka delivers twice goes out once.
 *
 * Requests queue; while a statement is under way others gather, and go out together as the next
 * one. While the database is away they wait, for as long as it takes. An answer that was lost with
 * its connection is asked for again: looking up changes nothing, and noting twice is noting once.
 *
 *   idle --ledger_ask()--> queued --sent--> asked --> done(), idle
 *    ^----ledger_forget()--- |               |
 *                            ^-----lost------+
 *
 * Now and then it deletes entries that are older than Kafka keeps events.
 */
#ifndef NOTIFIER_LEDGER_H
#define NOTIFIER_LEDGER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/id.h"
#include "base/poller.h"
#include "base/settings.h"
#include "db/conninfo.h"
#include "db/params.h"
#include "db/session.h"
#include "notification/recipient.h"

#define LEDGER_BATCH_MAX 64

enum ledger_state {
    LEDGER_NONE, /* nothing is known of this channel */
    LEDGER_DELIVERED,
    LEDGER_DEAD, /* given up; the event is in the dead-letter topic */
};

enum ledger_kind {
    LEDGER_LOOK_UP,
    LEDGER_NOTE,
};

/* Belongs to the caller; must not move while it is queued or asked. */
struct ledger_request {
    TAILQ_ENTRY(ledger_request) link;
    enum ledger_kind kind;
    bool pending; /* queued or asked */
    struct id tenant_id;
    struct id event_id;
    /* what to note */
    enum recipient_channel channel;
    enum ledger_state state;
    int32_t attempts;
    /* what was looked up, by channel */
    enum ledger_state found[RECIPIENT_CHANNELS];
    /* Not called from inside ledger_ask(). */
    void (*done)(struct ledger_request *request);
};

TAILQ_HEAD(ledger_queue, ledger_request);

struct ledger {
    struct session session;
    struct params params;
    struct ledger_queue queues[2]; /* by kind */
    /* The statement under way; those that were forgotten meanwhile are NULL. */
    enum ledger_work { LEDGER_IDLE, LEDGER_LOOKING_UP, LEDGER_NOTING, LEDGER_PURGING } work;
    struct ledger_request *batch[LEDGER_BATCH_MAX];
    int batch_count;
    mono_time next; /* not before this is the next statement sent: after one that was refused */
    mono_time next_purge;
};

/* The conninfo must outlive the ledger. Connects by itself. */
void ledger_init(struct ledger *l, struct poller *poller, const struct settings *settings,
                 const struct conninfo *conninfo);
/* done() of no request is called any more. */
void ledger_exit(struct ledger *l);

void ledger_tick(struct ledger *l, mono_time now);
mono_time ledger_deadline(const struct ledger *l);

/* Queues a request that is not pending. */
void ledger_ask(struct ledger *l, struct ledger_request *request);

/* done() will not be called; what was to be noted may have been. Harmless when not pending. */
void ledger_forget(struct ledger *l, struct ledger_request *request);

#endif
