/*
 * relay.h: carries the events of the outbox to Kafka, in their order, and deletes those that Kafka
 * has taken. Any number of relays may run; the one that holds an advisory lock in the database
 * leads, and another takes over when its connection ends.
 *
 *   FOLLOWING --lock got--> LEADING --relay_stop()--> DRAINING --> DONE
 *        ^  |                  |                          |         ^
 *        |  +---relay_stop()---|--------------------------|---------+
 *        +---connection lost---+                          +-- nothing left, or time is over
 *
 * While it leads, one statement at a time is under way, for one of its lanes (lane.h):
 * announcements of manual releases have one, and inventory events, and neither waits for the
 * other's topic. Only announcements come with a notification of the database: for inventory events
 * it would make their commits wait for each other.
 *
 * No event is lost: a row goes only after Kafka's report. Any trouble ends in one of two ways, and
 * in both an event may be sent a second time, with the same event id:
 *   - Kafka's client failed: what it had not taken is read again (lane.h). So events wait in the
 *     outbox as long as Kafka is away.
 *   - the connection to the database was lost, and the lead with it: everything on its way is
 *     forgotten, and read anew by whoever leads next.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/settings.h"
#include "db/session.h"
#include "relay/lane.h"
#include "relay/mark.h"
#include "relay/outbox.h"

enum relay_state {
    RELAY_FOLLOWING, /* asks for the lead every interval */
    RELAY_LEADING,
    RELAY_DRAINING, /* reads nothing more; waits for Kafka's reports and deletes */
    RELAY_DONE,
};

/* What the session has been asked. */
enum relay_question {
    RELAY_ASKED_NOTHING,
    RELAY_ASKED_LEAD,
    RELAY_ASKED_WINDOW,
    RELAY_ASKED_READ,
    RELAY_ASKED_DELETE,
    RELAY_ASKED_WRITERS,
    RELAY_ASKED_DEPTH,
};

struct relay {
    struct session session;
    struct params params;
    struct lane lanes[OUTBOX_STREAMS];
    struct lane *lane; /* whose turn it was last */
    struct mark mark;
    enum relay_state state;
    enum relay_question question;

    int64_t poll_ms;
    mono_time next_lead; /* not before this is it asked for */
    mono_time next_mark;
    mono_time drain_until;

    /* the minute's report */
    mono_time next_report;
    bool report_due; /* with the next depth */
    mono_time next_depth;
};

/* False when no client can be made, which has been logged; there is nothing to end then. The
 * settings and the conninfo must outlive the relay, which must not move. */
MUST_CHECK bool relay_init(struct relay *r, struct poller *poller, const struct settings *settings,
                           const struct conninfo *conninfo);
void relay_exit(struct relay *r);

/* Does what is due. */
void relay_tick(struct relay *r, mono_time now);
/* When relay_tick() is due next, if nothing happens before. */
mono_time relay_deadline(const struct relay *r);

/* Begins to drain; the state is RELAY_DONE within a few seconds. */
void relay_stop(struct relay *r, mono_time now);

#endif
