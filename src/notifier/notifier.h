/*
 * notifier.h: reads the notification topic and tells the people concerned, until it is told to
 * stop.
 *
 *   RUNNING --stop()--> DRAINING --all done, or out of time--> CLOSING --left the group--> DONE
 *
 * While it drains nothing new is begun: calls under way are finished, noted and committed; the rest
 * stays in Kafka.
 */
#ifndef NOTIFIER_NOTIFIER_H
#define NOTIFIER_NOTIFIER_H

#include <stdbool.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/settings.h"
#include "db/conninfo.h"
#include "notifier/consumer.h"
#include "notifier/dispatch.h"

/* How long calls under way may take to the end, and then leaving the group. */
#define NOTIFIER_DRAIN_MS 10000
#define NOTIFIER_CLOSE_MS 5000

enum notifier_state {
    NOTIFIER_RUNNING,
    NOTIFIER_DRAINING, /* until `until` at most, as in the next */
    NOTIFIER_CLOSING,
    NOTIFIER_DONE,
};

struct notifier {
    struct dispatch dispatch;
    struct consumer consumer;
    enum notifier_state state;
    mono_time until;
    mono_time next_lag;
};

/* False when something cannot start, which has been logged; there is nothing to end then. The
 * settings and the conninfo must outlive it. Must not move afterwards. */
MUST_CHECK bool notifier_init(struct notifier *n, struct poller *poller,
                              const struct settings *settings, const struct conninfo *conninfo);
void notifier_exit(struct notifier *n);

void notifier_tick(struct notifier *n, mono_time now);
mono_time notifier_deadline(const struct notifier *n);

/* Does no harm when it has been told so before. */
void notifier_stop(struct notifier *n);

/* Whether it cannot go on, which has been logged. */
bool notifier_is_broken(const struct notifier *n);

#endif
