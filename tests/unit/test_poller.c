#include "base/poller.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>

#include "unit.h"

static struct poller poller;

/* A source that counts, and does to another one what the test wants. */
struct probe {
    struct poll_source source;
    int calls;
    uint32_t events;
    void (*action)(struct probe *self);
    struct probe *other;
};

static void probe_ready(struct poll_source *source, uint32_t events) {
    struct probe *probe = (struct probe *)((char *)source - offsetof(struct probe, source));
    probe->calls++;
    probe->events = events;
    if (probe->action)
        probe->action(probe);
}

/* A watched eventfd: readable when `readable`, always writable. */
static void probe_open(struct probe *probe, bool readable, uint32_t events) {
    memset(probe, 0, sizeof(*probe));
    probe->source.fd = eventfd(readable ? 1 : 0, EFD_CLOEXEC);
    probe->source.ready = probe_ready;
    ck_assert_int_ge(probe->source.fd, 0);
    ck_assert(poller_add(&poller, &probe->source, events));
}

static void probe_close(struct probe *probe) {
    poller_remove(&poller, &probe->source);
    ck_assert_int_eq(close(probe->source.fd), 0);
}

static int wait_ms(int64_t ms) {
    return poller_wait(&poller, mono_after_ms(mono_now(), ms), NULL);
}

static void setup(void) {
    ck_assert(poller_init(&poller));
}

static void teardown(void) {
    poller_exit(&poller);
    ck_assert_int_eq(poller.epoll_fd, -1);
    poller_exit(&poller); /* twice does no harm */
}

START_TEST(calls_what_is_ready) {
    struct probe full;
    struct probe empty;
    struct probe writable;
    probe_open(&full, true, EPOLLIN);
    probe_open(&empty, false, EPOLLIN);
    probe_open(&writable, false, EPOLLIN | EPOLLOUT);
    ck_assert_int_eq(poller_wait(&poller, MONO_NEVER, NULL), 2);
    ck_assert_int_eq(full.calls, 1);
    ck_assert_uint_eq(full.events, EPOLLIN);
    ck_assert_int_eq(empty.calls, 0);
    ck_assert_int_eq(writable.calls, 1);
    ck_assert_uint_eq(writable.events, EPOLLOUT);
    /* Level-triggered: it comes again. */
    ck_assert_int_eq(wait_ms(1000), 2);
    ck_assert_int_eq(full.calls, 2);
    probe_close(&full);
    probe_close(&empty);
    probe_close(&writable);
    ck_assert_int_eq(wait_ms(0), 0);
}
END_TEST

START_TEST(changes_events) {
    struct probe probe;
    probe_open(&probe, true, 0);
    ck_assert_int_eq(wait_ms(0), 0);
    ck_assert(poller_change(&poller, &probe.source, EPOLLIN));
    ck_assert_int_eq(wait_ms(1000), 1);
    ck_assert_uint_eq(probe.events, EPOLLIN);
    ck_assert(poller_change(&poller, &probe.source, EPOLLOUT));
    ck_assert_int_eq(wait_ms(1000), 1);
    ck_assert_uint_eq(probe.events, EPOLLOUT);
    ck_assert(poller_change(&poller, &probe.source, 0));
    ck_assert_int_eq(wait_ms(0), 0);
    probe_close(&probe);
}
END_TEST

START_TEST(reports_hang_up_unasked) {
    int ends[2];
    struct probe probe = {.source.ready = probe_ready};
    ck_assert_int_eq(pipe(ends), 0);
    probe.source.fd = ends[0];
    ck_assert(poller_add(&poller, &probe.source, 0));
    ck_assert_int_eq(close(ends[1]), 0);
    ck_assert_int_eq(wait_ms(1000), 1);
    ck_assert_uint_eq(probe.events, EPOLLHUP);
    probe_close(&probe);
}
END_TEST

static void remove_other(struct probe *self) {
    poller_remove(&poller, &self->other->source);
}

static void free_other(struct probe *self) {
    if (!self->other)
        return;
    probe_close(self->other);
    free(self->other);
    self->other = NULL;
}

static void silence_other(struct probe *self) {
    ck_assert(poller_change(&poller, &self->other->source, 0));
}

static void ask_other_for_output(struct probe *self) {
    ck_assert(poller_change(&poller, &self->other->source, EPOLLOUT));
}

