/* dispatcher.c: see dispatcher.h. */
#include "domain/dispatcher.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "domain/spans.h"
#include "domain/sqlstate.h"
#include "domain/statements.h"
#include "metrics/metrics.h"

/* How often one command is tried when the database refuses it for reasons that pass. */
#define ATTEMPTS_MAX 5

/* How much of the queue is looked through for a batch, for each place in it. */
#define LOOKS_FOR_EACH 4

/* Metrics know nothing of commands, only their names. */
static_assert((int)METRICS_STATEMENT_LOCK == (int)COMMAND_LOCK &&
                  (int)METRICS_STATEMENT_MANUAL_RELEASE == (int)COMMAND_MANUAL_RELEASE &&
                  (int)METRICS_STATEMENT_PING == (int)COMMAND_PING &&
                  (int)METRICS_STATEMENT_COUNT == (int)COMMAND_KINDS,
              "the values of the label \"statement\" are those of enum command_kind");

static enum metrics_statement statement_of(const struct command *command) {
    return (enum metrics_statement)command->kind;
}

/* Whether it was never sent before, not even in a batch that failed. */
static bool is_first_try(const struct command *c) {
    return !c->sent_before && c->attempts == 0 && !c->alone;
}

/* The batch goes out now. */
static void count_batch(const struct dispatcher *d, mono_time now) {
    const enum metrics_statement statement = statement_of(d->batch[0]);
    metrics_batch(statement, d->batch_count);
    for (size_t i = 0; i < d->batch_count; i++) {
        const struct command *c = d->batch[i];
        if (is_first_try(c))
            metrics_queued(statement, mono_diff_us(now, c->queued_at));
    }
}

/* The batch is on its way: what is told of that holds nobody up. */
static void tell_queued(const struct dispatcher *d) {
    for (size_t i = 0; i < d->batch_count; i++) {
        if (is_first_try(d->batch[i]))
            spans_queued(d->batch[i], d->sent_at, NULL);
    }
}

/* The batch under way has come to an end that is none. */
static void tell_failed(const struct dispatcher *d, const char *error) {
    const mono_time now = mono_now();
    for (size_t i = 0; i < d->batch_count; i++)
        spans_statement(d->batch[i], d->batch_count, d->sent_at, now, error);
}

static void answer_refusal(struct command *command, enum outcome_kind kind, const char *sqlstate) {
    /* "Overloaded" speaks of what was not sent; of what was, nobody knows. */
    if (kind == OUTCOME_OVERLOADED && command->sent_before)
        kind = OUTCOME_UNAVAILABLE;
    struct outcome outcome = {.kind = kind,
                              .maybe_done = command->sent_before || command->bulk_next > 0};
    (void)snprintf(outcome.sqlstate, sizeof outcome.sqlstate, "%s", sqlstate);
    command->answer(command, &outcome);
}

static void answer(struct command *command, enum outcome_kind kind) {
    answer_refusal(command, kind, "");
}

/* What a command is told when the session can't be used. */
static enum outcome_kind no_database(const struct dispatcher *d) {
    return d->session.problem == SESSION_PROBLEM_SCHEMA ? OUTCOME_WRONG_SCHEMA
                                                        : OUTCOME_UNAVAILABLE;
}

static void push_last(struct dispatcher *d, struct command *command) {
    command->next = NULL;
    if (d->last == NULL)
        d->first = command;
    else
        d->last->next = command;
    d->last = command;
    d->queued++;
}

/* Puts the batch back, in its order, before everything that waits. */
static void requeue_batch(struct dispatcher *d) {
    for (size_t i = d->batch_count; i-- > 0;) {
        struct command *command = d->batch[i];
        if (command == &d->abandoned)
            continue;
        command->next = d->first;
        d->first = command;
        if (d->last == NULL)
            d->last = command;
        d->queued++;
    }
    d->batch_count = 0;
}

/* Unlinks the command behind `previous` (NULL: the first). */
static struct command *unlink_after(struct dispatcher *d, struct command *previous) {
    struct command *command = previous == NULL ? d->first : previous->next;
    if (previous == NULL)
        d->first = command->next;
    else
        previous->next = command->next;
    if (d->last == command)
        d->last = previous;
    command->next = NULL;
    d->queued--;
    return command;
}

