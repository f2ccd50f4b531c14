/* main.c: the relay process; see relay.h for what it does. SIGTERM drains it. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/notify.h"
#include "base/poller.h"
#include "base/program.h"
#include "db/conninfo.h"
#include "kafka/producer.h"
#include "metrics/metrics.h"
#include "metrics/process.h"
#include "relay/relay.h"
#include "trace/tracing.h"

#define PROGRAM "availability-guard-relay"

/* Whether to go on. */
static bool heed_signals(struct relay *relay) {
    const int signals = program_stop_signals();
    if (signals > 0)
        relay_stop(relay, mono_now());
    return signals <= 1 && relay->state != RELAY_DONE;
}

static mono_time deadline(const struct relay *relay) {
    return mono_earlier(relay_deadline(relay),
                        mono_earlier(process_deadline(), tracing_deadline()));
}

static bool run(const struct settings *settings, const struct conninfo *conninfo,
                const sigset_t *mask) {
    static struct poller poller;
    static struct relay relay;
    if (!poller_init(&poller)) {
        log_error("cannot start: %s", strerror(errno));
        return false;
    }
    bool fine = relay_init(&relay, &poller, settings, conninfo);
    const bool begun = fine;
    if (begun)
        notify_manager("READY=1");
    while (fine && heed_signals(&relay)) {
        const mono_time now = mono_now();
        relay_tick(&relay, now);
        process_tick(now);
        tracing_tick(now);
        if (poller_wait(&poller, deadline(&relay), mask) < 0 && errno != EINTR) {
            log_error("epoll: %s", strerror(errno));
            fine = false;
        }
    }
    if (begun)
        relay_exit(&relay);
    poller_exit(&poller);
    return fine;
}

static bool serve(const struct settings *settings, const sigset_t *mask) {
    struct conninfo conninfo;
    const char *wrong = conninfo_init(&conninfo, settings, PROGRAM);
    if (wrong != NULL)
        log_error("%s", wrong);
    metrics_init(METRICS_PROGRAM_RELAY, settings);
    tracing_init(PROGRAM, settings);
    const bool done = wrong == NULL && run(settings, &conninfo, mask);
    tracing_exit();
    metrics_exit();
    conninfo_exit(&conninfo);
    return done;
}

static const char *check(const struct settings *settings) {
    const char *wrong = conninfo_check(settings);
    if (wrong == NULL)
        wrong = tracing_check(settings);
    return wrong != NULL ? wrong : producer_check(settings);
}

int main(int argc, char **argv) {
    const struct program program = {
        .name = PROGRAM,
        .purpose = "carries events from the database to Kafka, with settings from the environment",
        .check = check,
        .serve = serve,
    };
    return program_run(&program, argc, argv);
}
