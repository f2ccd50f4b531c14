/* Locks stay behind the releases that came before them. */
#include "commands/fences.h"

#include <string.h>

#include "unit.h"

#define POSTS 8

/* Those who were told to go, in that order: a digit for each. */
static struct fence_post posts[POSTS];
static char told[POSTS + 1];
static struct fences fences;

static const struct id tenants[] = {{{1}}, {{2}}};

static void be_ready(struct fence_post *post) {
    ck_assert_uint_lt(strlen(told), POSTS);
    ck_assert(!fences_hold(post));
    told[strlen(told)] = (char)('0' + (post - posts));
}

static void setup(void) {
    memset(posts, 0, sizeof posts);
    memset(told, 0, sizeof told);
    for (int i = 0; i < POSTS; i++)
        posts[i].ready = be_ready;
    fences_init(&fences);
}

static void put_release(int number) {
    fences_put_release(&fences, &posts[number], &tenants[0]);
    ck_assert(!fences_hold(&posts[number]));
}

/* Returns whether it must wait. */
static bool put_lock(int number) {
    fences_put_lock(&fences, &posts[number], &tenants[0]);
    return fences_hold(&posts[number]);
}

static void check_leaving(int number, const char *expected) {
    memset(told, 0, sizeof told);
    fences_leave(&posts[number]);
    ck_assert_str_eq(told, expected);
}

START_TEST(locks_do_not_wait_for_locks) {
    ck_assert(!put_lock(0));
    ck_assert(!put_lock(1));
    check_leaving(0, "");
}
END_TEST

START_TEST(a_release_does_not_wait) {
    ck_assert(!put_lock(0));
    put_release(1);
    put_release(2);
    check_leaving(1, "");
    check_leaving(2, "");
    ck_assert(!put_lock(3));
}
END_TEST

START_TEST(locks_wait_for_the_releases_before_them) {
    put_release(0);
    ck_assert(put_lock(1));
    ck_assert(put_lock(2));
    put_release(3);
    ck_assert(put_lock(4));
    check_leaving(0, "12");
    ck_assert(put_lock(5));
    check_leaving(3, "45");
}
END_TEST

START_TEST(whichever_release_ends_first) {
    put_release(0);
    ck_assert(put_lock(1));
    put_release(2);
    ck_assert(put_lock(3));
    check_leaving(2, "");
    check_leaving(0, "13");
}
END_TEST

START_TEST(one_that_is_abandoned_while_it_waits) {
    put_release(0);
    ck_assert(put_lock(1));
    ck_assert(put_lock(2));
    check_leaving(1, "");
    check_leaving(1, ""); /* once more does no harm */
    check_leaving(0, "2");
}
END_TEST

START_TEST(other_tenants_do_not_wait) {
    put_release(0);
    fences_put_lock(&fences, &posts[1], &tenants[1]);
    ck_assert(!fences_hold(&posts[1]));
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("commands/fences");
    TCase *tests = tcase_create("fences");
    tcase_add_checked_fixture(tests, setup, NULL);
    tcase_add_test(tests, locks_do_not_wait_for_locks);
    tcase_add_test(tests, a_release_does_not_wait);
    tcase_add_test(tests, locks_wait_for_the_releases_before_them);
    tcase_add_test(tests, whichever_release_ends_first);
    tcase_add_test(tests, one_that_is_abandoned_while_it_waits);
    tcase_add_test(tests, other_tenants_do_not_wait);
    suite_add_tcase(suite, tests);
    return suite;
}
