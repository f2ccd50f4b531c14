#include "db/conninfo.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "unit.h"

static struct settings settings;
static struct conninfo info;
static struct conninfo_arrays arrays;

static void setup(void) {
    char *const empty[] = {NULL};
    memset(&info, 0, sizeof info);
    ck_assert_int_eq(settings_load(&settings, empty, stderr), 0);
}

static void teardown(void) {
    conninfo_exit(&info);
    settings_free(&settings);
}

/* Loads the environment, a list ended by NULL, and reads the connection from it. */
static const char *read_environment(char *const *environment) {
    settings_free(&settings);
    ck_assert_int_eq(settings_load(&settings, environment, stderr), 0);
    conninfo_exit(&info);
    return conninfo_init(&info, &settings, "the-name");
}

static const char *read_url(const char *url) {
    char variable[4096];
    (void)snprintf(variable, sizeof variable, "DATABASE_URL=%s", url);
    return read_environment((char *[]){variable, NULL});
}

/* What libpq would be told, for one host; NULL when the keyword is missing. It must not be there
 * twice. */
static const char *value(size_t host, const char *keyword) {
    const char *found = NULL;
    conninfo_for_host(&info, host, &arrays);
    for (size_t i = 0; arrays.keywords[i] != NULL; i++) {
        ck_assert_ptr_nonnull(arrays.values[i]);
        if (strcmp(arrays.keywords[i], keyword) == 0) {
            ck_assert_ptr_null(found);
            found = arrays.values[i];
        }
    }
    return found;
}

#define ck_assert_value(host, keyword, expected)                                                   \
    ck_assert_pstr_eq(value((host), (keyword)), (expected))

START_TEST(defaults) {
    ck_assert_ptr_null(read_environment((char *[]){NULL}));
    ck_assert_uint_eq(info.host_count, 1);
    ck_assert_value(0, "host", "127.0.0.1");
    ck_assert_value(0, "hostaddr", NULL);
    ck_assert_value(0, "port", "5432");
    ck_assert_value(0, "dbname", "availability_guard");
    ck_assert_value(0, "user", "availability_guard");
    ck_assert_value(0, "password", NULL);
    ck_assert_value(0, "sslmode", "prefer");
    ck_assert_value(0, "application_name", "the-name");
    ck_assert_value(0, "client_encoding", "UTF8");
    ck_assert_value(0, "target_session_attrs", "read-write");
    ck_assert_value(0, "keepalives_idle", "10");
    ck_assert_value(0, "keepalives_interval", "5");
    ck_assert_value(0, "keepalives_count", "3");
}
END_TEST

START_TEST(single_settings) {
    ck_assert_ptr_null(
        read_environment((char *[]){"DB_HOST=db1", "DB_PORT=65535", "DB_NAME=n a", "DB_USER=u='",
                                    "DB_PASSWORD=p'\\ w", "DB_SSL=true", NULL}));
    ck_assert_value(0, "host", "db1");
    ck_assert_value(0, "port", "65535");
    ck_assert_value(0, "dbname", "n a");
    ck_assert_value(0, "user", "u='");
    ck_assert_value(0, "password", "p'\\ w");
    ck_assert_value(0, "sslmode", "require");
}
END_TEST

START_TEST(single_settings_with_several_hosts) {
    ck_assert_ptr_null(read_environment((char *[]){"DB_HOST=a,b,/run/pg", "DB_PORT=6000", NULL}));
    ck_assert_uint_eq(info.host_count, 3);
    ck_assert_value(0, "host", "a");
    ck_assert_value(1, "host", "b");
    ck_assert_value(2, "host", "/run/pg");
    for (size_t i = 0; i < 3; i++)
        ck_assert_value(i, "port", "6000");
}
END_TEST

START_TEST(url_wins) {
    ck_assert_ptr_null(read_environment((char *[]){
        "DB_HOST=other", "DB_PORT=1", "DB_NAME=other", "DB_USER=other", "DB_PASSWORD=other",
        "DB_SSL=true", "DATABASE_URL=postgresql://u:p%40w@h:7000/d", NULL}));
    ck_assert_value(0, "host", "h");
    ck_assert_value(0, "port", "7000");
    ck_assert_value(0, "dbname", "d");
    ck_assert_value(0, "user", "u");
    ck_assert_value(0, "password", "p@w");
    ck_assert_value(0, "sslmode", NULL);
    ck_assert_value(0, "application_name", "the-name");
}
END_TEST

START_TEST(keyword_string) {
    ck_assert_ptr_null(read_url("host=h port=7000 user=u password='p \\' w' dbname=d "
                                "sslmode=verify-full"));
    ck_assert_value(0, "host", "h");
    ck_assert_value(0, "port", "7000");
    ck_assert_value(0, "user", "u");
    ck_assert_value(0, "password", "p ' w");
    ck_assert_value(0, "dbname", "d");
    ck_assert_value(0, "sslmode", "verify-full");
}
END_TEST

/* Both spellings of several hosts. */
static const char *const host_lists[] = {
    "postgresql://u@a:1,b:2,c:3/d",
    "host=a,b,c port=1,2,3 user=u dbname=d",
};

