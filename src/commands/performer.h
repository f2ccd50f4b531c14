/*
 * performer.h: performs the commands of the command topic, until it is told to stop: an intake of
 * messages (kafka/intake.h), a task for each of them, and what the tasks share: the dispatcher to
 * the database, turns, fences, dead letters, figures.
 *
 * There are bounds for all of it: when so many tasks are in hand, or so many bytes, nothing more is
 * received. Only a few batches of them are given to the dispatcher at a time; and when the database
 * refuses for reasons that pass, one after a pause, until one succeeds.
 */
#ifndef COMMANDS_PERFORMER_H
#define COMMANDS_PERFORMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/settings.h"
#include "commands/envelope.h"
#include "commands/fences.h"
#include "commands/tally.h"
#include "commands/task.h"
#include "commands/turns.h"
#include "db/conninfo.h"
#include "domain/dispatcher.h"
#include "kafka/dead_letters.h"
#include "kafka/intake.h"

/* All tasks together: bounds the memory, whatever the topic holds. */
#define PERFORMER_BYTES_MAX ((size_t)32 * 1024 * 1024)

struct performer {
    struct dispatcher dispatcher;
    struct dead_letters dead_letters;
    struct intake intake;
    struct turns turns;
    struct fences fences;
    struct tally tally;
    struct envelope_rules rules;
    const char *group; /* of Kafka */
    struct task_queue tasks;
    struct task_queue ready;
    struct task_queue paused;
    int count;
    int count_max;
    size_t bytes;
    size_t sent;     /* in the dispatcher */
    size_t sent_max; /* when all is well */
    int troubles;    /* answers in a row that told of trouble */
    mono_time hold;  /* nothing is sent before, after one of them */
    mono_time next_lag;
    bool failed; /* out of memory: the program must not go on */
};

/* What is wrong with the settings, beyond each by itself: static text, or NULL. */
MUST_CHECK const char *performer_check(const struct settings *settings);

/* False when something cannot start, which has been logged; there is nothing to end then. The
 * settings and the conninfo must outlive it. Must not move afterwards. */
MUST_CHECK bool performer_init(struct performer *p, struct poller *poller,
                               const struct settings *settings, const struct conninfo *conninfo);
void performer_exit(struct performer *p);

void performer_tick(struct performer *p, mono_time now);
mono_time performer_deadline(const struct performer *p);

/* Finishes what is in hand. Does no harm when it has been told so before. */
void performer_stop(struct performer *p);
/* Whether it has ended. */
bool performer_is_done(const struct performer *p);
/* Whether it cannot go on, which has been logged. */
bool performer_is_broken(const struct performer *p);

/* --- for tasks ----------------------------------------------------------------------------- */

/* The database has answered a task that was sent: with trouble that passes, or as it should. */
void performer_note(struct performer *p, bool trouble, mono_time now);

#endif
