/* relay.c: see relay.h. */
#include "relay/relay.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "domain/statements.h"
#include "kafka/consume_span.h"
#include "metrics/metrics.h"
#include "relay/produce_span.h"

#define REPORT_EVERY_MS ((int64_t)60 * 1000)
#define DEPTH_EVERY_MS 5000

/* Payloads in one read: more than enough for a full batch of usual ones. */
#define READ_BYTES ((int64_t)4 * 1024 * 1024)

/* Of the memory in which payloads are made; usual ones have half a kilobyte. */
#define PAYLOAD_KEPT_BYTES ((size_t)64 * 1024)

/* Pauses before the next client after a failure. */
#define PAUSE_FIRST_MS 100
#define PAUSE_MAX_MS 5000

/* A client that has failed still reports what became of its messages: so long we listen. */
#define LAST_WORDS_MS 1000

/* A client that is silent for so long, with events in it, is replaced. Kafka may be away, and it
 * does no harm then; or the client may be stuck. */
#define SILENCE_MS ((int64_t)5 * 60 * 1000)

#define DRAIN_MS 5000

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* --- what became of events ---------------------------------------------------------------- */

/* Of several failures the refusal of a message counts: that one must be found. */
static void note_failure(struct relay *r, rd_kafka_resp_err_t error) {
    if (!r->failed)
        r->failed_at = mono_now();
    if (!r->failed || producer_refuses_message(error))
        r->failure = error;
    r->failed = true;
}

static void producer_reported(void *context, void *opaque, rd_kafka_resp_err_t error) {
    struct relay *r = context;
    struct flight_event *event = opaque;
    produce_span_tell(event->span, &event->event_id,
                      error == RD_KAFKA_RESP_ERR_NO_ERROR ? NULL : rd_kafka_err2name(error));
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        flight_fail(&r->flight, event, producer_refuses_message(error));
        note_failure(r, error);
        return;
    }
    flight_take(&r->flight, event);
    r->last_report = mono_now();
    r->relayed++;
    metrics_add(METRICS_CELL(relay_events) + METRICS_RELAYED_SENT, 1);
    r->full = false;
    r->pause_ms = 0;
    if (r->told)
        log_info("Kafka takes events again");
    r->told = false;
}

/* Its row stays where it is. */
static void pass_over(struct relay *r, struct flight_event *event, const char *why) {
    const struct log_subject subject = {.event_id = event->event_id};
    char id[ID_TEXT_LENGTH + 1];
    r->passed_count++;
    metrics_add(METRICS_CELL(relay_events) + METRICS_RELAYED_PASSED_OVER, 1);
    id_format(&event->event_id, id);
    log_request(LOG_LEVEL_ERROR, &subject,
                "event %s, of %" PRId32 " bytes, cannot be sent and stays in the outbox: %s", id,
                event->bytes, why);
    flight_pass(&r->flight, event);
}

/* --- trouble with the client -------------------------------------------------------------- */

static void tell_failure(struct relay *r) {
    log_write(r->told ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN,
              "Kafka takes no events: %s; %" PRId64 " are sent again", rd_kafka_err2str(r->failure),
              r->flight.open.count);
    r->told = true;
}

/* Kafka refuses something in these events for its own sake. The events of a refused batch are all
 * marked: if it is one event only, and the first of those that are open, it is found. */
static void isolate_refused(struct relay *r) {
    int64_t span = 0;
    struct flight_event *last = flight_last_refused(&r->flight, &span);
    if (span == 1)
        pass_over(r, last, rd_kafka_err2str(r->failure));
    if (span <= 1)
        return;
    r->singly = true;
    r->singly_to = flight_place(last);
    log_warn("Kafka refuses one of %" PRId64 " events, or their number: %s; they are sent one at a"
             " time",
             span, rd_kafka_err2str(r->failure));
}

static void replace_client(struct relay *r, mono_time now) {
    const bool refused = producer_refuses_message(r->failure);
    metrics_add(METRICS_CELL(relay_failures), 1);
    if (refused) {
        isolate_refused(r);
    } else {
        tell_failure(r);
        r->pause_ms = r->pause_ms == 0 ? PAUSE_FIRST_MS : least(2 * r->pause_ms, PAUSE_MAX_MS);
    }
    flight_ground(&r->flight, &r->cursor);
    producer_drop(&r->producer, refused ? now : mono_after_ms(now, r->pause_ms));
    r->failed = false;
    r->full = false;
    r->next = now;
}

