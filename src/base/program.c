/* program.c: see program.h. */
#include <config.h>

#include "base/program.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/settings_live.h"

#define SAME_ORDER_MS 1000

#define EXIT_USAGE 2

static volatile sig_atomic_t stop_signals;
static volatile sig_atomic_t handed_over;
static volatile sig_atomic_t reload_signals;

/* Of the program at work, for what may change meanwhile. */
static const struct settings *present;

static void note_stop(int signal_number) {
    (void)signal_number;
    stop_signals++;
}

static void note_hand_over(int signal_number) {
    (void)signal_number;
    handed_over = 1;
}

bool program_is_to_hand_over(void) {
    return handed_over != 0;
}

static void note_reload(int signal_number) {
    (void)signal_number;
    reload_signals++;
}

/* Whether the settings could be read. What is wrong changes nothing. */
static bool adjust_log(void) {
    struct settings_live live;
    char error[SETTINGS_LIVE_ERROR_MAX];
    const bool fine = settings_live_read(present, &live, error);
    if (fine)
        log_adjust(live.log_level, live.access_log_sample_rate);
    else
        log_warn("LOG_SETTINGS_FILE is left alone: %s", error);
    return fine;
}

static void heed_reload(void) {
    if (reload_signals == 0)
        return;
    reload_signals = 0;
    if (*present->log_settings_file == '\0')
        log_info("SIGHUP: there is nothing to read again, LOG_SETTINGS_FILE is not set");
    else if (adjust_log())
        log_info("SIGHUP: %s was read again", present->log_settings_file);
}

int program_stop_signals(void) {
    static mono_time ordered_at;
    heed_reload();
    if (stop_signals == 0)
        return 0;
    const mono_time now = mono_now();
    if (ordered_at.us == 0)
        ordered_at = now;
    if (mono_is_before(now, mono_after_ms(ordered_at, SAME_ORDER_MS)))
        stop_signals = 1;
    return stop_signals;
}

/* SIGQUIT is what multiwatch sends when it is told to send SIGTERM. */
static const struct {
    int number;
    void (*note)(int signal_number);
} HANDLED[] = {{SIGTERM, note_stop},
               {SIGINT, note_stop},
               {SIGQUIT, note_stop},
               {SIGHUP, note_reload},
               {SIGUSR1, note_hand_over}};

/* Blocks the signals that are handled, but in the mask that is returned. SIGPIPE would end the
 * process whenever a peer hangs up. */
static sigset_t set_signals(void) {
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigset_t blocked;
    sigset_t usual;
    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof HANDLED / sizeof *HANDLED; i++)
        sigaddset(&blocked, HANDLED[i].number);
    sigprocmask(SIG_BLOCK, &blocked, &usual);
    for (size_t i = 0; i < sizeof HANDLED / sizeof *HANDLED; i++) {
        const struct sigaction action = {.sa_handler = HANDLED[i].note};
        sigdelset(&usual, HANDLED[i].number);
        sigaction(HANDLED[i].number, &action, NULL);
    }
    sigaction(SIGPIPE, &ignore, NULL);
    return usual;
}

/* What is gathered for the log is written before the process crashes; then the handler that was
 * there before, or the kernel, has its turn. */
static const int CRASHES[] = {SIGSEGV, SIGABRT, SIGILL, SIGFPE};
#define CRASH_COUNT (sizeof CRASHES / sizeof *CRASHES)
static struct sigaction before_crash[CRASH_COUNT];

static void flush_and_crash(int signal_number, siginfo_t *info, void *context) {
    (void)context;
    for (size_t i = 0; i < CRASH_COUNT; i++) {
        if (CRASHES[i] == signal_number)
            sigaction(signal_number, &before_crash[i], NULL);
    }
    log_flush();
    /* What was sent comes again when this returns, and so does a fault, with its address. */
    if (info->si_code <= 0)
        raise(signal_number);
}

static void set_crashes(void) {
    const struct sigaction action = {.sa_sigaction = flush_and_crash, .sa_flags = SA_SIGINFO};
    for (size_t i = 0; i < CRASH_COUNT; i++)
        sigaction(CRASHES[i], &action, &before_crash[i]);
}

