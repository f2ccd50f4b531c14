/* lane.c: see lane.h. */
#include "relay/lane.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "kafka/consume_span.h"
#include "metrics/metrics.h"
#include "relay/produce_span.h"

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

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* --- what became of events ---------------------------------------------------------------- */

/* Of several failures the refusal of a message counts: that one must be found. */
static void note_failure(struct lane *l, rd_kafka_resp_err_t error) {
    if (!l->failed)
        l->failed_at = mono_now();
    if (!l->failed || producer_refuses_message(error))
        l->failure = error;
    l->failed = true;
}

static void producer_reported(void *context, void *opaque, rd_kafka_resp_err_t error) {
    struct lane *l = context;
    struct flight_event *event = opaque;
    produce_span_tell(event->span, &event->event_id,
                      error == RD_KAFKA_RESP_ERR_NO_ERROR ? NULL : rd_kafka_err2name(error));
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        flight_fail(&l->flight, event, producer_refuses_message(error));
        note_failure(l, error);
        return;
    }
    flight_take(&l->flight, event);
    l->last_report = mono_now();
    l->relayed++;
    metrics_add(METRICS_CELL(relay_events) + METRICS_RELAYED_SENT, 1);
    l->full = false;
    l->pause_ms = 0;
    if (l->told)
        log_info("%s: Kafka takes events again", l->topic);
    l->told = false;
}

/* Its row stays where it is. */
static void pass_over(struct lane *l, struct flight_event *event, const char *why) {
    const struct log_subject subject = {.event_id = event->event_id};
    char id[ID_TEXT_LENGTH + 1];
    l->passed++;
    metrics_add(METRICS_CELL(relay_events) + METRICS_RELAYED_PASSED_OVER, 1);
    id_format(&event->event_id, id);
    log_request(LOG_LEVEL_ERROR, &subject,
                "event %s, of %" PRId32 " bytes, cannot be sent and stays in the outbox: %s", id,
                event->bytes, why);
    flight_pass(&l->flight, event);
}

/* --- trouble with the client -------------------------------------------------------------- */

static void tell_failure(struct lane *l) {
    log_write(l->told ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN,
              "%s: Kafka takes no events: %s; %" PRId64 " are sent again", l->topic,
              rd_kafka_err2str(l->failure), l->flight.open.count);
    l->told = true;
}

/* Kafka refuses something in these events for its own sake. The events of a refused batch are all
 * marked: if it is one event only, and the first of those that are open, it is found. */
static void isolate_refused(struct lane *l) {
    int64_t span = 0;
    struct flight_event *last = flight_last_refused(&l->flight, &span);
    if (span == 1)
        pass_over(l, last, rd_kafka_err2str(l->failure));
    if (span <= 1)
        return;
    l->singly = true;
    l->singly_to = flight_place(last);
    log_warn("Kafka refuses one of %" PRId64 " events, or their number: %s; they are sent one at a"
             " time",
             span, rd_kafka_err2str(l->failure));
}

static void replace_client(struct lane *l, mono_time now) {
    const bool refused = producer_refuses_message(l->failure);
    metrics_add(METRICS_CELL(relay_failures), 1);
    if (refused) {
        isolate_refused(l);
    } else {
        tell_failure(l);
        l->pause_ms = l->pause_ms == 0 ? PAUSE_FIRST_MS : least(2 * l->pause_ms, PAUSE_MAX_MS);
    }
    flight_ground(&l->flight, &l->cursor);
    producer_drop(&l->producer, refused ? now : mono_after_ms(now, l->pause_ms));
    l->failed = false;
    l->full = false;
    l->next = now;
}

/* Whether it would be too early to drop the client: it has reports to make. */
static bool has_last_words(const struct lane *l, mono_time now) {
    return producer_is_broken(&l->producer) && l->flight.open.count > l->flight.failed &&
           mono_is_before(now, mono_after_ms(l->failed_at, LAST_WORDS_MS));
}

static void watch_client(struct lane *l, mono_time now) {
    if (!l->failed && producer_is_broken(&l->producer))
        note_failure(l, RD_KAFKA_RESP_ERR__FATAL);
    if (!l->failed && l->flight.open.count > 0 &&
        !mono_is_before(now, mono_after_ms(l->last_report, SILENCE_MS)))
        note_failure(l, RD_KAFKA_RESP_ERR__TIMED_OUT);
    if (l->failed && !has_last_words(l, now))
        replace_client(l, now);
}

