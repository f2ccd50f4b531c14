#include "guard/listener.h"

#include <errno.h>
#include <fcgiapp.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#define BATCH_MAX ((size_t)2) /* so four requests in progress are enough */
#define CLIENTS_MAX 150

static struct poller poller;
static struct exchange_context context;
static struct connection_pool pool;
static struct listener listener;
static struct sockaddr_un address;
static socklen_t address_length;
static int listening;
static int clients[CLIENTS_MAX];
static int client_count;
static pid_t other; /* a process that has a rank, and accepts nothing */

static void setup(void) {
    ck_assert(poller_init(&poller));
    ck_assert_int_eq(FCGX_Init(), 0);
    pool = (struct connection_pool){.poller = &poller, .context = &context};
    listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    /* Linux gives a name of its own to a socket that is bound to none (unix(7), autobind). */
    const struct sockaddr_un unnamed = {.sun_family = AF_UNIX};
    ck_assert_int_eq(bind(listening, (const struct sockaddr *)&unnamed, sizeof unnamed.sun_family),
                     0);
    address_length = sizeof address;
    ck_assert_int_eq(getsockname(listening, (struct sockaddr *)&address, &address_length), 0);
    ck_assert_int_eq(listen(listening, CLIENTS_MAX), 0);
    client_count = 0;
    other = 0;
}

static void teardown(void) {
    for (int i = 0; i < client_count; i++)
        ck_assert_int_eq(close(clients[i]), 0);
    connection_pool_exit(&pool);
    listener_exit(&listener);
    poller_exit(&poller);
    buffer_free(&context.answer);
    if (other > 0) {
        ck_assert_int_eq(kill(other, SIGKILL), 0);
        ck_assert_int_eq(waitpid(other, NULL, 0), other);
    }
}

static void start_other(bool has_room) {
    int told[2];
    char byte = 0;
    ck_assert_int_eq(pipe(told), 0);
    other = fork();
    ck_assert_int_ge(other, 0);
    if (other == 0) {
        struct rank its;
        rank_init(&its, listening);
        rank_set_room(&its, has_room);
        if (write(told[1], &byte, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(told[0], &byte, 1), 1);
    ck_assert_int_eq(close(told[0]), 0);
    ck_assert_int_eq(close(told[1]), 0);
}

static void stop_other(void) {
    ck_assert_int_eq(kill(other, SIGKILL), 0);
    ck_assert_int_eq(waitpid(other, NULL, 0), other);
    other = 0;
}

static void begin(void) {
    ck_assert(listener_init(&listener, &poller, &pool, listening, BATCH_MAX));
}

static void connect_clients(int count) {
    for (int i = 0; i < count; i++) {
        const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, address_length), 0);
        clients[client_count++] = fd;
    }
}

/* One round of the loop: what is ready now, without sleeping. */
static void look(void) {
    ck_assert_int_ge(poller_wait(&poller, (mono_time){0}, NULL), 0);
}

/* The pause goes on to its end. */
static void end_pause(void) {
    listener_adjust(&listener, mono_after_ms(listener_deadline(&listener), 50));
}

START_TEST(the_first_takes_connections_at_once) {
    begin();
    start_other(true);
    connect_clients(3);
    look();
    ck_assert_uint_eq(pool.count, 3);
    ck_assert(listener.watched);
}
END_TEST

/* As a manager of services does that starts a command with the same socket. */
static void make_blocking(void) {
    const int flags = fcntl(listening, F_GETFL);
    ck_assert_int_ge(flags, 0);
    ck_assert_int_eq(fcntl(listening, F_SETFL, flags & ~O_NONBLOCK), 0);
}

START_TEST(others_make_the_socket_block) {
    begin();
    make_blocking();
    connect_clients(3);
    look();
    ck_assert_uint_eq(pool.count, 3);
    /* In that very moment. */
    make_blocking();
    ck_assert_int_eq(accept(listening, NULL, NULL), -1);
    ck_assert_int_eq(errno, EAGAIN);
}
END_TEST

