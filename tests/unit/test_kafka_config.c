#include "kafka/config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kafka/producer.h"
#include "unit.h"

static struct settings settings;
static char error[KAFKA_ERROR_MAX];

static const struct kafka_property no_properties[] = {{NULL, NULL}};
static const struct kafka_wishes no_wishes = {no_properties, no_properties};

static const struct kafka_property some_defaults[] = {{"linger.ms", "7"}, {NULL, NULL}};
static const struct kafka_property some_fixed[] = {
    {"enable.idempotence", "true"},
    {"acks", "all"},
    {"transactional.id", NULL},
    {NULL, NULL},
};
static const struct kafka_wishes some_wishes = {some_defaults, some_fixed};

static void setup(void) {
    char *const environment[] = {"KAFKA_BROKERS=b1:1,b2:2", "KAFKA_CLIENT_ID=me", NULL};
    ck_assert_int_eq(settings_load(&settings, environment, stderr), 0);
}

static void teardown(void) {
    settings_free(&settings);
}

/* A property as librdkafka shows it. */
static const char *value_of(const rd_kafka_conf_t *config, const char *name) {
    static char value[1024];
    size_t size = sizeof value;
    ck_assert_int_eq(rd_kafka_conf_get(config, name, value, &size), RD_KAFKA_CONF_OK);
    return value;
}

static rd_kafka_conf_t *make(char *const *environment, const struct kafka_wishes *wishes) {
    rd_kafka_conf_t *config = kafka_config_new(&settings, environment, wishes, error);
    ck_assert_msg(config != NULL, "%s", error);
    ck_assert_str_eq(error, "");
    return config;
}

START_TEST(settings_are_used) {
    rd_kafka_conf_t *config = make((char *[]){NULL}, &no_wishes);
    ck_assert_str_eq(value_of(config, "bootstrap.servers"), "b1:1,b2:2");
    ck_assert_str_eq(value_of(config, "client.id"), "me");
    ck_assert_str_eq(value_of(config, "reconnect.backoff.max.ms"), "1000");
    rd_kafka_conf_destroy(config);
}
END_TEST

START_TEST(the_environment_sets_anything) {
    rd_kafka_conf_t *config =
        make((char *[]){"KAFKA_PROPERTY_SASL_USERNAME=us=er", "KAFKA_PROPERTY_SASL_PASSWORD=hush",
                        "KAFKA_PROPERTY_SECURITY_PROTOCOL=sasl_ssl",
                        "KAFKA_PROPERTY_ENABLE_SSL_CERTIFICATE_VERIFICATION=false",
                        "KAFKA_PROPERTY_reconnect_backoff.max.ms=3000",
                        "KAFKA_PROPERTY_COMPRESSION_TYPE=zstd",
                        "KAFKA_PROPERTY_LINGER_MS=", "KAFKA_PROPERTY_WITHOUT_VALUE",
                        "KAFKA_PROPERT_LINGER_MS=1", "XKAFKA_PROPERTY_LINGER_MS=1", NULL},
             &some_wishes);
    ck_assert_str_eq(value_of(config, "sasl.username"), "us=er");
    ck_assert_str_eq(value_of(config, "sasl.password"), "hush");
    ck_assert_str_eq(value_of(config, "security.protocol"), "sasl_ssl");
    ck_assert_str_eq(value_of(config, "enable.ssl.certificate.verification"), "false");
    ck_assert_str_eq(value_of(config, "reconnect.backoff.max.ms"), "3000");
    ck_assert_str_eq(value_of(config, "compression.type"), "zstd");
    ck_assert_str_eq(value_of(config, "linger.ms"), "7"); /* an empty value is none */
    rd_kafka_conf_destroy(config);
}
END_TEST

START_TEST(wishes_are_granted) {
    rd_kafka_conf_t *config = make((char *[]){NULL}, &some_wishes);
    ck_assert_str_eq(value_of(config, "linger.ms"), "7");
    ck_assert_str_eq(value_of(config, "enable.idempotence"), "true");
    ck_assert_str_eq(value_of(config, "acks"), "-1"); /* librdkafka's spelling of "all" */
    rd_kafka_conf_destroy(config);
    config = make((char *[]){"KAFKA_PROPERTY_LINGER_MS=9", NULL}, &some_wishes);
    ck_assert_str_eq(value_of(config, "linger.ms"), "9");
    rd_kafka_conf_destroy(config);
}
END_TEST

/* The same value, in whatever spelling, is no change. */
START_TEST(what_is_fixed_may_be_repeated) {
    rd_kafka_conf_t *config =
        make((char *[]){"KAFKA_PROPERTY_ENABLE_IDEMPOTENCE=true", "KAFKA_PROPERTY_ACKS=-1",
                        "KAFKA_PROPERTY_REQUEST_REQUIRED_ACKS=all", "KAFKA_PROPERTY_CLIENT_ID=me",
                        "KAFKA_PROPERTY_METADATA_BROKER_LIST=b1:1,b2:2", NULL},
             &some_wishes);
    ck_assert_str_eq(value_of(config, "acks"), "-1");
    rd_kafka_conf_destroy(config);
}
END_TEST