static int work(const struct program *program, program_work *wanted,
                const struct settings *settings) {
    const sigset_t mask = set_signals();
    present = settings;
    srandom((unsigned)getpid() ^ (unsigned)mono_now().us);
    log_init(program->name, settings->log_level, settings->log_format);
    if (!adjust_log())
        log_adjust(settings->log_level, settings->access_log_sample_rate);
    set_crashes();
    const bool done = wanted(settings, &mask);
    log_flush();
    return done ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* What the table of settings can't know. Returns whether all is well. */
static bool check_more(const struct program *program, const struct settings *settings) {
    const char *wrong = program->check(settings);
    if (wrong != NULL)
        fprintf(stderr, "%s: %s\n", program->name, wrong);
    return wrong == NULL;
}

static int print(const struct settings *settings) {
    settings_print(settings, stdout);
    return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_USAGE;
}

static int render(const struct program *program, const struct settings *settings,
                  const char *path) {
    FILE *template = fopen(path, "re");
    if (template == NULL) {
        fprintf(stderr, "%s: %s: %s\n", program->name, path, strerror(errno));
        return EXIT_USAGE;
    }
    const int errors = settings_render(settings, template, stdout, stderr);
    fclose(template);
    return errors == 0 && fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_USAGE;
}

static bool has_command(const struct program *program, size_t i) {
    return i < PROGRAM_COMMANDS_MAX && program->commands[i].option != NULL;
}

static void usage(const struct program *program, FILE *out) {
    fprintf(out, "usage: %s [-n | -r TEMPLATE | -V | -h", program->name);
    for (size_t i = 0; has_command(program, i); i++)
        fprintf(out, " | --%s", program->commands[i].option);
    fprintf(out,
            "]\n"
            "  %s\n"
            "  -n           check the settings, print them and exit\n"
            "  -r TEMPLATE  print the file with ${NAME} replaced by settings\n"
            "  -V           print the version\n"
            "  -h           print this and all settings\n",
            program->purpose);
    for (size_t i = 0; has_command(program, i); i++)
        fprintf(out, "  --%-10s %s\n", program->commands[i].option, program->commands[i].help);
}

static int help(const struct program *program) {
    usage(program, stdout);
    settings_print_help(stdout);
    return EXIT_SUCCESS;
}

/* What the command line asks for. */
struct request {
    enum { DO_WORK, DO_CHECK, DO_RENDER, DO_VERSION, DO_HELP, DO_COMPLAIN } action;
    const char *template;
    program_work *work;
};

/* Values of options that have no letter: behind those of all letters. */
#define COMMAND_BASE 256

static struct request read_options(const struct program *program, int argc, char **argv) {
    struct option commands[PROGRAM_COMMANDS_MAX + 1] = {{0}};
    struct request request = {.action = DO_WORK, .work = program->serve};
    for (int i = 0; has_command(program, (size_t)i); i++)
        commands[i] =
            (struct option){program->commands[i].option, no_argument, NULL, COMMAND_BASE + i};
    for (int option = 0; (option = getopt_long(argc, argv, "hnr:V", commands, NULL)) != -1;) {
        switch (option) {
        case 'n':
            request.action = DO_CHECK;
            break;
        case 'r':
            request.action = DO_RENDER;
            request.template = optarg;
            break;
        case 'V':
            request.action = DO_VERSION;
            return request;
        case 'h':
            request.action = DO_HELP;
            return request;
        case '?':
            request.action = DO_COMPLAIN;
            return request;
        default:
            request.work = program->commands[option - COMMAND_BASE].work;
        }
    }
    if (optind != argc)
        request.action = DO_COMPLAIN;
    return request;
}

/* Whatever needs the settings. */
static int carry_out(const struct program *program, const struct request *request) {
    struct settings settings;
    int status = EXIT_USAGE;
    if (settings_load(&settings, environ, stderr) == 0 && check_more(program, &settings))
        status = request->action == DO_CHECK    ? print(&settings)
                 : request->action == DO_RENDER ? render(program, &settings, request->template)
                                                : work(program, request->work, &settings);
    settings_free(&settings);
    return status;
}

int program_run(const struct program *program, int argc, char **argv) {
    const struct request request = read_options(program, argc, argv);
    switch (request.action) {
    case DO_VERSION:
        printf("%s %s\n", program->name, PACKAGE_VERSION);
        return EXIT_SUCCESS;
    case DO_HELP:
        return help(program);
    case DO_COMPLAIN:
        usage(program, stderr);
        return EXIT_USAGE;
    default:
        return carry_out(program, &request);
    }
}
