/* What of a partition may be committed. */
#include <string.h>

#include "kafka/partition.h"
#include "unit.h"

static struct partition partition;
static struct place places[8];

static void setup(void) {
    memset(&partition, 0, sizeof partition);
    TAILQ_INIT(&partition.places);
    partition.next_offset = -1;
    partition.ceiling = INT64_MAX;
}

/* As the consumer does. */
static void receive(struct place *place, int64_t offset) {
    const rd_kafka_message_t message = {.offset = offset};
    if (place != NULL)
        place_take(place, &partition, &message);
    partition.next_offset = offset + 1;
}

static void receive_many(void) {
    for (int i = 0; i < COUNT(places); i++)
        receive(&places[i], 100 + i);
}

START_TEST(nothing_before_the_first_message) {
    ck_assert_int_eq(partition_position(&partition), -1);
}
END_TEST

START_TEST(the_lowest_that_is_not_settled) {
    receive_many();
    ck_assert_int_eq(partition_position(&partition), 100);
    place_settle(&places[1]);
    place_settle(&places[2]);
    ck_assert_int_eq(partition_position(&partition), 100);
    place_settle(&places[0]);
    ck_assert_int_eq(partition_position(&partition), 103);
    place_settle(&places[7]);
    ck_assert_int_eq(partition_position(&partition), 103);
    for (int i = 3; i < 7; i++)
        place_settle(&places[i]);
    ck_assert_int_eq(partition_position(&partition), 108);
}
END_TEST

START_TEST(messages_without_a_place_are_settled) {
    receive(NULL, 5);
    ck_assert_int_eq(partition_position(&partition), 6);
    receive(&places[0], 6);
    receive(NULL, 7);
    ck_assert_int_eq(partition_position(&partition), 6);
    place_settle(&places[0]);
    ck_assert_int_eq(partition_position(&partition), 8);
}
END_TEST

/* Offsets of a topic have gaps: transactions, compaction. */
START_TEST(gaps_are_stepped_over) {
    receive(&places[0], 10);
    receive(&places[1], 20);
    place_settle(&places[0]);
    ck_assert_int_eq(partition_position(&partition), 20);
    place_settle(&places[1]);
    ck_assert_int_eq(partition_position(&partition), 21);
}
END_TEST

START_TEST(nothing_behind_an_abandoned_one) {
    receive_many();
    place_settle(&places[0]);
    place_abandon(&places[4]);
    ck_assert_int_eq(partition_position(&partition), 101);
    place_abandon(&places[2]);
    place_abandon(&places[6]);
    for (int i = 0; i < COUNT(places); i++)
        place_settle(&places[i]); /* those that were abandoned are not in the row any more */
    ck_assert_int_eq(partition_position(&partition), 102);
    receive(NULL, 108);
    ck_assert_int_eq(partition_position(&partition), 102);
}
END_TEST

START_TEST(a_skipped_message_is_abandoned) {
    const rd_kafka_message_t message = {.offset = 3};
    receive(NULL, 2);
    partition_skip(&partition, &message);
    partition.next_offset = 4;
    ck_assert_int_eq(partition_position(&partition), 3);
}
END_TEST

START_TEST(places_of_no_partition_do_no_harm) {
    struct place place = {.partition = NULL};
    place_settle(&place);
    place_abandon(&place);
    ck_assert_ptr_null(place.partition);
}
END_TEST

START_TEST(a_set_of_partitions) {
    struct partitions all = {.items = NULL};
    struct place place;
    for (int32_t number = 0; number < 40; number++)
        ck_assert(partitions_add(&all, number * 3, number == 7 ? 100 : INT64_MAX));
    ck_assert_int_eq(all.count, 40);
    ck_assert_ptr_null(partitions_find(&all, 4));
    struct partition *seventh = partitions_find(&all, 21);
    ck_assert_int_eq(seventh->number, 21);
    ck_assert_int_eq(seventh->end, 100);
    ck_assert_int_eq(partition_position(seventh), -1);
    const rd_kafka_message_t message = {.offset = 3};
    place_take(&place, seventh, &message);
    partitions_clear(&all);
    ck_assert_ptr_null(place.partition);
    ck_assert_ptr_null(partitions_find(&all, 21));
    ck_assert_int_eq(all.count, 0);
    ck_assert(partitions_add(&all, 1, INT64_MAX));
    partitions_clear(&all);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("kafka/partition");
    TCase *tests = tcase_create("place");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, nothing_before_the_first_message);
    tcase_add_test(tests, the_lowest_that_is_not_settled);
    tcase_add_test(tests, messages_without_a_place_are_settled);
    tcase_add_test(tests, gaps_are_stepped_over);
    tcase_add_test(tests, nothing_behind_an_abandoned_one);
    tcase_add_test(tests, a_skipped_message_is_abandoned);
    tcase_add_test(tests, places_of_no_partition_do_no_harm);
    tcase_add_test(tests, a_set_of_partitions);
    suite_add_tcase(suite, tests);
    return suite;
}