/* Takes the commands for which `unwanted` holds out of the queue and answers them. */
static void answer_where(struct dispatcher *d, mono_time now,
                         bool (*unwanted)(const struct command *, mono_time),
                         enum outcome_kind kind) {
    struct command *previous = NULL;
    struct command *taken = NULL;
    for (struct command *c = d->first; c != NULL;) {
        struct command *next = c->next;
        if (unwanted(c, now)) {
            unlink_after(d, previous);
            c->next = taken;
            taken = c;
        } else {
            previous = c;
        }
        c = next;
    }
    /* Only now, as an answer may submit the next command. */
    while (taken != NULL) {
        struct command *c = taken;
        taken = c->next;
        if (is_first_try(c))
            spans_queued(c, now, "not_sent");
        answer(c, kind);
    }
}

static bool is_too_late(const struct command *c, mono_time now) {
    return !mono_is_before(now, c->sent_before ? c->give_up_at : c->send_by);
}

static bool was_never_sent(const struct command *c, mono_time now) {
    (void)now;
    return !c->sent_before;
}

/* The queue is in the order of arrival, but for what was put back at its front, whose time is
 * longer: the first command that was never sent is due first. (A part of a bulk release may be due
 * before those in front of it; it is late by their wait then, which is bounded.) */
static mono_time queue_deadline(const struct dispatcher *d) {
    mono_time due = MONO_NEVER;
    for (const struct command *c = d->first; c != NULL; c = c->next) {
        if (!c->sent_before)
            return mono_earlier(due, c->send_by);
        due = mono_earlier(due, c->give_up_at);
    }
    return due;
}

static bool is_past_limit(const struct command *c, mono_time now) {
    return !mono_is_before(now, c->limit_at);
}

static void answer_abandoned(struct command *command, const struct outcome *outcome) {
    (void)command;
    (void)outcome;
}

/* Answers those under way whose time limit has passed. Whoever owns them may use them again at
 * once. */
static void abandon_late(struct dispatcher *d, mono_time now) {
    for (size_t i = 0; i < d->batch_count; i++) {
        struct command *command = d->batch[i];
        if (!is_past_limit(command, now))
            continue;
        d->abandoned = (struct command){
            .kind = command->kind, .limit_at = MONO_NEVER, .answer = answer_abandoned};
        d->batch[i] = &d->abandoned;
        spans_statement(command, d->batch_count, d->sent_at, now, "deadline_exceeded");
        const struct outcome outcome = {.kind = OUTCOME_TOO_LATE, .maybe_done = true};
        command->answer(command, &outcome);
    }
}

/* The earliest time limit of all that wait or are under way. */
static mono_time first_limit(const struct dispatcher *d) {
    mono_time due = MONO_NEVER;
    for (const struct command *c = d->first; c != NULL; c = c->next)
        due = mono_earlier(due, c->limit_at);
    for (size_t i = 0; i < d->batch_count; i++)
        due = mono_earlier(due, d->batch[i]->limit_at);
    return due;
}

static void heed_limits(struct dispatcher *d, mono_time now) {
    if (mono_is_before(now, d->limit_due))
        return;
    answer_where(d, now, is_past_limit, OUTCOME_TOO_LATE);
    abandon_late(d, now);
    d->limit_due = first_limit(d);
}

static void expire(struct dispatcher *d, mono_time now) {
    heed_limits(d, now);
    if (mono_is_before(now, queue_deadline(d)))
        return;
    const bool usable = d->session.state == SESSION_BUSY || d->session.state == SESSION_IDLE;
    answer_where(d, now, is_too_late, usable ? OUTCOME_OVERLOADED : no_database(d));
}

/* Whether the command may go with those chosen already. A lock that is named twice waits. */
static bool fits(const struct dispatcher *d, const struct command *c) {
    const struct command *head = d->batch[0];
    if (c->kind != head->kind || c->alone)
        return false;
    for (size_t i = 0; i < d->batch_count; i++) {
        if (statements_same_lock(d->batch[i], c))
            return false;
    }
    return true;
}

static void choose_batch(struct dispatcher *d) {
    d->batch[0] = unlink_after(d, NULL);
    d->batch_count = 1;
    if (!statements_is_batched(d->batch[0]->kind) || d->batch[0]->alone)
        return;
    struct command *previous = NULL;
    size_t looks = d->batch_max * LOOKS_FOR_EACH;
    for (struct command *c = d->first; c != NULL && d->batch_count < d->batch_max && looks > 0;
         looks--) {
        struct command *next = c->next;
        if (fits(d, c)) {
            d->batch[d->batch_count++] = unlink_after(d, previous);
        } else {
            previous = c;
        }
        c = next;
    }
}

