/*
 * main.c: the pool. It starts a command on descriptor 0, a listening socket, and starts it anew
 * when it is told to (SIGHUP), with new settings and new programs, without losing a request: both
 * generations share the socket, and the old one hands over when the new one is ready.
 *
 *   SIGHUP                     start the command anew; if that fails everything stays as it was
 *   SIGTERM, SIGINT, SIGQUIT   tell all generations to end, and end after them
 *
 * The command is multiwatch with its guards (availability-guardctl workers). When it ends by itself
 * the pool ends all, and itself with that status: its manager decides what then.
 */
#include <config.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/notify.h"
#include "pool/generation.h"

#define PROGRAM "availability-guard-pool"
#define EXIT_USAGE 2

/* One that serves, and those that have not ended yet: each does within a minute or so. */
#define GENERATIONS_MAX 8

struct pool {
    char *const *command;
    struct generation generations[GENERATIONS_MAX];
    int signal_fd;
    int started; /* generations until now */
    bool reload; /* was asked for and has not begun */
    bool stopping;
    int status; /* with which the pool ends */
};

static struct generation *find(struct pool *pool, enum generation_state state) {
    for (size_t i = 0; i < GENERATIONS_MAX; i++) {
        if (pool->generations[i].state == state)
            return &pool->generations[i];
    }
    return NULL;
}

static bool is_empty(const struct pool *pool) {
    for (size_t i = 0; i < GENERATIONS_MAX; i++) {
        if (pool->generations[i].state != GENERATION_FREE)
            return false;
    }
    return true;
}

static bool start(struct pool *pool) {
    struct generation *g = find(pool, GENERATION_FREE);
    if (g == NULL) {
        log_error("%d generations have not ended yet: not started anew", GENERATIONS_MAX);
        return false;
    }
    return generation_start(g, ++pool->started, pool->command);
}

static void begin_reload(struct pool *pool) {
    pool->reload = false;
    notify_manager("RELOADING=1");
    if (!start(pool))
        notify_manager("READY=1\nSTATUS=could not be started anew");
}

static void stop(struct pool *pool) {
    if (!pool->stopping)
        notify_manager("STOPPING=1");
    pool->stopping = true;
    for (size_t i = 0; i < GENERATIONS_MAX; i++) {
        if (pool->generations[i].state != GENERATION_FREE)
            generation_end(&pool->generations[i]);
    }
}

static void become_ready(struct pool *pool, struct generation *ready) {
    log_info("generation %d serves", ready->number);
    for (size_t i = 0; i < GENERATIONS_MAX; i++) {
        struct generation *g = &pool->generations[i];
        if (g != ready && g->state == GENERATION_SERVING)
            generation_hand_over(g);
    }
    notify_manager("READY=1\nSTATUS=serving");
}

/* Ends the pool with the status of what it cannot be without. */
static void give_up(struct pool *pool, int status) {
    pool->status =
        WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status) : EXIT_FAILURE;
    stop(pool);
}

/* The command of a generation has ended, and its processes are left. */
static void take_end(struct pool *pool, struct generation *g, int status) {
    const enum generation_state state = g->state;
    if (state == GENERATION_LEAVING)
        return;
    generation_end(g);
    if (state == GENERATION_STARTING && find(pool, GENERATION_SERVING) != NULL) {
        log_error("not started anew: the new generation ended at once; the old one goes on");
        notify_manager("READY=1\nSTATUS=the last reload failed");
        return;
    }
    if (state == GENERATION_SERVING)
        log_error("the command ended by itself");
    give_up(pool, status); /* what never served has said why */
}

static void reap(struct pool *pool) {
    int status = 0;
    pid_t pid = 0;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (size_t i = 0; i < GENERATIONS_MAX; i++) {
            struct generation *g = &pool->generations[i];
            if (g->state != GENERATION_FREE && g->pid == pid)
                take_end(pool, g, status);
        }
    }
    for (size_t i = 0; i < GENERATIONS_MAX; i++) {
        struct generation *g = &pool->generations[i];
        const int number = g->number;
        if (g->state == GENERATION_LEAVING && generation_is_over(g))
            log_info("generation %d has ended", number);
    }
}

