/*
 * The relay between a Kafka that fails on cue (librdkafka's mock cluster) and an outbox in memory
 * (fake_outbox.h). The clock can be put forward.
 */
#include "relay/relay.h"

#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fake_outbox.h"
#include "unit.h"

/* Under valgrind on a slow machine: only a test that fails waits that long. */
#define WAIT_MS 60000

#define PRODUCE 0 /* its number in Kafka's protocol */
#define TOPIC "availability-guard.notifications"

static struct settings settings;
static struct poller poller;
static struct relay relay;
static struct lane *const lane = &relay.lanes[OUTBOX_NOTIFICATION];
static struct lane *const inventory = &relay.lanes[OUTBOX_INVENTORY];
static rd_kafka_t *house; /* where the mock cluster lives */
static rd_kafka_mock_cluster_t *cluster;

static int64_t forward_ms; /* the clock is ahead by this */

/* The linker's names. NOLINTBEGIN(*-reserved-identifier,cert-dcl*) */
mono_time __real_mono_now(void);
mono_time __wrap_mono_now(void);
/* NOLINTEND(*-reserved-identifier,cert-dcl*) */

mono_time __wrap_mono_now(void) {
    return mono_after_ms(__real_mono_now(), forward_ms);
}

/* --- running it --------------------------------------------------------------------------- */

static void setup(void) {
    char reason[512];
    char brokers[512];
    clearenv();
    log_init("test", LOG_LEVEL_INFO, LOG_FORMAT_JSON); /* before there are threads */
    forward_ms = 0;
    fake_outbox_reset();
    house = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof reason);
    ck_assert_msg(house != NULL, "%s", reason);
    cluster = rd_kafka_mock_cluster_new(house, 1);
    ck_assert_ptr_nonnull(cluster);
    /* One partition: all events are in one order. */
    ck_assert_int_eq(rd_kafka_mock_topic_create(cluster, TOPIC, 1, 1), 0);
    (void)snprintf(brokers, sizeof brokers, "KAFKA_BROKERS=%s",
                   rd_kafka_mock_cluster_bootstraps(cluster));
    char *const environment[] = {brokers, "RELAY_BATCH=20", "RELAY_IN_FLIGHT_MAX=60",
                                 "RELAY_POLL_INTERVAL_MS=20", NULL};
    ck_assert_int_eq(settings_load(&settings, environment, stderr), 0);
    ck_assert(poller_init(&poller));
}

static void teardown(void) {
    relay_exit(&relay);
    poller_exit(&poller);
    settings_free(&settings);
    rd_kafka_mock_cluster_destroy(cluster);
    rd_kafka_destroy(house);
}

static void begin(void) {
    static const struct conninfo nowhere;
    ck_assert(relay_init(&relay, &poller, &settings, &nowhere));
}

static void fill(int count) {
    for (int i = 0; i < count; i++)
        outbox.there[outbox.count++] = true;
}

static void fill_others(int count) {
    for (int i = 0; i < count; i++)
        outbox.others[outbox.count + i] = true;
    fill(count);
}

static int rows_left(void) {
    int left = 0;
    for (int i = 0; i < outbox.count; i++)
        left += outbox.there[i];
    return left;
}

static void tick(void) {
    relay_tick(&relay, mono_now());
    if (outbox.asked[0] != '\0')
        fake_outbox_answer();
}

/* Lets the relay work until the condition holds. */
static void run_until(bool (*condition)(int argument), int argument) {
    const mono_time deadline = mono_after_ms(mono_now(), WAIT_MS);
    while (!condition(argument)) {
        ck_assert(mono_is_before(mono_now(), deadline));
        relay_tick(&relay, mono_now());
        if (condition(argument))
            return; /* before the answer that is under way */
        if (outbox.asked[0] != '\0')
            fake_outbox_answer();
        else
            ck_assert_int_ge(poller_wait(&poller, relay_deadline(&relay), NULL), 0);
    }
}

static bool left_is(int count) {
    return rows_left() == count && flight_count(&lane->flight) == 0 &&
           flight_count(&inventory->flight) == 0;
}

