/* relay.c: see relay.h. */
#include "relay/relay.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "domain/statements.h"
#include "metrics/metrics.h"

#define REPORT_EVERY_MS ((int64_t)60 * 1000)
#define DEPTH_EVERY_MS 5000
#define MARK_EVERY_MS 1000

#define DRAIN_MS 5000

/* --- over the lanes ----------------------------------------------------------------------- */

static int64_t on_their_way(const struct relay *r) {
    int64_t sum = 0;
    for (int i = 0; i < OUTBOX_STREAMS; i++)
        sum += flight_count(&r->lanes[i].flight);
    return sum;
}

static int64_t relayed(const struct relay *r) {
    int64_t sum = 0;
    for (int i = 0; i < OUTBOX_STREAMS; i++)
        sum += r->lanes[i].relayed;
    return sum;
}

static int64_t passed(const struct relay *r) {
    int64_t sum = 0;
    for (int i = 0; i < OUTBOX_STREAMS; i++)
        sum += r->lanes[i].passed;
    return sum;
}

static int64_t lowest(const struct relay *r) {
    int64_t least = INT64_MAX;
    for (int i = 0; i < OUTBOX_STREAMS; i++)
        least = lane_lowest(&r->lanes[i]) < least ? lane_lowest(&r->lanes[i]) : least;
    return least;
}

/* --- answers of the database -------------------------------------------------------------- */

/* Who does not lead knows nothing of the outbox. */
static void show_lead(bool leads) {
    metrics_set(METRICS_CELL(leaders), leads);
    if (leads)
        return;
    metrics_set(METRICS_CELL(outbox_events), METRICS_UNSET);
    metrics_set(METRICS_CELL(outbox_oldest), METRICS_UNSET);
}

static void take_lead(struct relay *r, const PGresult *result) {
    const mono_time now = mono_now();
    if (!outbox_leads(result)) {
        r->next_lead = mono_after_ms(now, r->poll_ms);
        return;
    }
    log_info("this process leads");
    r->state = RELAY_LEADING;
    mark_reset(&r->mark);
    for (int i = 0; i < OUTBOX_STREAMS; i++)
        lane_lead(&r->lanes[i], now);
    r->next_mark = now;
    r->next_depth = now;
    show_lead(true);
}

static void rest(struct relay *r) {
    for (int i = 0; i < OUTBOX_STREAMS; i++)
        lane_rest(&r->lanes[i]);
}

static void take_window(struct relay *r, const PGresult *result) {
    struct outbox_window window;
    if (!outbox_take_snapshot(&window, result)) {
        log_error("the database answered with a snapshot in a form not known here");
        rest(r);
        return;
    }
    mark_see(&r->mark, window.top);
    for (int i = 0; i < OUTBOX_STREAMS; i++)
        lane_take_window(&r->lanes[i], &window, r->mark.settled);
}

static void take_writers(struct relay *r, const PGresult *result) {
    struct outbox_writers writers;
    if (outbox_take_writers(&writers, result))
        mark_take(&r->mark, &writers);
    else
        log_error("the database named writers in a form not known here");
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
             relayed(r), more ? "more than " : "", more ? OUTBOX_DEPTH_MAX : depth.events,
             depth.oldest_ms, passed(r));
    for (int i = 0; i < OUTBOX_STREAMS; i++)
        r->lanes[i].relayed = 0;
    r->report_due = false;
}

