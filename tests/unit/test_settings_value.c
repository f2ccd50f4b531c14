#include "base/settings_value.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "unit.h"

/* Rows as in the table, but for the bounds of texts, which are small here. */
static const struct settings_row text_row = {.kind = SETTINGS_TEXT, .least = 1, .greatest = 8};
static const struct settings_row host_row = {.kind = SETTINGS_HOST, .least = 1, .greatest = 253};
static const struct settings_row path_row = {.kind = SETTINGS_PATH, .least = 2, .greatest = 20};
static const struct settings_row networks_row = {
    .kind = SETTINGS_NETWORKS, .least = 1, .greatest = 100};
static const struct settings_row topic_row = {.kind = SETTINGS_TOPIC, .least = 1, .greatest = 12};
static const struct settings_row tokens_row = {
    .kind = SETTINGS_TOKENS, .least = 0, .greatest = 1200};
static const struct settings_row boolean_row = {.kind = SETTINGS_BOOLEAN};
static const struct settings_row integer_row = {
    .kind = SETTINGS_INTEGER, .least = -5, .greatest = 500};

/* The digest of "abc", and the same without its last digit. */
#define DIGEST "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SHORT_DIGEST "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a"

/* A value, and what is kept of it: NULL when it is refused. */
struct sample {
    const struct settings_row *row;
    const char *text;
    const char *kept;
};

