/* test_admin_token.c: which tokens open the operators' routes. */
#include "guard/admin_token.h"

#include <string.h>

#include "unit.h"

/* echo -n abc | sha256sum; the first example of FIPS 180-2 */
#define ABC "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define ABC_IN_CAPITALS "sha256:BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"
/* echo -n '' | sha256sum */
#define NOTHING "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static struct admin_tokens tokens;

static void teardown(void) {
    admin_tokens_exit(&tokens);
}

static bool allows(const char *token) {
    return admin_tokens_allow(&tokens, (struct text_span){token, strlen(token)});
}

static const struct {
    const char *setting;
    const char *token;
    bool allowed;
} samples[] = {
    {"", "", false},
    {"", "abc", false},
    {"secret", "secret", true},
    {"secret", "", false},
    {"secret", "secre", false},
    {"secret", "ecret", false},
    {"secret", "secrets", false},
    {"secret", "Secret", false},
    {"secret", " secret", false},
    {"secret", "secret ", false},
    {"secret", "secret,", false},
    {"s", "s", true},
    {"one,two,three", "one", true},
    {"one,two,three", "two", true},
    {"one,two,three", "three", true},
    {"one,two,three", "four", false},
    {"one,two,three", "one,two", false},
    {"one,two,three", "one,two,three", false},
    {"one,two,three", ",", false},
    {"one,two,three", "", false},
    {"one,one", "one", true},
    {ABC, "abc", true},
    {ABC_IN_CAPITALS, "abc", true},
    {ABC, "ab", false},
    {ABC, "abcd", false},
    {ABC, "ABC", false},
    /* who has seen the setting has no token yet */
    {ABC, ABC, false},
    {ABC, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", false},
    {"one," ABC ",three", "one", true},
    {"one," ABC ",three", "abc", true},
    {"one," ABC ",three", "three", true},
    {"one," ABC ",three", ABC, false},
    {ABC "," NOTHING, "abc", true},
    {"sha256", "sha256", true},
    {"SHA256:abc", "SHA256:abc", true}, /* the prefix is in lower case, so this is a token */
    {"xsha256:abc", "xsha256:abc", true},
};

START_TEST(samples_of_tokens) {
    ck_assert(admin_tokens_init(&tokens, samples[_i].setting));
    ck_assert_int_eq(allows(samples[_i].token), samples[_i].allowed);
}
END_TEST

/* A header that is missing is not the empty token, even where that one would be right. */
START_TEST(no_data_is_no_token) {
    static const char *const settings[] = {"", "secret", NOTHING};
    for (int i = 0; i < COUNT(settings); i++) {
        ck_assert(admin_tokens_init(&tokens, settings[i]));
        ck_assert(!admin_tokens_allow(&tokens, (struct text_span){NULL, 0}));
        admin_tokens_exit(&tokens);
    }
}
END_TEST

START_TEST(digests_of_both_spellings_are_the_same) {
    struct admin_tokens other;
    ck_assert(admin_tokens_init(&tokens, "abc," ABC "," ABC_IN_CAPITALS));
    ck_assert(admin_tokens_init(&other, NOTHING));
    ck_assert_uint_eq(tokens.count, 3);
    ck_assert_mem_eq(tokens.digests[0], tokens.digests[1], ADMIN_TOKEN_DIGEST_BYTES);
    ck_assert_mem_eq(tokens.digests[0], tokens.digests[2], ADMIN_TOKEN_DIGEST_BYTES);
    ck_assert_mem_ne(tokens.digests[0], other.digests[0], ADMIN_TOKEN_DIGEST_BYTES);
    ck_assert_uint_eq(other.digests[0][0], 0xe3);
    ck_assert_uint_eq(other.digests[0][31], 0x55);
    admin_tokens_exit(&other);
}
END_TEST

/* A token counts with all its bytes, whatever they are. */
START_TEST(bytes_behind_a_nul_count) {
    ck_assert(admin_tokens_init(&tokens, "secret"));
    ck_assert(admin_tokens_allow(&tokens, (struct text_span){"secret\0x", 6}));
    ck_assert(!admin_tokens_allow(&tokens, (struct text_span){"secret\0x", 7}));
    ck_assert(!admin_tokens_allow(&tokens, (struct text_span){"secret\0x", 8}));
}
END_TEST

START_TEST(as_many_as_a_setting_holds) {
    static char setting[8192];
    for (size_t i = 0; i < sizeof setting - 1; i++)
        setting[i] = i % 2 == 0 ? 'a' : ',';
    setting[sizeof setting - 2] = 'b';
    ck_assert(admin_tokens_init(&tokens, setting));
    ck_assert_uint_eq(tokens.count, 4096);
    ck_assert(allows("a"));
    ck_assert(allows("b"));
    ck_assert(!allows("c"));
}
END_TEST

START_TEST(exit_twice_does_no_harm) {
    ck_assert(admin_tokens_init(&tokens, "one,two"));
    admin_tokens_exit(&tokens);
    ck_assert_uint_eq(tokens.count, 0);
    ck_assert(!allows("one"));
    admin_tokens_exit(&tokens);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("admin_token");
    TCase *tcase = tcase_create("admin_token");
    tcase_add_checked_fixture(tcase, NULL, teardown);
    tcase_add_loop_test(tcase, samples_of_tokens, 0, COUNT(samples));
    tcase_add_test(tcase, no_data_is_no_token);
    tcase_add_test(tcase, digests_of_both_spellings_are_the_same);
    tcase_add_test(tcase, bytes_behind_a_nul_count);
    tcase_add_test(tcase, as_many_as_a_setting_holds);
    tcase_add_test(tcase, exit_twice_does_no_harm);
    suite_add_tcase(suite, tcase);
    return suite;
}
