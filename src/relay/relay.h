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
 * While it leads, one statement at a time is under way: events are read in batches and sent, until
 * RELAY_IN_FLIGHT_MAX of them or RELAY_IN_FLIGHT_BYTES are on their way; rows whose events Kafka
 * has taken are deleted in batches. When a window (outbox.h) has been read, the next one begins
 * after RELAY_POLL_INTERVAL_MS, or when a notification of the database comes. Only announcements
 * of manual releases come with one: for inventory events it would make their commits wait for each
 * other.
 *
 * No event is lost: a row goes only after Kafka's report. Any trouble ends in one of two ways, and
 * in both an event may be sent a second time, with the same event id:
 *   - Kafka's client failed: it is dropped, and what it had not taken is read again, in its order,
 *     after a pause that grows. So events wait in the outbox as long as Kafka is away.
 *   - the connection to the database was lost, and the lead with it: everything on its way is
 *     forgotten, and read anew by whoever leads next.
 * What Kafka refuses for its own sake (too large, or not valid for this topic) would stop all
 * others for ever. So if events are refused, they are sent one at a time; one that is refused alone
 * stays in the outbox, is logged as an error, and is passed over until a relay begins to lead
 * again.
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
#include "kafka/producer.h"
#include "relay/flight.h"
#include "relay/outbox.h"

/* Payloads on their way, all together: bounds the memory, whatever the outbox holds. */
#define RELAY_IN_FLIGHT_BYTES ((int64_t)32 * 1024 * 1024)

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
    RELAY_ASKED_DEPTH,
};

struct relay {
    struct session session;
    struct producer producer;
    struct params params;
    struct flight flight;
    struct buffer payload; /* of the event that is being sent */
    enum relay_state state;
    enum relay_question question;
    enum relay_question last_question;

    /* settings */
    const char *topics[OUTBOX_STREAMS]; /* NULL: none is known */
    int64_t poll_ms;
    int32_t batch;
    int64_t in_flight_max;
    int32_t payload_bytes_max;

    /* reading */
    struct outbox_cursor cursor;   /* what is behind it has been sent, or passed over */
    mono_time next;                /* not before this is the next lead asked for, or batch read */
    bool notified;                 /* since the window began */
    bool singly;                   /* events are sent one at a time, */
    struct outbox_place singly_to; /* up to this one of the window */
    bool full;                     /* the client takes no more until it has reported something */

    /* deleting */
    mono_time next_delete;

    /* trouble with the client: to be seen to in relay_tick() */
    bool failed;
    rd_kafka_resp_err_t failure;
    mono_time failed_at;
    int64_t pause_ms;      /* before the next client; grows from one failure to the next */
    bool told;             /* that Kafka takes nothing */
    mono_time last_report; /* of a taken event, or when the first of those open was sent */

    mono_time drain_until;

    /* the minute's report */
    mono_time next_report;
    bool report_due; /* with the next depth */
    mono_time next_depth;
    int64_t relayed;      /* since the last one */
    int64_t passed_count; /* since it leads */
};

/* False when the producer cannot be made, which has been logged; there is nothing to end then. The
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
