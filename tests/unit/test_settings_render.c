/* Templates, with the settings filled in. */
#include "base/settings.h"

#include <stdlib.h>
#include <string.h>

#include "unit.h"

static struct settings settings;
static char *report; /* what settings_render() said */

static void setup(void) {
    memset(&settings, 0, sizeof(settings));
    report = NULL;
}

static void teardown(void) {
    settings_free(&settings);
    free(report);
}

/* One variable, or NULL for the defaults. */
static void load(const char *variable) {
    const char *const variables[] = {variable, NULL};
    ck_assert_int_eq(settings_load(&settings, (char *const *)(void *)variables, stderr), 0);
}

/* Renders bytes; the result, which the caller frees, and the errors in `report`. */
static char *render(const char *template, size_t length, int *errors_count) {
    char *text = NULL;
    size_t text_size = 0;
    size_t report_size = 0;
    free(report);
    FILE *in = tmpfile();
    FILE *out = open_memstream(&text, &text_size);
    FILE *errors = open_memstream(&report, &report_size);
    ck_assert(in && out && errors);
    ck_assert_uint_eq(fwrite(template, 1, length, in), length);
    rewind(in);
    *errors_count = settings_render(&settings, in, out, errors);
    ck_assert_int_eq(fclose(in), 0);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_int_eq(fclose(errors), 0);
    return text;
}

static const struct {
    const char *template;
    const char *out;
} templates[] = {
    {"", ""},
    {"no names\n", "no names\n"},
    {"no newline", "no newline"},
    {"listen ${HOST}:${PORT};\n", "listen 0.0.0.0:3800;\n"},
    {"${PORT}", "3800"},
    {"${PORT}${PORT}\n\n", "38003800\n\n"},
    {"${AVAILABILITY_GUARD_FAIL_OPEN} ${DB_SSL} ${LOG_LEVEL} ${LOG_FORMAT}",
     "true false info json"},
    {"$uri $1 $ $$ {PORT} }", "$uri $1 $ $$ {PORT} }"},
    {"$${PORT}}", "$3800}"},
    {"unix:${GUARD_SOCKET};", "unix:/run/availability-guard/guard.sock;"},
    {"${GUARD_ANSWER_TIMEOUT_MS}ms ${NGINX_READ_TIMEOUT_MS}ms", "8000ms 9000ms"},
    {"${OPERATIONS_ALLOW} deny all;\n",
     "allow 127.0.0.0/8; allow ::1/128; allow 10.0.0.0/8; allow 172.16.0.0/12; "
     "allow 192.168.0.0/16; allow fc00::/7; deny all;\n"},
};

START_TEST(renders) {
    int errors = -1;
    load("DB_PASSWORD=hunter2");
    char *text = render(templates[_i].template, strlen(templates[_i].template), &errors);
    ck_assert_int_eq(errors, 0);
    ck_assert_str_eq(report, "");
    ck_assert_str_eq(text, templates[_i].out);
    free(text);
}
END_TEST

static const struct {
    const char *template;
    int errors;
    const char *report;
} bad_templates[] = {
    {"ok ${PORT}\nbad ${PROT}\n", 1, "line 2: ${PROT}: no such setting\n"},
    {"${port}", 1, "line 1: ${port}: no such setting\n"},
    {"${}", 1, "line 1: ${}: no such setting\n"},
    {"${ PORT }", 1, "line 1: ${ PORT }: no such setting\n"},
    {"${PORT}X}\n\n${A} ${B}\n${HOST", 3,
     "line 3: ${A}: no such setting\nline 3: ${B}: no such setting\n"
     "line 4: ${HOST: not closed on its line\n"},
    {"${PORT\n}", 1, "line 1: ${PORT: not closed on its line\n"},
    {"x ${", 1, "line 1: ${: not closed on its line\n"},
    {"${DB_PASSWORD}", 1, "line 1: ${DB_PASSWORD}: a secret must not be in a file\n"},
    {"${DATABASE_URL}", 1, "line 1: ${DATABASE_URL}: a secret must not be in a file\n"},
    {"${AVAILABILITY_GUARD_ADMIN_TOKENS}", 1,
     "line 1: ${AVAILABILITY_GUARD_ADMIN_TOKENS}: a secret must not be in a file\n"},
};

