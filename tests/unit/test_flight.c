#include "relay/flight.h"

#include <string.h>

#include "unit.h"

static struct flight flight;
static struct outbox_cursor cursor;
static struct params params;

static void setup(void) {
    memset(&flight, 0, sizeof flight);
    memset(&cursor, 0, sizeof cursor);
    outbox_cursor_reset(&cursor);
    params_init(&params);
}

static void teardown(void) {
    flight_clear(&flight);
    ck_assert_int_eq(flight_count(&flight), 0);
    ck_assert_int_eq(flight.bytes, 0);
    ck_assert_int_eq(flight.failed, 0);
    ck_assert_ptr_null(flight.open.last);
    ck_assert_ptr_null(flight.rows.first);
    ck_assert_ptr_null(flight.leaving.first);
    params_exit(&params);
}

/* An event of 10 bytes, in a row of so many. */
static struct flight_event *add_of(int64_t id, int32_t ordinal, int32_t events) {
    const struct outbox_event event = {
        .place = {id, ordinal}, .row_events = events, .payload_bytes = 10};
    struct flight_event *added = flight_add(&flight, &event);
    ck_assert_ptr_nonnull(added);
    return added;
}

/* The one event of its row. */
static struct flight_event *add(int64_t id) {
    return add_of(id, 1, 1);
}

/* Big-endian, as PostgreSQL wants it. */
static int64_t load(const char *at) {
    int64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = (int64_t)((uint64_t)value << 8 | (unsigned char)at[i]);
    return value;
}

/* The numbers of the rows that are to be deleted are these, and no more. */
static void check_put(int64_t count_max, const int64_t *ids, int count) {
    params_clear(&params);
    flight_put_taken(&flight, &params, count_max);
    ck_assert(params_finish(&params));
    ck_assert_int_eq(params.count, 1);
    ck_assert_int_eq(params.lengths[0], 20 + count * 12); /* a header, a length for each */
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(load(params.values[0] + 20 + (size_t)12 * (size_t)i + 4), ids[i]);
}

#define CHECK_PUT(count_max, ...)                                                                  \
    check_put(count_max, (const int64_t[]){__VA_ARGS__}, COUNT(((const int64_t[]){__VA_ARGS__})))

START_TEST(places_are_ordered) {
    static const struct outbox_place places[] = {
        {0, 0}, {0, 1}, {1, 0}, {1, 1}, {1, 1000}, {2, 1}, {INT64_MAX, 1}, {INT64_MAX, INT32_MAX}};
    for (int a = 0; a < COUNT(places); a++) {
        for (int b = 0; b < COUNT(places); b++)
            ck_assert_int_eq(outbox_is_after(places[a], places[b]), a > b);
    }
}
END_TEST

START_TEST(counts_what_is_open_and_what_is_taken) {
    struct flight_event *a = add(1);
    struct flight_event *b = add(2);
    struct flight_event *c = add(3);
    ck_assert_int_eq(flight.open.count, 3);
    ck_assert_int_eq(flight.bytes, 30);
    flight_take(&flight, b);
    flight_fail(&flight, a, false);
    flight_fail(&flight, a, true); /* counted once */
    ck_assert_int_eq(flight.open.count, 2);
    ck_assert_int_eq(flight.taken, 1);
    ck_assert_int_eq(flight.failed, 1);
    ck_assert_int_eq(flight.bytes, 20);
    ck_assert_int_eq(flight_count(&flight), 3);
    flight_remove(&flight, a);
    ck_assert_int_eq(flight.failed, 0);
    flight_take(&flight, c);
    ck_assert_int_eq(flight.open.count, 0);
    ck_assert_int_eq(flight.bytes, 0);
    ck_assert_ptr_null(flight.open.first);
}
END_TEST

