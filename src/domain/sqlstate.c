/* sqlstate.c: see sqlstate.h. */
#include "domain/sqlstate.h"

#include <stddef.h>
#include <string.h>

enum at_once { AT_ONCE_NO, AT_ONCE_AGAIN };
enum whose { OF_COMMAND, OF_SERVER };

/* By state or class; the first that fits counts. */
static const struct meaning {
    const char *prefix;
    enum outcome_kind outcome;
    enum at_once again;
    enum whose whose;
} MEANINGS[] = {
    {"22", OUTCOME_REFUSED, AT_ONCE_NO, OF_COMMAND}, /* data exception: a value it can't store */
    /* Somebody wrote past the functions in this moment; a second look finds the row. */
    {"23P01", OUTCOME_FAILED, AT_ONCE_AGAIN, OF_COMMAND},     /* exclusion violation */
    {"23505", OUTCOME_FAILED, AT_ONCE_AGAIN, OF_COMMAND},     /* unique violation */
    {"40001", OUTCOME_UNAVAILABLE, AT_ONCE_AGAIN, OF_SERVER}, /* serialization failure */
    {"40P01", OUTCOME_UNAVAILABLE, AT_ONCE_AGAIN, OF_SERVER}, /* deadlock */
    {"40", OUTCOME_UNAVAILABLE, AT_ONCE_NO, OF_SERVER},       /* transaction rollback */
    {"53", OUTCOME_UNAVAILABLE, AT_ONCE_NO, OF_SERVER},       /* no disk, no memory */
    {"55P03", OUTCOME_UNAVAILABLE, AT_ONCE_NO, OF_SERVER},    /* lock timeout */
    {"57", OUTCOME_UNAVAILABLE, AT_ONCE_NO,
     OF_SERVER}, /* an operator; the statement's time is up */
    {"58", OUTCOME_UNAVAILABLE, AT_ONCE_NO, OF_SERVER}, /* the system: files, I/O */
    {"08", OUTCOME_FAILED, AT_ONCE_NO, OF_SERVER},      /* connection */
    {"0A", OUTCOME_FAILED, AT_ONCE_NO, OF_SERVER},      /* not supported: a plan that was cached */
    {"25", OUTCOME_FAILED, AT_ONCE_NO, OF_SERVER},      /* transaction state: read-only, aborted */
    {"26", OUTCOME_FAILED, AT_ONCE_NO, OF_SERVER},      /* a statement is not prepared (any more) */
    {"28", OUTCOME_FAILED, AT_ONCE_NO, OF_SERVER},      /* authorization */
    {"3D", OUTCOME_FAILED, AT_ONCE_NO, OF_SERVER},      /* the database is missing */
    {"3F", OUTCOME_FAILED, AT_ONCE_NO, OF_SERVER},      /* the schema is */
    {"42", OUTCOME_FAILED, AT_ONCE_NO, OF_SERVER},      /* a function, a table, a right is */
    {"55", OUTCOME_FAILED, AT_ONCE_NO, OF_SERVER},      /* an object is not in the right state */
    {"F0", OUTCOME_FAILED, AT_ONCE_NO, OF_SERVER},      /* the server's configuration */
    {"XX", OUTCOME_FAILED, AT_ONCE_NO, OF_SERVER},      /* internal: data or index corrupted */
};

/* Of what is not in the table nobody knows whose fault it is. */
static const struct meaning UNKNOWN = {"", OUTCOME_FAILED, AT_ONCE_NO, OF_COMMAND};

static const struct meaning *meaning_of(const char *sqlstate) {
    for (size_t i = 0; i < sizeof MEANINGS / sizeof MEANINGS[0]; i++) {
        if (strncmp(sqlstate, MEANINGS[i].prefix, strlen(MEANINGS[i].prefix)) == 0)
            return &MEANINGS[i];
    }
    return &UNKNOWN;
}

enum outcome_kind sqlstate_outcome(const char *sqlstate) {
    return meaning_of(sqlstate)->outcome;
}

bool sqlstate_passes(const char *sqlstate) {
    return meaning_of(sqlstate)->again == AT_ONCE_AGAIN;
}

bool sqlstate_is_trouble(const char *sqlstate) {
    return *sqlstate == '\0' || meaning_of(sqlstate)->whose == OF_SERVER;
}
