/*
 * dispatcher.h: carries commands to the database and their outcomes back.
 *
 * Commands wait in one bounded queue. Whenever the session is idle, the oldest of them goes out
 * and, when its kind is batched, all others of that kind with it. There is no timer: a lone command
 * goes at once, a crowd that came while a batch was under way goes together.
 *
 *   submit --> queue --flush--> batch, under way --> answered --> command->answer()
 *                ^                    |
 *                +--- lost, failed ---+
 *
 * - A batch that failed is tried again command by command: one bad row costs only itself.
 * - A batch whose connection was lost goes back to the front of the queue and is sent again: ids
 *   are made before the first try, so what was committed already is found, and answered as it is.
 * - A command that waited too long is answered without having been sent.
 * - A command whose caller has a time limit is answered when that has passed, even while it is
 *   under way. Its place in the batch is held by a stand-in then.
 * - While the database can't be reached, what was never sent is answered at once; what may have
 *   been done waits, up to its give_up_at, to learn whether it was.
 *
 * A dispatcher that is patient is for doors whose commands can wait: it takes all of them, and
 * each waits for the database as long as it takes.
 */
#ifndef DOMAIN_DISPATCHER_H
#define DOMAIN_DISPATCHER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/settings.h"
#include "db/session.h"
#include "domain/command.h"

struct dispatcher {
    struct session session;
    struct params params;
    struct command *first; /* the queue, oldest first */
    struct command *last;
    size_t queued;
    size_t queue_max;
    bool patient;
    int64_t queue_timeout_ms;
    int64_t answer_timeout_ms;
    struct command **batch; /* under way */
    struct command **done;  /* just answered, while the next batch goes out */
    struct outcome *outcomes;
    size_t batch_count;
    size_t batch_max;
    mono_time sent_at;        /* the batch */
    mono_time limit_due;      /* no time limit of a caller passes before this */
    struct command abandoned; /* stands in for commands under way that have been answered */
};

/* False when memory ran out. The conninfo must outlive the dispatcher. */
MUST_CHECK bool dispatcher_init(struct dispatcher *d, struct poller *poller,
                                const struct settings *settings, const struct conninfo *conninfo);
/* The same, patient, with up to batch_max commands in a statement. The door bounds their number. */
MUST_CHECK bool dispatcher_init_patient(struct dispatcher *d, struct poller *poller,
                                        const struct settings *settings,
                                        const struct conninfo *conninfo, size_t batch_max);
/* No answers are called: nothing may be queued or under way that somebody waits for. */
void dispatcher_exit(struct dispatcher *d);

/*
 * Takes a command: kind, answer, request_id, trace, limit_ms and the request are set, the rest is
 * not. Returns false when it is not taken; the outcome says why.
 */
MUST_CHECK bool dispatcher_submit(struct dispatcher *d, struct command *command, mono_time now,
                                  struct outcome *refusal);

/* Sends what can be sent. Call it when everything that is ready has been submitted. */
void dispatcher_flush(struct dispatcher *d, mono_time now);

/* Does what is due: connects, gives up on what waited too long. */
void dispatcher_tick(struct dispatcher *d, mono_time now);
/* When dispatcher_tick() is due next. */
mono_time dispatcher_deadline(const struct dispatcher *d);

#endif
