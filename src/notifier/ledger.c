/* ledger.c: see ledger.h. */
#include "notifier/ledger.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "db/row.h"
#include "domain/statements.h"

#define RETENTION_DAYS 30
#define PURGE_BATCH 1000
#define PURGE_EVERY_MS ((int64_t)10 * 60 * 1000)

/* After a statement that the database refused. */
#define REFUSED_PAUSE_MS 1000

/* Notes in one order, whoever makes them: no two transactions wait for each other. */
static const char PREPARE[] =
    "PREPARE look_up (uuid[], uuid[]) AS"
    " SELECT r.place::int4, d.channel, d.state"
    " FROM unnest($1, $2) WITH ORDINALITY AS r (tenant_id, event_id, place),"
    " LATERAL guard.list_deliveries(r.tenant_id, r.event_id) AS d;"
    "PREPARE note (uuid[], uuid[], text[], text[], int4[]) AS"
    " SELECT guard.record_delivery(r.tenant_id, r.event_id, r.channel, r.state, r.attempts)"
    " FROM (SELECT * FROM unnest($1, $2, $3, $4, $5)"
    " AS n (tenant_id, event_id, channel, state, attempts) ORDER BY 1, 2, 3) AS r;"
    "PREPARE purge (int4, int4) AS SELECT guard.purge_deliveries($1, $2)";

enum { INT4 = 23, TEXT = 25 };

static const char *const state_names[] = {
    [LEDGER_DELIVERED] = "DELIVERED",
    [LEDGER_DEAD] = "DEAD",
};

static struct text_span span_of(const char *text) {
    return (struct text_span){text, strlen(text)};
}

static bool equals(struct text_span text, const char *name) {
    return text.length == strlen(name) && memcmp(text.data, name, text.length) == 0;
}

/* --- answers ------------------------------------------------------------------------------- */

static void take_found(struct ledger_request *request, struct text_span channel,
                       struct text_span state) {
    for (int i = 0; i < RECIPIENT_CHANNELS; i++) {
        if (!equals(channel, recipient_channel_name((enum recipient_channel)i)))
            continue;
        request->found[i] =
            equals(state, state_names[LEDGER_DELIVERED]) ? LEDGER_DELIVERED : LEDGER_DEAD;
    }
}

static bool take_rows(struct ledger *l, const PGresult *result) {
    static const unsigned TYPES[] = {INT4, TEXT, TEXT};
    if (!row_has_types(result, TYPES, 3))
        return false;
    for (int i = 0; i < PQntuples(result); i++) {
        const struct row row = {result, i};
        int32_t place = 0;
        (void)row_int4(row, 0, &place);
        if (place < 1 || place > l->batch_count)
            return false;
        if (l->batch[place - 1] != NULL)
            take_found(l->batch[place - 1], row_text(row, 1), row_text(row, 2));
    }
    return true;
}

/* Before the first of those who wait, in the old order. */
static void queue_again(struct ledger *l) {
    for (int i = l->batch_count; i > 0; i--) {
        struct ledger_request *request = l->batch[i - 1];
        if (request != NULL)
            TAILQ_INSERT_HEAD(&l->queues[request->kind], request, link);
    }
    l->batch_count = 0;
    l->work = LEDGER_IDLE;
}

static void finish_batch(struct ledger *l) {
    /* done() may ask, and forget others of this batch. */
    for (int i = 0; i < l->batch_count; i++) {
        struct ledger_request *request = l->batch[i];
        if (request == NULL)
            continue;
        l->batch[i] = NULL;
        request->pending = false;
        request->done(request);
    }
    l->batch_count = 0;
    l->work = LEDGER_IDLE;
}

static void finish_purge(struct ledger *l, const PGresult *result) {
    static const unsigned TYPES[] = {INT4};
    int32_t purged = 0;
    if (row_has_types(result, TYPES, 1) && PQntuples(result) == 1)
        (void)row_int4((struct row){result, 0}, 0, &purged);
    if (purged > 0)
        log_debug("deleted %" PRId32 " old entries of the ledger", purged);
    if (purged < PURGE_BATCH)
        l->next_purge = mono_after_ms(mono_now(), PURGE_EVERY_MS);
    l->work = LEDGER_IDLE;
}

static void be_refused(struct ledger *l, const char *why) {
    log_error("the ledger of deliveries: %s", why);
    const mono_time now = mono_now();
    l->next = mono_after_ms(now, REFUSED_PAUSE_MS);
    if (l->work == LEDGER_PURGING)
        l->next_purge = mono_after_ms(now, PURGE_EVERY_MS);
    queue_again(l);
}

