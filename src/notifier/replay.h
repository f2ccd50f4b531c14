/*
 * replay.h: delivers again what lies in the dead-letter topic, from where the last replay ended up
 * to the end that the topic has when it begins.
 *
 * The ledger knows which channels have been served. What fails again is put back behind that end,
 * for the next replay.
 */
#ifndef NOTIFIER_REPLAY_H
#define NOTIFIER_REPLAY_H

#include <signal.h>
#include <stdbool.h>

#include "base/attributes.h"
#include "base/settings.h"

/* Added to the name of the notifier's group: how far replays have come is remembered under it. */
#define REPLAY_GROUP_SUFFIX "-replay"

/* Does all of it, and prints how many events were delivered, failed and skipped to stdout. True
 * when all has been read and none has failed. A program_work. */
MUST_CHECK bool replay_run(const struct settings *settings, const sigset_t *mask);

#endif
