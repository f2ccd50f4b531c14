/* session.c: see session.h. */
#include "db/session.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "metrics/metrics.h"

/* Pauses between attempts, once every host has failed. */
#define BACKOFF_FIRST_MS 50
#define BACKOFF_MAX_MS 2000

/* After so many connections that were lost before they had answered a statement, the next one
 * counts as an attempt that failed: or a server that takes connections but no statements, or a
 * statement that breaks them, would be tried in circles. */
#define UNPROVEN_MAX 5

/* How much longer than the server's statement timeout we wait before the connection counts as
 * lost: the server answers first, if it is there. */
#define STATEMENT_GRACE_MS 500

static void take_events(struct poll_source *source, uint32_t events);

/* The settings of the server's session. An index always serves these statements: a plan made on an
 * empty table must not scan it when it has grown. A database that turned synchronous_commit off
 * must not make acknowledged locks volatile; remote_apply, which is stricter, is left alone. */
static const char SETUP[] =
    "SET default_transaction_isolation = 'read committed';"
    "SET timezone = 'UTC';"
    "SET enable_seqscan = off;"
    "SET plan_cache_mode = force_generic_plan;"
    "SET jit = off;"
    "SET statement_timeout = %" PRId64 ";"
    "SET availability_guard.inventory_events = %s;"
    "SELECT set_config('synchronous_commit', 'on', false)"
    " WHERE current_setting('synchronous_commit') IN ('off', 'local', 'remote_write');"
    "SELECT guard.schema_version()";

static void log_server_notice(void *context, const PGresult *result) {
    (void)context;
    log_debug("database: %s", PQresultErrorMessage(result));
}

/* libpq may have changed the socket since: while it connects it goes through addresses. */
static bool watch(struct session *s, uint32_t events) {
    const int fd = PQsocket(s->connection);
    if (fd < 0)
        return false;
    if (s->watched && s->source.fd == fd && poller_change(s->poller, &s->source, events))
        return true;
    if (s->watched)
        poller_remove(s->poller, &s->source);
    s->source.fd = fd;
    s->watched = poller_add(s->poller, &s->source, events);
    return s->watched;
}

static void disconnect(struct session *s) {
    if (s->watched)
        poller_remove(s->poller, &s->source);
    s->watched = false;
    PQclear(s->result);
    s->result = NULL;
    PQfinish(s->connection);
    s->connection = NULL;
    s->state = SESSION_DOWN;
    metrics_set(METRICS_CELL(database_connected), 0);
}

static int64_t backoff_ms(int rounds) {
    int64_t pause = BACKOFF_FIRST_MS;
    for (int i = 1; i < rounds && pause < BACKOFF_MAX_MS; i++)
        pause *= 2;
    if (pause > BACKOFF_MAX_MS)
        pause = BACKOFF_MAX_MS;
    /* Spread, so that a pool of processes does not come back in one moment. */
    return pause / 2 + random() % (pause / 2 + 1);
}

/* One line of libpq's message, which has several. */
static const char *first_line(const char *message, char *out, size_t size) {
    snprintf(out, size, "%.*s", (int)strcspn(message, "\n"), message);
    return out;
}

/* This attempt has failed: on to the next host, after a pause when all have had their turn. */
static void try_next(struct session *s, enum session_problem problem) {
    const int hosts = (int)s->options.conninfo->host_count;
    s->failures++;
    s->host = (s->host + 1) % (size_t)hosts;
    if (s->failures % hosts != 0) {
        s->deadline = mono_now();
        return;
    }
    s->problem = problem;
    s->deadline = mono_after_ms(mono_now(), backoff_ms(s->failures / hosts));
    s->owner.failed(s->owner.context);
}

/* Told once, not at every attempt. */
static void fail(struct session *s, enum session_problem problem, const char *message) {
    char line[256];
    first_line(message, line, sizeof line);
    if (s->problem == SESSION_PROBLEM_NONE)
        log_error("database %s: %s", s->host_name, line);
    else
        log_debug("database %s: %s", s->host_name, line);
    disconnect(s);
    metrics_add(METRICS_CELL(database_connect_failures), 1);
    try_next(s, problem);
}

/* The connection broke after it had been set up: connect again at once, to the same host first. */
static void lose(struct session *s, const char *message) {
    char line[256];
    log_warn("database %s: connection lost: %s", s->host_name,
             first_line(message, line, sizeof line));
    disconnect(s);
    metrics_add(METRICS_CELL(database_losses), 1);
    s->deadline = mono_now();
    s->owner.lost(s->owner.context);
    if (!s->proven && ++s->unproven > UNPROVEN_MAX)
        try_next(s, SESSION_PROBLEM_UNREACHABLE);
}

static void fail_or_lose(struct session *s, const char *message) {
    if (s->state == SESSION_IDLE || s->state == SESSION_BUSY)
        lose(s, message);
    else
        fail(s, SESSION_PROBLEM_UNREACHABLE, message);
}