static void session_answered(void *context, PGresult *result) {
    struct ledger *l = context;
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        be_refused(l, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
    else if (l->work == LEDGER_PURGING)
        finish_purge(l, result);
    else if (l->work == LEDGER_LOOKING_UP && !take_rows(l, result))
        be_refused(l, "an answer in a form not known here");
    else
        finish_batch(l);
    PQclear(result);
}

static void session_lost(void *context) {
    queue_again(context);
}

static void session_failed(void *context) {
    (void)context; /* the session has logged it, and goes on trying */
}

/* --- statements ---------------------------------------------------------------------------- */

static void take_batch(struct ledger *l, enum ledger_kind kind) {
    struct ledger_queue *queue = &l->queues[kind];
    while (l->batch_count < LEDGER_BATCH_MAX && !TAILQ_EMPTY(queue)) {
        struct ledger_request *request = TAILQ_FIRST(queue);
        TAILQ_REMOVE(queue, request, link);
        l->batch[l->batch_count++] = request;
    }
}

static void put_ids(struct ledger *l) {
    params_begin_array(&l->params, PARAMS_UUID);
    for (int i = 0; i < l->batch_count; i++)
        params_put_id(&l->params, &l->batch[i]->tenant_id);
    params_end_array(&l->params);
    params_begin_array(&l->params, PARAMS_UUID);
    for (int i = 0; i < l->batch_count; i++)
        params_put_id(&l->params, &l->batch[i]->event_id);
    params_end_array(&l->params);
}

static void put_notes(struct ledger *l) {
    params_begin_array(&l->params, PARAMS_TEXT);
    for (int i = 0; i < l->batch_count; i++)
        params_put_text(&l->params, span_of(recipient_channel_name(l->batch[i]->channel)));
    params_end_array(&l->params);
    params_begin_array(&l->params, PARAMS_TEXT);
    for (int i = 0; i < l->batch_count; i++)
        params_put_text(&l->params, span_of(state_names[l->batch[i]->state]));
    params_end_array(&l->params);
    params_begin_array(&l->params, PARAMS_INT4);
    for (int i = 0; i < l->batch_count; i++)
        params_put_int4(&l->params, l->batch[i]->attempts);
    params_end_array(&l->params);
}

static void send(struct ledger *l, const char *statement, enum ledger_work work, mono_time now) {
    l->work = work;
    if (params_finish(&l->params))
        session_send(&l->session, statement, &l->params, now, MONO_NEVER);
    else
        be_refused(l, "out of memory");
}

static void send_batch(struct ledger *l, enum ledger_kind kind, mono_time now) {
    take_batch(l, kind);
    put_ids(l);
    if (kind == LEDGER_NOTE) {
        put_notes(l);
        send(l, "note", LEDGER_NOTING, now);
    } else {
        send(l, "look_up", LEDGER_LOOKING_UP, now);
    }
}

static void send_purge(struct ledger *l, mono_time now) {
    params_put_int4(&l->params, RETENTION_DAYS);
    params_put_int4(&l->params, PURGE_BATCH);
    send(l, "purge", LEDGER_PURGING, now);
}

static void send_next(struct ledger *l, mono_time now) {
    params_clear(&l->params);
    /* Notes first: each ends something, look-ups begin something. */
    if (!TAILQ_EMPTY(&l->queues[LEDGER_NOTE]))
        send_batch(l, LEDGER_NOTE, now);
    else if (!TAILQ_EMPTY(&l->queues[LEDGER_LOOK_UP]))
        send_batch(l, LEDGER_LOOK_UP, now);
    else if (!mono_is_before(now, l->next_purge))
        send_purge(l, now);
}

static bool has_requests(const struct ledger *l) {
    return !TAILQ_EMPTY(&l->queues[LEDGER_NOTE]) || !TAILQ_EMPTY(&l->queues[LEDGER_LOOK_UP]);
}

/* --- for the owner ------------------------------------------------------------------------- */

void ledger_init(struct ledger *l, struct poller *poller, const struct settings *settings,
                 const struct conninfo *conninfo) {
    memset(l, 0, sizeof *l);
    params_init(&l->params);
    TAILQ_INIT(&l->queues[LEDGER_LOOK_UP]);
    TAILQ_INIT(&l->queues[LEDGER_NOTE]);
    l->next = mono_now();
    l->next_purge = l->next;
    const struct session_options options = {
        .conninfo = conninfo,
        .connect_timeout_ms = settings->db_connect_timeout_ms,
        .statement_timeout_ms = settings->db_statement_timeout_ms,
        .schema_version = STATEMENTS_SCHEMA_VERSION,
        .prepare = PREPARE,
    };
    const struct session_owner owner = {
        .context = l,
        .answered = session_answered,
        .lost = session_lost,
        .failed = session_failed,
    };
    session_init(&l->session, poller, &options, &owner);
}

void ledger_exit(struct ledger *l) {
    session_exit(&l->session);
    params_exit(&l->params);
}

void ledger_tick(struct ledger *l, mono_time now) {
    session_tick(&l->session, now);
    if (l->session.state == SESSION_IDLE && !mono_is_before(now, l->next))
        send_next(l, now);
}

mono_time ledger_deadline(const struct ledger *l) {
    const mono_time due = session_deadline(&l->session);
    if (l->session.state != SESSION_IDLE)
        return due;
    const mono_time wanted = has_requests(l) ? l->next : l->next_purge;
    return mono_earlier(due, mono_is_before(wanted, l->next) ? l->next : wanted);
}

void ledger_ask(struct ledger *l, struct ledger_request *request) {
    assert(!request->pending);
    if (request->kind == LEDGER_LOOK_UP)
        memset(request->found, 0, sizeof request->found);
    request->pending = true;
    TAILQ_INSERT_TAIL(&l->queues[request->kind], request, link);
}

void ledger_forget(struct ledger *l, struct ledger_request *request) {
    if (!request->pending)
        return;
    request->pending = false;
    for (int i = 0; i < l->batch_count; i++) {
        if (l->batch[i] == request) {
            l->batch[i] = NULL;
            return;
        }
    }
    TAILQ_REMOVE(&l->queues[request->kind], request, link);
}
