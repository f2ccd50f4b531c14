/* test_once.c: commands of the ledger: what they ask the database, and what its answers mean; and a
 * dispatcher that is patient. */
#include <string.h>

#include "domain/dispatcher.h"
#include "domain/statements.h"
#include "unit.h"

enum { INT4 = 23, TEXT = 25 };

static const struct id tenants[] = {{{1}}, {{2}}};
static const struct id locks[] = {{{11}}, {{12}}};

static struct command commands[3];
static struct command *batch[] = {&commands[0], &commands[1], &commands[2]};
static struct outcome outcomes[3];
static PGresult *result;

static struct text_span span(const char *text) {
    return (struct text_span){text, strlen(text)};
}

static void make_result(const unsigned *types, int count) {
    static char name[] = "column"; /* libpq copies it */
    PGresAttDesc attributes[2] = {{0}};
    result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    for (int i = 0; i < count; i++) {
        attributes[i].name = name;
        attributes[i].format = 1;
        attributes[i].typid = types[i];
    }
    ck_assert_int_eq(PQsetResultAttrs(result, count, attributes), 1);
}

static void set_integer(int row, int column, int value) {
    char bytes[] = {0, 0, (char)(value >> 8), (char)value};
    ck_assert_int_eq(PQsetvalue(result, row, column, bytes, sizeof bytes), 1);
}

static void add_answer(int ordinal, const char *outcome) {
    static const unsigned types[] = {INT4, TEXT};
    char copy[16];
    if (result == NULL)
        make_result(types, 2);
    const int row = PQntuples(result);
    set_integer(row, 0, ordinal);
    memcpy(copy, outcome, strlen(outcome) + 1);
    ck_assert_int_eq(PQsetvalue(result, row, 1, copy, (int)strlen(outcome)), 1);
}

/* The one integer of a bulk release; below 0: null. */
static void set_released(int released) {
    static const unsigned types[] = {INT4};
    PQclear(result);
    make_result(types, 1);
    if (released >= 0)
        set_integer(0, 0, released);
    else
        ck_assert_int_eq(PQsetvalue(result, 0, 0, NULL, -1), 1);
}

static void make_lock(struct command *c, int tenant, int lock, const char *name) {
    memset(c, 0, sizeof *c);
    c->kind = COMMAND_LOCK_ONCE;
    c->ledger_id = span(name);
    c->as.lock.tenant_id = tenants[tenant];
    c->as.lock.id = locks[lock];
    c->as.lock.has_key = true;
}

static void make_release(struct command *c, int tenant, int lock, const char *name) {
    memset(c, 0, sizeof *c);
    c->kind = COMMAND_RELEASE_ONCE;
    c->ledger_id = span(name);
    c->as.release.tenant_id = tenants[tenant];
    c->as.release.lock_id = locks[lock];
}

static void setup(void) {
    result = NULL;
    for (int i = 0; i < COUNT(commands); i++)
        make_lock(&commands[i], 0, 0, "name");
}

static void teardown(void) {
    PQclear(result);
}

START_TEST(every_word_is_an_outcome) {
    add_answer(3, "LOCKED");
    add_answer(1, "DUPLICATE");
    add_answer(2, "CONFLICT");
    ck_assert(statements_read(result, batch, 3, outcomes));
    ck_assert_int_eq(outcomes[0].kind, OUTCOME_DUPLICATE);
    ck_assert_int_eq(outcomes[1].kind, OUTCOME_CONFLICT);
    ck_assert_int_eq(outcomes[2].kind, OUTCOME_LOCKED);
    teardown();
    setup();
    make_release(&commands[0], 0, 0, "name");
    add_answer(1, "RELEASED");
    add_answer(2, "NOT_FOUND");
    add_answer(3, "STAY_OVER");
    ck_assert(statements_read(result, batch, 3, outcomes));
    ck_assert_int_eq(outcomes[0].kind, OUTCOME_RELEASED);
    ck_assert_int_eq(outcomes[1].kind, OUTCOME_NOT_FOUND);
    ck_assert_int_eq(outcomes[2].kind, OUTCOME_STAY_OVER);
}
END_TEST