static void begin_connecting(struct session *s, mono_time now) {
    struct conninfo_arrays arrays;
    conninfo_describe_host(s->options.conninfo, s->host, s->host_name, sizeof s->host_name);
    conninfo_for_host(s->options.conninfo, s->host, &arrays);
    s->connection = PQconnectStartParams(arrays.keywords, arrays.values, 0);
    s->state = SESSION_CONNECTING;
    s->proven = false;
    metrics_set(METRICS_CELL(database_connected), 0);
    s->deadline = mono_after_ms(now, s->options.connect_timeout_ms);
    if (s->connection == NULL || PQstatus(s->connection) == CONNECTION_BAD) {
        fail(s, SESSION_PROBLEM_UNREACHABLE,
             s->connection == NULL ? "out of memory" : PQerrorMessage(s->connection));
        return;
    }
    PQsetNoticeReceiver(s->connection, log_server_notice, s);
    if (!watch(s, EPOLLOUT))
        fail(s, SESSION_PROBLEM_UNREACHABLE, "cannot watch the connection");
}

/* Hands libpq's output to the kernel; what does not fit waits for EPOLLOUT. */
static void flush(struct session *s) {
    const int left = PQflush(s->connection);
    if (left < 0)
        return; /* the reading side will tell, after what the server still had to say */
    if (!watch(s, left > 0 ? EPOLLIN | EPOLLOUT : EPOLLIN))
        fail_or_lose(s, "cannot watch the connection");
}

static void begin_checking(struct session *s) {
    char setup[1024];
    snprintf(setup, sizeof setup, SETUP, s->options.statement_timeout_ms,
             s->options.inventory_events ? "on" : "off");
    s->state = SESSION_CHECKING;
    if (PQsetnonblocking(s->connection, 1) != 0 || PQsendQuery(s->connection, setup) != 1) {
        fail(s, SESSION_PROBLEM_UNREACHABLE, PQerrorMessage(s->connection));
        return;
    }
    flush(s);
}

/* Why the setting up failed. Class 42: a function or a type is missing or of another kind, or there
 * is no right to use it; 3F000: no such schema. */
static enum session_problem problem_of(const PGresult *result) {
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return state != NULL && (strncmp(state, "42", 2) == 0 || strcmp(state, "3F000") == 0)
               ? SESSION_PROBLEM_SCHEMA
               : SESSION_PROBLEM_UNREACHABLE;
}

static void begin_preparing(struct session *s) {
    const PGresult *r = s->result;
    if (PQresultStatus(r) != PGRES_TUPLES_OK || PQntuples(r) != 1) {
        fail(s, problem_of(r), PQresultErrorMessage(r));
        return;
    }
    const long version = strtol(PQgetvalue(r, 0, 0), NULL, 10); /* none: 0 */
    if (version != s->options.schema_version) {
        char message[128];
        snprintf(message, sizeof message,
                 "the schema has version %ld, this program works with version %d: %s", version,
                 s->options.schema_version,
                 version < s->options.schema_version ? "run availability-guard-migrate"
                                                     : "install the programs that belong to it");
        fail(s, SESSION_PROBLEM_SCHEMA, message);
        return;
    }
    PQclear(s->result);
    s->result = NULL;
    s->state = SESSION_PREPARING;
    if (PQsendQuery(s->connection, s->options.prepare) != 1) {
        fail(s, SESSION_PROBLEM_UNREACHABLE, PQerrorMessage(s->connection));
        return;
    }
    flush(s);
}

static void become_ready(struct session *s) {
    if (PQresultStatus(s->result) != PGRES_COMMAND_OK) {
        fail(s, problem_of(s->result), PQresultErrorMessage(s->result));
        return;
    }
    PQclear(s->result);
    s->result = NULL;
    s->state = SESSION_IDLE;
    s->deadline = MONO_NEVER;
    s->problem = SESSION_PROBLEM_NONE;
    metrics_set(METRICS_CELL(database_connected), 1);
    metrics_add(METRICS_CELL(database_connects), 1);
    log_info("database %s: connected", s->host_name);
}

/* This connection is of no use any more. */
static bool is_fatal(const char *sqlstate) {
    /* 08 connection exception; 57P01–57P05 the server ends this connection or all; 25006 the
     * server takes no writes: it has become a standby */
    return strncmp(sqlstate, "08", 2) == 0 || strncmp(sqlstate, "57P", 3) == 0 ||
           strcmp(sqlstate, "25006") == 0;
}

static void finish_statement(struct session *s) {
    PGresult *result = s->result;
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const bool fatal = state != NULL && is_fatal(state);
    if (result == NULL || fatal || PQstatus(s->connection) == CONNECTION_BAD) {
        lose(s, result == NULL ? "no answer" : PQresultErrorMessage(result));
        return;
    }
    s->result = NULL;
    s->state = SESSION_IDLE;
    s->deadline = MONO_NEVER;
    s->proven = true;
    s->unproven = 0;
    s->failures = 0;
    s->owner.answered(s->owner.context, result);
}

