/*
 * main.c: the guard process. One thread, one loop: collect what is ready, send it to the database
 * as one batch, answer what came back, sleep.
 *
 * It is started with its listening socket as descriptor 0 (spawn-fcgi), several of it at once
 * (multiwatch). SIGTERM drains it: it stops accepting, answers what it has, and exits. SIGUSR1 has
 * it hand over: it stops accepting, serves the connections that it has until nginx closes them, and
 * exits. No request is lost then: nginx never sends one on a connection that it has closed itself.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/notify.h"
#include "base/poller.h"
#include "base/program.h"
#include "db/conninfo.h"
#include "db/diagnosis.h"
#include "domain/dispatcher.h"
#include "domain/statements.h"
#include "guard/connection.h"
#include "guard/listener.h"
#include "metrics/metrics.h"
#include "metrics/process.h"
#include "notification/recipients.h"
#include "trace/tracing.h"

#define PROGRAM "availability-guard"

/* How long connections are served after handing over. nginx closes each sooner: see keepalive_time
 * and keepalive_timeout in availability-guard.conf. */
#define HAND_OVER_MS 60000

struct guard {
    struct poller poller;
    struct conninfo conninfo;
    struct dispatcher dispatcher;
    struct exchange_context context;
    struct connection_pool pool;
    struct listener listener;
    mono_time hand_over_until; /* MONO_NEVER: nobody has taken over */
    mono_time drain_until;
};

static bool make_context(struct guard *g, const struct settings *settings) {
    g->context = (struct exchange_context){
        .dispatcher = &g->dispatcher,
        .limits = request_limits_of(settings),
        .max_body_bytes = (size_t)settings->guard_max_body_bytes,
        .fail_open = settings->availability_guard_fail_open,
        .shadow_mode = settings->shadow_mode,
        .manual_release_enabled = settings->availability_guard_manual_release_enabled,
        .notifications_enabled = settings->availability_guard_notifications_enabled,
        .notification_recipients = settings->availability_guard_notification_recipients,
    };
    if (admin_tokens_init(&g->context.admin_tokens, settings->availability_guard_admin_tokens) &&
        admin_tokens_init(&g->context.grpc_tokens, settings->grpc_auth_token))
        return true;
    log_error("cannot start: %s", strerror(ENOMEM));
    return false;
}

static bool begin(struct guard *g, const struct settings *settings) {
    const char *wrong = conninfo_init(&g->conninfo, settings, PROGRAM);
    if (wrong != NULL) {
        log_error("%s", wrong);
        return false;
    }
    /* libfcgi takes signals whose handler is the default; program.c has set its own before. */
    if (!poller_init(&g->poller) ||
        !dispatcher_init(&g->dispatcher, &g->poller, settings, &g->conninfo) || FCGX_Init() != 0) {
        log_error("cannot start: %s", strerror(errno));
        return false;
    }
    if (!make_context(g, settings))
        return false;
    g->pool = (struct connection_pool){.poller = &g->poller, .context = &g->context};
    if (!listener_init(&g->listener, &g->poller, &g->pool, STDIN_FILENO,
                       (size_t)settings->guard_batch_max)) {
        log_error("descriptor 0 is not a listening socket (start me with spawn-fcgi): %s",
                  strerror(errno));
        return false;
    }
    if (g->listener.connections_max <= (size_t)settings->guard_queue_max)
        log_warn("only %zu connections: GUARD_QUEUE_MAX is out of reach, raise the limit of open"
                 " files",
                 g->listener.connections_max);
    return true;
}

static void end(struct guard *g) {
    listener_exit(&g->listener);
    connection_pool_exit(&g->pool);
    dispatcher_exit(&g->dispatcher);
    buffer_free(&g->context.answer);
    admin_tokens_exit(&g->context.admin_tokens);
    admin_tokens_exit(&g->context.grpc_tokens);
    conninfo_exit(&g->conninfo);
    poller_exit(&g->poller);
}

