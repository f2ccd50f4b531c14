/*
 * tally.h: what became of commands, how long they took, and how many are to come: the figures of
 * this program, in one place, for the metrics and for a line in the log each minute.
 */
#ifndef COMMANDS_TALLY_H
#define COMMANDS_TALLY_H

#include <stdint.h>

#include "base/clock.h"
#include "commands/envelope.h"

enum tally_outcome {
    TALLY_LOCKED,
    TALLY_CONFLICT,
    TALLY_RELEASED,
    TALLY_NOT_FOUND,
    TALLY_DUPLICATE, /* performed before */
    TALLY_SKIPPED,   /* for others */
    TALLY_INVALID,   /* these three are in the dead-letter topic */
    TALLY_REFUSED,   /* by the database, for what is in it */
    TALLY_FAILED,    /* again and again, for reasons that nobody knows */
    TALLY_OUTCOMES,
};

/* Since the last report. */
struct tally_figures {
    int64_t counts[TALLY_OUTCOMES];
    int64_t retries;
    int64_t duration_us_max;
};

struct tally {
    struct tally_figures figures;
    int64_t lag;
    mono_time next_report;
};

void tally_init(struct tally *t, mono_time now);

/* One command has come to its end; duration: since it was received. */
void tally_count(struct tally *t, enum envelope_name name, enum tally_outcome outcome,
                 int64_t duration_us);
/* One command is tried again. */
void tally_retry(struct tally *t);
/* So many messages are not settled yet; the oldest of those in hand was received so long ago, 0
 * when there is none. */
void tally_lag(struct tally *t, int64_t messages, int64_t oldest_us);

/* Reports when it is time. */
void tally_tick(struct tally *t, mono_time now);
mono_time tally_deadline(const struct tally *t);

/* Tells what was not told yet. */
void tally_report(struct tally *t, mono_time now);

/* "locked", "conflict", … */
const char *tally_outcome_name(enum tally_outcome outcome);

#endif
