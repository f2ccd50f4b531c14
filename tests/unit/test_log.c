#include "base/log.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/text.h"
#include "unit.h"

/*
 * stderr is a datagram socket: one write(2) is one datagram, so what is received shows how often it
 * was written to.
 */
static const struct log_subject about_r1 = {.request_id = {"r-1", 3}};

static int receiver = -1;
static int real_stderr = -1;
static char line[LOG_LINE_MAX + 1000];

static void setup(void) {
    int sockets[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets), 0);
    real_stderr = dup(STDERR_FILENO);
    ck_assert_int_ge(real_stderr, 0);
    ck_assert_int_ge(dup2(sockets[1], STDERR_FILENO), 0);
    ck_assert_int_eq(close(sockets[1]), 0);
    receiver = sockets[0];
    log_init("test", LOG_LEVEL_DEBUG, LOG_FORMAT_JSON);
}

static void teardown(void) {
    ck_assert_int_ge(dup2(real_stderr, STDERR_FILENO), 0);
    ck_assert_int_eq(close(real_stderr), 0);
    ck_assert_int_eq(close(receiver), 0);
}

/* The next write without its newline, in `line`; NULL when there was none. */
static const char *receive(void) {
    ssize_t length = recv(receiver, line, sizeof(line) - 1, MSG_DONTWAIT);
    if (length < 0)
        return NULL;
    ck_assert_int_le(length, LOG_LINE_MAX);
    ck_assert_int_gt(length, 0);
    ck_assert_int_eq(line[length - 1], '\n');
    line[length - 1] = '\0';
    ck_assert_uint_eq(strlen(line), (size_t)length - 1);
    ck_assert_ptr_null(strchr(line, '\n'));
    ck_assert(text_is_valid_utf8(line, (size_t)length - 1));
    return line;
}

/* The next line as JSON; the caller frees it. */
static json_t *receive_json(void) {
    json_error_t error;
    ck_assert_ptr_nonnull(receive());
    json_t *json = json_loads(line, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!json)
        ck_abort_msg("%s in %s", error.text, line);
    return json;
}

static const char *text_of(const json_t *json, const char *name) {
    const char *text = json_string_value(json_object_get(json, name));
    if (!text)
        ck_abort_msg("no %s in %s", name, line);
    return text;
}

START_TEST(json_members) {
    log_write(LOG_LEVEL_WARN, "%s %d", "seven", 7);
    json_t *json = receive_json();
    ck_assert_str_eq(text_of(json, "level"), "warn");
    ck_assert_str_eq(text_of(json, "program"), "test");
    ck_assert_str_eq(text_of(json, "message"), "seven 7");
    ck_assert_int_eq(json_integer_value(json_object_get(json, "pid")), getpid());
    ck_assert_uint_eq(strlen(text_of(json, "time")), 24);
    ck_assert_ptr_null(json_object_get(json, "requestId"));
    ck_assert_uint_eq(json_object_size(json), 5);
    json_decref(json);
    ck_assert_ptr_null(receive());
}
END_TEST

START_TEST(json_request_id) {
    log_request(LOG_LEVEL_INFO, &about_r1, "message");
    json_t *json = receive_json();
    ck_assert_str_eq(text_of(json, "requestId"), "r-1");
    json_decref(json);
    log_request(LOG_LEVEL_INFO, NULL, "message");
    json = receive_json();
    ck_assert_ptr_null(json_object_get(json, "requestId"));
    json_decref(json);
    const struct log_subject hostile = {.request_id = {"\"\n\xFF", 3}};
    log_request(LOG_LEVEL_INFO, &hostile, "message");
    json = receive_json();
    ck_assert_str_eq(text_of(json, "requestId"), "\"\n\xEF\xBF\xBD");
    json_decref(json);
}
END_TEST

/* Each byte but NUL, alone and between letters. */
START_TEST(json_of_each_byte) {
    for (int byte = 1; byte < 256; byte++) {
        char expected[16];
        char text[] = {'a', (char)byte, 'z', '\0'};
        (void)snprintf(expected, sizeof(expected), byte < 0x80 ? "a%cz" : "a\xEF\xBF\xBDz", byte);
        log_write(LOG_LEVEL_ERROR, "%s", text);
        json_t *json = receive_json();
        ck_assert_str_eq(text_of(json, "message"), expected);
        json_decref(json);
    }
}
END_TEST

