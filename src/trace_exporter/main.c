/* main.c: the process that sends spans to a collector; see exporter.h. SIGTERM ends it. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/notify.h"
#include "base/poller.h"
#include "base/program.h"
#include "metrics/metrics.h"
#include "metrics/process.h"
#include "trace/tracing.h"
#include "trace_exporter/exporter.h"

#define PROGRAM "availability-guard-trace-exporter"

static bool wait(struct poller *poller, mono_time deadline, const sigset_t *mask) {
    if (poller_wait(poller, deadline, mask) >= 0 || errno == EINTR)
        return true;
    log_error("epoll: %s", strerror(errno));
    return false;
}

/* Until it has stopped in order, or has been told twice; returns whether all went well. */
static bool loop(struct exporter *e, struct poller *poller, const sigset_t *mask) {
    while (!exporter_is_done(e) && program_stop_signals() < 2) {
        if (!wait(poller, mono_earlier(exporter_deadline(e), process_deadline()), mask))
            return false;
        const mono_time now = mono_now();
        if (program_stop_signals() > 0)
            exporter_stop(e, now);
        exporter_tick(e, now);
        process_tick(now);
    }
    return true;
}

/* A manager of services would start it again and again if it ended. */
static bool idle(struct poller *poller, const sigset_t *mask) {
    log_info("no endpoint is set, or the SDK is disabled: nothing is done");
    notify_manager("READY=1");
    process_tick(mono_now());
    while (program_stop_signals() == 0) {
        if (!wait(poller, MONO_NEVER, mask))
            return false;
    }
    return true;
}

static bool serve(const struct settings *settings, const sigset_t *mask) {
    static struct poller poller;
    static struct exporter exporter;
    bool fine = false;
    metrics_init(METRICS_PROGRAM_TRACE_EXPORTER, settings);
    if (!poller_init(&poller)) {
        log_error("cannot start: %s", strerror(errno));
        metrics_exit();
        return false;
    }
    if (!tracing_is_wanted(settings)) {
        fine = idle(&poller, mask);
    } else if (exporter_init(&exporter, &poller, settings)) {
        notify_manager("READY=1");
        fine = loop(&exporter, &poller, mask);
        exporter_exit(&exporter);
    }
    poller_exit(&poller);
    metrics_exit();
    return fine;
}

static const char *check(const struct settings *settings) {
    const char *wrong = tracing_check(settings);
    return wrong != NULL ? wrong : otlp_check(settings);
}

int main(int argc, char **argv) {
    const struct program program = {
        .name = PROGRAM,
        .purpose = "sends spans to an OTLP collector, with settings from the environment",
        .check = check,
        .serve = serve,
    };
    return program_run(&program, argc, argv);
}
