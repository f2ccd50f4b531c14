/*
 * outcome.h: what became of one call, and what that means.
 *
 *   2xx                                              delivered
 *   408, 425, 429, 5xx, no answer                    transient: try again
 *   3xx (never followed), other 4xx, anything else   permanent
 *   the address is refused                           permanent
 *
 * A status counts as soon as all headers are in: what follows is not read for its meaning, and a
 * server that stalls in the middle of it has said what it had to say.
 */
#ifndef HTTP_OUTCOME_H
#define HTTP_OUTCOME_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"

enum outcome_kind {
    OUTCOME_DELIVERED,
    OUTCOME_TRANSIENT,
    OUTCOME_PERMANENT,
};

struct outcome {
    enum outcome_kind kind;
    /* Not delivered as far as we know, but the request was sent and may have been carried out. */
    bool uncertain;
    /* The server has answered, and not that it is ill (5xx). */
    bool healthy;
    int64_t asked_ms;      /* the pause it asked for, or RETRY_NOT_ASKED */
    int status;            /* of the response; 0: there was none, or not all of its headers */
    struct text_span body; /* of the response, if it was to be kept; as long as done() runs */
    char reason[64];       /* fit for logs and headers: no address, no text of the server */
};

/* What libcurl knows of a call that has ended. */
struct outcome_facts {
    CURLcode code;
    long status;   /* 0: no status line came */
    bool answered; /* all headers of the last response came */
    bool sent;     /* some of the request was sent */
    bool refused;  /* every address was refused before it was connected to */
    int64_t asked_ms;
};

void outcome_of_call(struct outcome *out, const struct outcome_facts *facts);

/* Of a call that was not made. `reason` is cut when it is long. */
void outcome_transient(struct outcome *out, const char *reason);

#endif
