/* replay.c: see replay.h. */
#include "notifier/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/poller.h"
#include "base/program.h"
#include "db/conninfo.h"
#include "kafka/consumer.h"
#include "metrics/metrics.h"
#include "notifier/dispatch.h"

/* How long calls under way may take to the end when it is told to stop. */
#define DRAIN_MS 10000

struct replay {
    struct poller poller;
    struct dispatch dispatch;
    struct consumer consumer;
    bool stopping;
    mono_time until;
};

static void take_message(void *context, struct partition *partition,
                         const rd_kafka_message_t *message) {
    struct replay *r = context;
    if (r->stopping)
        partition_skip(partition, message);
    else
        dispatch_take(&r->dispatch, partition, message);
}

static void leave_partition(void *context, struct partition *partition) {
    struct replay *r = context;
    dispatch_leave(&r->dispatch, partition);
}

static void stop(struct replay *r) {
    if (r->stopping)
        return;
    r->stopping = true;
    r->until = mono_after_ms(mono_now(), DRAIN_MS);
    dispatch_leave(&r->dispatch, NULL);
}

static bool is_done(const struct replay *r) {
    return (r->stopping || consumer_has_ended(&r->consumer)) && dispatch_is_empty(&r->dispatch) &&
           consumer_is_committed(&r->consumer);
}

static void tick(struct replay *r, mono_time now) {
    dispatch_tick(&r->dispatch, now);
    consumer_tick(&r->consumer, now);
    if (dispatch_is_full(&r->dispatch))
        consumer_hold(&r->consumer, true);
    else if (dispatch_has_room(&r->dispatch))
        consumer_hold(&r->consumer, false);
}

/* Returns whether it came to its end by itself. */
static bool loop(struct replay *r, const sigset_t *mask) {
    while (!is_done(r)) {
        const mono_time due =
            mono_earlier(dispatch_deadline(&r->dispatch), consumer_deadline(&r->consumer));
        if (poller_wait(&r->poller, mono_earlier(due, r->until), mask) < 0 && errno != EINTR) {
            log_error("epoll: %s", strerror(errno));
            return false;
        }
        const mono_time now = mono_now();
        if (program_stop_signals() > 0 || r->dispatch.failed || consumer_is_broken(&r->consumer))
            stop(r);
        if (program_stop_signals() > 1 || !mono_is_before(now, r->until))
            return false;
        tick(r, now);
    }
    return !r->stopping;
}

static bool report(const struct replay *r, bool ended) {
    const struct dispatch_counts *c = &r->dispatch.counts;
    printf("%" PRId64 " delivered, %" PRId64 " failed, %" PRId64 " skipped\n", c->events_delivered,
           c->events_failed, c->skipped + c->malformed + c->dry_runs);
    if (!ended)
        log_warn("the replay did not come to its end: it goes on there the next time");
    return fflush(stdout) == 0 && ended && c->events_failed == 0;
}

static bool replay(struct replay *r, const struct settings *settings,
                   const struct conninfo *conninfo, const sigset_t *mask) {
    char group[512];
    const struct consumer_owner owner = {r, take_message, leave_partition};
    (void)snprintf(group, sizeof group, "%s%s",
                   settings->availability_guard_notification_consumer_group, REPLAY_GROUP_SUFFIX);
    if (!dispatch_init(&r->dispatch, &r->poller, settings, conninfo, true))
        return false;
    const bool reading =
        consumer_read_to_end(&r->consumer, &r->poller, settings, group,
                             settings->availability_guard_notification_dlq_topic, &owner);
    const bool fine = reading && report(r, loop(r, mask));
    dispatch_exit(&r->dispatch);
    if (reading)
        consumer_exit(&r->consumer);
    return fine;
}

bool replay_run(const struct settings *settings, const sigset_t *mask) {
    static struct replay r;
    struct conninfo conninfo;
    memset(&r, 0, sizeof r);
    r.until = MONO_NEVER;
    const char *wrong = conninfo_init(&conninfo, settings, "availability-guard-notifier");
    bool fine = wrong == NULL;
    metrics_init(METRICS_PROGRAM_NOTIFIER, settings);
    if (!fine)
        log_error("%s", wrong);
    if (fine && !poller_init(&r.poller)) {
        log_error("cannot start: %s", strerror(errno));
        fine = false;
    }
    if (fine) {
        fine = replay(&r, settings, &conninfo, mask);
        poller_exit(&r.poller);
    }
    conninfo_exit(&conninfo);
    metrics_exit();
    return fine;
}