/* When the first of those that are sent again has to be answered. */
static mono_time batch_deadline(const struct dispatcher *d) {
    mono_time due = MONO_NEVER;
    for (size_t i = 0; i < d->batch_count; i++) {
        if (d->batch[i]->sent_before)
            due = mono_earlier(due, d->batch[i]->give_up_at);
    }
    return due;
}

static void send_batch(struct dispatcher *d, mono_time now) {
    if (d->session.state != SESSION_IDLE || d->first == NULL)
        return;
    expire(d, now);
    if (d->first == NULL)
        return;
    choose_batch(d);
    params_clear(&d->params);
    statements_bind(&d->params, d->batch, d->batch_count);
    if (!params_finish(&d->params)) {
        log_error("out of memory: %zu commands refused", d->batch_count);
        const size_t count = d->batch_count;
        d->batch_count = 0;
        for (size_t i = 0; i < count; i++)
            answer(d->batch[i], OUTCOME_FAILED);
        return;
    }
    count_batch(d, now);
    d->sent_at = now;
    session_send(&d->session, statements_name(d->batch[0]->kind, d->batch_count), &d->params, now,
                 batch_deadline(d));
    tell_queued(d);
}

void dispatcher_flush(struct dispatcher *d, mono_time now) {
    send_batch(d, now);
    metrics_set(METRICS_CELL(queue_depth), (int64_t)d->queued);
}

static void take_failure(struct dispatcher *d, const PGresult *result) {
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    sqlstate = sqlstate == NULL ? "XX000" : sqlstate;
    message = message == NULL ? "" : message;
    tell_failed(d, sqlstate);
    if (d->batch_count > 1) {
        log_info("a batch of %zu failed (%s: %s), its commands go one by one", d->batch_count,
                 sqlstate, message);
        for (size_t i = 0; i < d->batch_count; i++)
            d->batch[i]->alone = true;
        requeue_batch(d);
        return;
    }
    struct command *command = d->batch[0];
    if (sqlstate_passes(sqlstate) && ++command->attempts < ATTEMPTS_MAX) {
        requeue_batch(d);
        return;
    }
    d->batch_count = 0;
    const struct log_subject subject = command_subject(command);
    log_request(LOG_LEVEL_ERROR, &subject, "the database refused a command (%s: %s)", sqlstate,
                message);
    answer_refusal(command, sqlstate_outcome(sqlstate), sqlstate);
}

static bool is_partly_done(const struct command *command) {
    return command_is_bulk_release(command) &&
           command->bulk_next < command->as.bulk_release.lock_count;
}

static mono_time time_to_send(const struct dispatcher *d, mono_time now) {
    return d->patient ? MONO_NEVER : mono_after_ms(now, d->queue_timeout_ms);
}

/* A bulk release goes on with its next ids, behind what has queued meanwhile. */
static void go_on(struct dispatcher *d, struct command *command, mono_time now) {
    /* Each part is a release of its own. */
    if (!id_v7(&command->as.bulk_release.release_id)) {
        answer(command, OUTCOME_FAILED);
        return;
    }
    command->sent_before = false;
    command->alone = false;
    command->attempts = 0;
    command->queued_at = now;
    command->send_by = mono_earlier(time_to_send(d, now), command->give_up_at);
    push_last(d, command);
}

static void take_rows(struct dispatcher *d, const PGresult *result) {
    const mono_time now = mono_now();
    const mono_time sent_at = d->sent_at;
    const size_t count = d->batch_count;
    struct command **done = d->batch;
    metrics_statement(statement_of(done[0]), mono_diff_us(now, d->sent_at));
    const bool read = statements_read(result, done, count, d->outcomes);
    if (!read)
        log_error("the database answered %s in a form not known here",
                  statements_name(done[0]->kind, count));
    d->batch = d->done;
    d->done = done;
    d->batch_count = 0;
    if (read && is_partly_done(done[0])) {
        spans_statement(done[0], count, sent_at, now, NULL);
        go_on(d, done[0], now);
        dispatcher_flush(d, now);
        return;
    }
    /* The database gets its next work first: it is slower than the rendering of answers. */
    dispatcher_flush(d, now);
    for (size_t i = 0; i < count; i++) {
        spans_statement(done[i], count, sent_at, now, read ? NULL : "unknown_form");
        if (read)
            done[i]->answer(done[i], &d->outcomes[i]);
        else
            answer(done[i], OUTCOME_FAILED);
    }
}

