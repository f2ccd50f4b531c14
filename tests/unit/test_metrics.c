/* What is counted, and the text that is made of it. */
#include "metrics/metrics.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "metrics/process.h"
#include "metrics/render.h"
#include "unit.h"

static char folder[64];
static struct settings settings;
static struct buffer text;

static void setup(void) {
    char variable[128];
    char *const environment[] = {variable, NULL};
    (void)snprintf(folder, sizeof folder, "/tmp/test_metrics.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    (void)snprintf(variable, sizeof variable, "GUARD_METRICS_FILE=%s/metrics", folder);
    ck_assert_int_eq(settings_load(&settings, environment, stderr), 0);
    buffer_init(&text);
}

static void teardown(void) {
    metrics_exit();
    (void)unlink(settings.guard_metrics_file);
    ck_assert_int_eq(rmdir(folder), 0);
    settings_free(&settings);
    buffer_free(&text);
}

static void render(void) {
    buffer_clear(&text);
    ck_assert_ptr_nonnull(metrics_slots());
    render_metrics(&text, metrics_slots());
    buffer_append_char(&text, '\0');
    ck_assert(!text.failed);
}

/* Whether the text has this line. */
static bool has(const char *line) {
    char whole[256];
    (void)snprintf(whole, sizeof whole, "\n%s\n", line);
    return strstr(text.data, whole) != NULL;
}

#define ck_assert_line(line) ck_assert_msg(has(line), "no line %s", (line))
#define ck_assert_no_text(part) ck_assert_msg(strstr(text.data, (part)) == NULL, "%s", (part))

/* Another process counts as this program, and waits to be killed. */
static pid_t start_other(enum metrics_program program, void (*count)(void)) {
    int told[2];
    ck_assert_int_eq(pipe(told), 0);
    const pid_t pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        metrics_exit(); /* what was inherited is the parent's */
        metrics_init(program, &settings);
        count();
        if (write(told[1], "", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    char byte = 0;
    ck_assert_int_eq(read(told[0], &byte, 1), 1);
    ck_assert_int_eq(close(told[0]), 0);
    ck_assert_int_eq(close(told[1]), 0);
    return pid;
}

static void kill_other(pid_t pid) {
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static void take_a_conflict(void) {
    metrics_request(METRICS_OPERATION_LOCK_ROOM, METRICS_RESULT_CONFLICT, 700);
    metrics_set(METRICS_CELL(queue_depth), 4);
    metrics_set(METRICS_CELL(active_locks), 40);
}

/* --- sums -------------------------------------------------------------------------------- */

START_TEST(counters_are_summed_and_outlive_their_process) {
    metrics_init(METRICS_PROGRAM_GUARD, &settings);
    take_a_conflict();
    metrics_request(METRICS_OPERATION_MANUAL_RELEASE, METRICS_RESULT_CONFLICT, 1);
    const pid_t other = start_other(METRICS_PROGRAM_GUARD, take_a_conflict);
    const pid_t commands = start_other(METRICS_PROGRAM_COMMANDS, take_a_conflict);
    for (int i = 0; i < 2; i++) {
        render();
        ck_assert_line(
            "availability_guard_requests_total{operation=\"lockRoom\",result=\"conflict\"} 3");
        ck_assert_line(
            "availability_guard_requests_total{operation=\"manualRelease\",result=\"conflict\"} 1");
        ck_assert_line("availability_guard_lock_conflicts_total 3");
        if (i == 0) {
            kill_other(other);
            kill_other(commands);
        }
    }
    kill_other(start_other(METRICS_PROGRAM_GUARD, take_a_conflict));
    render();
    ck_assert_line("availability_guard_lock_conflicts_total 4");
}
END_TEST

START_TEST(gauges_are_those_of_the_living) {
    metrics_init(METRICS_PROGRAM_GUARD, &settings);
    render();
    ck_assert_no_text("availability_guard_active_locks 0");
    ck_assert_no_text("availability_guard_queue_depth{");
    metrics_set(METRICS_CELL(queue_depth), 1);
    metrics_set(METRICS_CELL(active_locks), 30);
    const pid_t guard = start_other(METRICS_PROGRAM_GUARD, take_a_conflict);
    const pid_t commands = start_other(METRICS_PROGRAM_COMMANDS, take_a_conflict);
    render();
    ck_assert_line("availability_guard_queue_depth{program=\"guard\"} 5");
    ck_assert_line("availability_guard_queue_depth{program=\"commands\"} 4");
    ck_assert_line("availability_guard_active_locks 40");
    ck_assert_line("availability_guard_processes{program=\"guard\"} 2");
    kill_other(guard);
    kill_other(commands);
    render();
    ck_assert_line("availability_guard_queue_depth{program=\"guard\"} 1");
    ck_assert_no_text("availability_guard_queue_depth{program=\"commands\"}");
    ck_assert_line("availability_guard_active_locks 30");
    ck_assert_line("availability_guard_processes{program=\"guard\"} 1");
    ck_assert_line("availability_guard_processes{program=\"commands\"} 0");
    ck_assert_no_text("availability_guard_processes{program=\"parity\"}");
}
END_TEST

static void count_nothing(void) {
}

START_TEST(a_slot_taken_over_has_no_old_gauges) {
    metrics_init(METRICS_PROGRAM_SWEEPER, &settings);
    kill_other(start_other(METRICS_PROGRAM_GUARD, take_a_conflict));
    const pid_t next = start_other(METRICS_PROGRAM_GUARD, count_nothing);
    render();
    ck_assert_line("availability_guard_lock_conflicts_total 1");
    ck_assert_line("availability_guard_processes{program=\"guard\"} 1");
    ck_assert_no_text("availability_guard_queue_depth{");
    kill_other(next);
}
END_TEST

START_TEST(a_gauge_can_be_unset_and_negative) {
    metrics_init(METRICS_PROGRAM_SWEEPER, &settings);
    metrics_set(METRICS_CELL(active_locks), 0);
    metrics_set(METRICS_CELL(expiry_lag), -1500000);
    render();
    ck_assert_line("availability_guard_active_locks 0");
    ck_assert_line("availability_guard_expiry_lag_seconds -1.5");
    metrics_set(METRICS_CELL(active_locks), METRICS_UNSET);
    render();
    ck_assert_no_text("\navailability_guard_active_locks ");
}
END_TEST

/* --- tenants ----------------------------------------------------------------------------- */

#define TENANT "availability_guard_tenant_lock_conflicts_total{tenant_id="

static void count_tenant(unsigned char number) {
    struct id tenant;
    memset(tenant.bytes, number, sizeof tenant.bytes);
    metrics_tenant_conflict(&tenant);
}

static void count_two_tenants(void) {
    count_tenant(0x11);
    count_tenant(0x22);
}

START_TEST(conflicts_are_counted_by_tenant) {
    settings.availability_guard_metrics_tenants_max = 3;
    metrics_init(METRICS_PROGRAM_GUARD, &settings);
    count_tenant(0x22);
    const pid_t other = start_other(METRICS_PROGRAM_COMMANDS, count_two_tenants);
    render();
    ck_assert_line(TENANT "\"11111111-1111-1111-1111-111111111111\"} 1");
    ck_assert_line(TENANT "\"22222222-2222-2222-2222-222222222222\"} 2");
    ck_assert_line(TENANT "\"other\"} 0");
    kill_other(other);
    kill_other(start_other(METRICS_PROGRAM_COMMANDS, count_two_tenants));
    /* who goes on knows them, too */
    metrics_exit();
    metrics_init(METRICS_PROGRAM_GUARD, &settings);
    count_two_tenants();
    render();
    ck_assert_line(TENANT "\"11111111-1111-1111-1111-111111111111\"} 3");
    ck_assert_line(TENANT "\"22222222-2222-2222-2222-222222222222\"} 4");
}
END_TEST

START_TEST(tenants_beyond_the_bound_are_counted_together) {
    settings.availability_guard_metrics_tenants_max = 2;
    metrics_init(METRICS_PROGRAM_GUARD, &settings);
    for (unsigned char i = 0; i < 5; i++) /* the first is the nil id */
        count_tenant(i);
    render();
    ck_assert_line(TENANT "\"01010101-0101-0101-0101-010101010101\"} 1");
    ck_assert_line(TENANT "\"02020202-0202-0202-0202-020202020202\"} 1");
    ck_assert_line(TENANT "\"other\"} 3");
    ck_assert_no_text("03030303");
}
END_TEST

START_TEST(tenants_are_not_counted_unless_wanted) {
    ck_assert_int_eq(settings.availability_guard_metrics_tenants_max, 0);
    metrics_init(METRICS_PROGRAM_GUARD, &settings);
    count_two_tenants();
    render();
    ck_assert_no_text("tenant_id");
}
END_TEST

/* --- histograms -------------------------------------------------------------------------- */

#define DURATION "availability_guard_request_duration_seconds"

START_TEST(a_bound_belongs_to_its_bucket) {
    static const int64_t us[] = {-1, 0, 500, 501, 2000000, 2000001, INT64_C(1) << 60};
    metrics_init(METRICS_PROGRAM_GUARD, &settings);
    for (int i = 0; i < COUNT(us); i++)
        metrics_request(METRICS_OPERATION_GET_LOCK, METRICS_RESULT_SUCCESS, us[i]);
    render();
    ck_assert_line(DURATION "_bucket{operation=\"getLock\",le=\"0.0005\"} 3");
    ck_assert_line(DURATION "_bucket{operation=\"getLock\",le=\"0.001\"} 4");
    ck_assert_line(DURATION "_bucket{operation=\"getLock\",le=\"1\"} 4");
    ck_assert_line(DURATION "_bucket{operation=\"getLock\",le=\"2\"} 5");
    ck_assert_line(DURATION "_bucket{operation=\"getLock\",le=\"+Inf\"} 7");
    ck_assert_line(DURATION "_count{operation=\"getLock\"} 7");
    ck_assert_line(DURATION "_sum{operation=\"getLock\"} 1152921504610.847978");
    ck_assert_line(DURATION "_bucket{operation=\"lockRoom\",le=\"+Inf\"} 0");
}
END_TEST

START_TEST(sizes_are_plain_numbers) {
    metrics_init(METRICS_PROGRAM_GUARD, &settings);
    metrics_batch(METRICS_STATEMENT_LOCK, 1);
    metrics_batch(METRICS_STATEMENT_LOCK, 64);
    metrics_batch(METRICS_STATEMENT_LOCK, 1000);
    render();
    ck_assert_line("availability_guard_batch_size_bucket{statement=\"lock\",le=\"1\"} 1");
    ck_assert_line("availability_guard_batch_size_bucket{statement=\"lock\",le=\"32\"} 1");
    ck_assert_line("availability_guard_batch_size_bucket{statement=\"lock\",le=\"64\"} 2");
    ck_assert_line("availability_guard_batch_size_bucket{statement=\"lock\",le=\"1000\"} 3");
    ck_assert_line("availability_guard_batch_size_sum{statement=\"lock\"} 1065");
}
END_TEST

START_TEST(each_fact_has_its_series) {
    metrics_init(METRICS_PROGRAM_COMMANDS, &settings);
    metrics_queued(METRICS_STATEMENT_PING, 20);
    metrics_statement(METRICS_STATEMENT_AUDITS, 30);
    metrics_command(METRICS_COMMAND_LOCK_ROOM, METRICS_OUTCOME_CONFLICT, 40);
    metrics_command(METRICS_COMMAND_RELEASE_BULK, METRICS_OUTCOME_ERROR, 50);
    metrics_delivery_lag(60);
    metrics_add(metrics_delivery_cell(METRICS_CHANNEL_SLACK, METRICS_DELIVERY_DRY_RUN), 2);
    render();
    ck_assert_line("availability_guard_queue_time_seconds_sum{statement=\"ping\"} 0.00002");
    ck_assert_line("availability_guard_statement_duration_seconds_sum{statement=\"audits\"} "
                   "0.00003");
    ck_assert_line("availability_guard_command_outcomes_total"
                   "{command=\"inventory.lock.room\",outcome=\"conflict\"} 1");
    ck_assert_line("availability_guard_command_outcomes_total"
                   "{command=\"inventory.release.bulk\",outcome=\"error\"} 1");
    ck_assert_line("availability_guard_command_processing_duration_seconds_sum"
                   "{command=\"inventory.lock.room\"} 0.00004");
    ck_assert_line("availability_guard_lock_conflicts_total 1");
    ck_assert_line("availability_guard_notification_delivery_lag_seconds_sum 0.00006");
    ck_assert_line("availability_guard_notification_channel_deliveries_total"
                   "{channel=\"slack\",status=\"dry_run\"} 2");
}
END_TEST

/* --- the table --------------------------------------------------------------------------- */

START_TEST(no_cell_belongs_to_two_metrics) {
    size_t next = 0;
    for (size_t i = 0; i < metrics_table_count; i++) {
        const struct metrics_metric *m = &metrics_table[i];
        ck_assert_uint_eq(m->first, next);
        ck_assert_uint_eq(m->cells, m->labels[0]->count * m->labels[1]->count * m->buckets->cells);
        ck_assert_int_eq(m->type == METRICS_HISTOGRAM, m->buckets->bounds != NULL);
        ck_assert(m->scope != METRICS_PROCESS || m->cells == 1);
        for (size_t b = 1; b < m->buckets->count; b++)
            ck_assert_int_lt(m->buckets->bounds[b - 1], m->buckets->bounds[b]);
        next += m->cells;
    }
    ck_assert_uint_eq(next, METRICS_CELLS);
}
END_TEST

/* --- without a file ---------------------------------------------------------------------- */

START_TEST(without_a_file_counting_does_no_harm) {
    take_a_conflict();
    ck_assert_ptr_null(metrics_slots());
    settings.guard_metrics_enabled = false;
    metrics_init(METRICS_PROGRAM_GUARD, &settings);
    take_a_conflict();
    ck_assert_ptr_null(metrics_slots());
    settings.guard_metrics_enabled = true;
    metrics_init(METRICS_PROGRAM_GUARD, &settings);
    render();
    ck_assert_line("availability_guard_lock_conflicts_total 0");
    ck_assert_int_eq(truncate(settings.guard_metrics_file, 0), 0);
    take_a_conflict();
    ck_assert_ptr_null(metrics_slots());
    metrics_exit();
    take_a_conflict();
}
END_TEST

START_TEST(a_process_sees_what_it_uses) {
    const mono_time now = mono_now();
    metrics_init(METRICS_PROGRAM_RELAY, &settings);
    process_tick(now);
    ck_assert(mono_is_never(process_deadline()));
    render();
    ck_assert_ptr_nonnull(strstr(text.data, "\nprocess_resident_memory_bytes{program=\"relay\","
                                            "slot=\"0\"} "));
    ck_assert_ptr_nonnull(strstr(text.data, "\nprocess_open_fds{program=\"relay\",slot=\"0\"} "));
    ck_assert_ptr_nonnull(strstr(text.data, "\nprocess_max_fds{program=\"relay\",slot=\"0\"} "));
    /* after it has been awake it looks once more, and not again and again */
    process_tick(mono_after_ms(now, 10));
    ck_assert_int_eq(mono_diff_ms(process_deadline(), now), 5000);
    process_tick(mono_after_ms(now, 5000));
    ck_assert(mono_is_never(process_deadline()));
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("metrics");
    TCase *tcase = tcase_create("metrics");
    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, counters_are_summed_and_outlive_their_process);
    tcase_add_test(tcase, gauges_are_those_of_the_living);
    tcase_add_test(tcase, a_slot_taken_over_has_no_old_gauges);
    tcase_add_test(tcase, a_gauge_can_be_unset_and_negative);
    tcase_add_test(tcase, conflicts_are_counted_by_tenant);
    tcase_add_test(tcase, tenants_beyond_the_bound_are_counted_together);
    tcase_add_test(tcase, tenants_are_not_counted_unless_wanted);
    tcase_add_test(tcase, a_bound_belongs_to_its_bucket);
    tcase_add_test(tcase, sizes_are_plain_numbers);
    tcase_add_test(tcase, each_fact_has_its_series);
    tcase_add_test(tcase, no_cell_belongs_to_two_metrics);
    tcase_add_test(tcase, without_a_file_counting_does_no_harm);
    tcase_add_test(tcase, a_process_sees_what_it_uses);
    suite_add_tcase(suite, tcase);
    return suite;
}