static mono_time client_deadline(const struct lane *l) {
    if (l->failed)
        return mono_after_ms(l->failed_at, LAST_WORDS_MS);
    const mono_time made = producer_deadline(&l->producer);
    return l->flight.open.count > 0 ? mono_earlier(made, mono_after_ms(l->last_report, SILENCE_MS))
                                    : made;
}

/* --- sending ------------------------------------------------------------------------------ */

static rd_kafka_resp_err_t send_event(struct lane *l, const struct outbox_event *event,
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
        .topic = l->topic,
        .key = {lock_id, ID_TEXT_LENGTH},
        .value = event->payload,
        .headers = headers,
        .header_count = sizeof headers / sizeof *headers - (traced ? 0 : 1),
        .opaque = sent,
    };
    sent->span = produce_span_begin(&trace, message.topic);
    return producer_send(&l->producer, &message);
}

/* Whether the event has been seen to: sent, or passed over. If not, nothing after it may be sent.
 */
static bool see_to(struct lane *l, const struct outbox_event *event) {
    struct flight_event *added = flight_add(&l->flight, event);
    if (added == NULL) {
        l->full = true;
        return false;
    }
    const char *why = NULL;
    if (event->stream != l->stream)
        why = "no topic is known for its stream";
    else if (event->payload.data == NULL)
        why = rd_kafka_err2str(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    if (why == NULL) {
        const rd_kafka_resp_err_t error = send_event(l, event, added);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
            return true;
        if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            l->full = true;
        else if (error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
            why = rd_kafka_err2str(error);
        else
            note_failure(l, error);
    }
    if (why != NULL)
        pass_over(l, added, why);
    else
        flight_remove(&l->flight, added);
    return why != NULL;
}

/* --- what to ask next --------------------------------------------------------------------- */

/* When nothing is on its way and nothing to be deleted, what counts is the beginning of a row whose
 * end is yet to be read. */
static bool has_room(const struct lane *l) {
    if (lane_is_idle(l))
        return true;
    if (l->singly)
        return l->flight.open.count == 0;
    return l->in_flight_max - flight_count(&l->flight) >= least(l->batch, l->in_flight_max) &&
           l->flight.bytes + READ_BYTES <= LANE_IN_FLIGHT_BYTES &&
           (!l->full || l->flight.open.count == 0);
}

static bool may_send(const struct lane *l) {
    return l->leads && producer_is_up(&l->producer) && !l->failed;
}

static bool may_read(const struct lane *l) {
    return may_send(l) && has_room(l);
}

enum lane_wish lane_wish(const struct lane *l, mono_time now) {
    const bool reads = may_read(l) && !mono_is_before(now, l->next);
    const bool deletes = flight_can_delete(&l->flight) && !mono_is_before(now, l->next_delete);
    if (deletes && (!reads || l->has_read))
        return LANE_WISHES_DELETE;
    if (!reads)
        return LANE_WISHES_NOTHING;
    return l->cursor.at_end ? LANE_WISHES_WINDOW : LANE_WISHES_READ;
}

void lane_ask_window(struct lane *l) {
    l->asks_window = true;
    l->notified = false;
    l->cursor.moved = false;
}

void lane_put_read(struct lane *l, struct params *p) {
    const struct outbox_limits limits = {
        .events = l->singly ? 1 : (int32_t)least(l->batch, l->in_flight_max),
        .payload_bytes = l->payload_bytes_max,
        .bytes = READ_BYTES,
    };
    outbox_put_read(p, l->stream, &l->cursor, &limits);
    l->has_read = true;
}

void lane_put_delete(struct lane *l, struct params *p) {
    flight_put_taken(&l->flight, p, l->batch);
    l->has_read = false;
}

/* --- answers of the database -------------------------------------------------------------- */

/* Reads again after a while. */
static void rest(struct lane *l) {
    l->next = mono_after_ms(mono_now(), l->poll_ms);
}

void lane_rest(struct lane *l) {
    rest(l);
    l->next_delete = l->next;
    l->asks_window = false;
}

/* The next window begins after a while, or at once if there has been word. */
static void end_window(struct lane *l) {
    if (l->cursor.at_end && !l->notified)
        rest(l);
}

/* Nothing of the window before must be read again, but what is gone or was forgotten. */
void lane_take_window(struct lane *l, const struct outbox_window *window, int64_t settled) {
    const bool keep_past = flight_count(&l->flight) > 0 || l->passed > 0;
    const bool is_mine = l->asks_window && !l->cursor.moved;
    l->asks_window = false;
    if (!is_mine)
        return;
    if (outbox_cursor_go_on(&l->cursor, window, settled, keep_past))
        end_window(l);
    else
        rest(l); /* memory has run out */
    l->singly = false;
}

/* Sends the events of the batch, up to the first one that cannot be sent now. Returns how many have
 * been seen to. */
static int send_events(struct lane *l, const struct outbox_batch *batch) {
    struct outbox_event event;
    int at = 0;
    if (l->flight.open.count == 0)
        l->last_report = mono_now();
    for (; at < batch->count; at++) {
        if (!outbox_event_at(batch, at, &l->payload, &event)) {
            l->full = true;
            break;
        }
        if (!flight_is_done(&l->flight, event.place) && !see_to(l, &event))
            break;
        l->cursor.at = event.place;
    }
    buffer_shrink(&l->payload, PAYLOAD_KEPT_BYTES);
    return at;
}

static void send_batch(struct lane *l, const struct outbox_batch *batch) {
    const int seen_to = send_events(l, batch);
    const bool cut = seen_to < batch->count;
    if (seen_to > 0)
        log_debug("sent %d events", seen_to);
    if (cut && l->full && l->flight.open.count == 0)
        rest(l); /* no report will come that could make room */
    if (!cut && !batch->more) {
        outbox_cursor_pass(&l->cursor);
        end_window(l);
    }
    if (l->singly && !outbox_is_after(l->singly_to, l->cursor.at))
        l->singly = false;
}

void lane_take_read(struct lane *l, const PGresult *result) {
    struct outbox_batch batch;
    if (!outbox_take_read(&batch, result)) {
        log_error("the database answered a read in a form not known here");
        rest(l);
    } else if (!l->cursor.moved && may_send(l)) {
        send_batch(l, &batch);
    } /* else it is read again, or not at all */
}

void lane_take_delete(struct lane *l) {
    flight_drop_taken(&l->flight);
}

/* --- the lane ----------------------------------------------------------------------------- */

bool lane_init(struct lane *l, enum outbox_stream stream, struct poller *poller,
               const struct settings *settings) {
    const struct producer_owner owner = {l, producer_reported};
    memset(l, 0, sizeof *l);
    if (!producer_init(&l->producer, poller, settings, &owner))
        return false;
    l->stream = stream;
    l->topic = stream == OUTBOX_NOTIFICATION ? settings->availability_guard_notification_topic
                                             : settings->inventory_events_topic;
    l->poll_ms = settings->relay_poll_interval_ms;
    l->batch = (int32_t)settings->relay_batch;
    l->in_flight_max = settings->relay_in_flight_max;
    l->payload_bytes_max = (int32_t)least(producer_message_bytes_max(&l->producer), INT32_MAX);
    return true;
}

void lane_exit(struct lane *l) {
    producer_exit(&l->producer);
    flight_clear(&l->flight);
    outbox_cursor_free(&l->cursor);
    buffer_free(&l->payload);
}

void lane_lead(struct lane *l, mono_time now) {
    outbox_cursor_reset(&l->cursor);
    l->leads = true;
    l->passed = 0;
    l->relayed = 0;
    l->singly = false;
    l->next = now;
    l->next_delete = now;
}

void lane_drain(struct lane *l) {
    l->leads = false;
}

/* The places of events mean nothing to whatever server the next connection leads to. */
void lane_follow(struct lane *l) {
    if (l->flight.open.count > 0)
        producer_drop(&l->producer, mono_now());
    flight_clear(&l->flight);
    l->leads = false;
    l->failed = false;
    l->full = false;
    l->asks_window = false;
}

void lane_notify(struct lane *l) {
    l->notified = true;
    l->next = mono_now();
}

void lane_tick(struct lane *l, mono_time now) {
    watch_client(l, now);
    producer_tick(&l->producer, now);
}

mono_time lane_deadline(const struct lane *l, bool session_is_free) {
    mono_time due = client_deadline(l);
    if (session_is_free && may_read(l))
        due = mono_earlier(due, l->next);
    if (session_is_free && flight_can_delete(&l->flight))
        due = mono_earlier(due, l->next_delete);
    return due;
}

int64_t lane_lowest(const struct lane *l) {
    const struct outbox_cursor *cursor = &l->cursor;
    return least(flight_lowest(&l->flight), cursor->at_end ? cursor->settled + 1 : cursor->at.id);
}

bool lane_is_idle(const struct lane *l) {
    return l->flight.open.count == 0 && !flight_can_delete(&l->flight);
}
