/* The file of all slots: who gets which, and what becomes of it when things go wrong. */
#include "metrics/slots.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

enum { KIND_A, KIND_B };

#define CELLS 700

static const struct slots_layout layout = {.hash = 1, .cells = CELLS};

static char folder[64];
static char path[128];
static struct slots mine;

static void setup(void) {
    (void)snprintf(folder, sizeof folder, "/tmp/test_metrics_slots.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(path, sizeof path, "%s/metrics", folder);
    memset(&mine, 0, sizeof mine);
}

static void teardown(void) {
    slots_close(&mine);
    (void)unlink(path);
    ck_assert_int_eq(rmdir(folder), 0); /* nothing else was left in it */
}

static void open_slots(struct slots *s, uint32_t kind) {
    const char *wrong = slots_open(s, path, &layout, kind);
    ck_assert_msg(wrong == NULL, "%s", wrong);
}

static void write_own(const struct slots *s, size_t cell, uint64_t value) {
    atomic_store_explicit(&slots_own(s)[cell], value, memory_order_relaxed);
}

static uint64_t read_slot(const struct slots *s, size_t number, size_t cell) {
    uint32_t kind = 0;
    slots_cell *cells = slots_at(s, number, &kind);
    return cells == NULL ? 0 : atomic_load_explicit(&cells[cell], memory_order_relaxed);
}

static ino_t inode(void) {
    struct stat status;
    ck_assert_int_eq(stat(path, &status), 0);
    return status.st_ino;
}

/* Another process: takes a slot, writes a value, tells the number, and waits for its end. */
static pid_t start_other(uint32_t kind, uint64_t value, size_t *number) {
    int told[2];
    ck_assert_int_eq(pipe(told), 0);
    const pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        struct slots its;
        if (slots_open(&its, path, &layout, kind) != NULL)
            _exit(1);
        write_own(&its, 0, read_slot(&its, its.own, 0) + value);
        if (write(told[1], &its.own, sizeof its.own) != (ssize_t)sizeof its.own)
            _exit(1);
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(told[0], number, sizeof *number), sizeof *number);
    ck_assert_int_eq(close(told[0]), 0);
    ck_assert_int_eq(close(told[1]), 0);
    return pid;
}

