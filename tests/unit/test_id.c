/* Linked with --wrap for the wall clock and getrandom(), so that both can misbehave. */
#include "base/id.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "base/clock.h"
#include "unit.h"

int64_t __real_wall_now_us(void);                                  /* NOLINT */
int64_t __wrap_wall_now_us(void);                                  /* NOLINT */
ssize_t __real_getrandom(void *data, size_t size, unsigned flags); /* NOLINT */
ssize_t __wrap_getrandom(void *data, size_t size, unsigned flags); /* NOLINT */

static int64_t fake_now_us; /* 0: the real time */
static int fake_error;      /* 0: getrandom() works */
static int fake_interruptions;
static int random_calls;

int64_t __wrap_wall_now_us(void) /* NOLINT */ {
    return fake_now_us ? fake_now_us : __real_wall_now_us();
}

ssize_t __wrap_getrandom(void *data, size_t size, unsigned flags) /* NOLINT */ {
    random_calls++;
    if (fake_interruptions > 0) {
        fake_interruptions--;
        errno = EINTR;
        return -1;
    }
    if (fake_error) {
        errno = fake_error;
        return -1;
    }
    return __real_getrandom(data, size, flags);
}

static struct id parsed(const char *text) {
    struct id id;
    ck_assert(id_parse(&id, text, strlen(text)));
    return id;
}

static struct id new_v7(void) {
    struct id id;
    ck_assert(id_v7(&id));
    return id;
}

static int64_t v7_ms(const struct id *id) {
    int64_t ms = 0;
    for (size_t i = 0; i < 6; i++)
        ms = ms << 8 | id->bytes[i];
    return ms;
}

START_TEST(parses_and_formats) {
    static const unsigned char bytes[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF,
                                            0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54, 0x32, 0x10};
    char out[ID_TEXT_LENGTH + 1];
    struct id lower = parsed("01234567-89ab-cdef-fedc-ba9876543210");
    struct id upper = parsed("01234567-89AB-CDEF-FEDC-BA9876543210");
    ck_assert_mem_eq(lower.bytes, bytes, 16);
    ck_assert_mem_eq(upper.bytes, bytes, 16);
    id_format(&upper, out);
    ck_assert_str_eq(out, "01234567-89ab-cdef-fedc-ba9876543210");
    ck_assert_uint_eq(strlen(out), ID_TEXT_LENGTH);
}
END_TEST

START_TEST(parses_any_version) {
    (void)parsed("00000000-0000-0000-0000-000000000000");
    (void)parsed("ffffffff-ffff-ffff-ffff-ffffffffffff");
    (void)parsed("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
    (void)parsed("c0000000-0000-f000-c000-000000000000");
}
END_TEST

/* Every place with every byte. */
START_TEST(refuses_any_wrong_byte) {
    static const char text[] = "01234567-89ab-cdef-fedc-ba9876543210";
    static const char digits[] = "0123456789abcdefABCDEF";
    struct id id;
    for (size_t at = 0; at < ID_TEXT_LENGTH; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char changed[sizeof(text)];
            memcpy(changed, text, sizeof(text));
            changed[at] = (char)byte;
            bool expected = text[at] == '-' ? byte == '-' : byte != 0 && strchr(digits, byte);
            ck_assert_int_eq(id_parse(&id, changed, ID_TEXT_LENGTH), expected);
        }
    }
}
END_TEST

static const char *const bad[] = {
    "",
    "0",
    "0123456789abcdeffedcba9876543210",
    "01234567-89ab-cdef-fedc-ba987654321",
    "01234567-89ab-cdef-fedc-ba98765432101",
    "{01234567-89ab-cdef-fedc-ba9876543210}",
    "urn:uuid:01234567-89ab-cdef-fedc-ba9876543210",
    " 01234567-89ab-cdef-fedc-ba9876543210",
    "01234567-89ab-cdef-fedc-ba9876543210 ",
    "0123456-789ab-cdef-fedc-ba9876543210",
    "01234567--9ab-cdef-fedc-ba9876543210",
    "0x234567-89ab-cdef-fedc-ba9876543210",
};

START_TEST(refuses) {
    struct id id;
    ck_assert(!id_parse(&id, bad[_i], strlen(bad[_i])));
}
END_TEST