/* Two ready sources, each of which does something to the other one: whichever comes first. */
static void open_pair(struct probe *a, struct probe *b, uint32_t events,
                      void (*action)(struct probe *self)) {
    probe_open(a, true, events);
    probe_open(b, true, events);
    a->action = action;
    b->action = action;
    a->other = b;
    b->other = a;
}

START_TEST(removed_in_the_same_round) {
    struct probe a;
    struct probe b;
    open_pair(&a, &b, EPOLLIN, remove_other);
    ck_assert_int_eq(wait_ms(1000), 2);
    ck_assert_int_eq(a.calls + b.calls, 1);
    ck_assert_int_eq(wait_ms(1000), 1);
    ck_assert_int_eq(a.calls + b.calls, 2);
    probe_close(&a);
    probe_close(&b);
}
END_TEST

/* The memory is gone as well: a sanitizer or valgrind would see a call. */
START_TEST(freed_in_the_same_round) {
    struct probe *a = malloc(sizeof(*a));
    struct probe *b = malloc(sizeof(*b));
    ck_assert(a && b);
    open_pair(a, b, EPOLLIN, free_other);
    ck_assert_int_eq(wait_ms(1000), 2);
    struct probe *left = NULL;
    /* Which one is left shows by asking the poller again: only it is called. */
    ck_assert_int_eq(wait_ms(1000), 1);
    left = poller.pending[0].data.ptr;
    ck_assert(left == a || left == b);
    ck_assert_int_eq(left->calls, 2);
    probe_close(left);
    free(left);
}
END_TEST

START_TEST(silenced_in_the_same_round) {
    struct probe a;
    struct probe b;
    open_pair(&a, &b, EPOLLIN, silence_other);
    ck_assert_int_eq(wait_ms(1000), 2);
    ck_assert_int_eq(a.calls + b.calls, 1);
    probe_close(&a);
    probe_close(&b);
}
END_TEST

START_TEST(changed_in_the_same_round) {
    struct probe a;
    struct probe b;
    open_pair(&a, &b, EPOLLIN | EPOLLOUT, ask_other_for_output);
    ck_assert_int_eq(wait_ms(1000), 2);
    ck_assert_int_eq(a.calls, 1);
    ck_assert_int_eq(b.calls, 1);
    /* The first one got both events, the second one what was left of them. */
    ck_assert_uint_eq(a.events ^ b.events, EPOLLIN);
    ck_assert_uint_eq(a.events & b.events, EPOLLOUT);
    probe_close(&a);
    probe_close(&b);
}
END_TEST

static void remove_self(struct probe *self) {
    probe_close(self);
}

START_TEST(removes_itself) {
    struct probe probe;
    probe_open(&probe, true, EPOLLIN);
    probe.action = remove_self;
    ck_assert_int_eq(wait_ms(1000), 1);
    ck_assert_int_eq(wait_ms(0), 0);
    ck_assert_int_eq(probe.calls, 1);
}
END_TEST

static void reopen_other(struct probe *self) {
    probe_close(self->other);
    probe_open(self->other, true, EPOLLIN);
}

/* The same memory, and most likely the same descriptor: events of the old one are not its own. */
START_TEST(replaced_in_the_same_round) {
    struct probe a;
    struct probe b;
    open_pair(&a, &b, EPOLLIN, reopen_other);
    ck_assert_int_eq(wait_ms(1000), 2);
    ck_assert_int_eq(a.calls + b.calls, 1);
    a.action = NULL;
    b.action = NULL;
    ck_assert_int_eq(wait_ms(1000), 2);
    ck_assert_int_eq(a.calls + b.calls, 3);
    probe_close(&a);
    probe_close(&b);
}
END_TEST

START_TEST(more_events_than_a_round_takes) {
    enum { PROBES = POLLER_EVENTS_MAX + 44 };
    static struct probe probes[PROBES];
    struct rlimit limit = {PROBES + 64, PROBES + 64};
    int called = 0;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int i = 0; i < PROBES; i++) {
        probe_open(&probes[i], true, EPOLLIN);
        probes[i].action = remove_self;
    }
    ck_assert_int_eq(wait_ms(1000), POLLER_EVENTS_MAX);
    ck_assert_int_eq(wait_ms(1000), PROBES - POLLER_EVENTS_MAX);
    ck_assert_int_eq(wait_ms(0), 0);
    for (int i = 0; i < PROBES; i++)
        called += probes[i].calls;
    ck_assert_int_eq(called, PROBES);
}
END_TEST