static void session_answered(void *context, PGresult *result) {
    struct dispatcher *d = context;
    if (PQresultErrorField(result, PG_DIAG_SQLSTATE) != NULL ||
        PQresultStatus(result) != PGRES_TUPLES_OK)
        take_failure(d, result);
    else
        take_rows(d, result);
    PQclear(result);
}

static void session_lost(void *context) {
    struct dispatcher *d = context;
    tell_failed(d, "connection_lost");
    for (size_t i = 0; i < d->batch_count; i++) {
        struct command *command = d->batch[i];
        /* What is lost again and again may be what breaks the connection. */
        command->alone = command->alone || command->sent_before;
        command->sent_before = true;
    }
    requeue_batch(d);
}

static void session_failed(void *context) {
    struct dispatcher *d = context;
    if (!d->patient)
        answer_where(d, mono_now(), was_never_sent, no_database(d));
}

static bool init(struct dispatcher *d, struct poller *poller, const struct settings *settings,
                 const struct conninfo *conninfo, size_t batch_max) {
    memset(d, 0, sizeof *d);
    params_init(&d->params);
    d->limit_due = MONO_NEVER;
    d->queue_max = (size_t)settings->guard_queue_max;
    d->queue_timeout_ms = settings->guard_queue_timeout_ms;
    d->answer_timeout_ms = settings_answer_timeout_ms(settings);
    d->batch_max = batch_max;
    d->batch = calloc(d->batch_max, sizeof(struct command *));
    d->done = calloc(d->batch_max, sizeof(struct command *));
    d->outcomes = calloc(d->batch_max, sizeof(struct outcome));
    const struct session_options options = {
        .conninfo = conninfo,
        .connect_timeout_ms = settings->db_connect_timeout_ms,
        .statement_timeout_ms = settings->db_statement_timeout_ms,
        .inventory_events = settings->availability_guard_inventory_events_enabled,
        .schema_version = STATEMENTS_SCHEMA_VERSION,
        .prepare = STATEMENTS_PREPARE,
    };
    const struct session_owner owner = {d, session_answered, session_lost, session_failed, NULL};
    session_init(&d->session, poller, &options, &owner);
    return d->batch != NULL && d->done != NULL && d->outcomes != NULL;
}

bool dispatcher_init(struct dispatcher *d, struct poller *poller, const struct settings *settings,
                     const struct conninfo *conninfo) {
    metrics_set(METRICS_CELL(queue_limit), settings->guard_queue_max);
    return init(d, poller, settings, conninfo, (size_t)settings->guard_batch_max);
}

bool dispatcher_init_patient(struct dispatcher *d, struct poller *poller,
                             const struct settings *settings, const struct conninfo *conninfo,
                             size_t batch_max) {
    const bool made = init(d, poller, settings, conninfo, batch_max);
    d->patient = true;
    return made;
}

void dispatcher_exit(struct dispatcher *d) {
    session_exit(&d->session);
    params_exit(&d->params);
    free((void *)d->batch);
    free((void *)d->done);
    free(d->outcomes);
    memset(d, 0, sizeof *d);
}

bool dispatcher_submit(struct dispatcher *d, struct command *command, mono_time now,
                       struct outcome *refusal) {
    memset(refusal, 0, sizeof *refusal);
    if (!d->patient && d->session.problem != SESSION_PROBLEM_NONE) {
        refusal->kind = no_database(d);
        return false;
    }
    if (!d->patient && d->queued >= d->queue_max) {
        refusal->kind = OUTCOME_OVERLOADED;
        return false;
    }
    command->queued_at = now;
    command->send_by = time_to_send(d, now);
    command->give_up_at = d->patient ? MONO_NEVER : mono_after_ms(now, d->answer_timeout_ms);
    command->limit_at = command->limit_ms == 0 ? MONO_NEVER : mono_after_ms(now, command->limit_ms);
    d->limit_due = mono_earlier(d->limit_due, command->limit_at);
    command->sent_before = false;
    command->alone = false;
    command->attempts = 0;
    command->bulk_next = 0;
    command->bulk_released = 0;
    command->bulk_performed = false;
    push_last(d, command);
    return true;
}

void dispatcher_tick(struct dispatcher *d, mono_time now) {
    session_tick(&d->session, now);
    expire(d, now);
}

mono_time dispatcher_deadline(const struct dispatcher *d) {
    return mono_earlier(mono_earlier(session_deadline(&d->session), queue_deadline(d)),
                        d->limit_due);
}