/* Whether it would be too early to drop the client: it has reports to make. */
static bool has_last_words(const struct relay *r, mono_time now) {
    return producer_is_broken(&r->producer) && r->flight.open.count > r->flight.failed &&
           mono_is_before(now, mono_after_ms(r->failed_at, LAST_WORDS_MS));
}

static void watch_client(struct relay *r, mono_time now) {
    if (!r->failed && producer_is_broken(&r->producer))
        note_failure(r, RD_KAFKA_RESP_ERR__FATAL);
    if (!r->failed && r->flight.open.count > 0 &&
        !mono_is_before(now, mono_after_ms(r->last_report, SILENCE_MS)))
        note_failure(r, RD_KAFKA_RESP_ERR__TIMED_OUT);
    if (r->failed && !has_last_words(r, now))
        replace_client(r, now);
}

static mono_time client_deadline(const struct relay *r) {
    if (r->failed)
        return mono_after_ms(r->failed_at, LAST_WORDS_MS);
    const mono_time made = producer_deadline(&r->producer);
    return r->flight.open.count > 0 ? mono_earlier(made, mono_after_ms(r->last_report, SILENCE_MS))
                                    : made;
}

/* --- sending ------------------------------------------------------------------------------ */

static rd_kafka_resp_err_t send_event(struct relay *r, const struct outbox_event *event,
                                      struct flight_event *sent) {
    char event_id[ID_TEXT_LENGTH + 1];
    char tenant_id[ID_TEXT_LENGTH + 1];
    char lock_id[ID_TEXT_LENGTH + 1];
    struct trace trace;
    produce_span_trace(&trace, event);
    id_format(&event->event_id, event_id);
    id_format(&event->tenant_id, tenant_id);
    id_format(&event->lock_id, lock_id);
    const struct producer_header headers[] = {
        {"lock-id", {lock_id, ID_TEXT_LENGTH}},
        {"tenant-id", {tenant_id, ID_TEXT_LENGTH}},
        {"event-type", event->type},
        {"event-id", {event_id, ID_TEXT_LENGTH}},
        {CONSUME_SPAN_HEADER, trace_context_text(&trace.context)},
    };
    const bool traced = trace_context_is_set(&trace.context);
    const struct producer_message message = {
        .topic = r->topics[event->stream],
        .key = {lock_id, ID_TEXT_LENGTH},
        .value = event->payload,
        .headers = headers,
        .header_count = sizeof headers / sizeof *headers - (traced ? 0 : 1),
        .opaque = sent,
    };
    sent->span = produce_span_begin(&trace, message.topic);
    return producer_send(&r->producer, &message);
}

/* Whether the event has been seen to: sent, or passed over. If not, nothing after it may be sent.
 */