static void kill_other(pid_t pid) {
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

/* --- slots ------------------------------------------------------------------------------- */

START_TEST(each_process_has_a_slot_of_its_own) {
    size_t first = 0;
    size_t second = 0;
    open_slots(&mine, KIND_A);
    const pid_t a = start_other(KIND_A, 7, &first);
    const pid_t b = start_other(KIND_B, 9, &second);
    ck_assert_uint_eq(mine.own, 0);
    ck_assert_uint_eq(first, 1);
    ck_assert_uint_eq(second, 2);
    ck_assert_uint_eq(read_slot(&mine, 1, 0), 7);
    ck_assert_uint_eq(read_slot(&mine, 2, 0), 9);
    uint32_t kind = 99;
    ck_assert_ptr_nonnull(slots_at(&mine, 2, &kind));
    ck_assert_uint_eq(kind, KIND_B);
    ck_assert_ptr_null(slots_at(&mine, 3, &kind));
    kill_other(a);
    kill_other(b);
}
END_TEST

START_TEST(a_killed_process_leaves_its_slot_to_the_next_of_its_kind) {
    size_t number = 99;
    open_slots(&mine, KIND_A);
    pid_t pid = start_other(KIND_B, 5, &number);
    ck_assert(slots_is_held(&mine, 1));
    kill_other(pid);
    ck_assert(!slots_is_held(&mine, 1));
    ck_assert_uint_eq(read_slot(&mine, 1, 0), 5);
    /* not to another kind */
    pid = start_other(KIND_A, 1, &number);
    ck_assert_uint_eq(number, 2);
    kill_other(pid);
    for (uint64_t i = 2; i < 20; i++) {
        pid = start_other(KIND_B, 5, &number);
        ck_assert_uint_eq(number, 1);
        kill_other(pid);
        ck_assert_uint_eq(read_slot(&mine, 1, 0), 5 * i);
    }
}
END_TEST

START_TEST(one_s_own_slot_is_held_and_left) {
    struct slots other = {.fd = 0};
    open_slots(&mine, KIND_A);
    open_slots(&other, KIND_A);
    ck_assert(slots_is_held(&mine, 0));
    ck_assert(slots_is_held(&other, 0));
    slots_close(&mine);
    ck_assert(!slots_is_held(&other, 0));
    slots_close(&other);
}
END_TEST

START_TEST(when_all_are_taken_there_is_none) {
    static struct slots all[SLOTS_MAX];
    const struct rlimit files = {1024, 1024};
    (void)setrlimit(RLIMIT_NOFILE, &files);
    for (size_t i = 0; i < SLOTS_MAX; i++)
        open_slots(&all[i], KIND_A);
    ck_assert_str_eq(slots_open(&mine, path, &layout, KIND_A), "has no slot left");
    ck_assert_int_eq(errno, 0);
    slots_close(&all[7]);
    open_slots(&mine, KIND_A);
    ck_assert_uint_eq(mine.own, 7);
    for (size_t i = 0; i < SLOTS_MAX; i++)
        slots_close(&all[i]);
}
END_TEST

enum { CROWD = 8 };

/* Processes that take slots of KIND_A at the same time. One that gets none ends. */
static void start_crowd(pid_t pids[CROWD]) {
    int go[2];
    ck_assert_int_eq(pipe(go), 0);
    for (int i = 0; i < CROWD; i++) {
        pids[i] = fork();
        ck_assert_int_ge(pids[i], 0);
        if (pids[i] == 0) {
            struct slots its;
            char byte = 0;
            (void)close(go[1]);
            (void)!read(go[0], &byte, 1); /* returns when all have been started */
            if (slots_open(&its, path, &layout, KIND_A) != NULL)
                _exit(1);
            write_own(&its, 0, 1);
            for (;;)
                pause();
        }
    }
    ck_assert_int_eq(close(go[0]), 0);
    ck_assert_int_eq(close(go[1]), 0);
}

START_TEST(processes_that_start_at_once_get_one_file) {
    for (int round = 0; round < 20; round++) {
        pid_t pids[CROWD];
        (void)unlink(path);
        start_crowd(pids);
        open_slots(&mine, KIND_B);
        for (size_t counted = 0; counted < CROWD;) {
            ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), 0); /* none has failed */
            counted = 0;
            for (size_t i = 0; i < SLOTS_MAX; i++)
                counted += read_slot(&mine, i, 0);
        }
        for (int i = 0; i < CROWD; i++)
            kill_other(pids[i]);
        slots_close(&mine);
    }
}
END_TEST

START_TEST(some_cells_belong_to_all) {
    static const struct slots_layout with_shared = {.hash = 1, .cells = CELLS, .shared = 700};
    struct slots other;
    ck_assert_ptr_null(slots_open(&mine, path, &with_shared, KIND_A));
    ck_assert_ptr_null(slots_open(&other, path, &with_shared, KIND_B));
    slots_cell *shared = slots_shared(&mine);
    ck_assert_uint_eq(slots_shared_count(&mine), 700);
    for (size_t i = 0; i < 700; i++) {
        ck_assert_uint_eq(atomic_load(&shared[i]), 0);
        atomic_store(&shared[i], UINT64_MAX);
    }
    ck_assert_uint_eq(atomic_load(&slots_shared(&other)[699]), UINT64_MAX);
    /* and not to the slots */
    for (size_t i = 0; i < CELLS; i++) {
        ck_assert_uint_eq(read_slot(&mine, 0, i), 0);
        ck_assert_uint_eq(read_slot(&mine, 1, i), 0);
    }
    slots_close(&other);
    slots_close(&mine);
    ck_assert_ptr_null(slots_open(&mine, path, &layout, KIND_A));
    ck_assert_uint_eq(slots_shared_count(&mine), 0);
}
END_TEST