START_TEST(the_second_waits_and_takes_what_is_left) {
    start_other(true);
    begin();
    connect_clients(3);
    look();
    ck_assert_uint_eq(pool.count, 0);
    ck_assert_int_le(mono_diff_ms(listener_deadline(&listener), mono_now()), 5);
    end_pause();
    ck_assert_uint_eq(pool.count, 3);
    ck_assert(listener.watched);
}
END_TEST

START_TEST(before_its_pause_is_over_it_takes_nothing) {
    start_other(true);
    begin();
    connect_clients(1);
    look();
    const mono_time first = listener_deadline(&listener);
    for (int ms = 0; ms < 45; ms++) {
        listener_adjust(&listener, mono_after_ms(first, ms));
        ck_assert_uint_eq(pool.count, 0);
        ck_assert(!listener.watched);
    }
    listener_adjust(&listener, mono_after_ms(first, 45));
    ck_assert_uint_eq(pool.count, 1);
}
END_TEST

START_TEST(it_looks_whether_the_other_is_still_there) {
    start_other(true);
    begin();
    connect_clients(1);
    look();
    stop_other();
    listener_adjust(&listener, listener_deadline(&listener));
    ck_assert_uint_eq(pool.count, 1);
}
END_TEST

START_TEST(the_second_takes_at_once_when_the_first_has_no_room) {
    start_other(false);
    begin();
    connect_clients(1);
    look();
    ck_assert_uint_eq(pool.count, 1);
}
END_TEST

/* The loop's round with so many requests in progress, and a new connection in it. */
static void connect_while_working(size_t requests) {
    pool.working = requests;
    listener_adjust(&listener, mono_now());
    connect_clients(1);
    look();
}

START_TEST(with_enough_to_do_it_leaves_connections_to_others) {
    begin();
    start_other(true);
    connect_while_working(3);
    ck_assert_uint_eq(pool.count, 1);
    connect_while_working(4);
    ck_assert_uint_eq(pool.count, 1);
    end_pause(); /* nobody took it */
    ck_assert_uint_eq(pool.count, 2);
    connect_while_working(2);
    ck_assert_uint_eq(pool.count, 2);
    end_pause();
    connect_while_working(1);
    ck_assert_uint_eq(pool.count, 4);
}
END_TEST

START_TEST(one_that_is_alone_takes_all) {
    begin();
    connect_while_working(100);
    ck_assert_uint_eq(pool.count, 1);
}
END_TEST

START_TEST(the_second_becomes_the_first_when_that_has_ended) {
    start_other(true);
    begin();
    stop_other();
    connect_clients(1);
    look();
    ck_assert_uint_eq(pool.count, 1);
    ck_assert_int_eq(listener.rank.number, 0);
}
END_TEST

START_TEST(what_one_round_does_not_take_follows_without_a_pause) {
    start_other(true);
    begin();
    connect_clients(150);
    look();
    const mono_time due = listener_deadline(&listener);
    for (size_t taken = 16; taken < 150; taken += 16) {
        end_pause();
        ck_assert_uint_eq(pool.count, taken);
        ck_assert_int_eq(mono_diff_us(listener_deadline(&listener), due), 0);
    }
    end_pause();
    ck_assert_uint_eq(pool.count, 150);
    ck_assert(listener.watched);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("listener");
    TCase *tests = tcase_create("listener");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, the_first_takes_connections_at_once);
    tcase_add_test(tests, others_make_the_socket_block);
    tcase_add_test(tests, the_second_waits_and_takes_what_is_left);
    tcase_add_test(tests, before_its_pause_is_over_it_takes_nothing);
    tcase_add_test(tests, it_looks_whether_the_other_is_still_there);
    tcase_add_test(tests, the_second_takes_at_once_when_the_first_has_no_room);
    tcase_add_test(tests, with_enough_to_do_it_leaves_connections_to_others);
    tcase_add_test(tests, one_that_is_alone_takes_all);
    tcase_add_test(tests, the_second_becomes_the_first_when_that_has_ended);
    tcase_add_test(tests, what_one_round_does_not_take_follows_without_a_pause);
    suite_add_tcase(suite, tests);
    return suite;
}