static const struct {
    char *variable;
    const char *wrong; /* all of what is said */
} refused[] = {
    {"KAFKA_PROPERTY_NO_SUCH_THING=hush",
     "KAFKA_PROPERTY_NO_SUCH_THING: librdkafka has no such property"},
    {"KAFKA_PROPERTY_=hush", "KAFKA_PROPERTY_: librdkafka has no such property"},
    {"KAFKA_PROPERTY_LOG_CB=hush", "KAFKA_PROPERTY_LOG_CB: librdkafka has no such property"},
    {"KAFKA_PROPERTY_OPAQUE=hush", "KAFKA_PROPERTY_OPAQUE: librdkafka does not take this value"},
    {"KAFKA_PROPERTY_SECURITY_PROTOCOL=hush",
     "KAFKA_PROPERTY_SECURITY_PROTOCOL: librdkafka does not take this value"},
    {"KAFKA_PROPERTY_LINGER_MS=hush",
     "KAFKA_PROPERTY_LINGER_MS: librdkafka does not take this value"},
    {"KAFKA_PROPERTY_ENABLE_IDEMPOTENCE=false",
     "KAFKA_PROPERTY_ENABLE_IDEMPOTENCE: what this program promises does not allow this value"},
    {"KAFKA_PROPERTY_ACKS=1",
     "KAFKA_PROPERTY_ACKS: what this program promises does not allow this value"},
    {"KAFKA_PROPERTY_REQUEST_REQUIRED_ACKS=0", "KAFKA_PROPERTY_REQUEST_REQUIRED_ACKS: what this "
                                               "program promises does not allow this value"},
    {"KAFKA_PROPERTY_TRANSACTIONAL_ID=hush",
     "KAFKA_PROPERTY_TRANSACTIONAL_ID: what this program promises does not allow this value"},
    {"KAFKA_PROPERTY_BOOTSTRAP_SERVERS=hush",
     "KAFKA_PROPERTY_BOOTSTRAP_SERVERS: set KAFKA_BROKERS or KAFKA_CLIENT_ID instead"},
    {"KAFKA_PROPERTY_METADATA_BROKER_LIST=hush",
     "KAFKA_PROPERTY_METADATA_BROKER_LIST: set KAFKA_BROKERS or KAFKA_CLIENT_ID instead"},
    {"KAFKA_PROPERTY_CLIENT_ID=hush",
     "KAFKA_PROPERTY_CLIENT_ID: set KAFKA_BROKERS or KAFKA_CLIENT_ID instead"},
};

START_TEST(refused_with_its_name_and_without_its_value) {
    char *const environment[] = {"KAFKA_PROPERTY_LINGER_MS=1", refused[_i].variable, NULL};
    ck_assert_ptr_null(kafka_config_new(&settings, environment, &some_wishes, error));
    ck_assert_str_eq(error, refused[_i].wrong);
}
END_TEST

/* A variable with so many characters between these two. */
static char *long_variable(const char *begin, char filler, size_t count, const char *end) {
    char *variable = NULL;
    char *middle = malloc(count + 1);
    ck_assert_ptr_nonnull(middle);
    memset(middle, filler, count);
    middle[count] = '\0';
    ck_assert_int_gt(asprintf(&variable, "%s%s%s", begin, middle, end), 0);
    free(middle);
    return variable;
}

START_TEST(a_long_name_is_cut) {
    char *variable = long_variable("KAFKA_PROPERTY_", 'A', 4000, "=value");
    ck_assert_ptr_null(kafka_config_new(&settings, (char *[]){variable, NULL}, &no_wishes, error));
    ck_assert_ptr_nonnull(strstr(error, "AAAA: librdkafka has no such property"));
    ck_assert_int_lt((int)strlen(error), 200);
    free(variable);
}
END_TEST

START_TEST(a_long_value_is_taken) {
    char *variable = long_variable("KAFKA_PROPERTY_SASL_PASSWORD=", 'x', 20000, "");
    rd_kafka_conf_destroy(make((char *[]){variable, NULL}, &some_wishes));
    free(variable);
}
END_TEST

START_TEST(a_wish_that_librdkafka_refuses) {
    const struct kafka_property wrong[] = {{"linger.ms", "hush"}, {NULL, NULL}};
    const struct kafka_wishes wishes = {wrong, no_properties};
    ck_assert_ptr_null(kafka_config_new(&settings, (char *[]){NULL}, &wishes, error));
    ck_assert_str_eq(error, "librdkafka refuses the value of linger.ms");
}
END_TEST

START_TEST(numbers) {
    rd_kafka_conf_t *config =
        make((char *[]){"KAFKA_PROPERTY_MESSAGE_MAX_BYTES=2000000", NULL}, &no_wishes);
    ck_assert_int_eq(kafka_config_int(config, "message.max.bytes", 1), 2000000);
    ck_assert_int_eq(kafka_config_int(config, "client.id", 1), 1);
    ck_assert_int_eq(kafka_config_int(config, "no.such.thing", 1), 1);
    rd_kafka_conf_destroy(config);
}
END_TEST

/* The test runs in a process of its own: its environment is its own, too. */
START_TEST(the_producer_checks_the_environment_of_the_process) {
    clearenv();
    ck_assert_ptr_null(producer_check(&settings));
    ck_assert_int_eq(setenv("KAFKA_PROPERTY_ACKS", "1", 1), 0);
    ck_assert_str_eq(producer_check(&settings),
                     "KAFKA_PROPERTY_ACKS: what this program promises does not allow this value");
    clearenv();
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("kafka_config");
    TCase *tcase = tcase_create("kafka_config");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, settings_are_used);
    tcase_add_test(tcase, the_environment_sets_anything);
    tcase_add_test(tcase, wishes_are_granted);
    tcase_add_test(tcase, what_is_fixed_may_be_repeated);
    tcase_add_loop_test(tcase, refused_with_its_name_and_without_its_value, 0, COUNT(refused));
    tcase_add_test(tcase, a_long_name_is_cut);
    tcase_add_test(tcase, a_long_value_is_taken);
    tcase_add_test(tcase, a_wish_that_librdkafka_refuses);
    tcase_add_test(tcase, numbers);
    tcase_add_test(tcase, the_producer_checks_the_environment_of_the_process);
    suite_add_tcase(suite, tcase);
    return suite;
}