/* --- the file ---------------------------------------------------------------------------- */

START_TEST(another_layout_gets_another_file) {
    static const struct slots_layout others[] = {{2, CELLS, 0}, {1, CELLS + 1, 0}, {1, CELLS, 1}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct slots old;
        open_slots(&old, KIND_A);
        const ino_t before = inode();
        write_own(&old, 3, 33);
        ck_assert_ptr_null(slots_open(&mine, path, &others[i], KIND_A));
        ck_assert_uint_ne(inode(), before);
        ck_assert_uint_eq(mine.own, 0);
        ck_assert_uint_eq(read_slot(&mine, 0, 3), 0);
        /* who has the old one goes on with it */
        write_own(&old, 3, 34);
        ck_assert_uint_eq(read_slot(&old, 0, 3), 34);
        ck_assert_uint_eq(read_slot(&mine, 0, 3), 0);
        slots_close(&old);
        slots_close(&mine);
    }
}
END_TEST

static void spoil(off_t at, const char *bytes, off_t length) {
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    if (length >= 0)
        ck_assert_int_eq(ftruncate(fd, length), 0);
    ck_assert_int_eq(pwrite(fd, bytes, strlen(bytes), at), (ssize_t)strlen(bytes));
    ck_assert_int_eq(close(fd), 0);
}

START_TEST(a_spoiled_file_is_replaced) {
    static const struct {
        off_t at;
        const char *bytes;
        off_t length;
    } cases[] = {{0, "", 0}, {0, "x", -1}, {8, "xxxx", -1}, {0, "", 5000}, {0, "AGMETRIC", 8}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_slots(&mine, KIND_A);
        write_own(&mine, 0, 1);
        slots_close(&mine);
        spoil(cases[i].at, cases[i].bytes, cases[i].length);
        open_slots(&mine, KIND_A);
        ck_assert_uint_eq(read_slot(&mine, 0, 0), 0);
        slots_close(&mine);
    }
}
END_TEST

START_TEST(a_good_file_is_kept) {
    open_slots(&mine, KIND_A);
    write_own(&mine, CELLS - 1, 8);
    slots_close(&mine);
    open_slots(&mine, KIND_A);
    ck_assert_uint_eq(read_slot(&mine, 0, CELLS - 1), 8);
}
END_TEST

START_TEST(a_file_cut_short_kills_nobody) {
    size_t number = 0;
    open_slots(&mine, KIND_A);
    write_own(&mine, 5, 1);
    spoil(0, "", 0);
    ck_assert(!slots_is_lost());
    write_own(&mine, 5, 2);
    ck_assert(slots_is_lost());
    ck_assert_uint_eq(atomic_load(&slots_own(&mine)[5]), 2);
    write_own(&mine, CELLS - 1, 3);
    /* and the next one makes a new file */
    kill_other(start_other(KIND_A, 1, &number));
    ck_assert_uint_eq(number, 0);
}
END_TEST