START_TEST(an_unknown_word_is_refused) {
    add_answer(1, "PERHAPS");
    ck_assert(!statements_read(result, batch, 1, outcomes));
}
END_TEST

START_TEST(a_missing_answer_is_refused) {
    add_answer(1, "LOCKED");
    ck_assert(!statements_read(result, batch, 2, outcomes));
    add_answer(1, "LOCKED");
    ck_assert(!statements_read(result, batch, 2, outcomes));
}
END_TEST

/* 1,200 ids are three parts. */
START_TEST(a_bulk_release_some_of_whose_parts_are_known) {
    static const struct {
        int released[3];
        enum outcome_kind kind;
        int count;
    } cases[] = {
        {{5, 6, 7}, OUTCOME_RELEASED, 18},
        {{-1, -1, 7}, OUTCOME_RELEASED, 7},
        {{0, -1, -1}, OUTCOME_RELEASED, 0},
        {{-1, -1, -1}, OUTCOME_DUPLICATE, 0},
    };
    commands[0].kind = COMMAND_BULK_RELEASE_ONCE;
    commands[0].as.bulk_release.lock_count = 1200;
    for (int part = 0; part < 3; part++) {
        set_released(cases[_i].released[part]);
        ck_assert(statements_read(result, batch, 1, outcomes));
        ck_assert_uint_eq(commands[0].bulk_next,
                          part < 2 ? (size_t)(part + 1) * STATEMENTS_BULK_CHUNK : 1200);
    }
    ck_assert_int_eq(outcomes[0].kind, cases[_i].kind);
    ck_assert_int_eq(outcomes[0].count, cases[_i].count);
}
END_TEST

START_TEST(which_commands_share_no_batch) {
    make_lock(&commands[1], 0, 1, "other");
    ck_assert(!statements_same_lock(&commands[0], &commands[1]));
    make_lock(&commands[1], 0, 0, "other");
    ck_assert(statements_same_lock(&commands[0], &commands[1]));
    make_lock(&commands[1], 1, 0, "other");
    ck_assert(!statements_same_lock(&commands[0], &commands[1]));
    make_lock(&commands[1], 0, 1, "name"); /* one entry in the ledger */
    ck_assert(statements_same_lock(&commands[0], &commands[1]));
    make_lock(&commands[1], 1, 1, "name");
    ck_assert(!statements_same_lock(&commands[0], &commands[1]));
    make_release(&commands[0], 0, 0, "name");
    make_release(&commands[1], 0, 1, "name");
    ck_assert(statements_same_lock(&commands[0], &commands[1]));
    make_release(&commands[1], 0, 1, "nam");
    ck_assert(!statements_same_lock(&commands[0], &commands[1]));
    make_release(&commands[1], 0, 0, "nam");
    ck_assert(statements_same_lock(&commands[0], &commands[1]));
}
END_TEST

START_TEST(parameters_of_a_batch) {
    static const struct {
        enum command_kind kind;
        int parameters;
        const char *name;
    } cases[] = {
        {COMMAND_LOCK_ONCE, 15, "lock_once"},
        {COMMAND_RELEASE_ONCE, 8, "release_once"},
        {COMMAND_BULK_RELEASE_ONCE, 8, "bulk_release_once"},
    };
    struct params params;
    params_init(&params);
    for (int i = 0; i < COUNT(cases); i++) {
        params_clear(&params);
        for (int n = 0; n < COUNT(commands); n++) {
            make_lock(&commands[n], 0, 0, "name");
            commands[n].kind = cases[i].kind;
        }
        memset(&commands[0].as, 0, sizeof commands[0].as);
        statements_bind(&params, batch, statements_is_batched(cases[i].kind) ? 2 : 1);
        ck_assert(params_finish(&params));
        ck_assert_int_eq(params.count, cases[i].parameters);
        ck_assert_str_eq(statements_name(cases[i].kind, 1), cases[i].name);
        ck_assert_str_eq(statements_name(cases[i].kind, 2), cases[i].name);
    }
    params_exit(&params);
}
END_TEST

