#include "kafka/producer.h"

#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

/* Under valgrind on a slow machine: only a test that fails waits that long. */
#define WAIT_MS 60000

#define PRODUCE 0 /* its number in Kafka's protocol */
#define TOPIC "events"

static struct settings settings;
static struct poller poller;
static struct producer producer;
/* Where the mock cluster lives; it never connects anywhere. */
static rd_kafka_t *house;
static rd_kafka_mock_cluster_t *cluster;

#define REPORTS_MAX 100
static struct {
    int number; /* of the message */
    rd_kafka_resp_err_t error;
} reports[REPORTS_MAX];
static int report_count;
static int numbers[REPORTS_MAX]; /* their addresses are the messages' opaques */

static void take_report(void *context, void *opaque, rd_kafka_resp_err_t error) {
    ck_assert_ptr_eq(context, &producer);
    ck_assert_int_lt(report_count, REPORTS_MAX);
    reports[report_count].number = *(const int *)opaque;
    reports[report_count].error = error;
    report_count++;
}

static void setup(void) {
    char reason[512];
    char brokers[512];
    clearenv();
    house = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof reason);
    ck_assert_msg(house != NULL, "%s", reason);
    cluster = rd_kafka_mock_cluster_new(house, 1);
    ck_assert_ptr_nonnull(cluster);
    /* One partition: all messages are in one order. */
    ck_assert_int_eq(rd_kafka_mock_topic_create(cluster, TOPIC, 1, 1), 0);
    (void)snprintf(brokers, sizeof brokers, "KAFKA_BROKERS=%s",
                   rd_kafka_mock_cluster_bootstraps(cluster));
    ck_assert_int_eq(settings_load(&settings, (char *[]){brokers, NULL}, stderr), 0);
    ck_assert(poller_init(&poller));
    report_count = 0;
    for (int i = 0; i < REPORTS_MAX; i++)
        numbers[i] = i;
}

static void teardown(void) {
    poller_exit(&poller);
    settings_free(&settings);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(house);
}

static void begin(void) {
    const struct producer_owner owner = {&producer, take_report};
    ck_assert(producer_init(&producer, &poller, &settings, &owner));
    ck_assert(producer_is_up(&producer));
    ck_assert(mono_is_never(producer_deadline(&producer)));
}

static rd_kafka_resp_err_t send_value(int number, const char *value, size_t length) {
    const struct producer_header headers[] = {{"event-id", {"e", 1}}, {"empty", {"", 0}}};
    const struct producer_message message = {
        .topic = TOPIC,
        .key = {"key", 3},
        .value = {value, length},
        .headers = headers,
        .header_count = 2,
        .opaque = &numbers[number],
    };
    return producer_send(&producer, &message);
}

static void send_numbers(int from, int to) {
    for (int i = from; i < to; i++)
        ck_assert_int_eq(send_value(i, "{}", 2), RD_KAFKA_RESP_ERR_NO_ERROR);
}

/* Stops where the client has given up. */
static void send_numbers_if_possible(int from, int to) {
    for (int i = from; i < to; i++) {
        const rd_kafka_resp_err_t error = send_value(i, "{}", 2);
        if (error == RD_KAFKA_RESP_ERR__FATAL)
            return;
        ck_assert_int_eq(error, RD_KAFKA_RESP_ERR_NO_ERROR);
    }
}

static bool all_reported(int count) {
    return report_count >= count;
}

static bool reported_with(int error) {
    for (int i = 0; i < report_count; i++) {
        if ((int)reports[i].error == error)
            return true;
    }
    return false;
}

static bool broken(int unused) {
    (void)unused;
    return producer_is_broken(&producer);
}

static bool unreachable(int unused) {
    (void)unused;
    return producer.unreachable;
}

/* Lets the poller work until the condition holds. */
static void wait_until(bool (*condition)(int argument), int argument) {
    const mono_time deadline = mono_after_ms(mono_now(), WAIT_MS);
    while (!condition(argument)) {
        ck_assert(mono_is_before(mono_now(), deadline));
        ck_assert_int_ge(poller_wait(&poller, deadline, NULL), 0);
    }
}