static bool rows_left_are(int count) {
    return rows_left() == count;
}

/* Kafka refuses all that is open, for its own sake. */
static void note_refusal(void) {
    for (struct flight_event *e = lane->flight.open.first; e != NULL; e = e->next)
        flight_fail(&lane->flight, e, true);
    lane->failed = true;
    lane->failure = RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
}

static bool sent_all(int count) {
    return lane->flight.open.count == count;
}

static bool windows_are(int count) {
    return outbox.windows >= count;
}

static bool sent_others(int count) {
    return inventory->flight.open.count == count;
}

static bool told(int wanted) {
    return lane->told == (wanted != 0);
}

static bool sends_singly(int unused) {
    (void)unused;
    return lane->singly;
}

static bool passed_over(int count) {
    return lane->passed == count;
}

static bool others_passed_over(int count) {
    return inventory->passed == count;
}

static bool reads(int unused) {
    (void)unused;
    return strcmp(outbox.asked, OUTBOX_READ) == 0;
}

static bool is_done(int unused) {
    (void)unused;
    return relay.state == RELAY_DONE;
}

/* Each once: delete_rows() has looked. After an error the mock goes on with what comes behind, for
 * it does not look at sequence numbers, as a broker does: then this is all that can be said. */
static void check_deleted(int count) {
    ck_assert_int_eq(outbox.deleted_count, count);
}

/* Kafka's only partition has them in this order, and so they were reported. */
static void check_deleted_in_order(int count) {
    check_deleted(count);
    for (int i = 1; i < count; i++)
        ck_assert_int_lt(outbox.deleted[i - 1], outbox.deleted[i]);
}

static void fail_produce(rd_kafka_resp_err_t error, int times) {
    for (int i = 0; i < times; i++)
        rd_kafka_mock_push_request_errors(cluster, PRODUCE, 1, error);
}

/* While the broker is away they gather, and then go in one batch. */
static void refuse_batch_of(int count, rd_kafka_resp_err_t error) {
    ck_assert_int_eq(rd_kafka_mock_broker_set_down(cluster, 1), 0);
    fill(count);
    run_until(sent_all, count * outbox.row_events);
    fail_produce(error, 1);
    ck_assert_int_eq(rd_kafka_mock_broker_set_up(cluster, 1), 0);
}

START_TEST(all_is_sent_and_deleted) {
    begin();
    fill(FAKE_OUTBOX_EVENTS_MAX);
    run_until(left_is, 0);
    check_deleted_in_order(FAKE_OUTBOX_EVENTS_MAX);
    ck_assert_int_eq(outbox.read_rows_max, 20);
    ck_assert_int_eq(lane->relayed, FAKE_OUTBOX_EVENTS_MAX);
}
END_TEST

START_TEST(a_fatal_error_costs_nothing) {
    begin();
    fill(20);
    run_until(left_is, 0);
    fail_produce(RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 1);
    fill(100);
    run_until(told, 1);
    run_until(left_is, 0);
    check_deleted(120);
    ck_assert(!lane->told);
    ck_assert_int_eq(lane->passed, 0);
}
END_TEST

START_TEST(no_right_to_the_topic_is_waited_out) {
    begin();
    fill(20);
    run_until(left_is, 0);
    fail_produce(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 3);
    fill(50);
    run_until(told, 1);
    run_until(left_is, 0);
    check_deleted(70);
    ck_assert_int_eq(lane->pause_ms, 0); /* all is forgotten with the first success */
    ck_assert_int_eq(lane->passed, 0);
}
END_TEST

