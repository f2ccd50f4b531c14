/*
 * program.h: what the main() of every program does: options, settings, log, signals.
 *
 * Options: -n checks the settings and prints them, -r FILE prints a template with the settings put
 * in, -V the version, -h help, and the program's own, each of which is other work for it to do. A
 * wrong setting ends the program with status 2.
 */
#ifndef BASE_PROGRAM_H
#define BASE_PROGRAM_H

#include <signal.h>
#include <stdbool.h>

#include "base/attributes.h"
#include "base/settings.h"

/* Does work until it is done or program_stop_signals() says otherwise; returns if it went well.
 * The mask is for poller_wait(): stop signals arrive only while the program sleeps there. */
typedef bool program_work(const struct settings *settings, const sigset_t *mask);

/* An option of one program only, that stands for other work. */
struct program_command {
    const char *option; /* without the dashes, such as "replay-dlq" */
    const char *help;   /* one line */
    program_work *work;
};

#define PROGRAM_COMMANDS_MAX 4

struct program {
    const char *name;
    const char *purpose; /* one line for the help */
    /* Says what is wrong with the settings, beyond each by itself; NULL: nothing. */
    const char *(*check)(const struct settings *settings);
    program_work *serve;                                   /* what is done without options */
    struct program_command commands[PROGRAM_COMMANDS_MAX]; /* those without an option are none */
};

/* Returns the exit status. */
MUST_CHECK int program_run(const struct program *program, int argc, char **argv);

/*
 * How often the program was told to stop (SIGTERM, SIGINT, SIGQUIT): 0 go on; 1 finish what is in
 * hand; more: leave at once. Signals within a second of the first one are the same order, sent by a
 * supervisor to the group and by its parent once more.
 *
 * Every loop asks this in each turn, so SIGHUP is heeded here, too: LOG_SETTINGS_FILE is read
 * again.
 */
int program_stop_signals(void);

/* Whether the program was told that others do its work from now on (SIGUSR1): take nothing
 * new, finish what is there. */
bool program_is_to_hand_over(void);

#endif