START_TEST(several_hosts_with_their_ports) {
    ck_assert_ptr_null(read_url(host_lists[_i]));
    ck_assert_uint_eq(info.host_count, 3);
    for (size_t i = 0; i < 3; i++) {
        const char host[] = {(char)('a' + i), '\0'};
        const char port[] = {(char)('1' + i), '\0'};
        ck_assert_value(i, "host", host);
        ck_assert_value(i, "port", port);
        ck_assert_value(i, "dbname", "d");
    }
}
END_TEST

START_TEST(one_port_for_all_hosts) {
    ck_assert_ptr_null(read_url("host=a,b port=6000"));
    ck_assert_uint_eq(info.host_count, 2);
    ck_assert_value(0, "port", "6000");
    ck_assert_value(1, "port", "6000");
}
END_TEST

START_TEST(hosts_without_port) {
    ck_assert_ptr_null(read_url("host=a,b"));
    ck_assert_value(0, "port", NULL);
    ck_assert_value(1, "port", NULL);
}
END_TEST

START_TEST(ports_of_some_hosts_only) {
    ck_assert_ptr_null(read_url("host=a,b,c port=1,,3"));
    ck_assert_value(0, "port", "1");
    ck_assert_value(1, "port", NULL);
    ck_assert_value(2, "port", "3");
}
END_TEST

START_TEST(no_host_at_all) {
    ck_assert_ptr_null(read_url("postgresql:///d"));
    ck_assert_uint_eq(info.host_count, 1);
    ck_assert_value(0, "host", NULL);
    ck_assert_value(0, "port", NULL);
    ck_assert_value(0, "dbname", "d");
}
END_TEST

START_TEST(empty_host_in_a_list) {
    ck_assert_ptr_null(read_url("host=a,,c"));
    ck_assert_uint_eq(info.host_count, 3);
    ck_assert_value(1, "host", NULL);
    ck_assert_value(2, "host", "c");
}
END_TEST

START_TEST(socket_folder_and_ipv6) {
    ck_assert_ptr_null(read_url("postgresql://%2Frun%2Fpg,[::1]:6000/d"));
    ck_assert_uint_eq(info.host_count, 2);
    ck_assert_value(0, "host", "/run/pg");
    ck_assert_value(0, "port", NULL);
    ck_assert_value(1, "host", "::1");
    ck_assert_value(1, "port", "6000");
}
END_TEST

START_TEST(addresses_beside_names) {
    ck_assert_ptr_null(read_url("host=a,b hostaddr=10.0.0.1,10.0.0.2 port=1,2"));
    ck_assert_uint_eq(info.host_count, 2);
    ck_assert_value(1, "host", "b");
    ck_assert_value(1, "hostaddr", "10.0.0.2");
    ck_assert_value(1, "port", "2");
}
END_TEST

START_TEST(addresses_alone) {
    ck_assert_ptr_null(read_url("hostaddr=10.0.0.1,10.0.0.2,10.0.0.3"));
    ck_assert_uint_eq(info.host_count, 3);
    ck_assert_value(2, "host", NULL);
    ck_assert_value(2, "hostaddr", "10.0.0.3");
}
END_TEST

/* What the operator has said is not changed. */
START_TEST(defaults_do_not_override) {
    ck_assert_ptr_null(read_url("host=h application_name=mine client_encoding=LATIN1 "
                                "target_session_attrs=any keepalives_idle=1 keepalives_interval=2 "
                                "keepalives_count=4"));
    ck_assert_value(0, "application_name", "mine");
    ck_assert_value(0, "client_encoding", "LATIN1");
    ck_assert_value(0, "target_session_attrs", "any");
    ck_assert_value(0, "keepalives_idle", "1");
    ck_assert_value(0, "keepalives_interval", "2");
    ck_assert_value(0, "keepalives_count", "4");
}
END_TEST

static const struct {
    const char *url;
    const char *wrong; /* a piece of what is said */
} wrong_urls[] = {
    {"postgresql://u:hushhush@[::1/d", "not a connection string"},
    {"postgresql://u:hushhush%zz@h/d", "not a connection string"},
    {"host=h password=hushhush nonsense", "not a connection string"},
    {"host=h password='hushhush", "not a connection string"},
    {"password=hushhush hushhush=1", "not a connection string"},
    {"host=a,b port=1,2,3 password=hushhush", "one database port"},
    {"host=a port=1,2 password=hushhush", "one database port"},
    {"port=1,2 password=hushhush", "one database port"},
    {"host=a,b hostaddr=10.0.0.1 password=hushhush", "different lengths"},
    {"host=a hostaddr=10.0.0.1,10.0.0.2 password=hushhush", "different lengths"},
};

START_TEST(wrong_connection_strings) {
    const char *wrong = read_url(wrong_urls[_i].url);
    ck_assert_ptr_nonnull(wrong);
    ck_assert_ptr_nonnull(strstr(wrong, wrong_urls[_i].wrong));
    ck_assert_ptr_null(strstr(wrong, "hush"));
}
END_TEST