static void check_taken(int from, int to) {
    ck_assert_int_eq(report_count, to - from);
    for (int i = from; i < to; i++) {
        ck_assert_int_eq(reports[i - from].number, i);
        ck_assert_int_eq(reports[i - from].error, RD_KAFKA_RESP_ERR_NO_ERROR);
    }
}

START_TEST(each_message_is_reported_in_order) {
    begin();
    send_numbers(0, 50);
    wait_until(all_reported, 50);
    check_taken(0, 50);
    ck_assert(!producer_is_broken(&producer));
    producer_exit(&producer);
}
END_TEST

START_TEST(messages_wait_until_there_is_a_broker) {
    ck_assert_int_eq(rd_kafka_mock_broker_set_down(cluster, 1), 0);
    begin();
    send_numbers(0, 5);
    wait_until(unreachable, 0);
    ck_assert_int_eq(report_count, 0);
    ck_assert_int_eq(rd_kafka_mock_broker_set_up(cluster, 1), 0);
    wait_until(all_reported, 5);
    check_taken(0, 5);
    ck_assert(!producer.unreachable);
    producer_exit(&producer);
}
END_TEST

/* After trouble with the client the owner sends, with the next one, what was not reported as taken.
 * (The mock does not look at sequence numbers, as a broker does, and may have taken something that
 * came behind what it refused.) */
static void drop_and_send_the_rest(int count) {
    bool taken[REPORTS_MAX] = {false};
    int left = count;
    for (int i = 0; i < report_count; i++) {
        taken[reports[i].number] = reports[i].error == RD_KAFKA_RESP_ERR_NO_ERROR;
        left -= taken[reports[i].number];
    }
    ck_assert_int_gt(left, 0);
    const mono_time until = mono_after_ms(mono_now(), 5);
    producer_drop(&producer, until);
    ck_assert(!producer_is_up(&producer));
    ck_assert(!producer_is_broken(&producer));
    ck_assert_int_eq(producer_deadline(&producer).us, until.us);
    producer_tick(&producer, mono_after_ms(until, -1));
    ck_assert(!producer_is_up(&producer));
    producer_tick(&producer, until);
    ck_assert(producer_is_up(&producer));
    report_count = 0;
    for (int i = 0; i < count; i++) {
        if (!taken[i])
            send_numbers(i, i + 1);
    }
    wait_until(all_reported, left);
    ck_assert_int_eq(report_count, left);
    for (int i = 0; i < left; i++) {
        ck_assert_int_eq(reports[i].error, RD_KAFKA_RESP_ERR_NO_ERROR);
        ck_assert(!taken[reports[i].number]);
        ck_assert(i == 0 || reports[i - 1].number < reports[i].number);
    }
}