START_TEST(what_is_no_file_of_ours_is_left_alone) {
    char elsewhere[160];
    (void)snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", folder);
    ck_assert_int_eq(symlink(elsewhere, path), 0);
    ck_assert_str_eq(slots_open(&mine, path, &layout, KIND_A), "cannot be opened");
    ck_assert_int_eq(errno, ELOOP);
    ck_assert_int_eq(access(elsewhere, F_OK), -1);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_str_eq(slots_open(&mine, path, &layout, KIND_A), "is not a file of this account");
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    ck_assert_str_eq(slots_open(&mine, path, &layout, KIND_A), "cannot be opened");
    ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(another_account_s_file_is_left_alone) {
    if (geteuid() != 0)
        return;
    open_slots(&mine, KIND_A);
    slots_close(&mine);
    ck_assert_int_eq(chown(path, 65534, 65534), 0);
    const ino_t before = inode();
    ck_assert_str_eq(slots_open(&mine, path, &layout, KIND_A), "is not a file of this account");
    ck_assert_uint_eq(inode(), before);
}
END_TEST

START_TEST(no_folder_no_slots) {
    ck_assert_str_eq(slots_open(&mine, "/nowhere/metrics", &layout, KIND_A),
                     "has a folder that cannot be used");
    ck_assert_int_eq(errno, ENOENT);
    ck_assert_str_eq(slots_open(&mine, "metrics", &layout, KIND_A),
                     "is no absolute path, or too long");
}
END_TEST

START_TEST(no_room_no_slots) {
    /* A full disk, as far as this process is concerned. */
    const struct rlimit size = {4096, RLIM_INFINITY};
    const struct rlimit any = {RLIM_INFINITY, RLIM_INFINITY};
    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &size), 0);
    ck_assert_str_eq(slots_open(&mine, path, &layout, KIND_A), "cannot be made");
    ck_assert_int_eq(errno, EFBIG);
    ck_assert_int_eq(access(path, F_OK), -1);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &any), 0);
    open_slots(&mine, KIND_A);
}
END_TEST

START_TEST(what_a_killed_maker_has_left_is_no_hindrance) {
    char left[160];
    (void)snprintf(left, sizeof left, "%s.new", path);
    const int fd = open(left, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(close(fd), 0);
    open_slots(&mine, KIND_A);
}
END_TEST

/* --- writers and a reader at the same time ----------------------------------------------- */

#define WRITES 20000

static void *write_much(void *s) {
    for (uint64_t i = 1; i <= WRITES; i++)
        write_own(s, 1, i);
    return NULL;
}

START_TEST(a_reader_never_sees_a_counter_fall) {
    enum { WRITERS = 3 };
    struct slots theirs[WRITERS];
    pthread_t threads[WRITERS];
    uint64_t seen[WRITERS] = {0};
    open_slots(&mine, KIND_B);
    for (size_t i = 0; i < WRITERS; i++) {
        open_slots(&theirs[i], KIND_A);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_much, &theirs[i]), 0);
    }
    for (uint64_t sum = 0; sum < (uint64_t)WRITERS * WRITES;) {
        sum = 0;
        for (size_t i = 0; i < WRITERS; i++) {
            const uint64_t value = read_slot(&mine, theirs[i].own, 1);
            ck_assert_uint_ge(value, seen[i]);
            seen[i] = value;
            sum += value;
        }
    }
    for (size_t i = 0; i < WRITERS; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        slots_close(&theirs[i]);
    }
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("metrics_slots");
    TCase *tcase = tcase_create("slots");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, each_process_has_a_slot_of_its_own);
    tcase_add_test(tcase, a_killed_process_leaves_its_slot_to_the_next_of_its_kind);
    tcase_add_test(tcase, one_s_own_slot_is_held_and_left);
    tcase_add_test(tcase, when_all_are_taken_there_is_none);
    tcase_add_test(tcase, processes_that_start_at_once_get_one_file);
    tcase_add_test(tcase, some_cells_belong_to_all);
    tcase_add_test(tcase, another_layout_gets_another_file);
    tcase_add_test(tcase, a_spoiled_file_is_replaced);
    tcase_add_test(tcase, a_good_file_is_kept);
    tcase_add_test(tcase, a_file_cut_short_kills_nobody);
    tcase_add_test(tcase, what_is_no_file_of_ours_is_left_alone);
    tcase_add_test(tcase, another_account_s_file_is_left_alone);
    tcase_add_test(tcase, no_folder_no_slots);
    tcase_add_test(tcase, no_room_no_slots);
    tcase_add_test(tcase, what_a_killed_maker_has_left_is_no_hindrance);
    tcase_add_test(tcase, a_reader_never_sees_a_counter_fall);
    suite_add_tcase(suite, tcase);
    return suite;
}