static void take_refusal(struct relay *r, enum relay_question question, const PGresult *result) {
    log_error("the database refused the relay: %s",
              PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
    r->next_lead = mono_after_ms(mono_now(), r->poll_ms);
    if (question == RELAY_ASKED_READ || question == RELAY_ASKED_DELETE)
        lane_rest(r->lane);
    else if (question == RELAY_ASKED_WINDOW)
        rest(r);
}

static void take_answer(struct relay *r, enum relay_question question, const PGresult *result) {
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        take_refusal(r, question, result);
    else if (question == RELAY_ASKED_LEAD)
        take_lead(r, result);
    else if (question == RELAY_ASKED_WINDOW)
        take_window(r, result);
    else if (question == RELAY_ASKED_READ)
        lane_take_read(r->lane, result);
    else if (question == RELAY_ASKED_DELETE)
        lane_take_delete(r->lane);
    else if (question == RELAY_ASKED_WRITERS)
        take_writers(r, result);
    else
        take_depth(r, result);
}

static void session_answered(void *context, PGresult *result) {
    struct relay *r = context;
    const enum relay_question question = r->question;
    r->question = RELAY_ASKED_NOTHING;
    take_answer(r, question, result);
    PQclear(result);
}

/* With the connection the lead is gone too. */
static void follow(struct relay *r) {
    if (on_their_way(r) > 0)
        log_info("%" PRId64 " events were on their way: some may be sent twice", on_their_way(r));
    for (int i = 0; i < OUTBOX_STREAMS; i++)
        lane_follow(&r->lanes[i]);
    r->question = RELAY_ASKED_NOTHING;
    r->report_due = false;
    r->state =
        r->state == RELAY_LEADING || r->state == RELAY_FOLLOWING ? RELAY_FOLLOWING : RELAY_DONE;
    r->next_lead = mono_now();
    show_lead(false);
}

static void session_lost(void *context) {
    follow(context);
}

static void session_failed(void *context) {
    follow(context);
}

/* There is word of announcements only. */
static void session_notified(void *context) {
    struct relay *r = context;
    lane_notify(&r->lanes[OUTBOX_NOTIFICATION]);
}

/* --- what to ask next --------------------------------------------------------------------- */

static bool is_due(mono_time at, mono_time now) {
    return !mono_is_before(now, at);
}

/* The lanes take turns. */
static enum relay_question choose_of_lanes(struct relay *r, mono_time now) {
    static const enum relay_question QUESTIONS[] = {
        [LANE_WISHES_WINDOW] = RELAY_ASKED_WINDOW,
        [LANE_WISHES_READ] = RELAY_ASKED_READ,
        [LANE_WISHES_DELETE] = RELAY_ASKED_DELETE,
    };
    for (int i = 0; i < OUTBOX_STREAMS; i++) {
        r->lane = r->lane + 1 < r->lanes + OUTBOX_STREAMS ? r->lane + 1 : r->lanes;
        const enum lane_wish wish = lane_wish(r->lane, now);
        if (wish != LANE_WISHES_NOTHING)
            return QUESTIONS[wish];
    }
    return RELAY_ASKED_NOTHING;
}

static enum relay_question choose(struct relay *r, mono_time now) {
    if (r->state == RELAY_FOLLOWING)
        return is_due(r->next_lead, now) ? RELAY_ASKED_LEAD : RELAY_ASKED_NOTHING;
    if (r->state == RELAY_LEADING && is_due(r->next_depth, now))
        return RELAY_ASKED_DEPTH;
    if (r->state == RELAY_LEADING && mark_lags(&r->mark) && is_due(r->next_mark, now))
        return RELAY_ASKED_WRITERS;
    return choose_of_lanes(r, now);
}

/* One serves all lanes that want one. */
static const char *put_window(struct relay *r, mono_time now) {
    for (int i = 0; i < OUTBOX_STREAMS; i++) {
        if (lane_wish(&r->lanes[i], now) == LANE_WISHES_WINDOW)
            lane_ask_window(&r->lanes[i]);
    }
    return OUTBOX_WINDOW;
}

static const char *put_read(struct relay *r) {
    lane_put_read(r->lane, &r->params);
    return OUTBOX_READ;
}

static const char *put_delete(struct relay *r) {
    lane_put_delete(r->lane, &r->params);
    return OUTBOX_DELETE;
}

static const char *put_writers(struct relay *r, mono_time now) {
    r->next_mark = mono_after_ms(now, MARK_EVERY_MS);
    mark_put(&r->mark, &r->params);
    return OUTBOX_WRITERS;
}

static const char *put_depth(struct relay *r, mono_time now) {
    r->next_depth = mono_after_ms(now, DEPTH_EVERY_MS);
    params_put_int8(&r->params, lowest(r));
    params_put_int4(&r->params, OUTBOX_DEPTH_MAX + 1);
    return OUTBOX_DEPTH;
}

static void ask(struct relay *r, enum relay_question question, mono_time now) {
    const char *statement = OUTBOX_LEAD;
    params_clear(&r->params);
    if (question == RELAY_ASKED_WINDOW)
        statement = put_window(r, now);
    else if (question == RELAY_ASKED_READ)
        statement = put_read(r);
    else if (question == RELAY_ASKED_DELETE)
        statement = put_delete(r);
    else if (question == RELAY_ASKED_WRITERS)
        statement = put_writers(r, now);
    else if (question == RELAY_ASKED_DEPTH)
        statement = put_depth(r, now);
    if (!params_finish(&r->params)) {
        rest(r);
        return;
    }
    r->question = question;
    session_send(&r->session, statement, &r->params, now, MONO_NEVER);
}

/* --- the process -------------------------------------------------------------------------- */

static bool init_lanes(struct relay *r, struct poller *poller, const struct settings *settings) {
    for (int i = 0; i < OUTBOX_STREAMS; i++) {
        if (lane_init(&r->lanes[i], (enum outbox_stream)i, poller, settings))
            continue;
        while (i-- > 0)
            lane_exit(&r->lanes[i]);
        return false;
    }
    return true;
}

bool relay_init(struct relay *r, struct poller *poller, const struct settings *settings,
                const struct conninfo *conninfo) {
    memset(r, 0, sizeof *r);
    if (!init_lanes(r, poller, settings))
        return false;
    params_init(&r->params);
    r->lane = r->lanes;
    r->poll_ms = settings->relay_poll_interval_ms;
    r->next_lead = mono_now();
    r->next_report = mono_after_ms(r->next_lead, REPORT_EVERY_MS);
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
    if (on_their_way(r) > 0)
        log_info("ended with %" PRId64 " events on their way: some may be sent twice",
                 on_their_way(r));
    session_exit(&r->session);
    for (int i = 0; i < OUTBOX_STREAMS; i++)
        lane_exit(&r->lanes[i]);
    mark_free(&r->mark);
    params_exit(&r->params);
}

static void prepare_report(struct relay *r, mono_time now) {
    r->report_due = r->state == RELAY_LEADING && (relayed(r) > 0 || on_their_way(r) > 0);
    r->next_report = mono_after_ms(now, REPORT_EVERY_MS);
}

static void end_drain(struct relay *r, mono_time now) {
    bool is_idle = true;
    for (int i = 0; i < OUTBOX_STREAMS; i++)
        is_idle = is_idle && lane_is_idle(&r->lanes[i]);
    if (is_idle || is_due(r->drain_until, now))
        r->state = RELAY_DONE;
}

void relay_tick(struct relay *r, mono_time now) {
    session_tick(&r->session, now);
    metrics_set(METRICS_CELL(relay_in_flight), on_their_way(r));
    for (int i = 0; i < OUTBOX_STREAMS; i++)
        lane_tick(&r->lanes[i], now);
    if (is_due(r->next_report, now))
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
    const bool session_is_free = r->session.state == SESSION_IDLE;
    if (r->state == RELAY_DONE)
        return mono_now();
    mono_time due =
        mono_earlier(session_deadline(&r->session), mono_earlier(r->next_report, r->drain_until));
    for (int i = 0; i < OUTBOX_STREAMS; i++)
        due = mono_earlier(due, lane_deadline(&r->lanes[i], session_is_free));
    if (!session_is_free)
        return due;
    if (r->state == RELAY_FOLLOWING)
        due = mono_earlier(due, r->next_lead);
    if (r->state == RELAY_LEADING)
        due = mono_earlier(due, r->next_depth);
    if (r->state == RELAY_LEADING && mark_lags(&r->mark))
        due = mono_earlier(due, r->next_mark);
    return due;
}

void relay_stop(struct relay *r, mono_time now) {
    if (r->state == RELAY_FOLLOWING)
        r->state = RELAY_DONE;
    if (r->state != RELAY_LEADING)
        return;
    log_info("draining: %" PRId64 " events are on their way", on_their_way(r));
    r->state = RELAY_DRAINING;
    for (int i = 0; i < OUTBOX_STREAMS; i++)
        lane_drain(&r->lanes[i]);
    r->drain_until = mono_after_ms(now, DRAIN_MS);
}
