/* generation.c: see generation.h. */
#include "pool/generation.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/notify.h"

#define STATUS_NO_PROGRAM 127

/* In the abstract namespace, and so gone with its descriptor. */
static bool open_notify_socket(struct generation *g, char *name, size_t size) {
    struct sockaddr_un address;
    (void)snprintf(name, size, "@availability-guard-pool-%d-%d", (int)getpid(), g->number);
    const socklen_t length = notify_address(&address, name);
    g->notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return length > 0 && g->notify_fd >= 0 &&
           bind(g->notify_fd, (const struct sockaddr *)&address, length) == 0;
}

static void close_notify_socket(struct generation *g) {
    if (g->notify_fd >= 0)
        close(g->notify_fd);
    g->notify_fd = -1;
}

_Noreturn static void become_command(char *const *command, const char *notify_name) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    (void)setpgid(0, 0);
    if (setenv("NOTIFY_SOCKET", notify_name, 1) == 0)
        execvp(command[0], command);
    log_error("%s: %s", command[0], strerror(errno));
    _exit(STATUS_NO_PROGRAM);
}

bool generation_start(struct generation *g, int number, char *const *command) {
    char name[64];
    *g = (struct generation){.state = GENERATION_STARTING, .number = number, .notify_fd = -1};
    if (open_notify_socket(g, name, sizeof name)) {
        g->pid = fork();
        if (g->pid == 0)
            become_command(command, name);
        if (g->pid > 0) {
            (void)setpgid(g->pid, g->pid); /* on both sides, for either may be first */
            return true;
        }
    }
    log_error("generation %d cannot be started: %s", number, strerror(errno));
    close_notify_socket(g);
    *g = (struct generation){.notify_fd = -1};
    return false;
}

bool generation_has_become_ready(struct generation *g) {
    char text[256];
    ssize_t got = 0;
    while ((got = recv(g->notify_fd, text, sizeof text - 1, 0)) >= 0) {
        text[got] = '\0';
        if (g->state == GENERATION_STARTING && strstr(text, "READY=1") != NULL) {
            g->state = GENERATION_SERVING;
            return true;
        }
    }
    return false;
}

static void leave(struct generation *g, int signal_number) {
    g->state = GENERATION_LEAVING;
    (void)kill(g->pid, SIGKILL);
    (void)kill(-g->pid, signal_number);
}

void generation_hand_over(struct generation *g) {
    leave(g, SIGUSR1);
}

void generation_end(struct generation *g) {
    leave(g, SIGTERM);
}

/* The number is nobody else's as long as there is one of the group. */
bool generation_is_over(struct generation *g) {
    if (kill(-g->pid, 0) == 0 || errno != ESRCH)
        return false;
    close_notify_socket(g);
    *g = (struct generation){.notify_fd = -1};
    return true;
}
