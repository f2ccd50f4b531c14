/*
 * command.h: a request on its way through the database, whichever door it came in by.
 *
 * The door owns the command and lends it to dispatcher_submit(). When that takes it, exactly one
 * call of `answer` follows, later, and the command is the door's again. What the outcome points to
 * lives until that call returns.
 */
#ifndef DOMAIN_COMMAND_H
#define DOMAIN_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "db/row.h"
#include "domain/audit.h"
#include "domain/manual_release.h"
#include "domain/request.h"
#include "trace/trace.h"

enum command_kind {
    COMMAND_LOCK,
    COMMAND_RELEASE,
    COMMAND_BULK_RELEASE,
    COMMAND_GET,
    COMMAND_LIST,
    COMMAND_MANUAL_RELEASE,
    COMMAND_AUDITS,
    COMMAND_PING, /* is the database there? */
    /* As those above, but in the ledger of performed commands: each has its effect once. */
    COMMAND_LOCK_ONCE,
    COMMAND_RELEASE_ONCE,
    COMMAND_BULK_RELEASE_ONCE,
    COMMAND_KINDS,
};

enum outcome_kind {
    OUTCOME_LOCKED,    /* row: the lock, see lock_read_granted() */
    OUTCOME_CONFLICT,  /* row: the lock in the way */
    OUTCOME_STAY_OVER, /* by the database's clock */
    OUTCOME_RELEASED,  /* single release: row: the lock; bulk release: count */
    OUTCOME_NOT_FOUND,
    OUTCOME_FOUND,        /* row: the lock */
    OUTCOME_LISTED,       /* row: the first lock; count: how many follow each other; cut_off */
    OUTCOME_NOT_ACTIVE,   /* row: its column has the status that the lock has */
    OUTCOME_AUDITED,      /* row: the first audit row; count: how many follow each other */
    OUTCOME_ALIVE,        /* the answer to COMMAND_PING */
    OUTCOME_DUPLICATE,    /* of those in the ledger: it has been performed before */
    OUTCOME_REFUSED,      /* the database does not take a value of the request */
    OUTCOME_OVERLOADED,   /* no room in the queue, or too long in it */
    OUTCOME_TOO_LATE,     /* the caller's own time limit has passed */
    OUTCOME_UNAVAILABLE,  /* no database */
    OUTCOME_WRONG_SCHEMA, /* as UNAVAILABLE: the database is there, its schema is not right */
    OUTCOME_FAILED,       /* what should not happen; logged */
};

#define OUTCOME_SQLSTATE_LENGTH 5

struct outcome {
    enum outcome_kind kind;
    bool maybe_done; /* it failed, but all of it or a part may have been done before */
    struct row row;
    int column; /* of the row at which the lock begins */
    int64_t count;
    bool cut_off; /* the row behind the last lock has an id (only): to go on after */
    char sqlstate[OUTCOME_SQLSTATE_LENGTH + 1]; /* when the database refused it; else "" */
};

struct command {
    struct command *next; /* in the dispatcher's queue */
    enum command_kind kind;
    mono_time queued_at;
    int64_t limit_ms;     /* the caller's own time limit, from the submission on; 0: none */
    mono_time limit_at;   /* when it passes, or MONO_NEVER */
    mono_time send_by;    /* not sent for the first time after this */
    mono_time give_up_at; /* answered by then, come what may */
    bool sent_before;     /* its answer was lost; it may have been done */
    bool alone;           /* it was in a batch that failed: not again with others */
    int attempts;         /* times that it was refused for reasons that pass */
    size_t bulk_next;     /* first of the lock ids that have not been sent yet */
    int64_t bulk_released;
    bool bulk_performed;        /* a part was not in the ledger yet */
    struct text_span ledger_id; /* of those in the ledger: the tenant's name for the command */
    const char *request_id;     /* for log lines; may be NULL */
    struct trace trace;         /* what it causes belongs to it */
    void (*answer)(struct command *command, const struct outcome *outcome);
    union {
        struct lock_request lock;
        struct release_request release;
        struct bulk_release_request bulk_release;
        struct get_request get;
        struct list_request list;
        struct manual_release_request manual_release;
        struct audits_request audits;
    } as;
};

/* Copies the texts of the request, so that what they came in need not wait with it. They live as
 * long as `kept`, which was empty; there is a NUL behind the ledger_id. False: out of memory. */
MUST_CHECK bool command_keep_texts(struct command *command, struct buffer *kept);

/* What lines of the log say of a command whose kind and request are set. */
struct log_subject command_subject(const struct command *command);

/* Whose command it is; NULL when no request has been made of it. */
const struct id *command_tenant(const struct command *command);

static inline bool command_is_bulk_release(const struct command *command) {
    return command->kind == COMMAND_BULK_RELEASE || command->kind == COMMAND_BULK_RELEASE_ONCE;
}

#endif