/* The server is ready for the next query: only now has the transaction ended. */
static void finish_query(struct session *s) {
    switch (s->state) {
    case SESSION_CHECKING:
        begin_preparing(s);
        break;
    case SESSION_PREPARING:
        become_ready(s);
        break;
    case SESSION_BUSY:
        finish_statement(s);
        break;
    default:
        assert(false);
    }
}

/* Of several results the first error counts, else the last result: an error can follow the rows,
 * when the commit itself fails. */
static void keep_result(struct session *s, PGresult *next) {
    const ExecStatusType kept = PQresultStatus(s->result);
    if (s->result != NULL && kept != PGRES_TUPLES_OK && kept != PGRES_COMMAND_OK) {
        PQclear(next);
        return;
    }
    PQclear(s->result);
    s->result = next;
}

static bool expects_results(const struct session *s) {
    return s->state == SESSION_CHECKING || s->state == SESSION_PREPARING ||
           s->state == SESSION_BUSY;
}

static void read_results(struct session *s) {
    if (PQconsumeInput(s->connection) != 1) {
        fail_or_lose(s, PQerrorMessage(s->connection));
        return;
    }
    while (expects_results(s) && PQisBusy(s->connection) == 0) {
        PGresult *next = PQgetResult(s->connection);
        if (next != NULL) {
            keep_result(s, next);
            continue;
        }
        finish_query(s);
        return;
    }
}

static void go_on_connecting(struct session *s) {
    switch (PQconnectPoll(s->connection)) {
    case PGRES_POLLING_READING:
        if (!watch(s, EPOLLIN))
            fail(s, SESSION_PROBLEM_UNREACHABLE, "cannot watch the connection");
        break;
    case PGRES_POLLING_WRITING:
        if (!watch(s, EPOLLOUT))
            fail(s, SESSION_PROBLEM_UNREACHABLE, "cannot watch the connection");
        break;
    case PGRES_POLLING_OK:
        begin_checking(s);
        break;
    default:
        fail(s, SESSION_PROBLEM_UNREACHABLE, PQerrorMessage(s->connection));
    }
}

/* They come between results, or when no statement is under way. */
static void take_notifications(struct session *s) {
    bool any = false;
    for (PGnotify *next = NULL; (next = PQnotifies(s->connection)) != NULL;) {
        PQfreemem(next);
        any = true;
    }
    if (any)
        s->owner.notified(s->owner.context);
}

static void take_events(struct poll_source *source, uint32_t events) {
    struct session *s = (struct session *)source;
    if (s->state == SESSION_CONNECTING) {
        go_on_connecting(s);
        return;
    }
    if ((events & EPOLLOUT) != 0)
        flush(s);
    if (s->connection != NULL)
        read_results(s);
    if (s->connection != NULL && s->owner.notified != NULL)
        take_notifications(s);
}

void session_init(struct session *s, struct poller *poller, const struct session_options *options,
                  const struct session_owner *owner) {
    memset(s, 0, sizeof *s);
    s->source.fd = -1;
    s->source.ready = take_events;
    s->poller = poller;
    s->options = *options;
    s->owner = *owner;
    s->state = SESSION_DOWN;
    s->deadline = mono_now();
}

void session_exit(struct session *s) {
    disconnect(s);
}

mono_time session_deadline(const struct session *s) {
    return s->deadline;
}

void session_tick(struct session *s, mono_time now) {
    if (mono_is_before(now, s->deadline))
        return;
    switch (s->state) {
    case SESSION_DOWN:
        begin_connecting(s, now);
        break;
    case SESSION_CONNECTING:
    case SESSION_CHECKING:
    case SESSION_PREPARING:
        fail(s, SESSION_PROBLEM_UNREACHABLE, "no connection in time");
        break;
    case SESSION_BUSY:
        lose(s, "no answer in time");
        break;
    case SESSION_IDLE:
        break;
    }
}

void session_send(struct session *s, const char *statement, const struct params *params,
                  mono_time now, mono_time until) {
    assert(s->state == SESSION_IDLE);
    s->state = SESSION_BUSY;
    s->deadline = mono_earlier(
        until, mono_after_ms(now, s->options.statement_timeout_ms + STATEMENT_GRACE_MS));
    if (PQsendQueryPrepared(s->connection, statement, params->count, params->values,
                            params->lengths, params->formats, 1) == 1) {
        const int left = PQflush(s->connection);
        if (left == 0 || (left == 1 && watch(s, EPOLLIN | EPOLLOUT)))
            return;
    }
    /* At the next tick this ends as any lost connection does. Until then the descriptor, which
     * libpq may have closed, must not be taken for somebody else's. */
    log_error("database %s: cannot send: %s", s->host_name, PQerrorMessage(s->connection));
    poller_remove(s->poller, &s->source);
    s->watched = false;
    s->deadline = now;
}