START_TEST(render_refuses) {
    int errors = -1;
    load("DB_PASSWORD=hunter2");
    char *text = render(bad_templates[_i].template, strlen(bad_templates[_i].template), &errors);
    ck_assert_int_eq(errors, bad_templates[_i].errors);
    ck_assert_str_eq(report, bad_templates[_i].report);
    ck_assert_str_eq(text, ""); /* no half of a file */
    free(text);
}
END_TEST

/* nginx takes each line as a pattern and its value; a token is written byte by byte, so that no
 * character of it means anything to nginx or to a regular expression. */
static const struct {
    const char *tokens;
    const char *map;
} token_maps[] = {
    {"", ""},
    {"a", "    \"~^\\x61$\" known;\n"},
    {" ab , c", "    \"~^\\x61\\x62$\" known;\n    \"~^\\x63$\" known;\n"},
    {"\"~.*$\\;{}", "    \"~^\\x22\\x7e\\x2e\\x2a\\x24\\x5c\\x3b\\x7b\\x7d$\" known;\n"},
    {"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
     "    \"~.\" unknown;\n"},
    {"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad,a,"
     "sha256:E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855",
     "    \"~^\\x61$\" known;\n    \"~.\" unknown;\n"},
    {"sha256", "    \"~^\\x73\\x68\\x61\\x32\\x35\\x36$\" known;\n"},
};

START_TEST(renders_tokens) {
    static const char template[] = "map {\n${ADMIN_TOKENS_MAP}}\n";
    char variable[512];
    char expected[512];
    int errors = -1;
    (void)snprintf(variable, sizeof(variable), "AVAILABILITY_GUARD_ADMIN_TOKENS=%s",
                   token_maps[_i].tokens);
    (void)snprintf(expected, sizeof(expected), "map {\n%s}\n", token_maps[_i].map);
    load(variable);
    char *text = render(template, sizeof(template) - 1, &errors);
    ck_assert_int_eq(errors, 0);
    ck_assert_str_eq(text, expected);
    free(text);
}
END_TEST

START_TEST(renders_large_and_binary_templates) {
    enum { LINES = 3000 };
    static const char row[] = "x\0${PORT}\n";
    static char template[LINES * (sizeof(row) - 1)];
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    FILE *in = fmemopen(template, sizeof(template), "r");
    ck_assert(in && out);
    for (size_t i = 0; i < LINES; i++)
        memcpy(template + i * (sizeof(row) - 1), row, sizeof(row) - 1);
    load(NULL);
    ck_assert_int_eq(settings_render(&settings, in, out, stderr), 0);
    ck_assert_int_eq(fclose(in), 0);
    ck_assert_int_eq(fclose(out), 0);
    ck_assert_uint_eq(size, (size_t)LINES * 7);
    for (size_t i = 0; i < LINES; i++)
        ck_assert_mem_eq(text + i * 7, "x\0003800\n", 7);
    free(text);
}
END_TEST

START_TEST(render_tells_when_it_cannot_read_or_write) {
    char *said = NULL;
    size_t size = 0;
    load(NULL);
    FILE *errors = open_memstream(&said, &size);
    FILE *directory = fopen("/", "r");
    FILE *full = fopen("/dev/full", "w");
    FILE *in = fmemopen((char[]){'x'}, 1, "r");
    ck_assert(errors && directory && full && in);
    ck_assert_int_eq(settings_render(&settings, directory, stdout, errors), 1);
    ck_assert_int_eq(settings_render(&settings, in, full, errors), 1);
    (void)fclose(directory);
    (void)fclose(full);
    (void)fclose(in);
    ck_assert_int_eq(fclose(errors), 0);
    ck_assert_str_eq(said, "the template cannot be read: Is a directory\n"
                           "the rendered template cannot be written: No space left on device\n");
    free(said);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("settings_render");
    TCase *tcase = tcase_create("settings_render");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, renders, 0, COUNT(templates));
    tcase_add_loop_test(tcase, render_refuses, 0, COUNT(bad_templates));
    tcase_add_loop_test(tcase, renders_tokens, 0, COUNT(token_maps));
    tcase_add_test(tcase, renders_large_and_binary_templates);
    tcase_add_test(tcase, render_tells_when_it_cannot_read_or_write);
    suite_add_tcase(suite, tcase);
    return suite;
}