START_TEST(a_fatal_error_is_told_and_survived) {
    begin();
    send_numbers(0, 10);
    wait_until(all_reported, 10);
    report_count = 0;
    rd_kafka_mock_push_request_errors(cluster, PRODUCE, 1,
                                      RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    send_numbers_if_possible(0, 20);
    wait_until(broken, 0);
    ck_assert_int_eq(send_value(30, "{}", 2), RD_KAFKA_RESP_ERR__FATAL);
    drop_and_send_the_rest(20);
    producer_exit(&producer);
}
END_TEST

static const rd_kafka_resp_err_t permanent[] = {
    RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
    RD_KAFKA_RESP_ERR_INVALID_RECORD,
    RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
};

/* What a broker refuses leaves no gap: nothing behind it goes through. */
START_TEST(a_refusal_stops_the_client) {
    begin();
    send_numbers(0, 1);
    wait_until(all_reported, 1);
    report_count = 0;
    rd_kafka_mock_push_request_errors(cluster, PRODUCE, 1, permanent[_i]);
    send_numbers_if_possible(0, 20);
    wait_until(broken, 0);
    wait_until(reported_with, (int)permanent[_i]);
    ck_assert_int_eq(producer_refuses_message(permanent[_i]), _i < 2);
    drop_and_send_the_rest(20);
    producer_exit(&producer);
}
END_TEST

START_TEST(a_passing_error_is_not_even_seen) {
    begin();
    rd_kafka_mock_push_request_errors(
        cluster, PRODUCE, 3, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT);
    send_numbers(0, 20);
    wait_until(all_reported, 20);
    check_taken(0, 20);
    producer_exit(&producer);
}
END_TEST

START_TEST(too_large_a_message_is_refused_at_once) {
    begin();
    const size_t length = (size_t)producer_message_bytes_max(&producer);
    char *value = calloc(1, length);
    ck_assert_ptr_nonnull(value);
    ck_assert_int_eq(send_value(0, value, length), RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    ck_assert_int_eq(send_value(1, value, length - 1000), RD_KAFKA_RESP_ERR_NO_ERROR);
    wait_until(all_reported, 1);
    check_taken(1, 2);
    free(value);
    producer_exit(&producer);
}
END_TEST

START_TEST(the_limit_is_a_property) {
    ck_assert_int_eq(setenv("KAFKA_PROPERTY_MESSAGE_MAX_BYTES", "5000", 1), 0);
    begin();
    ck_assert_int_eq(producer_message_bytes_max(&producer), 5000);
    producer_exit(&producer);
}
END_TEST

START_TEST(dropped_messages_get_no_report) {
    ck_assert_int_eq(rd_kafka_mock_broker_set_down(cluster, 1), 0);
    begin();
    send_numbers(0, 20);
    producer_drop(&producer, mono_now());
    producer_tick(&producer, mono_now());
    send_numbers(50, 52);
    ck_assert_int_eq(rd_kafka_mock_broker_set_up(cluster, 1), 0);
    wait_until(all_reported, 2);
    check_taken(50, 52);
    send_numbers(0, 20);
    producer_exit(&producer);
    ck_assert_int_eq(report_count, 2);
}
END_TEST

START_TEST(wrong_properties_stop_it) {
    const struct producer_owner owner = {&producer, take_report};
    ck_assert_int_eq(setenv("KAFKA_PROPERTY_MAX_IN_FLIGHT", "6", 1), 0);
    ck_assert(!producer_init(&producer, &poller, &settings, &owner));
    ck_assert_int_eq(setenv("KAFKA_PROPERTY_MAX_IN_FLIGHT", "hush", 1), 0);
    ck_assert(!producer_init(&producer, &poller, &settings, &owner));
}
END_TEST

static int woken;

static void count_wakeup(void *context) {
    ck_assert_ptr_eq(context, &woken);
    woken++;
}

START_TEST(a_queue_that_is_not_empty_wakes_at_once) {
    struct wakeup wakeup;
    ck_assert(wakeup_init(&wakeup, &poller, count_wakeup, &woken));
    ck_assert_int_eq(poller_wait(&poller, mono_now(), NULL), 0);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(house);
    wakeup_attach(&wakeup, queue);
    ck_assert_int_eq(poller_wait(&poller, MONO_NEVER, NULL), 1);
    ck_assert_int_eq(woken, 1);
    ck_assert_int_eq(poller_wait(&poller, mono_now(), NULL), 0);
    wakeup_raise(&wakeup);
    wakeup_raise(&wakeup);
    ck_assert_int_eq(poller_wait(&poller, MONO_NEVER, NULL), 1);
    ck_assert_int_eq(woken, 2);
    wakeup_detach(&wakeup, queue);
    rd_kafka_queue_destroy(queue);
    wakeup_exit(&wakeup);
    wakeup_exit(&wakeup); /* twice does no harm */
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("kafka_producer");
    TCase *tcase = tcase_create("kafka_producer");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, each_message_is_reported_in_order);
    tcase_add_test(tcase, messages_wait_until_there_is_a_broker);
    tcase_add_test(tcase, a_fatal_error_is_told_and_survived);
    tcase_add_loop_test(tcase, a_refusal_stops_the_client, 0, COUNT(permanent));
    tcase_add_test(tcase, a_passing_error_is_not_even_seen);
    tcase_add_test(tcase, too_large_a_message_is_refused_at_once);
    tcase_add_test(tcase, the_limit_is_a_property);
    tcase_add_test(tcase, dropped_messages_get_no_report);
    tcase_add_test(tcase, wrong_properties_stop_it);
    tcase_add_test(tcase, a_queue_that_is_not_empty_wakes_at_once);
    suite_add_tcase(suite, tcase);
    return suite;
}