START_TEST(rows_are_deleted_in_the_order_of_their_numbers) {
    struct flight_event *a = add(11);
    struct flight_event *b = add(12);
    struct flight_event *d = add(INT64_C(1) << 40);
    struct flight_event *c = add(13); /* of a later window */
    ck_assert(!flight_can_delete(&flight));
    flight_take(&flight, d);
    flight_take(&flight, b);
    ck_assert(!flight_can_delete(&flight));
    check_put(500, NULL, 0);
    flight_take(&flight, a);
    ck_assert(flight_can_delete(&flight));
    CHECK_PUT(1, 11);
    CHECK_PUT(500, 11); /* again, because nobody has said that it is gone */
    flight_drop_taken(&flight);
    ck_assert_int_eq(flight.taken, 2);
    CHECK_PUT(500, 12);
    flight_drop_taken(&flight);
    ck_assert(!flight_can_delete(&flight));
    flight_take(&flight, c);
    CHECK_PUT(500, 13, INT64_C(1) << 40);
    flight_drop_taken(&flight);
    ck_assert_int_eq(flight.taken, 0);
}
END_TEST

START_TEST(a_row_is_deleted_when_all_of_it_is_taken) {
    struct flight_event *events[130];
    struct flight_event *after = add(6);
    for (int i = 0; i < 130; i++)
        events[i] = add_of(5, i + 1, 130);
    flight_take(&flight, after);
    for (int i = 129; i >= 0; i--) {
        ck_assert(!flight_can_delete(&flight));
        ck_assert(!flight_is_done(&flight, (struct outbox_place){5, i + 1}));
        flight_take(&flight, events[i]);
        ck_assert(flight_is_done(&flight, (struct outbox_place){5, i + 1}));
    }
    ck_assert_int_eq(flight.taken, 131);
    CHECK_PUT(500, 5, 6);
}
END_TEST

/* The rest of the row is yet to be read. */
START_TEST(a_part_of_a_row_holds_up_what_is_behind_it) {
    flight_take(&flight, add_of(5, 1, 2));
    flight_take(&flight, add(6));
    ck_assert(!flight_can_delete(&flight));
    ck_assert_int_eq(flight_count(&flight), 2);
    flight_take(&flight, add_of(5, 2, 2));
    CHECK_PUT(500, 5, 6);
}
END_TEST

START_TEST(a_row_with_an_event_passed_over_stays_and_holds_up_nothing) {
    struct flight_event *a = add_of(5, 1, 2);
    struct flight_event *b = add_of(5, 2, 2);
    flight_take(&flight, add(6));
    flight_pass(&flight, a);
    ck_assert(!flight_can_delete(&flight));
    flight_take(&flight, b);
    ck_assert_int_eq(flight.taken, 1);
    ck_assert_int_eq(flight.stuck, 1);
    CHECK_PUT(500, 6);
    flight_drop_taken(&flight);
    ck_assert_int_eq(flight_count(&flight), 0);
    ck_assert(flight_is_done(&flight, (struct outbox_place){5, 1}));
    ck_assert(flight_is_done(&flight, (struct outbox_place){5, 2}));
}
END_TEST

START_TEST(so_many_rows_that_stay_are_remembered) {
    for (int64_t id = 1; id <= FLIGHT_STUCK_MAX + 5; id++)
        flight_pass(&flight, add(id));
    ck_assert_int_eq(flight.stuck, FLIGHT_STUCK_MAX);
    ck_assert(!flight_is_done(&flight, (struct outbox_place){5, 1}));
    ck_assert(flight_is_done(&flight, (struct outbox_place){6, 1}));
    ck_assert(flight_is_done(&flight, (struct outbox_place){FLIGHT_STUCK_MAX + 5, 1}));
}
END_TEST

START_TEST(nothing_is_done_of_what_is_not_known) {
    ck_assert(!flight_is_done(&flight, (struct outbox_place){5, 1}));
    flight_take(&flight, add_of(5, 2, 2));
    ck_assert(!flight_is_done(&flight, (struct outbox_place){5, 1}));
    ck_assert(flight_is_done(&flight, (struct outbox_place){5, 2}));
    ck_assert(!flight_is_done(&flight, (struct outbox_place){5, 3}));
    ck_assert(!flight_is_done(&flight, (struct outbox_place){5, 0}));
    ck_assert(!flight_is_done(&flight, (struct outbox_place){4, 2}));
    ck_assert(!flight_is_done(&flight, (struct outbox_place){6, 2}));
}
END_TEST

