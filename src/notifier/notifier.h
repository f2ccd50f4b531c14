/*
 * notifier.h: reads the notification topic and tells the people concerned, until it is told to
 * stop: an intake of messages (see kafka/intake.h), and the dispatch of what they announce.
 */
#ifndef NOTIFIER_NOTIFIER_H
#define NOTIFIER_NOTIFIER_H

#include <stdbool.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/poller.h"
#include "base/settings.h"
#include "db/conninfo.h"
#include "kafka/intake.h"
#include "notifier/dispatch.h"

struct notifier {
    struct dispatch dispatch;
    struct intake intake;
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

/* Whether it has ended. */
bool notifier_is_done(const struct notifier *n);

/* Whether it cannot go on, which has been logged. */
bool notifier_is_broken(const struct notifier *n);

#endif
