/* test_sqlstate.c: what errors of the database mean. */
#include "domain/sqlstate.h"

#include "unit.h"

static const struct {
    const char *sqlstate;
    enum outcome_kind outcome;
    bool passes;
    bool is_trouble;
} states[] = {
    {"", OUTCOME_FAILED, false, true},           {"22003", OUTCOME_REFUSED, false, false},
    {"22P05", OUTCOME_REFUSED, false, false},    {"23505", OUTCOME_FAILED, true, false},
    {"23P01", OUTCOME_FAILED, true, false},      {"23502", OUTCOME_FAILED, false, false},
    {"40001", OUTCOME_UNAVAILABLE, true, true},  {"40P01", OUTCOME_UNAVAILABLE, true, true},
    {"40003", OUTCOME_UNAVAILABLE, false, true}, {"53100", OUTCOME_UNAVAILABLE, false, true},
    {"55P03", OUTCOME_UNAVAILABLE, false, true}, {"55000", OUTCOME_FAILED, false, true},
    {"57014", OUTCOME_UNAVAILABLE, false, true}, {"58030", OUTCOME_UNAVAILABLE, false, true},
    {"0A000", OUTCOME_FAILED, false, true},      {"25006", OUTCOME_FAILED, false, true},
    {"26000", OUTCOME_FAILED, false, true},      {"3F000", OUTCOME_FAILED, false, true},
    {"42883", OUTCOME_FAILED, false, true},      {"F0001", OUTCOME_FAILED, false, true},
    {"XX000", OUTCOME_FAILED, false, true},      {"P0001", OUTCOME_FAILED, false, false},
    {"54000", OUTCOME_FAILED, false, false},     {"2", OUTCOME_FAILED, false, false},
};

START_TEST(what_a_state_means) {
    ck_assert_int_eq(sqlstate_outcome(states[_i].sqlstate), states[_i].outcome);
    ck_assert_int_eq(sqlstate_passes(states[_i].sqlstate), states[_i].passes);
    ck_assert_int_eq(sqlstate_is_trouble(states[_i].sqlstate), states[_i].is_trouble);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("sqlstate");
    TCase *tcase = tcase_create("sqlstate");
    tcase_add_loop_test(tcase, what_a_state_means, 0, COUNT(states));
    suite_add_tcase(suite, tcase);
    return suite;
}
