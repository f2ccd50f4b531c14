/*
 * task.h: one command on its way, from its message to the last that has to be done for it.
 *
 *   WAITING --its turn--> READY --fed--> SENT --answered--> gone: settled
 *                           ^             | |
 *                           |  pause over | +--never--> DEAD --Kafka has it--> gone: settled
 *                           +-- PAUSED <--+ trouble that passes
 *
 * A command that is refused for what is in it goes to the dead-letter topic, as one that cannot be
 * read does at once. Trouble of the database is waited out, however long it takes. What fails for
 * a reason that nobody knows is tried TASK_TRIES_MAX times.
 *
 * When its partition leaves, a task that is not in the hands of the database or of Kafka is
 * abandoned at once: whoever has the partition next performs it. What is in their hands comes to
 * its end; should it be performed twice, the ledger sees to it that the second time has no effect.
 */
#ifndef COMMANDS_TASK_H
#define COMMANDS_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "commands/envelope.h"
#include "commands/fences.h"
#include "commands/turns.h"
#include "domain/command.h"
#include "kafka/dead_letters.h"
#include "kafka/partition.h"
#include "kafka/record.h"

#define TASK_TRIES_MAX 5

struct performer;

struct task {
    struct command command;       /* first, so that a command's answer finds its task */
    TAILQ_ENTRY(task) link;       /* all, in the order in which they came */
    TAILQ_ENTRY(task) state_link; /* those that are READY, or PAUSED */
    struct performer *performer;
    enum task_state { TASK_WAITING, TASK_READY, TASK_SENT, TASK_PAUSED, TASK_DEAD } state;
    enum envelope_name name;
    struct place place;
    struct turns_owner turns;
    struct fence_post fence;
    struct record *record;
    struct buffer kept; /* texts of the command */
    struct dead_letter letter;
    mono_time received;
    mono_time due; /* PAUSED: until then */
    int tries;     /* that the database has answered */
    int failures;  /* those of them that failed for a reason that nobody knows */
    bool leaving;
    size_t size; /* of everything that it holds */
};

TAILQ_HEAD(task_queue, task);

/*
 * Makes a task of a message that is being received, and begins it; a message that is for others is
 * left alone. False when out of memory: nothing was made, and the message must be read again.
 */
MUST_CHECK bool task_take(struct performer *p, struct partition *partition,
                          const rd_kafka_message_t *message);

/* Sends a task that is ready. */
void task_send(struct task *task, mono_time now);
/* The pause is over. */
void task_resume(struct task *task);
/* Its partition goes. May free the task. */
void task_leave(struct task *task);
/* Frees the task, whatever it was doing: nobody may call it back. */
void task_free(struct task *task);

#endif
