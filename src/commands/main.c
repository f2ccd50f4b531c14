/* main.c: the process that performs commands; see performer.h for what it does. SIGTERM ends it. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/notify.h"
#include "base/poller.h"
#include "base/program.h"
#include "commands/performer.h"
#include "db/conninfo.h"
#include "kafka/consumer.h"
#include "kafka/producer.h"
#include "metrics/metrics.h"
#include "metrics/process.h"
#include "trace/tracing.h"

#define PROGRAM "availability-guard-commands"

static bool wait(struct poller *poller, mono_time deadline, const sigset_t *mask) {
    if (poller_wait(poller, deadline, mask) >= 0 || errno == EINTR)
        return true;
    log_error("epoll: %s", strerror(errno));
    return false;
}

/* Until it has stopped in order, or has been told twice; returns whether all went well. */
static bool loop(struct performer *p, struct poller *poller, const sigset_t *mask) {
    bool fine = true;
    while (!performer_is_done(p) && program_stop_signals() < 2) {
        const mono_time due = mono_earlier(process_deadline(), tracing_deadline());
        if (!wait(poller, mono_earlier(performer_deadline(p), due), mask))
            return false;
        if (fine && performer_is_broken(p))
            fine = false;
        if (!fine || program_stop_signals() > 0)
            performer_stop(p);
        const mono_time now = mono_now();
        performer_tick(p, now);
        process_tick(now);
        tracing_tick(now);
    }
    return fine;
}

/* A manager of services would start it again and again if it ended. */
static bool idle(struct poller *poller, const sigset_t *mask) {
    log_info("commands are disabled: nothing is done");
    notify_manager("READY=1");
    process_tick(mono_now());
    while (program_stop_signals() == 0) {
        if (!wait(poller, MONO_NEVER, mask))
            return false;
    }
    return true;
}

static bool run(const struct settings *settings, const struct conninfo *conninfo,
                const sigset_t *mask) {
    static struct poller poller;
    static struct performer performer;
    if (!poller_init(&poller)) {
        log_error("cannot start: %s", strerror(errno));
        return false;
    }
    bool fine = false;
    if (!settings->availability_guard_commands_enabled) {
        fine = idle(&poller, mask);
    } else if (performer_init(&performer, &poller, settings, conninfo)) {
        notify_manager("READY=1");
        fine = loop(&performer, &poller, mask);
        performer_exit(&performer);
    }
    poller_exit(&poller);
    return fine;
}

static bool serve(const struct settings *settings, const sigset_t *mask) {
    struct conninfo conninfo;
    const char *wrong = conninfo_init(&conninfo, settings, PROGRAM);
    if (wrong != NULL)
        log_error("%s", wrong);
    metrics_init(METRICS_PROGRAM_COMMANDS, settings);
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
    if (wrong == NULL)
        wrong = consumer_check(settings);
    if (wrong == NULL)
        wrong = producer_check(settings);
    if (wrong == NULL)
        wrong = performer_check(settings);
    return wrong;
}

int main(int argc, char **argv) {
    const struct program program = {
        .name = PROGRAM,
        .purpose = "performs the commands of a Kafka topic, with settings from the environment",
        .check = check,
        .serve = serve,
    };
    return program_run(&program, argc, argv);
}
