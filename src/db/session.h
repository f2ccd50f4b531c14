/*
 * session.h: one connection to the database, kept alive for the life of the process.
 *
 * The session connects, sets itself up (checks the schema's version, prepares the statements),
 * takes one statement at a time, and connects again when the connection is lost: at once, then with
 * growing pauses, going from host to host. Nothing here blocks, except that libpq resolves host
 * names while it starts to connect.
 *
 *            +--------------- lost, or any failure ----------------+
 *            v                                                     |
 *   DOWN --retry_at--> CONNECTING --> CHECKING --> PREPARING --> IDLE <--> BUSY
 *
 * The owner calls session_tick() when session_deadline() has passed; readiness of the descriptor
 * comes from the poller. It learns what happened through the calls in struct session_owner.
 */
#ifndef DB_SESSION_H
#define DB_SESSION_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/poller.h"
#include "db/conninfo.h"
#include "db/params.h"

enum session_state {
    SESSION_DOWN,       /* no connection; leaves for CONNECTING at `deadline` */
    SESSION_CONNECTING, /* libpq is connecting; leaves when it has, or failed, or at `deadline` */
    SESSION_CHECKING,   /* asks for the schema's version */
    SESSION_PREPARING,  /* prepares the statements */
    SESSION_IDLE,       /* ready for a statement */
    SESSION_BUSY,       /* a statement is under way; at `deadline` the connection counts as lost */
};

/* Why the session can't be used: set when every host has been tried in vain, NONE again when an
 * attempt succeeded. A connection that was just lost is no problem yet: the attempts to connect
 * again decide. */
enum session_problem {
    SESSION_PROBLEM_NONE,
    SESSION_PROBLEM_UNREACHABLE, /* no host, or none that takes writes */
    SESSION_PROBLEM_SCHEMA,      /* the schema is missing or has another version */
};

struct session_owner {
    void *context;
    /* The whole answer to a statement: a result with rows, or with an error. The transaction has
     * ended: a result without error is committed. The callee frees it with PQclear(). */
    void (*answered)(void *context, PGresult *result);
    /* The connection was lost. Nobody knows whether a statement that was under way committed. */
    void (*lost)(void *context);
    /* Every host has been tried in vain; session->problem says why the last one was. */
    void (*failed)(void *context);
    /* Notifications (LISTEN in options.prepare) have come, one or more; whichever state the session
     * is in. May be NULL, if it does not listen. */
    void (*notified)(void *context);
};

struct session_options {
    const struct conninfo *conninfo;
    int64_t connect_timeout_ms;
    int64_t statement_timeout_ms;
    bool inventory_events; /* whether the functions of the schema write them */
    int schema_version;    /* the only one that is accepted */
    const char *prepare;   /* SQL that prepares the statements; its last command returns no rows */
};

struct session {
    struct poll_source source; /* first, so that the poller's callback finds the session */
    struct poller *poller;
    struct session_options options;
    struct session_owner owner;
    enum session_state state;
    enum session_problem problem;
    PGconn *connection;
    PGresult *result;   /* of the statement under way, until it has ended */
    mono_time deadline; /* see the states; MONO_NEVER when there is none */
    size_t host;        /* the one that is used or tried next */
    int failures;       /* attempts in a row that gave no connection that works */
    bool watched;
    bool proven;  /* the connection has answered a statement */
    int unproven; /* connections in a row that were lost before they had */
    char host_name[128];
};

/* Starts connecting at the next session_tick(). The options' pointers must outlive the session. */
void session_init(struct session *s, struct poller *poller, const struct session_options *options,
                  const struct session_owner *owner);
/* Closes the connection. The owner is not called. */
void session_exit(struct session *s);

void session_tick(struct session *s, mono_time now);
mono_time session_deadline(const struct session *s);

/*
 * Sends a prepared statement; the state must be SESSION_IDLE, and is SESSION_BUSY then. Whatever
 * happens is told later, never from inside this call: answered, or lost, which it is at `until` at
 * the latest.
 */
void session_send(struct session *s, const char *statement, const struct params *params,
                  mono_time now, mono_time until);

#endif