static void begin_draining(struct guard *g, const struct settings *settings) {
    log_info("draining: %zu connections", g->pool.count);
    g->drain_until = mono_after_ms(mono_now(), settings_answer_timeout_ms(settings));
    listener_exit(&g->listener);
    connection_pool_drain(&g->pool);
}

static void hand_over(struct guard *g) {
    log_info("handing over: %zu connections", g->pool.count);
    g->hand_over_until = mono_after_ms(mono_now(), HAND_OVER_MS);
    listener_exit(&g->listener);
}

/* Whether to go on. */
static bool heed_signals(struct guard *g, const struct settings *settings) {
    const int signals = program_stop_signals();
    if (mono_is_never(g->hand_over_until) && program_is_to_hand_over())
        hand_over(g);
    if (!g->pool.draining && (signals > 0 || !mono_is_before(mono_now(), g->hand_over_until)))
        begin_draining(g, settings);
    if (g->pool.draining)
        return signals <= 1 && g->pool.count > 0 && mono_is_before(mono_now(), g->drain_until);
    return mono_is_never(g->hand_over_until) || g->pool.count > 0;
}

static void show_connections(const struct guard *g) {
    const size_t working = g->pool.working;
    metrics_set(METRICS_CELL(connections) + METRICS_CONNECTION_WORKING, (int64_t)working);
    metrics_set(METRICS_CELL(connections) + METRICS_CONNECTION_WAITING,
                (int64_t)(g->pool.count - working));
}

static mono_time deadline(const struct guard *g) {
    mono_time due =
        mono_earlier(dispatcher_deadline(&g->dispatcher), listener_deadline(&g->listener));
    due = mono_earlier(due, mono_earlier(process_deadline(), tracing_deadline()));
    due = mono_earlier(due, g->pool.draining ? MONO_NEVER : g->hand_over_until);
    return mono_earlier(due, g->drain_until);
}

static bool run(struct guard *g, const struct settings *settings, const sigset_t *mask) {
    g->hand_over_until = MONO_NEVER;
    g->drain_until = MONO_NEVER;
    notify_manager("READY=1");
    while (heed_signals(g, settings)) {
        /* Before it sleeps, not after: what a drain has found is in the queue, and nothing may
         * follow that would wake the process. */
        const mono_time now = mono_now();
        dispatcher_tick(&g->dispatcher, now);
        dispatcher_flush(&g->dispatcher, now);
        listener_adjust(&g->listener, now);
        show_connections(g);
        log_flush();
        process_tick(now);
        tracing_tick(now);
        if (poller_wait(&g->poller, deadline(g), mask) < 0 && errno != EINTR) {
            log_error("epoll: %s", strerror(errno));
            return false;
        }
    }
    log_info("ended with %zu connections open", g->pool.count);
    return true;
}

static bool serve(const struct settings *settings, const sigset_t *mask) {
    static struct guard guard; /* zeroed: end() is safe after any failure */
    metrics_init(METRICS_PROGRAM_GUARD, settings);
    tracing_init(PROGRAM, settings);
    const bool done = begin(&guard, settings) && run(&guard, settings, mask);
    end(&guard);
    tracing_exit();
    metrics_exit();
    return done;
}

static const char *check(const struct settings *settings) {
    const char *wrong = conninfo_check(settings);
    if (wrong == NULL)
        wrong = tracing_check(settings);
    return wrong != NULL
               ? wrong
               : recipients_check_setting(settings->availability_guard_notification_recipients);
}

static bool check_database(const struct settings *settings, const sigset_t *mask) {
    (void)mask;
    return diagnosis_run(settings, STATEMENTS_SCHEMA_VERSION, stdout);
}

int main(int argc, char **argv) {
    const struct program program = {
        .name = PROGRAM,
        .purpose = "serves FastCGI on descriptor 0, with settings from the environment",
        .check = check,
        .serve = serve,
        .commands = {{"check-database",
                      "look once whether the database can be worked with, and exit",
                      check_database}},
    };
    return program_run(&program, argc, argv);
}
