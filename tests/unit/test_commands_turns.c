/* Whose turn it is. */
#include "commands/turns.h"

#include <string.h>

#include "unit.h"

#define OWNERS 8

/* Those who were told to go, in that order. */
static struct turns_owner owners[OWNERS];
static int told[OWNERS];
static int told_count;
static struct turns turns;

static const struct id tenants[] = {{{1}}, {{2}}};

static void be_ready(struct turns_owner *owner) {
    ck_assert_int_lt(told_count, OWNERS);
    ck_assert_uint_eq(owner->waiting, 0);
    told[told_count++] = (int)(owner - owners);
}

static void setup(void) {
    memset(owners, 0, sizeof owners);
    for (int i = 0; i < OWNERS; i++)
        owners[i].ready = be_ready;
    told_count = 0;
    ck_assert(turns_init(&turns));
}

static void teardown(void) {
    for (int i = OWNERS; i > 0; i--)
        turns_give_up(&turns, &owners[i - 1]);
}

/* Takes turns at locks, each a letter; returns whether it may go. */
static bool take_of(int owner, int tenant, const char *locks) {
    struct id ids[16];
    size_t count = 0;
    for (; locks[count] != '\0'; count++) {
        memset(&ids[count], 0, sizeof ids[count]);
        ids[count].bytes[15] = (unsigned char)locks[count];
    }
    ck_assert(turns_take(&turns, &owners[owner], &tenants[tenant], ids, count));
    return owners[owner].waiting == 0;
}

static bool take(int owner, const char *locks) {
    return take_of(owner, 0, locks);
}

static void give_up(int owner) {
    turns_give_up(&turns, &owners[owner]);
    ck_assert_uint_eq(owners[owner].count, 0);
    ck_assert_ptr_null(owners[owner].turns);
}

/* Exactly these were told, in this order: a digit for each. */
static void check_told(const char *expected) {
    char text[OWNERS + 1] = "";
    for (int i = 0; i < told_count; i++)
        text[i] = (char)('0' + told[i]);
    ck_assert_str_eq(text, expected);
}

START_TEST(nobody_waits_for_another_lock) {
    ck_assert(take(0, "a"));
    ck_assert(take(1, "b"));
    ck_assert(take_of(2, 1, "a")); /* of another tenant */
    give_up(0);
    check_told("");
}
END_TEST

START_TEST(one_after_the_other) {
    ck_assert(take(0, "a"));
    ck_assert(!take(1, "a"));
    ck_assert(!take(2, "a"));
    check_told("");
    give_up(0);
    check_told("1");
    give_up(1);
    check_told("12");
    give_up(2);
    ck_assert(take(3, "a"));
}
END_TEST

START_TEST(many_locks_all_at_the_head) {
    ck_assert(take(0, "a"));
    ck_assert(take(1, "b"));
    ck_assert(!take(2, "abc"));
    ck_assert_uint_eq(owners[2].waiting, 2);
    ck_assert(!take(3, "c")); /* behind one who waits */
    ck_assert(take(4, "d"));
    give_up(1);
    check_told("");
    give_up(0);
    check_told("2");
    give_up(2);
    check_told("23");
}
END_TEST

START_TEST(a_lock_named_twice_counts_once) {
    ck_assert(take(0, "aabab"));
    ck_assert_uint_eq(owners[0].count, 2);
    ck_assert(!take(1, "bb"));
    ck_assert_uint_eq(owners[1].waiting, 1);
    give_up(0);
    check_told("1");
}
END_TEST

/* Those behind who leaves the line don't move before those in front of them. */
START_TEST(one_who_waits_gives_up) {
    ck_assert(take(0, "a"));
    ck_assert(!take(1, "ab"));
    ck_assert(!take(2, "a"));
    ck_assert(!take(3, "b"));
    give_up(1);
    check_told("3"); /* was behind nobody else */
    give_up(0);
    check_told("32");
}
END_TEST

START_TEST(all_give_up_from_the_end) {
    ck_assert(take(0, "abc"));
    for (int i = 1; i < OWNERS; i++)
        ck_assert(!take(i, i % 2 == 0 ? "ab" : "bc"));
    for (int i = OWNERS - 1; i >= 0; i--)
        give_up(i);
    check_told("");
    ck_assert(take(0, "abc"));
}
END_TEST

START_TEST(giving_up_twice_does_no_harm) {
    give_up(0);
    ck_assert(take(0, "a"));
    give_up(0);
    give_up(0);
    ck_assert(take(1, "a"));
}
END_TEST

/* More locks than there are lines. */
START_TEST(many_locks) {
    static struct id ids[3 * TURNS_LINES];
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++)
        memcpy(ids[i].bytes, &i, sizeof i);
    ck_assert(turns_take(&turns, &owners[0], &tenants[0], ids, sizeof ids / sizeof ids[0]));
    ck_assert_uint_eq(owners[0].count, sizeof ids / sizeof ids[0]);
    ck_assert_uint_eq(turns_size(&owners[0]), owners[0].count * sizeof(struct turn));
    ck_assert(turns_take(&turns, &owners[1], &tenants[0], ids + 7, 1));
    ck_assert_uint_eq(owners[1].waiting, 1);
    ck_assert(turns_take(&turns, &owners[2], &tenants[1], ids + 7, 1));
    ck_assert_uint_eq(owners[2].waiting, 0);
    size_t longest = 0;
    for (size_t i = 0; i < TURNS_LINES; i++) {
        size_t length = 0;
        const struct turn *turn = NULL;
        TAILQ_FOREACH(turn, &turns.lines[i], link)
        length++;
        longest = length > longest ? length : longest;
    }
    ck_assert_uint_lt(longest, 30); /* 3 on average, whatever the ids look like */
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("commands/turns");
    TCase *tests = tcase_create("turns");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, nobody_waits_for_another_lock);
    tcase_add_test(tests, one_after_the_other);
    tcase_add_test(tests, many_locks_all_at_the_head);
    tcase_add_test(tests, a_lock_named_twice_counts_once);
    tcase_add_test(tests, one_who_waits_gives_up);
    tcase_add_test(tests, all_give_up_from_the_end);
    tcase_add_test(tests, giving_up_twice_does_no_harm);
    tcase_add_test(tests, many_locks);
    suite_add_tcase(suite, tests);
    return suite;
}
