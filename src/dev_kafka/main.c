/*
 * main.c: a Kafka broker for development and tests, not for production: see cluster.h for what it
 * can do. It writes where it listens into a file and then waits for signals:
 *   SIGUSR1            the broker goes down: connections are closed, new ones are not served
 *   SIGUSR2            it is back, with its messages
 *   SIGTERM, SIGINT    the end; the file is removed
 */
#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "dev_kafka/address_file.h"
#include "dev_kafka/cluster.h"

#define PROGRAM "availability-guard-dev-kafka"

#define STATUS_USAGE 2

static const char USAGE[] =
    "usage: " PROGRAM " --brokers-file FILE\n"
    "       " PROGRAM " --version | --help\n"
    "A Kafka broker on 127.0.0.1 for development: everything is in memory, nothing is protected.\n"
    "FILE gets its host:port when it is ready. SIGUSR1 takes it down, SIGUSR2 brings it back.\n";

/* Signals are taken one at a time by the loop below, never by a handler. */
static void block_signals(sigset_t *awaited) {
    static const int NUMBERS[] = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGQUIT, SIGHUP};
    (void)sigemptyset(awaited);
    for (size_t i = 0; i < sizeof NUMBERS / sizeof *NUMBERS; i++)
        (void)sigaddset(awaited, NUMBERS[i]);
    (void)sigprocmask(SIG_BLOCK, awaited, NULL);
}

static int next_signal(const sigset_t *awaited) {
    int number = -1;
    do
        number = sigwaitinfo(awaited, NULL);
    while (number < 0 && errno == EINTR);
    return number;
}

static bool go_down(struct cluster *cluster) {
    const bool done = cluster_set_down(cluster);
    if (done)
        log_info("the broker is down");
    return done;
}

static bool come_up(struct cluster *cluster) {
    const bool done = cluster_set_up(cluster);
    if (done)
        log_info("the broker is up");
    return done;
}

/* Until a signal says to end; returns whether all went well. */
static bool follow_signals(struct cluster *cluster, const sigset_t *awaited) {
    for (bool fine = true; fine;) {
        const int number = next_signal(awaited);
        if (number == SIGUSR1) {
            fine = go_down(cluster);
        } else if (number == SIGUSR2) {
            fine = come_up(cluster);
        } else {
            log_info("ends");
            return true;
        }
    }
    return false;
}

static bool serve(const char *brokers_file) {
    sigset_t awaited;
    /* Before there are threads: they inherit it. */
    block_signals(&awaited);
    struct cluster cluster;
    if (!cluster_init(&cluster))
        return false;
    bool fine = address_file_write(brokers_file, cluster_address(&cluster));
    if (fine) {
        log_info("a broker for development listens on %s", cluster_address(&cluster));
        fine = follow_signals(&cluster, &awaited);
        (void)unlink(brokers_file);
    } else {
        log_error("cannot write %s: %s", brokers_file, strerror(errno));
    }
    cluster_exit(&cluster);
    return fine;
}

int main(int argc, char **argv) {
    static const struct option OPTIONS[] = {{"brokers-file", required_argument, NULL, 'f'},
                                            {"version", no_argument, NULL, 'V'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    const char *brokers_file = NULL;
    for (int option; (option = getopt_long(argc, argv, "f:Vh", OPTIONS, NULL)) != -1;) {
        switch (option) {
        case 'f':
            brokers_file = optarg;
            break;
        case 'V':
            (void)puts(PROGRAM " " PACKAGE_VERSION);
            return EXIT_SUCCESS;
        case 'h':
            (void)fputs(USAGE, stdout);
            return EXIT_SUCCESS;
        default:
            (void)fputs(USAGE, stderr);
            return STATUS_USAGE;
        }
    }
    if (brokers_file == NULL || optind != argc) {
        (void)fputs(USAGE, stderr);
        return STATUS_USAGE;
    }
    log_init(PROGRAM, LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    return serve(brokers_file) ? EXIT_SUCCESS : EXIT_FAILURE;
}
