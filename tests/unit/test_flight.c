#include "relay/flight.h"

#include <string.h>

#include "unit.h"

static struct flight flight;
static struct outbox_cursor cursor;

static void setup(void) {
    memset(&flight, 0, sizeof flight);
    memset(&cursor, 0, sizeof cursor);
}

static void teardown(void) {
    flight_clear(&flight);
    ck_assert_int_eq(flight_count(&flight), 0);
    ck_assert_int_eq(flight.bytes, 0);
    ck_assert_int_eq(flight.failed, 0);
    ck_assert_ptr_null(flight.open.last);
    ck_assert_ptr_null(flight.taken.last);
}

/* An event of 10 bytes, sent: the cursor has gone past it. */
static struct flight_event *add(uint64_t xid, int64_t id, bool foreign) {
    const struct outbox_event event = {.place = {xid, id}, .foreign = foreign, .payload_bytes = 10};
    struct flight_event *added = flight_add(&flight, &event);
    ck_assert_ptr_nonnull(added);
    *outbox_cursor_of(&cursor, foreign) = event.place;
    return added;
}

START_TEST(places_are_ordered) {
    static const struct outbox_place places[] = {
        {0, 0}, {0, 1}, {1, -1}, {1, 5}, {2, 1}, {UINT64_MAX - 1, 9}, {UINT64_MAX, 1}};
    for (int a = 0; a < COUNT(places); a++) {
        for (int b = 0; b < COUNT(places); b++)
            ck_assert_int_eq(outbox_is_after(places[a], places[b]), a > b);
    }
}
END_TEST

START_TEST(counts_what_is_open_and_what_is_taken) {
    struct flight_event *a = add(1, 1, false);
    struct flight_event *b = add(1, 2, false);
    struct flight_event *c = add(2, 3, false);
    ck_assert_int_eq(flight.open.count, 3);
    ck_assert_int_eq(flight.bytes, 30);
    flight_take(&flight, b);
    flight_fail(&flight, a, false);
    flight_fail(&flight, a, true); /* counted once */
    ck_assert_int_eq(flight.open.count, 2);
    ck_assert_int_eq(flight.taken.count, 1);
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

/* Big-endian, as PostgreSQL wants it. */
static int64_t load(const char *at) {
    int64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = (int64_t)((uint64_t)value << 8 | (unsigned char)at[i]);
    return value;
}

/* Element number `at` of an array of 8-byte values, behind 20 bytes of header. */
static int64_t element(const struct params *p, int parameter, size_t at) {
    return load(p->values[parameter] + 20 + 12 * at + 4);
}

START_TEST(taken_events_are_put_in_the_order_of_reports) {
    struct params p;
    struct flight_event *a = add(1, 11, false);
    struct flight_event *b = add(2, 12, false);
    struct flight_event *c = add(UINT64_C(1) << 40, 13, false);
    params_init(&p);
    flight_take(&flight, c);
    flight_take(&flight, a);
    flight_take(&flight, b);
    ck_assert_int_eq(flight_put_taken(&flight, &p, 2), 2);
    ck_assert(params_finish(&p));
    ck_assert_int_eq(p.count, 2);
    ck_assert_int_eq(p.lengths[0], 20 + 2 * 12);
    ck_assert_int_eq(p.lengths[1], 20 + 2 * 12);
    ck_assert_int_eq(element(&p, 0, 0), INT64_C(1) << 40);
    ck_assert_int_eq(element(&p, 1, 0), 13);
    ck_assert_int_eq(element(&p, 0, 1), 1);
    ck_assert_int_eq(element(&p, 1, 1), 11);
    ck_assert_int_eq(flight.taken.count, 3);
    flight_drop_taken(&flight, 2);
    ck_assert_int_eq(flight.taken.count, 1);
    params_clear(&p);
    ck_assert_int_eq(flight_put_taken(&flight, &p, 500), 1);
    ck_assert(params_finish(&p));
    ck_assert_int_eq(element(&p, 1, 0), 12);
    flight_drop_taken(&flight, 500);
    ck_assert_int_eq(flight.taken.count, 0);
    params_exit(&p);
}
END_TEST

START_TEST(the_span_ends_with_the_last_refused_event) {
    ck_assert_int_eq(flight_span_refused(&flight), 0);
    struct flight_event *events[5];
    for (int i = 0; i < 5; i++)
        events[i] = add(1, i + 1, false);
    flight_fail(&flight, events[4], false);
    ck_assert_int_eq(flight_span_refused(&flight), 0);
    flight_fail(&flight, events[1], true);
    flight_fail(&flight, events[3], true);
    ck_assert_int_eq(flight_span_refused(&flight), 4);
    flight_take(&flight, events[0]);
    ck_assert_int_eq(flight_span_refused(&flight), 3);
}
END_TEST

START_TEST(grounding_moves_the_cursors_back_to_the_first_open_events) {
    struct flight_event *a = add(5, 1, false);
    add(5, 2, false);
    add(900, 3, true);
    struct flight_event *d = add(6, 4, false);
    add(900, 5, true);
    flight_take(&flight, a);
    flight_take(&flight, d); /* behind an open one: its row must be deleted before the next read */
    flight_ground(&flight, &cursor);
    ck_assert_uint_eq(cursor.ours.xid, 5);
    ck_assert_int_eq(cursor.ours.id, 1);
    ck_assert_uint_eq(cursor.foreign.xid, 900);
    ck_assert_int_eq(cursor.foreign.id, 2);
    ck_assert_int_eq(flight.open.count, 0);
    ck_assert_int_eq(flight.taken.count, 2);
}
END_TEST

START_TEST(grounding_nothing_moves_nothing) {
    flight_take(&flight, add(5, 1, false));
    flight_ground(&flight, &cursor);
    ck_assert_uint_eq(cursor.ours.xid, 5);
    ck_assert_int_eq(cursor.ours.id, 1);
    ck_assert_uint_eq(cursor.foreign.xid, 0);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("flight");
    TCase *tcase = tcase_create("flight");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, places_are_ordered);
    tcase_add_test(tcase, counts_what_is_open_and_what_is_taken);
    tcase_add_test(tcase, taken_events_are_put_in_the_order_of_reports);
    tcase_add_test(tcase, the_span_ends_with_the_last_refused_event);
    tcase_add_test(tcase, grounding_moves_the_cursors_back_to_the_first_open_events);
    tcase_add_test(tcase, grounding_nothing_moves_nothing);
    suite_add_tcase(suite, tcase);
    return suite;
}