START_TEST(stops_at_its_length) {
    struct id id;
    ck_assert(id_parse(&id, "01234567-89ab-cdef-fedc-ba9876543210more", ID_TEXT_LENGTH));
    ck_assert(!id_parse(&id, "01234567-89ab-cdef-fedc-ba9876543210", ID_TEXT_LENGTH - 1));
}
END_TEST

START_TEST(compares_bytes) {
    struct id low = parsed("00000000-0000-0000-0000-0000000000ff");
    struct id middle = parsed("00000000-0000-0000-0000-000000000100");
    struct id high = parsed("80000000-0000-0000-0000-000000000000"); /* unsigned */
    ck_assert_int_lt(id_compare(&low, &middle), 0);
    ck_assert_int_gt(id_compare(&high, &middle), 0);
    ck_assert_int_eq(id_compare(&low, &low), 0);
    ck_assert(id_equal(&low, &low));
    ck_assert(!id_equal(&low, &middle));
}
END_TEST

/* The first is that of RFC 9562, appendix A.4; the others are from another implementation. */
static const struct {
    const char *namespace_id;
    const char *name;
    size_t length;
    const char *id;
} v5[] = {
    {"6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com", 15,
     "2ed6657d-e927-568b-95e1-2665a8aea6a2"},
    {"6ba7b810-9dad-11d1-80b4-00c04fd430c8", "", 0, "4ebd0208-8328-5d69-8c44-ec50939c0967"},
    {"6ba7b810-9dad-11d1-80b4-00c04fd430c8", "a\0b", 3, "0a63f66b-e02f-5d2d-9fd4-aad819cf5352"},
    {"11111111-2222-4333-8444-555555555555", "RES-2027-0001", 13,
     "cb134f24-3c6f-54fa-bd62-864321106f8b"},
    {"11111111-2222-4333-8444-555555555555", "Zimmer 7 \xE2\x80\x93 \xF0\x9F\x94\x91", 17,
     "9f117c23-5281-5ccb-9439-d9d3ed0779ae"},
};

START_TEST(v5_vectors) {
    struct id namespace_id = parsed(v5[_i].namespace_id);
    struct id expected = parsed(v5[_i].id);
    struct id id;
    id_v5(&id, &namespace_id, v5[_i].name, v5[_i].length);
    ck_assert(id_equal(&id, &expected));
}
END_TEST

START_TEST(v7_has_its_form) {
    int64_t before_ms = wall_now_us() / 1000;
    for (int i = 0; i < 10000; i++) {
        struct id id = new_v7();
        ck_assert_int_eq(id.bytes[6] >> 4, 7);
        ck_assert_int_eq(id.bytes[8] >> 6, 2);
        ck_assert_int_ge(v7_ms(&id), before_ms);
        ck_assert_int_le(v7_ms(&id), wall_now_us() / 1000 + 1);
    }
}
END_TEST

START_TEST(v7_writes_time_as_the_rfc_does) {
    fake_now_us = INT64_C(0x017F22E279B0) * 1000; /* RFC 9562, appendix A.6 */
    char out[ID_TEXT_LENGTH + 1];
    struct id id = new_v7();
    id_format(&id, out);
    ck_assert_mem_eq(out, "017f22e2-79b0-7000-", 19);
    fake_now_us += 500; /* half a millisecond is half of 4096 */
    id = new_v7();
    id_format(&id, out);
    ck_assert_mem_eq(out, "017f22e2-79b0-7800-", 19);
    fake_now_us += 499;
    id = new_v7();
    id_format(&id, out);
    ck_assert_mem_eq(out, "017f22e2-79b0-7ffb-", 19);
}
END_TEST

START_TEST(v7_grows) {
    struct id last = new_v7();
    for (int i = 0; i < 100000; i++) {
        struct id id = new_v7();
        ck_assert_int_gt(id_compare(&id, &last), 0);
        last = id;
    }
}
END_TEST

START_TEST(v7_grows_while_the_clock_stands_still) {
    fake_now_us = INT64_C(4102444800000999);
    struct id last = new_v7();
    for (int i = 0; i < 20000; i++) { /* more than a millisecond has room for */
        struct id id = new_v7();
        ck_assert_int_gt(id_compare(&id, &last), 0);
        ck_assert_int_eq(id.bytes[6] >> 4, 7);
        ck_assert_int_eq(id.bytes[8] >> 6, 2);
        last = id;
    }
    ck_assert_int_le(v7_ms(&last), 4102444800000 + 6);
}
END_TEST

