/* The log on a pipe that nobody reads: no call waits, and what is lost is told. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_line.h"
#include "unit.h"

/* More than any pipe or socket takes here. */
#define LINES_MAX 30000

static int reader = -1;

/* Each test needs a log that has lost nothing so far, also where tests share a process otherwise.
 */
__attribute__((constructor)) static void fork_always(void) {
    (void)setenv("CK_FORK", "yes", 1);
}

/* A call that waits for the reader ends the test by the time limit of its case. */
static void begin(void) {
    log_init("test", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    ck_assert_uint_eq(log_lost(), 0);
}

static void be_stderr(const int fds[2]) {
    ck_assert_int_ge(dup2(fds[1], STDERR_FILENO), 0);
    ck_assert_int_eq(close(fds[1]), 0);
    reader = fds[0];
    ck_assert_int_eq(fcntl(reader, F_SETFL, O_NONBLOCK), 0);
}

static void open_pipe(void) {
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    be_stderr(fds);
    begin();
}

/* One that this process may write to, but not open. */
static void open_foreign_pipe(void) {
    int fds[2];
    ck_assert_int_eq(pipe(fds), 0);
    ck_assert_int_eq(fchmod(fds[1], 0), 0);
    be_stderr(fds);
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    ck_assert_int_lt(open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK), 0);
    begin();
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(0), 0); /* which a leak checker needs at the end */
}

static void open_socket(void) {
    int fds[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    be_stderr(fds);
    begin();
}

static void (*const openings[])(void) = {open_pipe, open_foreign_pipe, open_socket};

/* All that is in the pipe, as text. */
static char *drain(void) {
    static char text[4 * 1024 * 1024];
    size_t length = 0;
    ssize_t got = 0;
    while ((got = read(reader, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    text[length] = '\0';
    ck_assert(length == 0 || text[length - 1] == '\n');
    return text;
}

static int count(const char *text, const char *word) {
    int found = 0;
    for (; (text = strstr(text, word)) != NULL; text++)
        found++;
    return found;
}

static int count_lines(const char *text) {
    return count(text, "\n");
}

#define TOLD " lines of the log were lost\n"

/* The numbers before TOLD. */
static uint64_t sum_of_told(const char *text) {
    uint64_t sum = 0;
    for (; (text = strstr(text, TOLD)) != NULL; text++) {
        const char *digits = text;
        while (digits[-1] >= '0' && digits[-1] <= '9')
            digits--;
        sum += strtoul(digits, NULL, 10);
    }
    return sum;
}

START_TEST(what_is_lost_is_counted_and_told) {
    openings[_i]();
    for (int i = 0; i < LINES_MAX; i++)
        log_write(LOG_LEVEL_WARN, "line %d of many, %0100d", i, 0);
    const uint64_t lost = log_lost();
    ck_assert_uint_gt(lost, 0);
    /* The blocking way of those who share the descriptor is left alone. */
    ck_assert_int_eq(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
    /* A line that tells of others may be short enough for what is left of a pipe. */
    char *text = drain();
    uint64_t told = sum_of_told(text);
    ck_assert_uint_eq((uint64_t)count(text, " line ") + lost, LINES_MAX);
    log_write(LOG_LEVEL_INFO, "again");
    text = drain();
    ck_assert_int_eq(count(text, TOLD), 1);
    ck_assert_uint_eq(told + sum_of_told(text), lost);
    ck_assert_ptr_nonnull(strstr(strstr(text, TOLD), " again\n"));
    ck_assert_int_eq(count_lines(text), 2);
    log_write(LOG_LEVEL_INFO, "once more");
    ck_assert_int_eq(count_lines(drain()), 1);
    ck_assert_uint_eq(log_lost(), lost);
}
END_TEST

static void gather(const char *message) {
    struct log_line line;
    log_line_begin(&line, LOG_LEVEL_INFO, NULL);
    log_line_end(&line, message);
    log_gather(&line);
}

START_TEST(gathered_lines_come_before_later_ones) {
    open_pipe();
    gather("one");
    gather("two");
    ck_assert_str_eq(drain(), "");
    log_write(LOG_LEVEL_WARN, "three");
    const char *text = drain();
    ck_assert_int_eq(count_lines(text), 3);
    ck_assert_ptr_nonnull(strstr(text, " one\n"));
    ck_assert_ptr_nonnull(strstr(strstr(text, " one\n"), " two\n"));
    ck_assert_ptr_nonnull(strstr(strstr(text, " two\n"), " three\n"));
    gather("four");
    log_flush();
    ck_assert_ptr_nonnull(strstr(drain(), " four\n"));
    log_flush();
    ck_assert_str_eq(drain(), "");
}
END_TEST

START_TEST(gathered_lines_are_bounded_and_counted) {
    open_pipe();
    for (int i = 0; i < LINES_MAX; i++)
        gather("a line of the usual length, or nearly");
    log_flush();
    const uint64_t lost = log_lost();
    ck_assert_uint_gt(lost, 0);
    ck_assert_uint_eq((uint64_t)count(drain(), " or nearly\n") + lost, LINES_MAX);
}
END_TEST

START_TEST(samples) {
    int wanted = 0;
    log_init("test", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
    log_adjust(LOG_LEVEL_INFO, 0);
    for (int i = 0; i < 10000; i++)
        ck_assert(!log_is_sampled());
    log_adjust(LOG_LEVEL_INFO, LOG_SAMPLE_ALL);
    for (int i = 0; i < 10000; i++)
        ck_assert(log_is_sampled());
    log_adjust(LOG_LEVEL_INFO, LOG_SAMPLE_ALL / 10);
    for (int i = 0; i < 100000; i++)
        wanted += log_is_sampled();
    /* 10000, give or take ten standard deviations. */
    ck_assert_int_gt(wanted, 9050);
    ck_assert_int_lt(wanted, 10950);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("log_sink");
    TCase *tcase = tcase_create("log_sink");
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, what_is_lost_is_counted_and_told, 0, COUNT(openings));
    tcase_add_test(tcase, gathered_lines_come_before_later_ones);
    tcase_add_test(tcase, gathered_lines_are_bounded_and_counted);
    tcase_add_test(tcase, samples);
    suite_add_tcase(suite, tcase);
    return suite;
}