START_TEST(json_keeps_utf8) {
    log_write(LOG_LEVEL_ERROR, "%s", "\xC3\xA9 \xF0\x9F\x94\x91 \xF0\x9F");
    json_t *json = receive_json();
    ck_assert_str_eq(text_of(json, "message"),
                     "\xC3\xA9 \xF0\x9F\x94\x91 \xEF\xBF\xBD\xEF\xBF\xBD");
    json_decref(json);
}
END_TEST

/* Long messages of characters of every size, moved byte by byte over the place of the cut. */
START_TEST(long_lines_are_cut) {
    static const char *const units[] = {"x",       "\"",       "\n",           "\x01",
                                        "\xFF",    "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x94\x91",
                                        "\xC2\x85"};
    static char text[3 * LOG_LINE_MAX];
    for (int format = LOG_FORMAT_JSON; format <= LOG_FORMAT_TEXT; format++) {
        log_init("test", LOG_LEVEL_DEBUG, (enum log_format)format);
        for (int i = 0; i < COUNT(units); i++) {
            for (size_t shift = 0; shift < 16; shift++) {
                memset(text, 's', shift);
                size_t length = shift;
                for (; length < sizeof(text) - 5; length += strlen(units[i]))
                    memcpy(text + length, units[i], strlen(units[i]));
                text[length] = '\0';
                log_request(LOG_LEVEL_INFO, &about_r1, "%s", text);
                ck_assert_ptr_nonnull(receive());
                ck_assert_uint_gt(strlen(line), LOG_LINE_MAX - 20);
                ck_assert_ptr_nonnull(strstr(line, format == LOG_FORMAT_JSON ? "...\"}" : "..."));
                if (format == LOG_FORMAT_JSON) {
                    json_t *json = json_loads(line, 0, NULL);
                    ck_assert_ptr_nonnull(json);
                    ck_assert_str_eq(text_of(json, "requestId"), "r-1");
                    json_decref(json);
                }
            }
        }
    }
    ck_assert_ptr_null(receive());
}
END_TEST

/* Every length around the limit: cut only when it has to be. */
START_TEST(lines_around_the_limit) {
    static char text[LOG_LINE_MAX];
    int whole = 0;
    int cut = 0;
    for (size_t length = LOG_LINE_MAX - 150; length < LOG_LINE_MAX; length++) {
        memset(text, 'x', length);
        text[length] = '\0';
        log_write(LOG_LEVEL_INFO, "%.*s", (int)length, text);
        json_t *json = receive_json();
        const char *message = text_of(json, "message");
        if (strcmp(message, text) == 0) {
            ck_assert_int_eq(cut, 0);
            whole++;
        } else {
            ck_assert_str_eq(message + strlen(message) - 3, "...");
            ck_assert_uint_gt(strlen(line), LOG_LINE_MAX - 10);
            cut++;
        }
        json_decref(json);
    }
    ck_assert_int_gt(whole, 0);
    ck_assert_int_gt(cut, 0);
}
END_TEST

START_TEST(long_names_do_not_fill_the_line) {
    static char name[2 * LOG_LINE_MAX];
    memset(name, '\x01', sizeof(name) - 1);
    log_init(name, LOG_LEVEL_DEBUG, LOG_FORMAT_JSON);
    const struct text_span text = {name, sizeof(name) - 1};
    const struct log_subject subject = {
        .request_id = text, .correlation_id = text, .trace_id = text};
    log_request(LOG_LEVEL_INFO, &subject, "the message is still there");
    json_t *json = receive_json();
    ck_assert_str_eq(text_of(json, "message"), "the message is still there");
    json_decref(json);
}
END_TEST

