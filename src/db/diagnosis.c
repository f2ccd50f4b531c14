/* diagnosis.c: see diagnosis.h. */
#include "db/diagnosis.h"

#include <libpq-fe.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "db/conninfo.h"

/* What to do, by the SQLSTATE with which the server refuses (PostgreSQL's manual, appendix A). */
static const struct {
    const char *state;
    const char *advice;
} remedies[] = {
    {"3D000", "create it, with an owner, and run availability-guard-migrate"},
    {"28000", "create the role with availability-guard-migrate, and let it in (pg_hba.conf)"},
    {"28P01", "set the role's password in the database, and DB_PASSWORD to the same"},
    {"53300", "raise max_connections of PostgreSQL, or lower GUARD_WORKERS"},
    {"57P03", "wait until PostgreSQL has started"},
    {"3F000", "it has none of the service's tables: run availability-guard-migrate as its owner"},
    {"42883",
     "it has none of the service's functions: run availability-guard-migrate as its owner"},
    {"42501",
     "the service's role lacks its privileges: run availability-guard-migrate as the owner"},
};

#define REMEDIES (sizeof remedies / sizeof remedies[0])
#define UNREACHABLE "start PostgreSQL, or mend DB_HOST and DB_PORT (or DATABASE_URL)"

static const char *advice_for(const char *state, const char *otherwise) {
    for (size_t i = 0; i < REMEDIES; i++) {
        if (strcmp(remedies[i].state, state) == 0)
            return remedies[i].advice;
    }
    return otherwise;
}

/* libpq has no SQLSTATE of a connection that was refused, but in its message, when asked for it:
 * "… FATAL:  3D000: database …". */
static const char *advice_in(const char *message) {
    char marked[16];
    for (size_t i = 0; i < REMEDIES; i++) {
        (void)snprintf(marked, sizeof marked, "  %s: ", remedies[i].state);
        if (strstr(message, marked) != NULL)
            return remedies[i].advice;
    }
    return UNREACHABLE;
}

static void say(FILE *out, const char *host, const char *message, const char *advice) {
    (void)fprintf(out, "%s: %.*s: %s\n", host, (int)strcspn(message, "\n"), message, advice);
}

/* Whether it has come so far. */
static bool wait_for(PGconn *connection, short events, mono_time until) {
    const int64_t left = mono_diff_ms(until, mono_now());
    struct pollfd source = {.fd = PQsocket(connection), .events = events};
    return left > 0 && poll(&source, 1, (int)left) > 0;
}

static bool finish_connecting(PGconn *connection, int64_t timeout_ms) {
    const mono_time until = mono_after_ms(mono_now(), timeout_ms);
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    (void)PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);
    while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
        if (PQstatus(connection) == CONNECTION_BAD ||
            !wait_for(connection, status == PGRES_POLLING_READING ? POLLIN : POLLOUT, until))
            return false;
        status = PQconnectPoll(connection);
    }
    return status == PGRES_POLLING_OK;
}

static bool compare(FILE *out, const char *host, long found, long wanted) {
    if (found == wanted) {
        (void)fprintf(out, "%s: ready, schema version %ld\n", host, found);
        return true;
    }
    (void)fprintf(out, "%s: the schema has version %ld, this program works with version %ld: %s\n",
                  host, found, wanted,
                  found < wanted ? "run availability-guard-migrate as the owner of the database"
                                 : "install the version of the programs that belongs to it: a "
                                   "schema does not go back");
    return false;
}

static bool check_schema(PGconn *connection, const char *host, long wanted, FILE *out) {
    PGresult *result = PQexec(connection, "SELECT guard.schema_version()");
    bool fine = false;
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1) {
        fine = compare(out, host, strtol(PQgetvalue(result, 0, 0), NULL, 10), wanted);
    } else {
        const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
        const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
        say(out, host, message != NULL ? message : PQerrorMessage(connection),
            advice_for(state != NULL ? state : "", UNREACHABLE));
    }
    PQclear(result);
    return fine;
}

static bool check_host(const struct conninfo *info, size_t host, const struct settings *settings,
                       int schema_version, FILE *out) {
    struct conninfo_arrays arrays;
    char name[128];
    conninfo_for_host(info, host, &arrays);
    conninfo_describe_host(info, host, name, sizeof name);
    PGconn *connection = PQconnectStartParams(arrays.keywords, arrays.values, 0);
    bool fine = false;
    if (connection == NULL) {
        say(out, name, "out of memory", "try again");
    } else if (finish_connecting(connection, settings->db_connect_timeout_ms)) {
        fine = check_schema(connection, name, schema_version, out);
    } else {
        const char *message = PQerrorMessage(connection);
        say(out, name, *message != '\0' ? message : "no answer in time", advice_in(message));
    }
    PQfinish(connection);
    return fine;
}

bool diagnosis_run(const struct settings *settings, int schema_version, FILE *out) {
    struct conninfo info;
    const char *wrong = conninfo_init(&info, settings, "availability-guard-check");
    bool fine = false;
    if (wrong != NULL)
        (void)fprintf(out, "%s\n", wrong);
    for (size_t host = 0; wrong == NULL && !fine && host < info.host_count; host++)
        fine = check_host(&info, host, settings, schema_version, out);
    conninfo_exit(&info);
    return fine;
}