START_TEST(deadline_is_kept) {
    for (int64_t us = 0; us < 5000; us += 377) {
        mono_time deadline = {mono_now().us + us};
        ck_assert_int_eq(poller_wait(&poller, deadline, NULL), 0);
        ck_assert(!mono_is_before(mono_now(), deadline));
    }
    /* What has passed already does not block, and still lets events through. */
    struct probe probe;
    mono_time start = mono_now();
    probe_open(&probe, true, EPOLLIN);
    ck_assert_int_eq(poller_wait(&poller, (mono_time){INT64_MIN}, NULL), 1);
    ck_assert_int_eq(poller_wait(&poller, mono_after_ms(start, -1000), NULL), 1);
    ck_assert_int_eq(probe.calls, 2);
    probe_close(&probe);
    ck_assert_int_eq(poller_wait(&poller, (mono_time){INT64_MIN}, NULL), 0);
    ck_assert_int_lt(mono_diff_ms(mono_now(), start), 3000);
}
END_TEST

static volatile sig_atomic_t signals;

static void count_signal(int number) {
    (void)number;
    signals = signals + 1;
}

START_TEST(signals_come_only_while_it_sleeps) {
    struct sigaction action = {.sa_handler = count_signal};
    sigset_t blocked;
    sigset_t before;
    ck_assert_int_eq(sigaction(SIGUSR1, &action, NULL), 0);
    ck_assert_int_eq(sigemptyset(&blocked), 0);
    ck_assert_int_eq(sigaddset(&blocked, SIGUSR1), 0);
    ck_assert_int_eq(sigprocmask(SIG_BLOCK, &blocked, &before), 0);
    ck_assert_int_eq(raise(SIGUSR1), 0);
    ck_assert_int_eq(wait_ms(1), 0);
    ck_assert_int_eq(signals, 0);
    ck_assert_int_eq(poller_wait(&poller, MONO_NEVER, &before), -1);
    ck_assert_int_eq(errno, EINTR);
    ck_assert_int_eq(signals, 1);
    ck_assert_int_eq(raise(SIGUSR1), 0); /* the mask is as it was */
    ck_assert_int_eq(signals, 1);
    ck_assert_int_eq(sigprocmask(SIG_SETMASK, &before, NULL), 0);
    ck_assert_int_eq(signals, 2);
}
END_TEST

START_TEST(errors_are_told) {
    struct probe probe;
    probe_open(&probe, true, EPOLLIN);
    ck_assert(!poller_add(&poller, &probe.source, EPOLLIN));
    ck_assert_int_eq(errno, EEXIST);
    poller_remove(&poller, &probe.source);
    ck_assert(!poller_change(&poller, &probe.source, EPOLLIN));
    ck_assert_int_eq(errno, ENOENT);
    probe_close(&probe); /* not watched any more: harmless */

    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    struct poll_source plain = {fileno(file), probe_ready};
    ck_assert(!poller_add(&poller, &plain, EPOLLIN));
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(fclose(file), 0);
}
END_TEST

START_TEST(removed_after_its_descriptor_was_closed) {
    struct probe probe;
    probe_open(&probe, true, EPOLLIN);
    ck_assert_int_eq(close(probe.source.fd), 0);
    poller_remove(&poller, &probe.source);
    ck_assert_int_eq(wait_ms(0), 0);
    ck_assert_int_eq(probe.calls, 0);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("poller");
    TCase *tcase = tcase_create("poller");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, calls_what_is_ready);
    tcase_add_test(tcase, changes_events);
    tcase_add_test(tcase, reports_hang_up_unasked);
    tcase_add_test(tcase, removed_in_the_same_round);
    tcase_add_test(tcase, freed_in_the_same_round);
    tcase_add_test(tcase, silenced_in_the_same_round);
    tcase_add_test(tcase, changed_in_the_same_round);
    tcase_add_test(tcase, removes_itself);
    tcase_add_test(tcase, replaced_in_the_same_round);
    tcase_add_test(tcase, more_events_than_a_round_takes);
    tcase_add_test(tcase, deadline_is_kept);
    tcase_add_test(tcase, signals_come_only_while_it_sleeps);
    tcase_add_test(tcase, errors_are_told);
    tcase_add_test(tcase, removed_after_its_descriptor_was_closed);
    suite_add_tcase(suite, tcase);
    return suite;
}
