/* main.c: the sweeper process; see sweeper.h for what it does. SIGTERM ends it. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/notify.h"
#include "base/poller.h"
#include "base/program.h"
#include "db/conninfo.h"
#include "metrics/metrics.h"
#include "metrics/process.h"
#include "sweeper/sweeper.h"

#define PROGRAM "availability-guard-sweeper"

static mono_time deadline(const struct sweeper *sweeper) {
    return mono_earlier(sweeper_deadline(sweeper), process_deadline());
}

static bool run(const struct settings *settings, const struct conninfo *conninfo,
                const sigset_t *mask) {
    static struct poller poller;
    static struct sweeper sweeper;
    if (!poller_init(&poller)) {
        log_error("cannot start: %s", strerror(errno));
        return false;
    }
    sweeper_init(&sweeper, &poller, settings, conninfo);
    notify_manager("READY=1");
    bool fine = true;
    while (fine && program_stop_signals() == 0) {
        if (poller_wait(&poller, deadline(&sweeper), mask) < 0 && errno != EINTR) {
            log_error("epoll: %s", strerror(errno));
            fine = false;
        }
        const mono_time now = mono_now();
        sweeper_tick(&sweeper, now);
        process_tick(now);
    }
    sweeper_exit(&sweeper);
    poller_exit(&poller);
    return fine;
}

static bool serve(const struct settings *settings, const sigset_t *mask) {
    struct conninfo conninfo;
    const char *wrong = conninfo_init(&conninfo, settings, PROGRAM);
    if (wrong != NULL)
        log_error("%s", wrong);
    metrics_init(METRICS_PROGRAM_SWEEPER, settings);
    const bool done = wrong == NULL && run(settings, &conninfo, mask);
    metrics_exit();
    conninfo_exit(&conninfo);
    return done;
}

int main(int argc, char **argv) {
    const struct program program = {
        .name = PROGRAM,
        .purpose = "marks expired locks and deletes old ones, with settings from the environment",
        .check = conninfo_check,
        .serve = serve,
    };
    return program_run(&program, argc, argv);
}