static void take_signals(struct pool *pool) {
    struct signalfd_siginfo info;
    while (read(pool->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            reap(pool);
        else if (info.ssi_signo == SIGHUP)
            pool->reload = true;
        else
            stop(pool);
    }
}

static bool wait_for_something(const struct pool *pool) {
    struct pollfd sources[GENERATIONS_MAX + 1] = {{.fd = pool->signal_fd, .events = POLLIN}};
    for (size_t i = 0; i < GENERATIONS_MAX; i++) {
        const struct generation *g = &pool->generations[i];
        sources[i + 1].fd = g->state == GENERATION_FREE ? -1 : g->notify_fd;
        sources[i + 1].events = POLLIN;
    }
    return poll(sources, GENERATIONS_MAX + 1, -1) >= 0 || errno == EINTR;
}

static void run(struct pool *pool) {
    while (!is_empty(pool)) {
        if (!wait_for_something(pool)) {
            log_error("poll: %s", strerror(errno));
            pool->status = EXIT_FAILURE;
            stop(pool);
            return;
        }
        take_signals(pool);
        for (size_t i = 0; i < GENERATIONS_MAX; i++) {
            struct generation *g = &pool->generations[i];
            if (g->state != GENERATION_FREE && generation_has_become_ready(g))
                become_ready(pool, g);
        }
        if (pool->reload && !pool->stopping && find(pool, GENERATION_STARTING) == NULL)
            begin_reload(pool);
    }
}

static int open_signals(void) {
    sigset_t taken;
    sigemptyset(&taken);
    sigaddset(&taken, SIGCHLD);
    sigaddset(&taken, SIGHUP);
    sigaddset(&taken, SIGTERM);
    sigaddset(&taken, SIGINT);
    sigaddset(&taken, SIGQUIT);
    sigprocmask(SIG_BLOCK, &taken, NULL);
    return signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
}

static int serve(char *const *command) {
    struct pool pool = {.command = command, .signal_fd = open_signals()};
    /* The processes of a command that is gone are waited for here. */
    const bool is_reaper = prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
    for (size_t i = 0; i < GENERATIONS_MAX; i++)
        pool.generations[i].notify_fd = -1;
    if (pool.signal_fd < 0 || !is_reaper || !start(&pool)) {
        log_error("cannot start: %s", strerror(errno));
        return EXIT_FAILURE;
    }
    run(&pool);
    close(pool.signal_fd);
    return pool.status;
}

static void set_log(void) {
    const char *name = getenv("LOG_FORMAT");
    enum log_format format = LOG_FORMAT_JSON;
    if (name != NULL)
        (void)!log_format_parse(&format, name, strlen(name));
    log_init(PROGRAM, LOG_LEVEL_INFO, format);
}

static void usage(FILE *out) {
    fputs("usage: " PROGRAM " [-V | -h] COMMAND [ARGUMENT...]\n"
          "  runs a command on descriptor 0, a listening socket; starts it anew on SIGHUP\n"
          "  -V  print the version\n"
          "  -h  print this\n",
          out);
}

int main(int argc, char **argv) {
    for (int option = 0; (option = getopt(argc, argv, "+hV")) != -1;) {
        if (option == 'V') {
            puts(PROGRAM " " PACKAGE_VERSION);
            return EXIT_SUCCESS;
        }
        usage(option == 'h' ? stdout : stderr);
        return option == 'h' ? EXIT_SUCCESS : EXIT_USAGE;
    }
    if (optind == argc) {
        usage(stderr);
        return EXIT_USAGE;
    }
    set_log();
    return serve(argv + optind);
}