/* Together they were too many: one at a time all of them pass. */
START_TEST(a_batch_that_is_refused_goes_one_by_one) {
    begin();
    fill(1);
    run_until(left_is, 0);
    refuse_batch_of(50, RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    run_until(left_is, 0);
    check_deleted(51);
    ck_assert_int_eq(lane->passed, 0);
    ck_assert(!lane->singly);
    /* And then in batches again. */
    outbox.read_rows_max = 0;
    fill(40);
    run_until(left_is, 0);
    ck_assert_int_eq(outbox.read_rows_max, 20);
}
END_TEST

START_TEST(an_event_that_is_refused_alone_is_passed_over) {
    begin();
    fill(1);
    run_until(left_is, 0);
    refuse_batch_of(50, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    run_until(sends_singly, 0);
    /* What the dropped client has sent is not to use up the error: it goes with its connection. */
    ck_assert_int_eq(rd_kafka_mock_broker_set_down(cluster, 1), 0);
    fail_produce(RD_KAFKA_RESP_ERR_INVALID_RECORD, 1);
    ck_assert_int_eq(rd_kafka_mock_broker_set_up(cluster, 1), 0);
    run_until(passed_over, 1);
    run_until(left_is, 1);
    ck_assert(outbox.there[1]);
    check_deleted(50);
    ck_assert_int_eq(lane->passed, 1);
    ck_assert(!lane->singly);
    /* Whoever leads next tries again. */
    outbox.owner.lost(outbox.owner.context);
    run_until(left_is, 0);
    ck_assert_int_eq(lane->passed, 0);
}
END_TEST

/* The cursor goes back to before an event that Kafka has, and one that it will never have. */
START_TEST(what_is_done_is_not_sent_again) {
    ck_assert_int_eq(rd_kafka_mock_broker_set_down(cluster, 1), 0);
    begin();
    outbox.row_events = 4;
    fill(5);
    run_until(sent_all, 20);
    struct flight_event *first = lane->flight.open.first;
    flight_take(&lane->flight, first->next);
    flight_pass(&lane->flight, lane->flight.open.last);
    flight_fail(&lane->flight, first, true);
    flight_fail(&lane->flight, first->next, true);
    lane->passed = 1;
    lane->failed = true;
    lane->failure = RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    ck_assert_int_eq(rd_kafka_mock_broker_set_up(cluster, 1), 0);
    run_until(left_is, 1);
    ck_assert(outbox.there[4]);
    check_deleted_in_order(4);
    ck_assert_int_eq(lane->relayed, 18); /* and the one that the test took */
    ck_assert_int_eq(lane->passed, 1);
}
END_TEST

START_TEST(a_row_goes_when_all_its_events_have_been_taken) {
    begin();
    outbox.row_events = 7;
    fill(50);
    run_until(left_is, 0);
    check_deleted_in_order(50);
    ck_assert_int_eq(lane->relayed, 350);
    ck_assert_int_eq(outbox.read_rows_max, 20);
}
END_TEST

/* More than may be on their way at once. */
START_TEST(a_row_of_very_many_events) {
    begin();
    outbox.row_events = 130;
    fill(3);
    run_until(left_is, 0);
    check_deleted_in_order(3);
    ck_assert_int_eq(lane->relayed, 390);
}
END_TEST

/* What comes meanwhile is in the next window, also when nothing wakes the relay. */
START_TEST(windows_follow_each_other) {
    begin();
    for (int i = 0; i < 5; i++) {
        fill(30);
        run_until(left_is, 0);
    }
    ck_assert_int_ge(outbox.windows, 5);
    check_deleted_in_order(150);
    ck_assert_int_eq(lane->relayed, 150);
}
END_TEST

START_TEST(a_refused_event_keeps_its_row) {
    ck_assert_int_eq(setenv("KAFKA_PROPERTY_BATCH_NUM_MESSAGES", "1", 1), 0);
    begin();
    fill(1);
    run_until(left_is, 0);
    outbox.row_events = 5;
    refuse_batch_of(4, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    run_until(passed_over, 1);
    run_until(left_is, 1);
    ck_assert(outbox.there[1]);
    check_deleted_in_order(4);
    /* Whoever leads next sends all of the row. */
    outbox.owner.lost(outbox.owner.context);
    run_until(left_is, 0);
    ck_assert_int_eq(lane->relayed, 5);
}
END_TEST

/* It is found at once: nothing else was in its batch. */
START_TEST(a_refused_batch_of_one_event) {
    ck_assert_int_eq(setenv("KAFKA_PROPERTY_BATCH_NUM_MESSAGES", "1", 1), 0);
    begin();
    fill(1);
    run_until(left_is, 0);
    refuse_batch_of(50, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    run_until(passed_over, 1);
    ck_assert(!lane->singly);
    run_until(left_is, 1);
    ck_assert(outbox.there[1]);
    check_deleted(50);
}
END_TEST

START_TEST(an_event_without_a_topic_is_passed_over) {
    begin();
    outbox.other = "unheard-of";
    fill_others(3);
    run_until(others_passed_over, 3);
    fill(10);
    run_until(left_is, 3);
    check_deleted_in_order(10);
}
END_TEST

/* More wait than may be on their way. */
START_TEST(a_topic_that_is_missing_holds_up_no_other_stream) {
    ck_assert_int_eq(rd_kafka_mock_topic_create(cluster, settings.inventory_events_topic, 1, 1), 0);
    rd_kafka_mock_topic_set_error(cluster, settings.inventory_events_topic,
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    begin();
    fill_others(100);
    run_until(sent_others, 60);
    fill(5);
    run_until(rows_left_are, 100);
    check_deleted_in_order(5);
    rd_kafka_mock_topic_set_error(cluster, settings.inventory_events_topic,
                                  RD_KAFKA_RESP_ERR_NO_ERROR);
    run_until(left_is, 0);
    check_deleted(105);
}
END_TEST

/* The answer to a question that was asked before the cursor went back tells of what lies beyond. */
START_TEST(a_failure_during_a_read_skips_nothing) {
    ck_assert_int_eq(rd_kafka_mock_broker_set_down(cluster, 1), 0);
    begin();
    fill(20);
    run_until(sent_all, 20);
    fill(20);
    run_until(reads, 0);
    note_refusal();
    relay_tick(&relay, mono_now());
    ck_assert_int_eq(lane->flight.open.count, 0);
    ck_assert_str_eq(outbox.asked, OUTBOX_READ);
    ck_assert_int_eq(rd_kafka_mock_broker_set_up(cluster, 1), 0);
    fake_outbox_answer();
    run_until(left_is, 0);
    check_deleted_in_order(40);
}
END_TEST

static bool settled_are(int count) {
    return lane->cursor.settled == count && lane->cursor.at_end &&
           inventory->cursor.settled == count && inventory->cursor.at_end;
}

static bool writers_were_asked(int times) {
    return outbox.writers_asked >= times;
}

/* Once: it is done each second. */
static void ask_writers(bool still_open) {
    outbox.still_open = still_open;
    forward_ms += 1000;
    run_until(writers_were_asked, outbox.writers_asked + 1);
}

/* What is settled was seen by the window in which it became known, and is not read again. */
START_TEST(a_window_begins_behind_what_was_settled_before_the_last_one) {
    begin();
    fill(10);
    run_until(left_is, 0);
    forward_ms += 1000;
    run_until(settled_are, 10);
    fill(1);
    run_until(left_is, 0);
    ck_assert_int_eq(outbox.read.at.id, 10);
    ck_assert_int_eq(outbox.read.at.ordinal, INT32_MAX);
    forward_ms += 1000;
    run_until(settled_are, 11);
    /* There is nothing to be read where nothing can be. */
    const int before = outbox.read.count;
    const int windows = outbox.windows;
    run_until(windows_are, windows + 5);
    ck_assert_int_eq(outbox.read.count, before);
    /* What waits is read again after a failure, wherever windows begin. */
    ck_assert_int_eq(rd_kafka_mock_broker_set_down(cluster, 1), 0);
    fill(5);
    run_until(sent_all, 5);
    forward_ms += 1000;
    run_until(settled_are, 16);
    note_refusal();
    ck_assert_int_eq(rd_kafka_mock_broker_set_up(cluster, 1), 0);
    run_until(left_is, 0);
    check_deleted(16);
}
END_TEST

START_TEST(nothing_is_settled_while_they_write_who_wrote_then) {
    begin();
    outbox.writers = "{3/7,4/8}";
    outbox.still_open = true;
    fill(10);
    run_until(left_is, 0);
    ask_writers(true);
    ck_assert_int_eq(relay.mark.settled, 0);
    ask_writers(false);
    ck_assert_int_eq(relay.mark.settled, 0); /* who writes now may have drawn any number */
    outbox.still_open = true;
    fill(10);
    run_until(left_is, 0);
    ask_writers(true);
    ck_assert_int_eq(relay.mark.settled, 0);
    ask_writers(false);
    ck_assert_int_eq(relay.mark.settled, 10);
    ask_writers(false);
    ck_assert_int_eq(relay.mark.settled, 20);
}
END_TEST

START_TEST(a_sequence_that_was_set_back_is_read_from_the_beginning) {
    begin();
    fill(10);
    run_until(left_is, 0);
    forward_ms += 1000;
    run_until(settled_are, 10);
    outbox.count = 4;
    run_until(windows_are, outbox.windows + 2);
    fill(3);
    run_until(left_is, 0);
}
END_TEST

/* More numbers than one read goes over, and nothing in them. */
START_TEST(a_read_goes_over_so_many_numbers) {
    outbox.numbers_before = 3 * OUTBOX_READ_SPAN + 5;
    begin();
    fill(1);
    run_until(left_is, 0);
    check_deleted(1);
    ck_assert_int_ge(outbox.read.count, 4);
    ck_assert_int_le(outbox.read.span_max, OUTBOX_READ_SPAN);
}
END_TEST

START_TEST(a_full_client_is_waited_for) {
    ck_assert_int_eq(setenv("KAFKA_PROPERTY_QUEUE_BUFFERING_MAX_MESSAGES", "7", 1), 0);
    begin();
    fill(100);
    run_until(left_is, 0);
    check_deleted_in_order(100);
}
END_TEST

START_TEST(a_lost_connection_forgets_what_is_on_its_way) {
    ck_assert_int_eq(rd_kafka_mock_broker_set_down(cluster, 1), 0);
    begin();
    fill(50);
    run_until(sent_all, 50);
    outbox.owner.lost(outbox.owner.context);
    relay.session.state = SESSION_IDLE; /* it is back at once */
    outbox.asked[0] = '\0';
    ck_assert_int_eq(relay.state, RELAY_FOLLOWING);
    ck_assert_int_eq(flight_count(&lane->flight), 0);
    ck_assert(!producer_is_up(&lane->producer));
    run_until(sent_all, 50);
    ck_assert_int_eq(rd_kafka_mock_broker_set_up(cluster, 1), 0);
    run_until(left_is, 0);
    check_deleted_in_order(50);
}
END_TEST

START_TEST(a_statement_that_fails_is_asked_again) {
    begin();
    fill(50);
    outbox.refuses = 5;
    run_until(left_is, 0);
    check_deleted_in_order(50);
    ck_assert_int_eq(outbox.refuses, 0);
}
END_TEST

START_TEST(a_silent_client_is_replaced) {
    ck_assert_int_eq(rd_kafka_mock_broker_set_down(cluster, 1), 0);
    begin();
    fill(50);
    run_until(sent_all, 50);
    forward_ms += (int64_t)4 * 60 * 1000;
    tick();
    ck_assert(producer_is_up(&lane->producer));
    ck_assert_int_eq(lane->flight.open.count, 50);
    forward_ms += (int64_t)2 * 60 * 1000;
    tick();
    ck_assert(lane->told);
    ck_assert_int_eq(lane->flight.open.count, 0);
    ck_assert_int_eq(rd_kafka_mock_broker_set_up(cluster, 1), 0);
    run_until(left_is, 0);
    check_deleted_in_order(50);
}
END_TEST

START_TEST(draining_sends_no_more_and_ends_in_time) {
    ck_assert_int_eq(rd_kafka_mock_broker_set_down(cluster, 1), 0);
    begin();
    fill(FAKE_OUTBOX_EVENTS_MAX);
    run_until(sent_all, 60);
    relay_stop(&relay, mono_now());
    ck_assert_int_eq(relay.state, RELAY_DRAINING);
    ck_assert_int_eq(rd_kafka_mock_broker_set_up(cluster, 1), 0);
    run_until(is_done, 0);
    ck_assert_int_eq(rows_left(), FAKE_OUTBOX_EVENTS_MAX - 60);
    check_deleted_in_order(60);
}
END_TEST

/* What a read brings that was under way is left to the next relay. */
START_TEST(draining_takes_no_more_rows) {
    begin();
    fill(10);
    run_until(reads, 0);
    relay_stop(&relay, mono_now());
    fake_outbox_answer();
    ck_assert_int_eq(lane->flight.open.count, 0);
    run_until(is_done, 0);
    ck_assert_int_eq(rows_left(), 10);
}
END_TEST

START_TEST(draining_gives_up) {
    ck_assert_int_eq(rd_kafka_mock_broker_set_down(cluster, 1), 0);
    begin();
    fill(10);
    run_until(sent_all, 10);
    relay_stop(&relay, mono_now());
    forward_ms += 4000;
    tick();
    ck_assert_int_eq(relay.state, RELAY_DRAINING);
    forward_ms += 1001;
    tick();
    ck_assert_int_eq(relay.state, RELAY_DONE);
    ck_assert_int_eq(rows_left(), 10);
}
END_TEST

static void depth_is_asked_after(int64_t ms) {
    forward_ms += ms;
    relay_tick(&relay, mono_now());
    ck_assert_str_eq(outbox.asked, OUTBOX_DEPTH);
    fake_outbox_answer();
}

START_TEST(the_depth_is_asked_often_and_told_every_minute) {
    begin();
    fill(10);
    run_until(left_is, 0);
    depth_is_asked_after(5100);
    ck_assert_int_eq(lane->relayed, 10);
    relay_tick(&relay, mono_now());
    ck_assert_str_ne(outbox.asked, OUTBOX_DEPTH);
    fake_outbox_answer();
    depth_is_asked_after(61000);
    ck_assert_int_eq(lane->relayed, 0);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("relay");
    TCase *tcase = tcase_create("relay");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, all_is_sent_and_deleted);
    tcase_add_test(tcase, a_fatal_error_costs_nothing);
    tcase_add_test(tcase, no_right_to_the_topic_is_waited_out);
    tcase_add_test(tcase, a_batch_that_is_refused_goes_one_by_one);
    tcase_add_test(tcase, an_event_that_is_refused_alone_is_passed_over);
    tcase_add_test(tcase, a_refused_batch_of_one_event);
    tcase_add_test(tcase, what_is_done_is_not_sent_again);
    tcase_add_test(tcase, a_row_goes_when_all_its_events_have_been_taken);
    tcase_add_test(tcase, a_row_of_very_many_events);
    tcase_add_test(tcase, windows_follow_each_other);
    tcase_add_test(tcase, a_refused_event_keeps_its_row);
    tcase_add_test(tcase, an_event_without_a_topic_is_passed_over);
    tcase_add_test(tcase, a_topic_that_is_missing_holds_up_no_other_stream);
    tcase_add_test(tcase, a_failure_during_a_read_skips_nothing);
    tcase_add_test(tcase, a_window_begins_behind_what_was_settled_before_the_last_one);
    tcase_add_test(tcase, nothing_is_settled_while_they_write_who_wrote_then);
    tcase_add_test(tcase, a_sequence_that_was_set_back_is_read_from_the_beginning);
    tcase_add_test(tcase, a_read_goes_over_so_many_numbers);
    tcase_add_test(tcase, a_full_client_is_waited_for);
    tcase_add_test(tcase, a_lost_connection_forgets_what_is_on_its_way);
    tcase_add_test(tcase, a_statement_that_fails_is_asked_again);
    tcase_add_test(tcase, a_silent_client_is_replaced);
    tcase_add_test(tcase, draining_sends_no_more_and_ends_in_time);
    tcase_add_test(tcase, draining_takes_no_more_rows);
    tcase_add_test(tcase, draining_gives_up);
    tcase_add_test(tcase, the_depth_is_asked_often_and_told_every_minute);
    suite_add_tcase(suite, tcase);
    return suite;
}
