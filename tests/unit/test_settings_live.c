#include "base/settings_live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit.h"

static char path[] = "/tmp/test_settings_live.XXXXXX";
static struct settings settings;
static struct settings_live live;
static char error[SETTINGS_LIVE_ERROR_MAX];

static void setup(void) {
    memcpy(path + sizeof path - sizeof "XXXXXX", "XXXXXX", sizeof "XXXXXX");
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(close(fd), 0);
    settings.log_settings_file = path;
    settings.log_level = LOG_LEVEL_WARN;
    settings.access_log_sample_rate = 250000;
    live = (struct settings_live){LOG_LEVEL_ERROR, 1};
    error[0] = '\0';
}

static void teardown(void) {
    (void)unlink(path);
}

static bool read_text(const char *text) {
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    return settings_live_read(&settings, &live, error);
}

static const struct {
    const char *text;
    enum log_level level;
    int64_t rate;
} good[] = {
    {"", LOG_LEVEL_WARN, 250000},
    {"LOG_LEVEL=debug\nACCESS_LOG_SAMPLE_RATE=0.5\n", LOG_LEVEL_DEBUG, 500000},
    {"LOG_LEVEL=debug", LOG_LEVEL_DEBUG, 250000},
    {"# LOG_LEVEL=debug\n;LOG_LEVEL=debug\n\n  LOG_LEVEL = debug\n", LOG_LEVEL_WARN, 250000},
    {"  LOG_LEVEL=\"debug\" \r\nACCESS_LOG_SAMPLE_RATE='1'\n", LOG_LEVEL_DEBUG, 1000000},
    {"LOG_LEVEL=debug\nLOG_LEVEL=error\n", LOG_LEVEL_ERROR, 250000},
    {"LOG_LEVEL=\n", LOG_LEVEL_INFO, 250000},
    {"PORT=99999\nLOG_LEVELS=x\nLOG_FORMAT=xml\nnonsense\n=\n", LOG_LEVEL_WARN, 250000},
};

START_TEST(files_that_are_understood) {
    ck_assert(read_text(good[_i].text));
    ck_assert_int_eq(live.log_level, good[_i].level);
    ck_assert_int_eq(live.access_log_sample_rate, good[_i].rate);
}
END_TEST

static void unchanged(const char *expected) {
    char text[SETTINGS_LIVE_ERROR_MAX];
    (void)snprintf(text, sizeof text, "%s: %s", settings.log_settings_file, expected);
    ck_assert_str_eq(error, text);
    ck_assert_int_eq(live.log_level, LOG_LEVEL_ERROR);
    ck_assert_int_eq(live.access_log_sample_rate, 1);
}

START_TEST(wrong_values_change_nothing) {
    ck_assert(!read_text("ACCESS_LOG_SAMPLE_RATE=0.5\nLOG_LEVEL=loud\n"));
    unchanged("the value of LOG_LEVEL is not allowed");
    ck_assert(!read_text("LOG_LEVEL=debug\nACCESS_LOG_SAMPLE_RATE=2\n"));
    unchanged("the value of ACCESS_LOG_SAMPLE_RATE is not allowed");
}
END_TEST

/* What stands far behind in a line is not at the beginning of one. */
START_TEST(long_lines_are_passed_over) {
    for (size_t shift = 900; shift < 1100; shift++) {
        char text[1200];
        memset(text, 'x', shift);
        (void)snprintf(text + shift, sizeof text - shift, "LOG_LEVEL=debug\n");
        ck_assert(read_text(text));
        ck_assert_int_eq(live.log_level, LOG_LEVEL_WARN);
    }
}
END_TEST

START_TEST(what_cannot_be_read_changes_nothing) {
    ck_assert_int_eq(unlink(path), 0);
    ck_assert(!settings_live_read(&settings, &live, error));
    unchanged("No such file or directory");
    /* A pipe without a writer must not hold the program up. */
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert(!settings_live_read(&settings, &live, error));
    unchanged("Invalid argument");
}
END_TEST

START_TEST(without_a_file_the_environment_counts) {
    settings.log_settings_file = "";
    ck_assert(settings_live_read(&settings, &live, error));
    ck_assert_int_eq(live.log_level, LOG_LEVEL_WARN);
    ck_assert_int_eq(live.access_log_sample_rate, 250000);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("settings_live");
    TCase *tcase = tcase_create("settings_live");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, files_that_are_understood, 0, COUNT(good));
    tcase_add_test(tcase, wrong_values_change_nothing);
    tcase_add_test(tcase, long_lines_are_passed_over);
    tcase_add_test(tcase, what_cannot_be_read_changes_nothing);
    tcase_add_test(tcase, without_a_file_the_environment_counts);
    suite_add_tcase(suite, tcase);
    return suite;
}
