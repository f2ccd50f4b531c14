/*
 * generation.h: one run of the pool's command, with all the processes that it starts.
 *
 *   FREE      no process
 *   STARTING  the command runs; leaves for SERVING when one of its processes says READY=1
 *   SERVING   takes requests; leaves for LEAVING when another one serves
 *   LEAVING   was told to hand over, or to end; leaves for FREE when its last process has ended
 *
 * The processes of a generation are a process group, so that all of them can be told something.
 * They say that they are ready to a socket of their own (notify.h). The command itself, multiwatch,
 * is killed when its processes are to end: it would start others, and has nothing to finish.
 */
#ifndef POOL_GENERATION_H
#define POOL_GENERATION_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/attributes.h"

enum generation_state {
    GENERATION_FREE,
    GENERATION_STARTING,
    GENERATION_SERVING,
    GENERATION_LEAVING
};

struct generation {
    enum generation_state state;
    int number;    /* from 1, for the log */
    pid_t pid;     /* of the command, and the process group */
    int notify_fd; /* -1 when there is none */
};

/* Starts the command, with the caller's descriptor 0 as its own. False, logged, when the system
 * refuses; that there is no such program shows as its end with status 127. */
MUST_CHECK bool generation_start(struct generation *g, int number, char *const *command);

/* Reads what its processes say. Whether one of them was ready, the first time. */
bool generation_has_become_ready(struct generation *g);

/* Others serve: take nothing new, finish what is there. */
void generation_hand_over(struct generation *g);

/* Ends, having finished what is in hand; told twice, at once. */
void generation_end(struct generation *g);

/* Whether its last process has ended, and been waited for: it is FREE then. */
bool generation_is_over(struct generation *g);

#endif
