#include "guard/rank.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

static int listening; /* shared by all processes of a test, as a pool's socket is */
static struct rank mine;

static void setup(void) {
    listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(listening, 0);
}

static void teardown(void) {
    ck_assert_int_eq(close(listening), 0);
}

/* Another process: takes a rank and keeps it until it is killed. Gives its number. */
static int start_other(pid_t *pid, bool has_room) {
    int told[2];
    ck_assert_int_eq(pipe(told), 0);
    *pid = fork();
    ck_assert_int_ge(*pid, 0);
    if (*pid == 0) {
        struct rank its;
        rank_init(&its, listening);
        rank_set_room(&its, has_room);
        if (write(told[1], &its.number, sizeof its.number) != (ssize_t)sizeof its.number)
            _exit(1);
        for (;;)
            pause();
    }
    int number = -1;
    ck_assert_int_eq(read(told[0], &number, sizeof number), sizeof number);
    ck_assert_int_eq(close(told[0]), 0);
    ck_assert_int_eq(close(told[1]), 0);
    return number;
}

static void kill_other(pid_t pid) {
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(ranks_are_given_in_order) {
    rank_init(&mine, listening);
    ck_assert_int_eq(mine.number, 0);
    pid_t first;
    pid_t second;
    pid_t next;
    ck_assert_int_eq(start_other(&first, true), 1);
    ck_assert_int_eq(start_other(&second, true), 2);
    kill_other(first);
    ck_assert_int_eq(start_other(&next, true), 1);
    kill_other(next);
    kill_other(second);
}
END_TEST

START_TEST(a_killed_process_leaves_its_rank_to_the_next) {
    pid_t first;
    pid_t second;
    ck_assert_int_eq(start_other(&first, true), 0);
    rank_init(&mine, listening);
    rank_improve(&mine);
    ck_assert_int_eq(mine.number, 1);
    kill_other(first);
    rank_improve(&mine);
    ck_assert_int_eq(mine.number, 0);
    ck_assert(!rank_yields(&mine));
    /* and the rank that it had is free, with its room */
    rank_set_room(&mine, false);
    ck_assert(!rank_yields(&mine));
    ck_assert_int_eq(start_other(&second, true), 1);
    ck_assert(rank_yields(&mine));
    kill_other(second);
}
END_TEST

START_TEST(the_first_with_room_yields_to_nobody) {
    pid_t other;
    rank_init(&mine, listening);
    ck_assert_int_eq(start_other(&other, true), 1);
    ck_assert(!rank_yields(&mine));
    kill_other(other);
}
END_TEST

START_TEST(the_second_yields_while_the_first_has_room) {
    pid_t other;
    ck_assert_int_eq(start_other(&other, true), 0);
    rank_init(&mine, listening);
    ck_assert(rank_yields(&mine));
    rank_set_room(&mine, false);
    ck_assert(rank_yields(&mine));
    kill_other(other);
    ck_assert(!rank_yields(&mine));
}
END_TEST

START_TEST(the_second_has_its_turn_when_the_first_has_no_room) {
    pid_t other;
    ck_assert_int_eq(start_other(&other, false), 0);
    rank_init(&mine, listening);
    ck_assert(!rank_yields(&mine));
    /* nobody has room */
    rank_set_room(&mine, false);
    ck_assert(!rank_yields(&mine));
    kill_other(other);
}
END_TEST

START_TEST(the_first_without_room_yields_to_one_that_has_some) {
    pid_t other;
    rank_init(&mine, listening);
    ck_assert_int_eq(start_other(&other, true), 1);
    rank_set_room(&mine, false);
    ck_assert(rank_yields(&mine));
    rank_set_room(&mine, true);
    ck_assert(!rank_yields(&mine));
    kill_other(other);
}
END_TEST

START_TEST(a_descriptor_that_cannot_be_locked_gives_no_rank) {
    rank_init(&mine, -1);
    ck_assert_int_eq(mine.number, RANK_MAX);
    rank_set_room(&mine, false);
    ck_assert(!rank_yields(&mine));
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("rank");
    TCase *tests = tcase_create("rank");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, ranks_are_given_in_order);
    tcase_add_test(tests, a_killed_process_leaves_its_rank_to_the_next);
    tcase_add_test(tests, the_first_with_room_yields_to_nobody);
    tcase_add_test(tests, the_second_yields_while_the_first_has_room);
    tcase_add_test(tests, the_second_has_its_turn_when_the_first_has_no_room);
    tcase_add_test(tests, the_first_without_room_yields_to_one_that_has_some);
    tcase_add_test(tests, a_descriptor_that_cannot_be_locked_gives_no_rank);
    suite_add_tcase(suite, tests);
    return suite;
}
