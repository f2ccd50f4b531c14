/* sweeper.c: see sweeper.h. */
#include "sweeper/sweeper.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "db/row.h"
#include "domain/statements.h"

#define REPORT_EVERY_MS ((int64_t)60 * 1000)
#define PURGE_EVERY_MS ((int64_t)10 * 60 * 1000)

/* The two numbers are this service's and this lock's, by agreement. */
static const char PREPARE[] =
    "PREPARE lead AS SELECT pg_try_advisory_lock(1096237635, 1);"
    "PREPARE sweep (int4) AS SELECT swept, lag_ms FROM guard.sweep_expired($1);"
    "PREPARE purge (int4, int4) AS SELECT guard.purge_finished($1, $2)";

enum { BOOL = 16, INT8 = 20, INT4 = 23 };

static void rest(struct sweeper *s) {
    s->state = SWEEPER_RESTING;
    s->next = mono_after_ms(mono_now(), s->interval_ms);
}

static void follow(struct sweeper *s) {
    s->state = SWEEPER_FOLLOWING;
    s->next = mono_after_ms(mono_now(), s->interval_ms);
}

static void take_lead(struct sweeper *s, const PGresult *result) {
    static const unsigned TYPES[] = {BOOL};
    const bool leads = row_has_types(result, TYPES, 1) && PQntuples(result) == 1 &&
                       PQgetlength(result, 0, 0) == 1 && PQgetvalue(result, 0, 0)[0] == 1;
    if (!leads) {
        follow(s);
        return;
    }
    log_info("this process leads");
    s->state = SWEEPER_SWEEPING;
    s->next_purge = mono_now();
}

static void take_sweep(struct sweeper *s, const PGresult *result) {
    static const unsigned TYPES[] = {INT4, INT8};
    int32_t swept = 0;
    int64_t lag_ms = 0;
    if (!row_has_types(result, TYPES, 2) || PQntuples(result) != 1) {
        log_error("the database answered a sweep in a form not known here");
        rest(s);
        return;
    }
    (void)row_int4((struct row){result, 0}, 0, &swept);
    (void)row_int8((struct row){result, 0}, 1, &lag_ms);
    s->swept += swept;
    s->lag_ms_max = lag_ms > s->lag_ms_max ? lag_ms : s->lag_ms_max;
    if (swept > 0)
        log_debug("marked %" PRId32 " expired locks, the first %" PRId64 " ms late", swept, lag_ms);
    if (swept == s->batch)
        return; /* there may be more: at once */
    if (s->retention_days > 0 && !mono_is_before(mono_now(), s->next_purge))
        s->state = SWEEPER_PURGING;
    else
        rest(s);
}

static void take_purge(struct sweeper *s, const PGresult *result) {
    static const unsigned TYPES[] = {INT4};
    int32_t purged = 0;
    if (row_has_types(result, TYPES, 1) && PQntuples(result) == 1)
        (void)row_int4((struct row){result, 0}, 0, &purged);
    s->purged += purged;
    if (purged < s->batch)
        s->next_purge = mono_after_ms(mono_now(), PURGE_EVERY_MS);
    /* Expired locks come first again, before the next batch of old ones. */
    s->state = SWEEPER_SWEEPING;
}

static void session_answered(void *context, PGresult *result) {
    struct sweeper *s = context;
    s->next = mono_now();
    if (PQresultStatus(result) != PGRES_TUPLES_OK) {
        log_error("the database refused to sweep: %s",
                  PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
        if (s->state == SWEEPER_FOLLOWING)
            follow(s);
        else
            rest(s);
    } else if (s->state == SWEEPER_FOLLOWING) {
        take_lead(s, result);
    } else if (s->state == SWEEPER_PURGING) {
        take_purge(s, result);
    } else {
        take_sweep(s, result);
    }
    PQclear(result);
}

/* With the connection the lead is gone too. */
static void session_lost(void *context) {
    struct sweeper *s = context;
    s->state = SWEEPER_FOLLOWING;
}

static void session_failed(void *context) {
    struct sweeper *s = context;
    s->state = SWEEPER_FOLLOWING;
}

void sweeper_init(struct sweeper *s, struct poller *poller, const struct settings *settings,
                  const struct conninfo *conninfo) {
    memset(s, 0, sizeof *s);
    params_init(&s->params);
    s->interval_ms = settings->sweep_interval_ms;
    s->batch = (int32_t)settings->sweep_batch;
    s->retention_days = (int32_t)settings->lock_retention_days;
    s->next = mono_now();
    s->next_report = mono_after_ms(s->next, REPORT_EVERY_MS);
    const struct session_options options = {
        .conninfo = conninfo,
        .connect_timeout_ms = settings->db_connect_timeout_ms,
        .statement_timeout_ms = settings->db_statement_timeout_ms,
        .inventory_events = settings->availability_guard_inventory_events_enabled,
        .schema_version = STATEMENTS_SCHEMA_VERSION,
        .prepare = PREPARE,
    };
    const struct session_owner owner = {s, session_answered, session_lost, session_failed, NULL};
    session_init(&s->session, poller, &options, &owner);
}

void sweeper_exit(struct sweeper *s) {
    session_exit(&s->session);
    params_exit(&s->params);
}

static void send_next(struct sweeper *s, mono_time now) {
    const char *statement = "lead";
    params_clear(&s->params);
    if (s->state == SWEEPER_RESTING)
        s->state = SWEEPER_SWEEPING;
    if (s->state == SWEEPER_PURGING) {
        statement = "purge";
        params_put_int4(&s->params, s->retention_days);
        params_put_int4(&s->params, s->batch);
    } else if (s->state == SWEEPER_SWEEPING) {
        statement = "sweep";
        params_put_int4(&s->params, s->batch);
    }
    if (params_finish(&s->params))
        session_send(&s->session, statement, &s->params, now, MONO_NEVER);
    else
        s->next = mono_after_ms(now, s->interval_ms);
}

static void report(struct sweeper *s, mono_time now) {
    if (s->swept > 0 || s->purged > 0)
        log_info("marked %" PRId64 " expired locks, the slowest %" PRId64
                 " ms late, and deleted %" PRId64 " old ones",
                 s->swept, s->lag_ms_max, s->purged);
    s->swept = 0;
    s->purged = 0;
    s->lag_ms_max = 0;
    s->next_report = mono_after_ms(now, REPORT_EVERY_MS);
}

void sweeper_tick(struct sweeper *s, mono_time now) {
    session_tick(&s->session, now);
    if (!mono_is_before(now, s->next_report))
        report(s, now);
    if (s->session.state == SESSION_IDLE && !mono_is_before(now, s->next))
        send_next(s, now);
}

mono_time sweeper_deadline(const struct sweeper *s) {
    const mono_time due = mono_earlier(session_deadline(&s->session), s->next_report);
    return s->session.state == SESSION_IDLE ? mono_earlier(due, s->next) : due;
}
