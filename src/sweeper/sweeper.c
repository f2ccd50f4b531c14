/* sweeper.c: see sweeper.h. */
#include "sweeper/sweeper.h"

#include <inttypes.h>
#include <string.h>

#include "base/log.h"
#include "db/row.h"
#include "domain/statements.h"
#include "metrics/metrics.h"

#define REPORT_EVERY_MS ((int64_t)60 * 1000)
#define PURGE_EVERY_MS ((int64_t)10 * 60 * 1000)

/* A count of all active locks begins so often, and a slice of it is so large: some milliseconds of
 * reading an index. */
#define COUNT_EVERY_MS 5000
#define COUNT_SLICE 20000

/* The two numbers are this service's and this lock's, by agreement. */
static const char PREPARE[] =
    "PREPARE lead AS SELECT pg_try_advisory_lock(1096237635, 1);"
    "PREPARE sweep (int4) AS SELECT swept, lag_ms FROM guard.sweep_expired($1);"
    "PREPARE purge (int4, int4) AS SELECT guard.purge_finished($1, $2);"
    "PREPARE purge_commands (int4, int4) AS SELECT guard.purge_commands($1, $2);"
    "PREPARE count (timestamptz, int8) AS SELECT count(*), max(s.expires_at)"
    " FROM (SELECT l.expires_at FROM public.inventory_locks_shadow AS l"
    "  WHERE l.status = 'ACTIVE' AND l.expires_at > greatest($1, now())"
    "  ORDER BY l.expires_at FETCH FIRST ($2) ROWS WITH TIES) AS s";

enum { BOOL = 16, INT8 = 20, INT4 = 23, TIMESTAMPTZ = 1184 };

static void rest(struct sweeper *s) {
    s->state = SWEEPER_RESTING;
    s->next = mono_after_ms(mono_now(), s->interval_ms);
}

/* Who does not lead knows nothing of the locks. */
static void show_lead(bool leads) {
    metrics_set(METRICS_CELL(leaders), leads);
    if (leads)
        return;
    metrics_set(METRICS_CELL(active_locks), METRICS_UNSET);
    metrics_set(METRICS_CELL(expiry_lag), METRICS_UNSET);
    metrics_set(METRICS_CELL(last_sweep), METRICS_UNSET);
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
    show_lead(true);
    s->state = SWEEPER_SWEEPING;
    s->next_purge = mono_now();
    s->next_count = s->next_purge;
    s->counted = 0;
    s->counted_to = TIMESTAMP_MIN;
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
    metrics_add(METRICS_CELL(expired_locks), (uint64_t)swept);
    metrics_set(METRICS_CELL(expiry_lag), lag_ms * US_PER_MS);
    if (swept == s->batch)
        return; /* there may be more: at once */
    metrics_set(METRICS_CELL(last_sweep), wall_now_us());
    const mono_time now = mono_now();
    if (!mono_is_before(now, s->next_purge))
        s->state = s->retention_days > 0 ? SWEEPER_PURGING : SWEEPER_PURGING_COMMANDS;
    else if (!mono_is_before(now, s->next_count))
        s->state = SWEEPER_COUNTING;
    else
        rest(s);
}

static int32_t read_purged(const PGresult *result) {
    static const unsigned TYPES[] = {INT4};
    int32_t purged = 0;
    if (row_has_types(result, TYPES, 1) && PQntuples(result) == 1)
        (void)row_int4((struct row){result, 0}, 0, &purged);
    return purged;
}

/* Expired locks come first again, before the next batch of old ones. */
static void take_purge(struct sweeper *s, const PGresult *result) {
    const int32_t purged = read_purged(result);
    s->purged += purged;
    metrics_add(METRICS_CELL(purged_locks), (uint64_t)purged);
    s->state = purged < s->batch ? SWEEPER_PURGING_COMMANDS : SWEEPER_SWEEPING;
}

static void take_purge_commands(struct sweeper *s, const PGresult *result) {
    const int32_t purged = read_purged(result);
    s->purged_commands += purged;
    if (purged < s->batch)
        s->next_purge = mono_after_ms(mono_now(), PURGE_EVERY_MS);
    s->state = SWEEPER_SWEEPING;
}

/* A slice has more rows than it was to have when several expire at the same time. */
static void take_count(struct sweeper *s, const PGresult *result) {
    static const unsigned TYPES[] = {INT8, TIMESTAMPTZ};
    int64_t counted = 0;
    rest(s);
    if (!row_has_types(result, TYPES, 2) || PQntuples(result) != 1) {
        log_error("the database counted the locks in a form not known here");
        return;
    }
    (void)row_int8((struct row){result, 0}, 0, &counted);
    s->counted += counted;
    if (counted >= COUNT_SLICE && row_timestamp((struct row){result, 0}, 1, &s->counted_to)) {
        s->next_count = mono_now();
        return;
    }
    metrics_set(METRICS_CELL(active_locks), s->counted);
    s->counted = 0;
    s->counted_to = TIMESTAMP_MIN;
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
    } else if (s->state == SWEEPER_PURGING_COMMANDS) {
        take_purge_commands(s, result);
    } else if (s->state == SWEEPER_COUNTING) {
        take_count(s, result);
    } else {
        take_sweep(s, result);
    }
    PQclear(result);
}

/* With the connection the lead is gone too. */
static void session_lost(void *context) {
    struct sweeper *s = context;
    s->state = SWEEPER_FOLLOWING;
    show_lead(false);
}

static void session_failed(void *context) {
    struct sweeper *s = context;
    s->state = SWEEPER_FOLLOWING;
    show_lead(false);
}

void sweeper_init(struct sweeper *s, struct poller *poller, const struct settings *settings,
                  const struct conninfo *conninfo) {
    memset(s, 0, sizeof *s);
    params_init(&s->params);
    s->interval_ms = settings->sweep_interval_ms;
    s->batch = (int32_t)settings->sweep_batch;
    s->retention_days = (int32_t)settings->lock_retention_days;
    s->command_retention_days = (int32_t)settings->commands_retention_days;
    s->next = mono_now();
    s->next_report = mono_after_ms(s->next, REPORT_EVERY_MS);
    show_lead(false);
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
    } else if (s->state == SWEEPER_PURGING_COMMANDS) {
        statement = "purge_commands";
        params_put_int4(&s->params, s->command_retention_days);
        params_put_int4(&s->params, s->batch);
    } else if (s->state == SWEEPER_COUNTING) {
        statement = "count";
        s->next_count = mono_after_ms(now, COUNT_EVERY_MS);
        params_put_timestamp(&s->params, s->counted_to);
        params_put_int8(&s->params, COUNT_SLICE);
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
    if (s->swept > 0 || s->purged > 0 || s->purged_commands > 0)
        log_info("marked %" PRId64 " expired locks, the slowest %" PRId64
                 " ms late, and deleted %" PRId64 " old ones, and the entries of %" PRId64
                 " old commands",
                 s->swept, s->lag_ms_max, s->purged, s->purged_commands);
    s->swept = 0;
    s->purged = 0;
    s->purged_commands = 0;
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