START_TEST(v7_grows_when_the_clock_is_set_back) {
    fake_now_us = INT64_C(4102444800000000);
    struct id last = new_v7();
    fake_now_us -= INT64_C(3600000000);
    for (int i = 0; i < 1000; i++) {
        struct id id = new_v7();
        ck_assert_int_gt(id_compare(&id, &last), 0);
        last = id;
    }
    fake_now_us = INT64_C(4102444900000000); /* and follows again when time has caught up */
    last = new_v7();
    ck_assert_int_eq(v7_ms(&last), 4102444900000);
    fake_now_us = -1;
    struct id id = new_v7();
    ck_assert_int_gt(id_compare(&id, &last), 0);
}
END_TEST

START_TEST(v7_random_bits_are_random) {
    enum { IDS = 2000 };
    int ones[64] = {0};
    for (int i = 0; i < IDS; i++) {
        struct id id = new_v7();
        for (int bit = 0; bit < 64; bit++)
            ones[bit] += id.bytes[8 + bit / 8] >> (7 - bit % 8) & 1;
    }
    ck_assert_int_eq(ones[0], IDS); /* the variant */
    ck_assert_int_eq(ones[1], 0);
    /* Nine standard deviations: does not happen by chance. */
    for (int bit = 2; bit < 64; bit++) {
        ck_assert_int_gt(ones[bit], IDS / 2 - 200);
        ck_assert_int_lt(ones[bit], IDS / 2 + 200);
    }
}
END_TEST

/* No random bytes are handed out twice, over the border of the pool too. */
START_TEST(v7_random_bytes_are_used_once) {
    enum { IDS = 200 };
    static struct id ids[IDS];
    random_calls = 0;
    for (int i = 0; i < IDS; i++)
        ids[i] = new_v7();
    for (int i = 0; i < IDS; i++) {
        for (int k = 0; k < i; k++)
            ck_assert_mem_ne(ids[i].bytes + 8, ids[k].bytes + 8, 8);
    }
    ck_assert_int_ge(random_calls, 1);
    ck_assert_int_le(random_calls, IDS / 10);
}
END_TEST

START_TEST(v7_fails_without_random_bytes) {
    struct id id;
    int good = 0;
    fake_error = ENOSYS;
    while (good < 1000 && id_v7(&id)) /* what is left in the pool */
        good++;
    ck_assert_int_lt(good, 1000);
    ck_assert(!id_v7(&id));
    ck_assert_int_eq(errno, ENOSYS);
    fake_error = 0;
    fake_interruptions = 2;
    ck_assert(id_v7(&id));
    ck_assert_int_eq(fake_interruptions, 0);
}
END_TEST

static void setup(void) {
    fake_now_us = 0;
    fake_error = 0;
    fake_interruptions = 0;
}

Suite *unit_suite(void) {
    Suite *suite = suite_create("id");
    TCase *tcase = tcase_create("id");
    tcase_set_timeout(tcase, 30);
    tcase_add_checked_fixture(tcase, setup, NULL);
    /* First, and the only one that needs a process that has not made an id at a later time. */
    tcase_add_test(tcase, v7_writes_time_as_the_rfc_does);
    tcase_add_test(tcase, parses_and_formats);
    tcase_add_test(tcase, parses_any_version);
    tcase_add_test(tcase, refuses_any_wrong_byte);
    tcase_add_loop_test(tcase, refuses, 0, COUNT(bad));
    tcase_add_test(tcase, stops_at_its_length);
    tcase_add_test(tcase, compares_bytes);
    tcase_add_loop_test(tcase, v5_vectors, 0, COUNT(v5));
    tcase_add_test(tcase, v7_has_its_form);
    tcase_add_test(tcase, v7_grows);
    tcase_add_test(tcase, v7_grows_while_the_clock_stands_still);
    tcase_add_test(tcase, v7_grows_when_the_clock_is_set_back);
    tcase_add_test(tcase, v7_random_bits_are_random);
    tcase_add_test(tcase, v7_random_bytes_are_used_once);
    tcase_add_test(tcase, v7_fails_without_random_bytes);
    suite_add_tcase(suite, tcase);
    return suite;
}