static const struct sample texts[] = {
    {&text_row, "a", "a"},
    {&text_row, "12345678", "12345678"},
    {&text_row, "123456789", NULL},
    {&text_row, "", NULL},
    {&text_row, " '\"\\$;", " '\"\\$;"},
    {&text_row, "\xC3\xA9", "\xC3\xA9"},
    {&text_row, "\xC3", NULL},
    {&text_row, "\xED\xA0\x80", NULL},
    {&text_row, "a\tb", NULL},
    {&text_row, "a\n", NULL},
    {&text_row, "\x1F", NULL},
    {&text_row, "\x7F", NULL},
    {&text_row, "\xC2\x80", NULL},
    {&text_row, "\xC2\x9F", NULL},
    {&text_row, "\xC2\xA0", "\xC2\xA0"},

    {&host_row, "0.0.0.0", "0.0.0.0"},
    {&host_row, "127.0.0.1", "127.0.0.1"},
    {&host_row, "localhost", "localhost"},
    {&host_row, "guard-1.internal_net.example", "guard-1.internal_net.example"},
    {&host_row, "1st.example", "1st.example"},
    {&host_row, "::", "[::]"},
    {&host_row, "::1", "[::1]"},
    {&host_row, "[::1]", "[::1]"},
    {&host_row, "2001:db8::a:1", "[2001:db8::a:1]"},
    {&host_row, "::ffff:10.0.0.1", "[::ffff:10.0.0.1]"},
    {&host_row, "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255",
     "[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]"},
    {&host_row, "", NULL},
    {&host_row, "10.0.0.256", NULL},
    {&host_row, "10.0.0", NULL},
    {&host_row, "1", NULL},
    {&host_row, "localhost:80", NULL},
    {&host_row, "a:b:c", NULL},
    {&host_row, "[localhost]", NULL},
    {&host_row, "[127.0.0.1]", NULL},
    {&host_row, "[::1", NULL},
    {&host_row, "::1]", NULL},
    {&host_row, "[", NULL},
    {&host_row, "[]", NULL},
    {&host_row, "[[::1]]", NULL},
    {&host_row, "fe80::1%eth0", NULL},
    {&host_row, "a b", NULL},
    {&host_row, "a;b", NULL},
    {&host_row, "a\nb", NULL},
    {&host_row, "*", NULL},
    {&host_row, "$host", NULL},
    {&host_row, "-a", NULL},
    {&host_row, ".a", NULL},
    {&host_row, "a..b", NULL},
    {&host_row, "h\xC3\xB6st", NULL},
    {&host_row, "0:0:0:0:0:0:0:0:0", NULL},

    {&path_row, "/a", "/a"},
    {&path_row, "/run/A-z_0.9/g.sock", "/run/A-z_0.9/g.sock"},
    {&path_row, "/345678901234567890/", NULL},
    {&path_row, "/3456789012345678901", "/3456789012345678901"},
    {&path_row, "/34567890123456789012", NULL},
    {&path_row, "", NULL},
    {&path_row, "/", NULL},
    {&path_row, "a", NULL},
    {&path_row, "a/b", NULL},
    {&path_row, "/a/", NULL},
    {&path_row, "/a b", NULL},
    {&path_row, "/a;b", NULL},
    {&path_row, "/a\"b", NULL},
    {&path_row, "/a$b", NULL},
    {&path_row, "/\xC3\xA9", NULL},

    {&networks_row, "10.0.0.0/8", "10.0.0.0/8"},
    {&networks_row, "0.0.0.0/0", "0.0.0.0/0"},
    {&networks_row, "::/0", "::/0"},
    {&networks_row, "192.0.2.7/32", "192.0.2.7/32"},
    {&networks_row, "::1/128", "::1/128"},
    {&networks_row, "172.16.0.0/12", "172.16.0.0/12"},
    {&networks_row, "10.0.0.0/8,fc00::/7", "10.0.0.0/8,fc00::/7"},
    {&networks_row, "  10.0.0.0/8 ,  fc00::/7  ", "10.0.0.0/8,fc00::/7"},
    {&networks_row, "255.255.255.254/31", "255.255.255.254/31"},
    {&networks_row, "255.255.255.255/31", NULL},
    {&networks_row, "172.24.0.0/12", NULL},
    {&networks_row, "172.8.0.0/12", NULL},
    {&networks_row, "128.0.0.0/0", NULL},
    {&networks_row, "fc00::/6", "fc00::/6"},
    {&networks_row, "fe00::/6", NULL},
    {&networks_row, "::1/127", NULL},
    {&networks_row, "", NULL},
    {&networks_row, " ", NULL},
    {&networks_row, ",", NULL},
    {&networks_row, "10.0.0.0/8,", NULL},
    {&networks_row, ",10.0.0.0/8", NULL},
    {&networks_row, "10.0.0.0/8,,fc00::/7", NULL},
    {&networks_row, "10.0.0.0/8 fc00::/7", NULL},
    {&networks_row, "10.0.0.0/8;", NULL},
    {&networks_row, "10.0.0.0", NULL},
    {&networks_row, "10.0.0.0/", NULL},
    {&networks_row, "/8", NULL},
    {&networks_row, "10.0.0.0/33", NULL},
    {&networks_row, "::/129", NULL},
    {&networks_row, "10.0.0.0/-1", NULL},
    {&networks_row, "0.0.0.0/-0", NULL},
    {&networks_row, "10.0.0.0/+8", NULL},
    {&networks_row, "10.0.0.0/8/8", NULL},
    {&networks_row, "10.0.0.0/255.0.0.0", NULL},
    {&networks_row, "10.0.0/8", NULL},
    {&networks_row, "10.0.0.256/32", NULL},
    {&networks_row, "[fc00::]/7", NULL},
    {&networks_row, "localhost/8", NULL},
    {&networks_row, "all", NULL},
    {&networks_row, "10.0.0.0/99999999999999999999", NULL},

    {&topic_row, "a", "a"},
    {&topic_row, "Events.v1_-9", "Events.v1_-9"},
    {&topic_row, "1234567890123", NULL},
    {&topic_row, "...", "..."},
    {&topic_row, "", NULL},
    {&topic_row, ".", NULL},
    {&topic_row, "..", NULL},
    {&topic_row, "a b", NULL},
    {&topic_row, " a", NULL},
    {&topic_row, "a ", NULL},
    {&topic_row, "a,b", NULL},
    {&topic_row, "a/b", NULL},
    {&topic_row, "a\n", NULL},
    {&topic_row, "\xC3\xA9", NULL},

    {&tokens_row, "", ""},
    {&tokens_row, "a", "a"},
    {&tokens_row, "a,b", "a,b"},
    {&tokens_row, "  a ,  b  ", "a,b"},
    {&tokens_row, "!\"#$%&'()*+-./:;<=>?@[\\]^_`{|}~", "!\"#$%&'()*+-./:;<=>?@[\\]^_`{|}~"},
    {&tokens_row, DIGEST, DIGEST},
    {&tokens_row, "a," DIGEST ", b", "a," DIGEST ",b"},
    {&tokens_row, "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
     "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"},
    {&tokens_row, "sha256", "sha256"},
    {&tokens_row, "SHA256:x", "SHA256:x"},
    {&tokens_row, SHORT_DIGEST, NULL},
    {&tokens_row, DIGEST "0", NULL},
    {&tokens_row, SHORT_DIGEST "g", NULL},
    {&tokens_row, SHORT_DIGEST " d", NULL},
    {&tokens_row, "sha256:", NULL},
    {&tokens_row, "sha256:abc", NULL},
    {&tokens_row, "a," SHORT_DIGEST, NULL},
    {&tokens_row, " ", NULL},
    {&tokens_row, ",", NULL},
    {&tokens_row, "a,", NULL},
    {&tokens_row, ",a", NULL},
    {&tokens_row, "a,,b", NULL},
    {&tokens_row, "a, ,b", NULL},
    {&tokens_row, "a b", NULL},
    {&tokens_row, "a\tb", NULL},
    {&tokens_row, "a\n", NULL},
    {&tokens_row, "a\x1F", NULL},
    {&tokens_row, "a\x7F", NULL},
    {&tokens_row, "a\xC2\xA0", NULL},
    {&tokens_row, "\xC3\xA9", NULL},
};

