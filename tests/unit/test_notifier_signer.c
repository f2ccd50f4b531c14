#include "notifier/signer.h"

#include <string.h>

#include "unit.h"

/* The example that the libraries of Standard Webhooks test themselves with. */
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define TIMESTAMP 1614265330
#define BODY "{\"test\": 2432232314}"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static struct signer signer;
static struct buffer out;

static void setup(void) {
    memset(&signer, 0, sizeof signer);
    buffer_init(&out);
}

static void teardown(void) {
    signer_exit(&signer);
    buffer_free(&out);
}

static void sign(const char *id, int64_t timestamp, const char *body) {
    buffer_clear(&out);
    ck_assert(signer_append(&signer, &out, id, timestamp, (struct text_span){body, strlen(body)}));
}

START_TEST(signs_as_the_specification_says) {
    ck_assert_ptr_null(signer_init(&signer, SECRET));
    ck_assert_int_eq(signer.count, 1);
    sign(ID, TIMESTAMP, BODY);
    ck_assert_bytes_eq(out.data, out.length, SIGNATURE);
    sign(ID, TIMESTAMP, BODY); /* the key is still there */
    ck_assert_bytes_eq(out.data, out.length, SIGNATURE);
}
END_TEST

/* Vectors from here on are made with Python's hmac. */
START_TEST(takes_plain_secrets) {
    ck_assert_ptr_null(signer_init(&signer, "Jefe"));
    sign("a", 1, "b");
    ck_assert_bytes_eq(out.data, out.length, "v1,0b+Q6TcYoRmqqnbg3vIwMFStb5NeqHhB3kprRCCJED0=");
}
END_TEST

START_TEST(two_secrets_give_two_signatures) {
    ck_assert_ptr_null(signer_init(&signer, "Jefe," SECRET));
    ck_assert_int_eq(signer.count, 2);
    sign(ID, TIMESTAMP, BODY);
    ck_assert_uint_eq(out.length, 2 * strlen(SIGNATURE) + 1);
    ck_assert_int_eq(out.data[strlen(SIGNATURE)], ' ');
    ck_assert_mem_eq(out.data + strlen(SIGNATURE) + 1, SIGNATURE, strlen(SIGNATURE));
    ck_assert_mem_ne(out.data, SIGNATURE, strlen(SIGNATURE));
}
END_TEST

START_TEST(everything_is_signed) {
    ck_assert_ptr_null(signer_init(&signer, SECRET));
    sign(ID "x", TIMESTAMP, BODY);
    ck_assert_mem_ne(out.data, SIGNATURE, strlen(SIGNATURE));
    sign(ID, TIMESTAMP + 1, BODY);
    ck_assert_mem_ne(out.data, SIGNATURE, strlen(SIGNATURE));
    sign(ID, TIMESTAMP, BODY " ");
    ck_assert_mem_ne(out.data, SIGNATURE, strlen(SIGNATURE));
    sign(ID, TIMESTAMP, "");
    ck_assert_mem_ne(out.data, SIGNATURE, strlen(SIGNATURE));
}
END_TEST

START_TEST(no_secret_signs_nothing) {
    ck_assert_ptr_null(signer_init(&signer, ""));
    ck_assert_int_eq(signer.count, 0);
    sign(ID, TIMESTAMP, BODY);
    ck_assert_uint_eq(out.length, 0);
}
END_TEST

static const char *const wrong[] = {
    ",",
    "a,",
    ",a",
    "a,,b",
    "a,b,c",
    "whsec_!!!!",
    "whsec_abc",
    "whsec_abcde",
    "whsec_ab=c",
    "whsec_====",
    "whsec_abc=abc=",
    "whsec_ abcd",
    "whsec_abcd ",
    "Jefe,whsec_abc",
};

START_TEST(refuses_what_is_no_secret) {
    const char *problem = signer_init(&signer, wrong[_i]);
    ck_assert_msg(problem != NULL, "%s", wrong[_i]);
    /* It does not quote what is a secret. */
    ck_assert_ptr_null(strstr(problem, "abc"));
    ck_assert_ptr_null(strstr(problem, "Jefe"));
}
END_TEST

/* 24 bytes need no padding, 25 two signs, 26 one. */
START_TEST(reads_padded_base64) {
    static const char *const secrets[] = {
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGA==",
        "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBk=",
    };
    static const char *const signatures[] = {
        "v1,bgOaHjjrKOgzyH95E4u5W8hqvGcGsj7nl+p/RsY2veA=",
        "v1,d7ELE4/EQN1xeUroOL4uhi/CjD8d+PDhmgbsJ76jWYs=",
        "v1,PG1JzOX5NxP3C88OHuMesjp0WsUnztwuB2sWVf1RmmQ=",
    };
    for (int i = 0; i < COUNT(secrets); i++) {
        ck_assert_ptr_null(signer_init(&signer, secrets[i]));
        sign("a", 1, "b");
        ck_assert_uint_eq(out.length, strlen(signatures[i]));
        ck_assert_mem_eq(out.data, signatures[i], out.length);
        signer_exit(&signer);
    }
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("notifier/signer");
    TCase *tests = tcase_create("signer");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, signs_as_the_specification_says);
    tcase_add_test(tests, takes_plain_secrets);
    tcase_add_test(tests, two_secrets_give_two_signatures);
    tcase_add_test(tests, everything_is_signed);
    tcase_add_test(tests, no_secret_signs_nothing);
    tcase_add_loop_test(tests, refuses_what_is_no_secret, 0, COUNT(wrong));
    tcase_add_test(tests, reads_padded_base64);
    suite_add_tcase(suite, tests);
    return suite;
}