/* "host=h1,h2,…" with so many hosts. */
static const char *read_many(size_t hosts, const char *keyword) {
    char url[1024];
    size_t length = (size_t)snprintf(url, sizeof url, "password=hushhush %s=", keyword);
    for (size_t i = 1; i <= hosts; i++)
        length += (size_t)snprintf(url + length, sizeof url - length, "%s10.0.0.%zu",
                                   i == 1 ? "" : ",", i);
    return read_url(url);
}

START_TEST(as_many_hosts_as_there_may_be) {
    ck_assert_ptr_null(read_many(CONNINFO_HOSTS_MAX, "host"));
    ck_assert_uint_eq(info.host_count, CONNINFO_HOSTS_MAX);
    ck_assert_value(CONNINFO_HOSTS_MAX - 1, "host", "10.0.0.16");
    ck_assert_ptr_null(read_many(CONNINFO_HOSTS_MAX, "hostaddr"));
    ck_assert_value(CONNINFO_HOSTS_MAX - 1, "hostaddr", "10.0.0.16");
}
END_TEST

START_TEST(too_many_hosts) {
    static const char *const keywords[] = {"host", "hostaddr"};
    for (int i = 0; i < COUNT(keywords); i++) {
        const char *wrong = read_many(CONNINFO_HOSTS_MAX + 1, keywords[i]);
        ck_assert_ptr_nonnull(wrong);
        ck_assert_str_eq(wrong, "too many database hosts");
    }
    const char *wrong = read_url("host=a port=1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17");
    ck_assert_ptr_nonnull(wrong);
}
END_TEST

/* Every keyword that libpq has fits beside the defaults. */
START_TEST(every_keyword_at_once) {
    struct buffer url = {0};
    size_t count = 0;
    PQconninfoOption *options = PQconndefaults();
    ck_assert_ptr_nonnull(options);
    for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
        const bool known = strcmp(o->keyword, "replication") != 0;
        if (known && strcmp(o->keyword, "service") != 0) {
            buffer_printf(&url, "%s=1 ", o->keyword);
            count++;
        }
    }
    PQconninfoFree(options);
    buffer_append_char(&url, '\0');
    ck_assert_ptr_null(read_url(url.data));
    conninfo_for_host(&info, 0, &arrays);
    size_t given = 0;
    while (arrays.keywords[given] != NULL)
        given++;
    ck_assert_uint_ge(given, count);
    buffer_free(&url);
}
END_TEST

START_TEST(descriptions) {
    char text[32];
    ck_assert_ptr_null(read_url("host=db1,,db3 port=1,2,"));
    conninfo_describe_host(&info, 0, text, sizeof text);
    ck_assert_str_eq(text, "db1:1");
    conninfo_describe_host(&info, 1, text, sizeof text);
    ck_assert_str_eq(text, "default host:2");
    conninfo_describe_host(&info, 2, text, sizeof text);
    ck_assert_str_eq(text, "db3:5432");
    conninfo_describe_host(&info, 0, text, 4); /* cut, not overrun */
    ck_assert_str_eq(text, "db1");
    ck_assert_ptr_null(read_url("hostaddr=10.0.0.1 password=hushhush"));
    conninfo_describe_host(&info, 0, text, sizeof text);
    ck_assert_str_eq(text, "10.0.0.1:5432");
}
END_TEST

START_TEST(exit_twice) {
    ck_assert_ptr_null(read_url("host=a,b port=1,2 hostaddr=10.0.0.1,10.0.0.2"));
    conninfo_exit(&info);
    conninfo_exit(&info);
    ck_assert_uint_eq(info.count, 0);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("conninfo");
    TCase *tcase = tcase_create("conninfo");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, defaults);
    tcase_add_test(tcase, single_settings);
    tcase_add_test(tcase, single_settings_with_several_hosts);
    tcase_add_test(tcase, url_wins);
    tcase_add_test(tcase, keyword_string);
    tcase_add_loop_test(tcase, several_hosts_with_their_ports, 0, COUNT(host_lists));
    tcase_add_test(tcase, one_port_for_all_hosts);
    tcase_add_test(tcase, hosts_without_port);
    tcase_add_test(tcase, ports_of_some_hosts_only);
    tcase_add_test(tcase, no_host_at_all);
    tcase_add_test(tcase, empty_host_in_a_list);
    tcase_add_test(tcase, socket_folder_and_ipv6);
    tcase_add_test(tcase, addresses_beside_names);
    tcase_add_test(tcase, addresses_alone);
    tcase_add_test(tcase, defaults_do_not_override);
    tcase_add_loop_test(tcase, wrong_connection_strings, 0, COUNT(wrong_urls));
    tcase_add_test(tcase, as_many_hosts_as_there_may_be);
    tcase_add_test(tcase, too_many_hosts);
    tcase_add_test(tcase, every_keyword_at_once);
    tcase_add_test(tcase, descriptions);
    tcase_add_test(tcase, exit_twice);
    suite_add_tcase(suite, tcase);
    return suite;
}