START_TEST(the_last_refused_event_is_that_with_the_greatest_place) {
    int64_t span = -1;
    ck_assert_ptr_null(flight_last_refused(&flight, &span));
    ck_assert_int_eq(span, 0);
    struct flight_event *events[5];
    static const int64_t IDS[] = {10, 20, 30, 5, 15}; /* two windows */
    for (int i = 0; i < 5; i++)
        events[i] = add(IDS[i]);
    flight_fail(&flight, events[4], false);
    ck_assert_ptr_null(flight_last_refused(&flight, &span));
    flight_fail(&flight, events[1], true);
    flight_fail(&flight, events[3], true);
    ck_assert_ptr_eq(flight_last_refused(&flight, &span), events[1]);
    ck_assert_int_eq(span, 4);
    flight_take(&flight, events[0]);
    ck_assert_ptr_eq(flight_last_refused(&flight, &span), events[1]);
    ck_assert_int_eq(span, 3);
}
END_TEST

START_TEST(grounding_moves_the_cursor_back_to_the_first_open_event) {
    struct flight_event *a = add(5);
    add_of(7, 1, 3);
    struct flight_event *b = add_of(7, 2, 3);
    add_of(7, 3, 3);
    struct flight_event *c = add(9);
    cursor.at = (struct outbox_place){9, 1};
    flight_take(&flight, a);
    flight_take(&flight, b);
    flight_take(&flight, c);
    flight_ground(&flight, &cursor);
    ck_assert_int_eq(cursor.at.id, 7);
    ck_assert_int_eq(cursor.at.ordinal, 0);
    ck_assert_int_eq(cursor.past_to.id, 7);
    ck_assert_int_eq(cursor.past_to.ordinal, 0);
    ck_assert(!cursor.at_end);
    ck_assert_int_eq(flight.open.count, 0);
    ck_assert_int_eq(flight.taken, 3);
    ck_assert(flight_is_done(&flight, (struct outbox_place){7, 2}));
    CHECK_PUT(500, 5); /* 9 waits for what is left of 7 */
    flight_drop_taken(&flight);
    flight_take(&flight, add_of(7, 1, 3));
    flight_take(&flight, add_of(7, 3, 3));
    CHECK_PUT(500, 7, 9);
}
END_TEST

/* The window has only begun: what it has not read yet stays ahead. */
START_TEST(grounding_never_moves_the_cursor_on) {
    add(50);
    cursor.at = (struct outbox_place){8, 1};
    flight_ground(&flight, &cursor);
    ck_assert_int_eq(cursor.at.id, 8);
    ck_assert_int_eq(cursor.at.ordinal, 1);
    ck_assert_int_eq(cursor.past_to.id, 50);
    ck_assert_int_eq(cursor.past_to.ordinal, 0);
    ck_assert_ptr_null(flight.rows.first);
}
END_TEST

START_TEST(grounding_nothing_moves_nothing) {
    flight_take(&flight, add(5));
    cursor.at = (struct outbox_place){5, 1};
    flight_ground(&flight, &cursor);
    ck_assert_int_eq(cursor.at.id, 5);
    ck_assert_int_eq(cursor.past_to.id, INT64_MAX);
    ck_assert(cursor.at_end);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("flight");
    TCase *tcase = tcase_create("flight");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, places_are_ordered);
    tcase_add_test(tcase, counts_what_is_open_and_what_is_taken);
    tcase_add_test(tcase, rows_are_deleted_in_the_order_of_their_numbers);
    tcase_add_test(tcase, a_row_is_deleted_when_all_of_it_is_taken);
    tcase_add_test(tcase, a_part_of_a_row_holds_up_what_is_behind_it);
    tcase_add_test(tcase, a_row_with_an_event_passed_over_stays_and_holds_up_nothing);
    tcase_add_test(tcase, so_many_rows_that_stay_are_remembered);
    tcase_add_test(tcase, nothing_is_done_of_what_is_not_known);
    tcase_add_test(tcase, the_last_refused_event_is_that_with_the_greatest_place);
    tcase_add_test(tcase, grounding_moves_the_cursor_back_to_the_first_open_event);
    tcase_add_test(tcase, grounding_never_moves_the_cursor_on);
    tcase_add_test(tcase, grounding_nothing_moves_nothing);
    suite_add_tcase(suite, tcase);
    return suite;
}