START_TEST(text_format) {
    char expected[64];
    log_init("test", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_write(LOG_LEVEL_INFO, "a \"message\"");
    ck_assert_ptr_nonnull(receive());
    (void)snprintf(expected, sizeof(expected), "Z info test[%d] a \"message\"", (int)getpid());
    ck_assert_str_eq(line + 23, expected);
    log_request(LOG_LEVEL_ERROR, &about_r1, "message");
    ck_assert_ptr_nonnull(receive());
    (void)snprintf(expected, sizeof(expected), "Z error test[%d] requestId=r-1 message",
                   (int)getpid());
    ck_assert_str_eq(line + 23, expected);
}
END_TEST

START_TEST(text_cannot_fake_a_line) {
    log_init("test", LOG_LEVEL_INFO, LOG_FORMAT_TEXT);
    log_write(LOG_LEVEL_INFO, "%s", "a\nb\rc\x1B[1md\x7F \xC2\x9B \xC3\xA9 \xFF");
    ck_assert_ptr_nonnull(receive());
    ck_assert_str_eq(strchr(line, ']') + 2,
                     "a\\x0Ab\\x0Dc\\x1B[1md\\x7F \\xC2\\x9B \xC3\xA9 \\xFF");
}
END_TEST

START_TEST(levels_are_filtered) {
    for (int least = LOG_LEVEL_DEBUG; least <= LOG_LEVEL_ERROR; least++) {
        log_init("test", (enum log_level)least, LOG_FORMAT_JSON);
        for (int level = LOG_LEVEL_DEBUG; level <= LOG_LEVEL_ERROR; level++) {
            ck_assert_int_eq(log_is_enabled((enum log_level)level), level >= least);
            log_write((enum log_level)level, "message");
            ck_assert_int_eq(receive() != NULL, level >= least);
            log_request((enum log_level)level, &about_r1, "message");
            ck_assert_int_eq(receive() != NULL, level >= least);
        }
    }
}
END_TEST

static int evaluated;

static int evaluate(void) {
    return ++evaluated;
}

START_TEST(macros_evaluate_only_what_is_written) {
    log_init("test", LOG_LEVEL_WARN, LOG_FORMAT_JSON);
    evaluated = 0;
    log_debug("%d", evaluate());
    log_info("%d", evaluate());
    ck_assert_int_eq(evaluated, 0);
    log_warn("%d", evaluate());
    ck_assert_ptr_nonnull(strstr(receive(), "\"warn\""));
    log_error("%d", evaluate());
    ck_assert_ptr_nonnull(strstr(receive(), "\"error\""));
    ck_assert_int_eq(evaluated, 2);
    log_init("test", LOG_LEVEL_DEBUG, LOG_FORMAT_JSON);
    log_debug("no values");
    ck_assert_ptr_nonnull(strstr(receive(), "\"debug\""));
    log_info("no values");
    ck_assert_ptr_nonnull(strstr(receive(), "\"info\""));
}
END_TEST

START_TEST(errno_is_kept) {
    errno = ENOENT;
    log_write(LOG_LEVEL_ERROR, "cannot open: %m");
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_ptr_nonnull(strstr(receive(), strerror(ENOENT)));
    ck_assert_int_eq(close(STDERR_FILENO), 0);
    errno = ENOENT;
    log_write(LOG_LEVEL_ERROR, "to nobody");
    ck_assert_int_eq(errno, ENOENT);
    log_request(LOG_LEVEL_ERROR, &about_r1, "to nobody");
    ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(names) {
    for (int i = LOG_LEVEL_DEBUG; i <= LOG_LEVEL_ERROR; i++) {
        enum log_level level = LOG_LEVEL_DEBUG;
        const char *name = log_level_name((enum log_level)i);
        ck_assert(log_level_parse(&level, name, strlen(name)));
        ck_assert_int_eq(level, i);
    }
    for (int i = LOG_FORMAT_JSON; i <= LOG_FORMAT_TEXT; i++) {
        enum log_format format = LOG_FORMAT_JSON;
        const char *name = log_format_name((enum log_format)i);
        ck_assert(log_format_parse(&format, name, strlen(name)));
        ck_assert_int_eq(format, i);
    }
    enum log_level level = LOG_LEVEL_WARN;
    ck_assert(!log_level_parse(&level, "warning", 7));
    ck_assert(!log_level_parse(&level, "", 0));
    ck_assert(!log_level_parse(&level, "errors", 6));
    ck_assert_int_eq(level, LOG_LEVEL_WARN);
    ck_assert(log_level_parse(&level, "ERROR", 5));
    ck_assert_int_eq(level, LOG_LEVEL_ERROR);
    enum log_format format = LOG_FORMAT_TEXT;
    ck_assert(!log_format_parse(&format, "xml", 3));
    ck_assert_int_eq(format, LOG_FORMAT_TEXT);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("log");
    TCase *tcase = tcase_create("log");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, json_members);
    tcase_add_test(tcase, json_request_id);
    tcase_add_test(tcase, json_of_each_byte);
    tcase_add_test(tcase, json_keeps_utf8);
    tcase_add_test(tcase, long_lines_are_cut);
    tcase_add_test(tcase, lines_around_the_limit);
    tcase_add_test(tcase, long_names_do_not_fill_the_line);
    tcase_add_test(tcase, text_format);
    tcase_add_test(tcase, text_cannot_fake_a_line);
    tcase_add_test(tcase, levels_are_filtered);
    tcase_add_test(tcase, macros_evaluate_only_what_is_written);
    tcase_add_test(tcase, errno_is_kept);
    tcase_add_test(tcase, names);
    suite_add_tcase(suite, tcase);
    return suite;
}