START_TEST(texts_are_checked) {
    const struct sample *sample = &texts[_i];
    char *kept = NULL;
    enum settings_result result = settings_value_parse(sample->row, sample->text, (void *)&kept);
    if (!sample->kept) {
        ck_assert_msg(result == SETTINGS_WRONG, "\"%s\" was taken", sample->text);
        ck_assert_ptr_null(kept);
        return;
    }
    ck_assert_msg(result == SETTINGS_OK, "\"%s\" was refused", sample->text);
    ck_assert_str_eq(kept, sample->kept);
    struct buffer b = {0};
    settings_value_append(&b, sample->row, (void *)&kept);
    buffer_append_char(&b, '\0'); /* an empty buffer has no data */
    ck_assert_uint_eq(b.length, strlen(sample->kept) + 1);
    ck_assert_str_eq(b.data, sample->kept);
    buffer_free(&b);
    ck_assert(settings_value_is_owned(sample->row));
    free(kept);
}
END_TEST

/* A token has at most 512 characters, a list as many bytes as its setting may have. */
START_TEST(bounds_of_tokens) {
    char text[1202];
    char *kept = NULL;
    memset(text, 'a', sizeof text);
    text[512] = '\0';
    ck_assert_int_eq(settings_value_parse(&tokens_row, text, (void *)&kept), SETTINGS_OK);
    ck_assert_uint_eq(strlen(kept), 512);
    free(kept);
    kept = NULL;
    text[512] = 'a';
    text[513] = '\0';
    ck_assert_int_eq(settings_value_parse(&tokens_row, text, (void *)&kept), SETTINGS_WRONG);
    text[513] = 'a';
    for (size_t i = 399; i < sizeof text; i += 400)
        text[i] = ',';
    text[1199] = 'a';
    text[1200] = '\0';
    ck_assert_int_eq(settings_value_parse(&tokens_row, text, (void *)&kept), SETTINGS_OK);
    free(kept);
    kept = NULL;
    text[1200] = 'a';
    text[1201] = '\0';
    ck_assert_int_eq(settings_value_parse(&tokens_row, text, (void *)&kept), SETTINGS_WRONG);
    ck_assert_ptr_null(kept);
}
END_TEST

/* Every byte in the middle of a host and of a path: these go into the configuration of nginx. */
START_TEST(bytes_that_reach_nginx) {
    static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    for (int byte = 1; byte < 256; byte++) {
        char *kept = NULL;
        char host[] = {'a', (char)byte, 'z', '\0'};
        char path[] = {'/', 'a', (char)byte, 'z', '\0'};
        bool expected = strchr(good, byte) != NULL;
        ck_assert_int_eq(settings_value_parse(&host_row, host, (void *)&kept) == SETTINGS_OK,
                         expected);
        free(kept);
        kept = NULL;
        ck_assert_int_eq(settings_value_parse(&path_row, path, (void *)&kept) == SETTINGS_OK,
                         expected || byte == '/');
        free(kept);
    }
}
END_TEST

static const struct {
    const char *text;
    int value; /* -1: refused */
} booleans[] = {
    {"true", 1}, {"TRUE", 1},   {"1", 1},     {"yes", 1},   {"on", 1}, {"On", 1},    {"false", 0},
    {"0", 0},    {"no", 0},     {"OFF", 0},   {"", -1},     {"t", -1}, {"2", -1},    {"01", -1},
    {" 1", -1},  {"true ", -1}, {"yess", -1}, {"nope", -1}, {"y", -1}, {"null", -1},
};

