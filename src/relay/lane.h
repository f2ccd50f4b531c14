/*
 * lane.h: the way of one stream from the outbox to its topic: what has been read, what is on its
 * way to Kafka, what is to be deleted, and the client that carries it.
 *
 * The lanes of a relay share its session and its lead, and nothing else: what happens to one
 * topic (it is missing, or may not be written, or refuses an event) is no matter to the other lane.
 * The relay asks the database what a lane wishes, one statement at a time, and brings the answer.
 *
 * Events are read in batches and sent, until RELAY_IN_FLIGHT_MAX of them or LANE_IN_FLIGHT_BYTES
 * are on their way; rows whose events Kafka has taken are deleted in batches. When a window
 * (outbox.h) has been read, the next one begins after RELAY_POLL_INTERVAL_MS, or with
 * lane_notify().
 *
 * When Kafka's client fails, it is dropped, and what it had not taken is read again, in its order,
 * after a pause that grows. What Kafka refuses for its own sake (too large, or not valid for this
 * topic) would stop all others of the stream for ever. So if events are refused, they are sent one
 * at a time; one that is refused alone stays in the outbox, is logged as an error, and is passed
 * over until a relay begins to lead again.
 */
#ifndef RELAY_LANE_H
#define RELAY_LANE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/settings.h"
#include "db/params.h"
#include "kafka/producer.h"
#include "relay/flight.h"
#include "relay/outbox.h"

/* Payloads on their way, all together: bounds the memory, whatever the outbox holds. */
#define LANE_IN_FLIGHT_BYTES ((int64_t)16 * 1024 * 1024)

/* What it would ask the database. */
enum lane_wish {
    LANE_WISHES_NOTHING,
    LANE_WISHES_WINDOW,
    LANE_WISHES_READ,
    LANE_WISHES_DELETE,
};

struct lane {
    struct producer producer;
    struct flight flight;
    struct buffer payload; /* of the event that is being sent */
    bool leads;            /* else it reads nothing, but sees to what is on its way */

    /* settings */
    enum outbox_stream stream;
    const char *topic;
    int64_t poll_ms;
    int32_t batch;
    int64_t in_flight_max;
    int32_t payload_bytes_max;

    /* reading */
    struct outbox_cursor cursor;   /* what is behind it has been sent, or passed over */
    mono_time next;                /* nothing is read before */
    bool asks_window;              /* one has been asked for, also for this lane */
    bool notified;                 /* since then */
    bool singly;                   /* events are sent one at a time, */
    struct outbox_place singly_to; /* up to this one of the window */
    bool full;                     /* the client takes no more until it has reported something */
    bool has_read;                 /* since rows were deleted */

    /* deleting */
    mono_time next_delete;

    /* trouble with the client: to be seen to in lane_tick() */
    bool failed;
    rd_kafka_resp_err_t failure;
    mono_time failed_at;
    int64_t pause_ms;      /* before the next client; grows from one failure to the next */
    bool told;             /* that Kafka takes nothing */
    mono_time last_report; /* of a taken event, or when the first of those open was sent */

    int64_t relayed; /* events that Kafka has taken, since somebody set it to 0 */
    int64_t passed;  /* over, since it leads */
};

/* False when the producer cannot be made, which has been logged; there is nothing to end then. The
 * settings must outlive the lane, which must not move. */
MUST_CHECK bool lane_init(struct lane *l, enum outbox_stream stream, struct poller *poller,
                          const struct settings *settings);
void lane_exit(struct lane *l);

/* The relay has the lead: all is read, from the beginning. */
void lane_lead(struct lane *l, mono_time now);
/* Reads no more. */
void lane_drain(struct lane *l);
/* The connection is lost, and the lead with it: what is on its way is forgotten. */
void lane_follow(struct lane *l);

/* There is something new in the outbox. */
void lane_notify(struct lane *l);

/* Sees to trouble with the client. */
void lane_tick(struct lane *l, mono_time now);
/* When lane_tick() is due, or, while the session is free, there is a wish. */
mono_time lane_deadline(const struct lane *l, bool session_is_free);

/* What it wishes now, for the session is free. */
enum lane_wish lane_wish(const struct lane *l, mono_time now);
/* The statement of a wish is about to be sent; its parameters, of which a window has none. */
void lane_ask_window(struct lane *l);
void lane_put_read(struct lane *l, struct params *p);
void lane_put_delete(struct lane *l, struct params *p);
/* The answers. One that came too late, for what was sent must be sent again, is passed over; and a
 * window that was not asked for here. */
void lane_take_window(struct lane *l, const struct outbox_window *window, int64_t settled);
void lane_take_read(struct lane *l, const PGresult *result);
void lane_take_delete(struct lane *l);
/* The database has refused, or nothing could be asked: again after a while. */
void lane_rest(struct lane *l);

/* Of the rows that it has not seen to, and of those that may still be there, the smallest number,
 * as far as it knows. */
int64_t lane_lowest(const struct lane *l);

/* Whether nothing is on its way, and nothing to be deleted. */
bool lane_is_idle(const struct lane *l);

#endif
