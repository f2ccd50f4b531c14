/*
 * door.h: the HTTP door without nginx and without a database, for tests and fuzzers. A request goes
 * in as FastCGI parameters and a body, through the router and its routes; the answer is kept.
 *
 * What a route submits is refused with 503, as without a database: that answer means that the
 * request was valid. When the door is open, the command stays in the dispatcher's queue instead,
 * for the test to look at and to answer.
 */
#ifndef TESTS_UNIT_DOOR_H
#define TESTS_UNIT_DOOR_H

#include <stdbool.h>
#include <stddef.h>

#include "domain/dispatcher.h"
#include "guard/exchange.h"

struct door {
    struct dispatcher dispatcher; /* never connects; only its queue is used */
    struct exchange_context context;
    struct exchange exchange;
    int answers;           /* to the request, which must be 1 in the end */
    int status;            /* of the answer */
    struct buffer headers; /* as sent, and a NUL */
    struct buffer body;    /* as sent */
    /* Called when the answer is there and the exchange still holds its request. May be NULL. */
    void (*look)(struct door *door);
};

void door_init(struct door *door);
/* Ends a request that is still waiting too. */
void door_exit(struct door *door);

/* From now on commands are queued: see door_command(). */
void door_open(struct door *door);

/* Handles one request. The parameters ("NAME=value", ended by NULL) and the body must live until it
 * is answered. False when the parameters are not those of an HTTP request; nothing is answered. */
bool door_handle(struct door *door, char *const *params, struct text_span body);

/* The command that waits, or NULL. */
struct command *door_command(struct door *door);
/* Takes it out of the queue and answers it. */
void door_answer(struct door *door, const struct outcome *outcome);

/* The value of a header of the answer, up to its line's end; no data when it is missing. */
struct text_span door_header(const struct door *door, const char *name);

#endif