static bool see_to(struct relay *r, const struct outbox_event *event) {
    struct flight_event *added = flight_add(&r->flight, event);
    if (added == NULL) {
        r->full = true;
        return false;
    }
    const char *why = NULL;
    if (r->topics[event->stream] == NULL)
        why = "no topic is known for its stream";
    else if (event->payload.data == NULL)
        why = rd_kafka_err2str(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    if (why == NULL) {
        const rd_kafka_resp_err_t error = send_event(r, event, added);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
            return true;
        if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            r->full = true;
        else if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
            why = rd_kafka_err2str(error);
        else
            note_failure(r, error);
    }
    if (why != NULL)
        pass_over(r, added, why);
    else
        flight_remove(&r->flight, added);
    return why != NULL;
}

/* --- answers of the database -------------------------------------------------------------- */

/* Asks again after a while. */
static void rest(struct relay *r) {
    r->next = mono_after_ms(mono_now(), r->poll_ms);
}

/* Who does not lead knows nothing of the outbox. */
static void show_lead(bool leads) {
    metrics_set(METRICS_CELL(leaders), leads);
    if (leads)
        return;
    metrics_set(METRICS_CELL(outbox_events), METRICS_UNSET);
    metrics_set(METRICS_CELL(outbox_oldest), METRICS_UNSET);
}

static void take_lead(struct relay *r, const PGresult *result) {
    if (!outbox_leads(result)) {
        rest(r);
        return;
    }
    log_info("this process leads");
    r->state = RELAY_LEADING;
    outbox_cursor_reset(&r->cursor);
    r->passed_count = 0;
    r->relayed = 0;
    r->singly = false;
    r->next_delete = mono_now();
    r->next_depth = r->next_delete;
    show_lead(true);
}

/* Nothing of the window before must be read again, but what is gone or was forgotten. */
static void take_window(struct relay *r, const PGresult *result) {
    const bool keep_past = flight_count(&r->flight) > 0 || r->passed_count > 0;
    if (!outbox_take_window(&r->cursor, result, keep_past)) {
        log_error("the database answered with a snapshot in a form not known here");
        rest(r);
    }
    r->singly = false;
}

/* Sends the events of the batch, up to the first one that cannot be sent now. Returns how many have
 * been seen to. */
static int send_events(struct relay *r, const struct outbox_batch *batch) {
    struct outbox_event event;
    int at = 0;
    if (r->flight.open.count == 0)
        r->last_report = mono_now();
    for (; at < batch->count; at++) {
        if (!outbox_event_at(batch, at, &r->payload, &event)) {
            r->full = true;
            break;
        }
        if (!flight_is_done(&r->flight, event.place) && !see_to(r, &event))
            break;
        r->cursor.at = event.place;
    }
    buffer_shrink(&r->payload, PAYLOAD_KEPT_BYTES);
    if (r->singly && !outbox_is_after(r->singly_to, r->cursor.at))
        r->singly = false;
    return at;
}

/* Reads on at once if there is more, else begins the next window after a while. */
static void send_batch(struct relay *r, const struct outbox_batch *batch) {
    const int seen_to = send_events(r, batch);
    const bool cut = seen_to < batch->count;
    if (seen_to > 0)
        log_debug("sent %d events", seen_to);
    if (cut && r->full && r->flight.open.count == 0) {
        rest(r); /* no report will come that could make room */
    } else if (!cut && !batch->more) {
        r->cursor.at_end = true;
        if (!r->notified)
            rest(r);
    }
}

static void take_read(struct relay *r, const PGresult *result) {
    struct outbox_batch batch;
    if (!outbox_take_read(&batch, result)) {
        log_error("the database answered a read in a form not known here");
        rest(r);
    } else if (r->state == RELAY_LEADING && producer_is_up(&r->producer) && !r->failed) {
        send_batch(r, &batch);
    } /* else it is read again, or not at all */
}

static void take_depth(struct relay *r, const PGresult *result) {
    struct outbox_depth depth;
    if (!outbox_take_depth(&depth, result)) {
        log_error("the database counted the outbox in a form not known here");
        return;
    }
    metrics_set(METRICS_CELL(outbox_events), depth.events);
    metrics_set(METRICS_CELL(outbox_oldest), depth.oldest_ms * US_PER_MS);
    if (!r->report_due)
        return;
    const bool more = depth.events > OUTBOX_DEPTH_MAX;
    log_info("relayed %" PRId64 " events; %s%" PRId32 " in the outbox, the first %" PRId64
             " ms old; %" PRId64 " cannot be sent",
             r->relayed, more ? "more than " : "", more ? OUTBOX_DEPTH_MAX : depth.events,
             depth.oldest_ms, r->passed_count);
    r->relayed = 0;
    r->report_due = false;
}

static void take_refusal(struct relay *r, const PGresult *result) {
    log_error("the database refused the relay: %s",
              PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
    rest(r);
    r->next_delete = r->next;
}

static void session_answered(void *context, PGresult *result) {
    struct relay *r = context;
    const enum relay_question question = r->question;
    r->question = RELAY_ASKED_NOTHING;
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        take_refusal(r, result);
    else if (question == RELAY_ASKED_LEAD)
        take_lead(r, result);
    else if (question == RELAY_ASKED_WINDOW)
        take_window(r, result);
    else if (question == RELAY_ASKED_READ)
        take_read(r, result);
    else if (question == RELAY_ASKED_DELETE)
        flight_drop_taken(&r->flight);
    else
        take_depth(r, result);
    PQclear(result);
}

/* With the connection the lead is gone too. The places of events mean nothing to whatever server
 * the next connection leads to. */
static void follow(struct relay *r) {
    if (flight_count(&r->flight) > 0)
        log_info("%" PRId64 " events were on their way: some may be sent twice",
                 flight_count(&r->flight));
    if (r->flight.open.count > 0)
        producer_drop(&r->producer, mono_now());
    flight_clear(&r->flight);
    r->question = RELAY_ASKED_NOTHING;
    r->failed = false;
    r->full = false;
    r->report_due = false;
    r->state =
        r->state == RELAY_LEADING || r->state == RELAY_FOLLOWING ? RELAY_FOLLOWING : RELAY_DONE;
    r->next = mono_now();
    show_lead(false);
}

static void session_lost(void *context) {
    follow(context);
}

static void session_failed(void *context) {
    follow(context);
}

static void session_notified(void *context) {
    struct relay *r = context;
    r->notified = true;
    if (r->state == RELAY_LEADING)
        r->next = mono_now();
}

/* --- what to ask next --------------------------------------------------------------------- */

/* When nothing is on its way and nothing to be deleted, what counts is the beginning of a row whose
 * end is yet to be read. */
static bool has_room(const struct relay *r) {
    if (r->flight.open.count == 0 && !flight_can_delete(&r->flight))
        return true;
    if (r->singly)
        return r->flight.open.count == 0;
    return r->in_flight_max - flight_count(&r->flight) >= least(r->batch, r->in_flight_max) &&
           r->flight.bytes + READ_BYTES <= RELAY_IN_FLIGHT_BYTES &&
           (!r->full || r->flight.open.count == 0);
}

static bool may_read(const struct relay *r) {
    return r->state == RELAY_LEADING && producer_is_up(&r->producer) && !r->failed && has_room(r);
}

static enum relay_question choose(const struct relay *r, mono_time now) {
    const bool due = !mono_is_before(now, r->next);
    if (r->state == RELAY_FOLLOWING)
        return due ? RELAY_ASKED_LEAD : RELAY_ASKED_NOTHING;
    if (r->state == RELAY_LEADING && !mono_is_before(now, r->next_depth))
        return RELAY_ASKED_DEPTH;
    const bool reads = due && may_read(r);
    const bool deletes = flight_can_delete(&r->flight) && !mono_is_before(now, r->next_delete);
    if (deletes && (!reads || r->last_question == RELAY_ASKED_READ))
        return RELAY_ASKED_DELETE;
    if (!reads)
        return RELAY_ASKED_NOTHING;
    return r->cursor.at_end ? RELAY_ASKED_WINDOW : RELAY_ASKED_READ;
}

static const char *put_read(struct relay *r) {
    const struct outbox_limits limits = {
        .events = r->singly ? 1 : (int32_t)least(r->batch, r->in_flight_max),
        .payload_bytes = r->payload_bytes_max,
        .bytes = READ_BYTES,
    };
    outbox_put_read(&r->params, &r->cursor, &limits);
    return OUTBOX_READ;
}

static const char *put_window(struct relay *r) {
    r->notified = false;
    return OUTBOX_WINDOW;
}

static const char *put_delete(struct relay *r) {
    flight_put_taken(&r->flight, &r->params, r->batch);
    return OUTBOX_DELETE;
}

static const char *put_depth(struct relay *r, mono_time now) {
    r->next_depth = mono_after_ms(now, DEPTH_EVERY_MS);
    params_put_int4(&r->params, OUTBOX_DEPTH_MAX + 1);
    return OUTBOX_DEPTH;
}

static void ask(struct relay *r, enum relay_question question, mono_time now) {
    const char *statement = OUTBOX_LEAD;
    params_clear(&r->params);
    if (question == RELAY_ASKED_WINDOW)
        statement = put_window(r);
    else if (question == RELAY_ASKED_READ)
        statement = put_read(r);
    else if (question == RELAY_ASKED_DELETE)
        statement = put_delete(r);
    else if (question == RELAY_ASKED_DEPTH)
        statement = put_depth(r, now);
    if (!params_finish(&r->params)) {
        rest(r);
        r->next_delete = r->next;
        return;
    }
    r->question = question;
    r->last_question = question;
    session_send(&r->session, statement, &r->params, now, MONO_NEVER);
}

/* --- the process -------------------------------------------------------------------------- */

bool relay_init(struct relay *r, struct poller *poller, const struct settings *settings,
                const struct conninfo *conninfo) {
    memset(r, 0, sizeof *r);
    const struct producer_owner producer_owner = {r, producer_reported};
    if (!producer_init(&r->producer, poller, settings, &producer_owner))
        return false;
    params_init(&r->params);
    r->topics[OUTBOX_NOTIFICATION] = settings->availability_guard_notification_topic;
    r->topics[OUTBOX_INVENTORY] = settings->inventory_events_topic;
    r->poll_ms = settings->relay_poll_interval_ms;
    r->batch = (int32_t)settings->relay_batch;
    r->in_flight_max = settings->relay_in_flight_max;
    r->payload_bytes_max = (int32_t)least(producer_message_bytes_max(&r->producer), INT32_MAX);
    r->next = mono_now();
    r->next_report = mono_after_ms(r->next, REPORT_EVERY_MS);
    r->drain_until = MONO_NEVER;
    show_lead(false);
    const struct session_options options = {
        .conninfo = conninfo,
        .connect_timeout_ms = settings->db_connect_timeout_ms,
        .statement_timeout_ms = settings->db_statement_timeout_ms,
        .schema_version = STATEMENTS_SCHEMA_VERSION,
        .prepare = OUTBOX_PREPARE,
    };
    const struct session_owner owner = {r, session_answered, session_lost, session_failed,
                                        session_notified};
    session_init(&r->session, poller, &options, &owner);
    return true;
}

void relay_exit(struct relay *r) {
    if (flight_count(&r->flight) > 0)
        log_info("ended with %" PRId64 " events on their way: some may be sent twice",
                 flight_count(&r->flight));
    session_exit(&r->session);
    producer_exit(&r->producer);
    flight_clear(&r->flight);
    outbox_cursor_free(&r->cursor);
    buffer_free(&r->payload);
    params_exit(&r->params);
}

static void prepare_report(struct relay *r, mono_time now) {
    r->report_due = r->state == RELAY_LEADING && (r->relayed > 0 || r->flight.open.count > 0);
    r->next_report = mono_after_ms(now, REPORT_EVERY_MS);
}

static void end_drain(struct relay *r, mono_time now) {
    const bool is_idle = r->flight.open.count == 0 && !flight_can_delete(&r->flight);
    if (is_idle || !mono_is_before(now, r->drain_until))
        r->state = RELAY_DONE;
}

void relay_tick(struct relay *r, mono_time now) {
    session_tick(&r->session, now);
    metrics_set(METRICS_CELL(relay_in_flight), flight_count(&r->flight));
    watch_client(r, now);
    producer_tick(&r->producer, now);
    if (!mono_is_before(now, r->next_report))
        prepare_report(r, now);
    if (r->state == RELAY_DRAINING)
        end_drain(r, now);
    if (r->state == RELAY_DONE || r->session.state != SESSION_IDLE)
        return;
    const enum relay_question question = choose(r, now);
    if (question != RELAY_ASKED_NOTHING)
        ask(r, question, now);
}

mono_time relay_deadline(const struct relay *r) {
    if (r->state == RELAY_DONE)
        return mono_now();
    mono_time due = mono_earlier(session_deadline(&r->session), client_deadline(r));
    due = mono_earlier(due, mono_earlier(r->next_report, r->drain_until));
    if (r->session.state != SESSION_IDLE)
        return due;
    if (r->state == RELAY_FOLLOWING || may_read(r))
        due = mono_earlier(due, r->next);
    if (r->state == RELAY_LEADING)
        due = mono_earlier(due, r->next_depth);
    return flight_can_delete(&r->flight) ? mono_earlier(due, r->next_delete) : due;
}

void relay_stop(struct relay *r, mono_time now) {
    if (r->state == RELAY_FOLLOWING)
        r->state = RELAY_DONE;
    if (r->state != RELAY_LEADING)
        return;
    log_info("draining: %" PRId64 " events are on their way", flight_count(&r->flight));
    r->state = RELAY_DRAINING;
    r->drain_until = mono_after_ms(now, DRAIN_MS);
}