/* Null when nobody has a trace, whatever the size of the batch; else one for each, or null. */
START_TEST(traces_of_a_batch) {
    static const char TRACE[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    static const enum command_kind KINDS[] = {COMMAND_LOCK, COMMAND_RELEASE, COMMAND_LOCK_ONCE,
                                              COMMAND_RELEASE_ONCE, COMMAND_MANUAL_RELEASE};
    const enum command_kind kind = KINDS[_i / 2];
    const size_t count = _i % 2 == 0 ? 1 : 2;
    struct params params;
    params_init(&params);
    memset(commands, 0, sizeof commands);
    for (int n = 0; n < COUNT(commands); n++)
        commands[n].kind = kind;
    statements_bind(&params, batch, count);
    ck_assert(params_finish(&params));
    ck_assert_ptr_null(params.values[params.count - 1]);
    memcpy(commands[count - 1].trace.context.text, TRACE, sizeof TRACE);
    params_clear(&params);
    statements_bind(&params, batch, count);
    ck_assert(params_finish(&params));
    /* array_recv(): dimensions, has nulls, type, size, lower bound; then the elements. */
    const int head = 20;
    ck_assert_int_eq(params.lengths[params.count - 1],
                     head + 4 * (int)count + (int)TRACE_CONTEXT_LENGTH);
    params_exit(&params);
}
END_TEST

static int answers;

static void count_answer(struct command *command, const struct outcome *outcome) {
    (void)command;
    (void)outcome;
    answers++;
}

START_TEST(a_patient_dispatcher_takes_all_and_waits) {
    struct dispatcher d = {.patient = true, .queue_max = 1};
    struct outcome refusal;
    const mono_time now = mono_now();
    d.session.problem = SESSION_PROBLEM_UNREACHABLE;
    d.session.deadline = MONO_NEVER;
    d.limit_due = MONO_NEVER;
    answers = 0;
    for (int i = 0; i < COUNT(commands); i++) {
        commands[i].answer = count_answer;
        ck_assert(dispatcher_submit(&d, &commands[i], now, &refusal));
    }
    ck_assert_uint_eq(d.queued, 3);
    ck_assert(mono_is_never(dispatcher_deadline(&d)));
    dispatcher_tick(&d, mono_after_ms(now, (int64_t)86400 * 1000));
    ck_assert_int_eq(answers, 0);
    d.patient = false;
    ck_assert(!dispatcher_submit(&d, &commands[0], now, &refusal));
}
END_TEST

START_TEST(texts_are_kept_with_a_nul_behind_the_id) {
    char reason[] = "why";
    char name[] = "name";
    struct buffer kept;
    buffer_init(&kept);
    commands[0].ledger_id = span(name);
    commands[0].as.lock.reason = span(reason);
    ck_assert(command_keep_texts(&commands[0], &kept));
    memset(reason, 'x', sizeof reason);
    memset(name, 'x', sizeof name);
    ck_assert_bytes_eq(commands[0].as.lock.reason.data, commands[0].as.lock.reason.length, "why");
    ck_assert_str_eq(commands[0].ledger_id.data, "name");
    ck_assert_ptr_null(commands[0].as.lock.metadata.data);
    buffer_free(&kept);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("once");
    TCase *tests = tcase_create("once");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, every_word_is_an_outcome);
    tcase_add_test(tests, an_unknown_word_is_refused);
    tcase_add_test(tests, a_missing_answer_is_refused);
    tcase_add_loop_test(tests, a_bulk_release_some_of_whose_parts_are_known, 0, 4);
    tcase_add_test(tests, which_commands_share_no_batch);
    tcase_add_test(tests, parameters_of_a_batch);
    tcase_add_loop_test(tests, traces_of_a_batch, 0, 10);
    tcase_add_test(tests, a_patient_dispatcher_takes_all_and_waits);
    tcase_add_test(tests, texts_are_kept_with_a_nul_behind_the_id);
    suite_add_tcase(suite, tests);
    return suite;
}
