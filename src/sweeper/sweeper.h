/*
 * sweeper.h: marks expired locks and deletes old finished ones, and entries of commands that were
 * performed long ago, in small batches, as long as it leads. Any number of sweepers may run; the
 * one that holds an advisory lock in the database leads, and another takes over when its connection
 * ends.
 *
 *   FOLLOWING --lock got--> SWEEPING --nothing left--> RESTING --interval--> SWEEPING
 *                              |
 *                              +-- now and then --> PURGING --> PURGING_COMMANDS --> SWEEPING
 *                              +-- now and then --> COUNTING --> RESTING
 *
 * An expired lock is thus marked within SWEEP_INTERVAL_MS and the time that the batches before it
 * take; how long the longest had to wait is logged every minute.
 *
 * Active locks are counted for the metrics, in slices: each statement counts so many, in the order
 * in which they expire, and the next one goes on behind them. So even a count of millions, which
 * takes minutes then, holds nothing up.
 */
#ifndef SWEEPER_SWEEPER_H
#define SWEEPER_SWEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/settings.h"
#include "base/timestamp.h"
#include "db/session.h"

enum sweeper_state {
    SWEEPER_FOLLOWING, /* asks for the lead every interval */
    SWEEPER_SWEEPING,
    SWEEPER_PURGING,
    SWEEPER_PURGING_COMMANDS,
    SWEEPER_COUNTING,
    SWEEPER_RESTING,
};

struct sweeper {
    struct session session;
    struct params params;
    enum sweeper_state state;
    int64_t interval_ms;
    int32_t batch;
    int32_t retention_days; /* 0: locks are kept */
    int32_t command_retention_days;
    mono_time next; /* not before this is the next statement sent */
    mono_time next_purge;
    mono_time next_count;
    mono_time next_report;
    int64_t swept; /* since the last report, as the following */
    int64_t purged;
    int64_t purged_commands;
    int64_t lag_ms_max;
    int64_t counted; /* active locks up to here: */
    timestamp_us counted_to;
};

/* The conninfo must outlive the sweeper. */
void sweeper_init(struct sweeper *s, struct poller *poller, const struct settings *settings,
                  const struct conninfo *conninfo);
void sweeper_exit(struct sweeper *s);

/* Does what is due. */
void sweeper_tick(struct sweeper *s, mono_time now);
/* When sweeper_tick() is due next. */
mono_time sweeper_deadline(const struct sweeper *s);

#endif
