/* The directory of tenants: each has one place, whoever looks for it at the same time. */
#include "metrics/tenants.h"

#include <pthread.h>
#include <string.h>

#include "unit.h"

#define PLACES 64

static slots_cell directory[PLACES * 2];

static void setup(void) {
    memset((void *)directory, 0, sizeof directory);
}

/* Ids that share the first half by fours, and differ in the second. */
static struct id tenant_of(size_t number) {
    const uint64_t halves[2] = {number / 4 + 1, number + 1};
    struct id tenant;
    memcpy(tenant.bytes, halves, sizeof halves);
    return tenant;
}

static size_t place_of(size_t number) {
    const struct id tenant = tenant_of(number);
    return tenants_place(directory, PLACES, &tenant);
}

START_TEST(a_tenant_keeps_its_place) {
    size_t first[PLACES];
    bool taken[PLACES] = {false};
    for (size_t i = 0; i < PLACES; i++) {
        first[i] = place_of(i);
        ck_assert_uint_lt(first[i], PLACES);
        ck_assert(!taken[first[i]]);
        taken[first[i]] = true;
    }
    ck_assert_uint_eq(place_of(PLACES), PLACES); /* it is full */
    for (size_t i = 0; i < PLACES; i++) {
        const struct id tenant = tenant_of(i);
        struct id found;
        ck_assert_uint_eq(place_of(i), first[i]);
        ck_assert(tenants_at(directory, first[i], &found));
        ck_assert(id_equal(&found, &tenant));
    }
}
END_TEST

START_TEST(a_place_left_half_taken_is_not_lost) {
    const struct id tenant = tenant_of(5);
    const size_t place = place_of(5);
    struct id found;
    /* as if the process had been killed between the halves */
    atomic_store(&directory[2 * place + 1], 0);
    ck_assert(!tenants_at(directory, place, &found));
    ck_assert_uint_eq(place_of(5), place);
    ck_assert(tenants_at(directory, place, &found));
    ck_assert(id_equal(&found, &tenant));
}
END_TEST

START_TEST(a_place_left_half_taken_may_be_another_tenants) {
    const struct id first = tenant_of(5), second = tenant_of(6);
    ck_assert_uint_eq(tenants_place(directory, 1, &first), 0);
    atomic_store(&directory[1], 0);
    ck_assert_uint_eq(tenants_place(directory, 1, &second), 0);
    ck_assert_uint_eq(tenants_place(directory, 1, &first), 1);
    ck_assert_uint_eq(tenants_place(directory, 1, &second), 0);
}
END_TEST

START_TEST(an_id_with_an_empty_half_has_no_place) {
    static const struct id ids[] = {{{0}}, {{1}}, {{[15] = 1}}};
    for (int i = 0; i < COUNT(ids); i++)
        ck_assert_uint_eq(tenants_place(directory, PLACES, &ids[i]), PLACES);
    ck_assert_uint_eq(tenants_place(directory, 0, &(struct id){{1, [8] = 1}}), 0);
}
END_TEST

/* --- several at once --------------------------------------------------------------------- */

#define CROWD 4
#define ROUNDS 200

static pthread_barrier_t start;
static size_t seen[CROWD][PLACES];

static void *take_all(void *number) {
    size_t *mine = number;
    (void)pthread_barrier_wait(&start);
    for (size_t i = 0; i < PLACES; i++)
        mine[i] = place_of(i);
    return NULL;
}

START_TEST(who_is_quicker_makes_no_second_place) {
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t threads[CROWD];
        setup();
        ck_assert_int_eq(pthread_barrier_init(&start, NULL, CROWD), 0);
        for (size_t i = 0; i < CROWD; i++)
            ck_assert_int_eq(pthread_create(&threads[i], NULL, take_all, seen[i]), 0);
        for (size_t i = 0; i < CROWD; i++)
            ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_int_eq(pthread_barrier_destroy(&start), 0);
        for (size_t i = 0; i < CROWD; i++)
            ck_assert_mem_eq(seen[i], seen[0], sizeof seen[0]);
        ck_assert_uint_eq(place_of(PLACES), PLACES);
    }
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("metrics_tenants");
    TCase *tcase = tcase_create("metrics_tenants");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, a_tenant_keeps_its_place);
    tcase_add_test(tcase, a_place_left_half_taken_is_not_lost);
    tcase_add_test(tcase, a_place_left_half_taken_may_be_another_tenants);
    tcase_add_test(tcase, an_id_with_an_empty_half_has_no_place);
    tcase_add_test(tcase, who_is_quicker_makes_no_second_place);
    suite_add_tcase(suite, tcase);
    return suite;
}