START_TEST(booleans_are_checked) {
    for (int before = 0; before < 2; before++) {
        bool value = before;
        bool good = settings_value_parse(&boolean_row, booleans[_i].text, &value) == SETTINGS_OK;
        ck_assert_int_eq(good, booleans[_i].value >= 0);
        ck_assert_int_eq(value, good ? booleans[_i].value : before);
    }
}
END_TEST

static const struct {
    const char *text;
    bool good;
} integers[] = {
    {"-5", true},   {"500", true}, {"0", true},    {"-6", false},
    {"501", false}, {"", false},   {"1.0", false}, {"1e2", false},
    {" 1", false},  {"1 ", false}, {"0x1", false}, {"99999999999999999999", false},
};

START_TEST(integers_are_checked) {
    int64_t value = 42;
    bool good = settings_value_parse(&integer_row, integers[_i].text, &value) == SETTINGS_OK;
    ck_assert_int_eq(good, integers[_i].good);
    ck_assert_int_eq(value, good ? strtol(integers[_i].text, NULL, 10) : 42);
}
END_TEST

static const struct {
    const char *text;
    const char *printed; /* NULL: not allowed */
    int64_t value;
} shares[] = {
    {"0", "0", 0},
    {"1", "1", 1000000},
    {"0.1", "0.1", 100000},
    {"1.0", "1", 1000000},
    {"0.000001", "0.000001", 1},
    {"00.50", "0.5", 500000},
    {"1.000001", NULL, 0},
    {"0.0000001", NULL, 0},
    {"2", NULL, 0},
    {"-0.1", NULL, 0},
    {".5", NULL, 0},
    {"0.", NULL, 0},
    {"0.1x", NULL, 0},
    {"1e-1", NULL, 0},
    {"", NULL, 0},
    {"99999999999999999999", NULL, 0},
};

START_TEST(shares_are_checked) {
    static const struct settings_row row = {.name = "S", .kind = SETTINGS_SHARE};
    struct buffer b = {0};
    int64_t value = 42;
    const bool good = shares[_i].printed != NULL;
    ck_assert_int_eq(settings_value_parse(&row, shares[_i].text, &value) == SETTINGS_OK, good);
    ck_assert_int_eq(value, good ? shares[_i].value : 42);
    if (good) {
        settings_value_append(&b, &row, &value);
        buffer_append_char(&b, '\0');
        ck_assert_str_eq(b.data, shares[_i].printed);
    }
    buffer_free(&b);
}
END_TEST

/* The defaults pass their own checks, and are written as they would be printed. */
START_TEST(defaults_are_canonical) {
    for (size_t i = 0; i < settings_rows_count; i++) {
        const struct settings_row *row = &settings_rows[i];
        struct buffer b = {0};
        union {
            int64_t integer;
            bool boolean;
            char *text;
            enum log_level level;
            enum log_format format;
        } value = {0};
        ck_assert_int_eq(settings_value_parse(row, row->initial, &value), SETTINGS_OK);
        settings_value_append(&b, row, &value);
        ck_assert_uint_eq(b.length, strlen(row->initial));
        if (b.length)
            ck_assert_mem_eq(b.data, row->initial, b.length);
        buffer_clear(&b);
        settings_value_append_allowed(&b, row);
        ck_assert_uint_gt(b.length, 0);
        buffer_free(&b);
        if (settings_value_is_owned(row))
            free(value.text);
    }
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("settings_value");
    TCase *tcase = tcase_create("settings_value");
    tcase_set_timeout(tcase, 30);
    tcase_add_loop_test(tcase, texts_are_checked, 0, COUNT(texts));
    tcase_add_loop_test(tcase, shares_are_checked, 0, COUNT(shares));
    tcase_add_test(tcase, bounds_of_tokens);
    tcase_add_test(tcase, bytes_that_reach_nginx);
    tcase_add_loop_test(tcase, booleans_are_checked, 0, COUNT(booleans));
    tcase_add_loop_test(tcase, integers_are_checked, 0, COUNT(integers));
    tcase_add_test(tcase, defaults_are_canonical);
    suite_add_tcase(suite, tcase);
    return suite;
}
