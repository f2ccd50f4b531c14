#include "guard/fcgi_scan.h"

#include <fastcgi.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "unit.h"

static struct buffer request;

static void setup(void) {
    buffer_init(&request);
}

static void teardown(void) {
    buffer_free(&request);
}

static void put_header(int type, int id, size_t content, int padding) {
    const unsigned char header[FCGI_HEADER_LEN] = {FCGI_VERSION_1,
                                                   (unsigned char)type,
                                                   0,
                                                   (unsigned char)id,
                                                   (unsigned char)(content >> 8),
                                                   (unsigned char)content,
                                                   (unsigned char)padding,
                                                   0};
    buffer_append(&request, header, sizeof header);
}

static void put_record(int type, int id, const void *content, size_t length, int padding) {
    static const char zeroes[255];
    put_header(type, id, length, padding);
    buffer_append(&request, content, length);
    buffer_append(&request, zeroes, (size_t)padding);
}

static void put_begin(void) {
    static const char body[8] = {0, FCGI_RESPONDER, FCGI_KEEP_CONN};
    put_record(FCGI_BEGIN_REQUEST, 1, body, sizeof body, 0);
}

/* Two pairs, one with lengths of four bytes: 13 + 200 bytes of name and value. */
static void put_params(size_t cut) {
    static char pairs[5 + 13 + 200 + 4] = "\x0d\x80\x00\x00\xc8"
                                          "CONTENT_TYPE_";
    memset(pairs + 18, 'v', 200);
    static const char last[4] = {1, 1, 'N', 'V'};
    memcpy(pairs + 218, last, sizeof last);
    if (cut > 0)
        put_record(FCGI_PARAMS, 1, pairs, cut, 3);
    put_record(FCGI_PARAMS, 1, pairs + cut, sizeof pairs - cut, 0);
    put_record(FCGI_PARAMS, 1, "", 0, 0);
}

static void put_body(void) {
    put_record(FCGI_STDIN, 1, "{}", 2, 6);
    put_record(FCGI_STDIN, 1, "", 0, 0);
}

static enum fcgi_scan scan(size_t length) {
    return fcgi_scan((const unsigned char *)request.data, length);
}

START_TEST(ready_only_when_whole) {
    put_begin();
    put_params(0);
    put_body();
    for (size_t length = 1; length < request.length; length++)
        ck_assert_int_eq(scan(length), FCGI_SCAN_PARTIAL);
    ck_assert_int_eq(scan(request.length), FCGI_SCAN_READY);
}
END_TEST

START_TEST(pairs_may_be_cut_anywhere) {
    for (size_t cut = 1; cut < 222; cut++) {
        buffer_clear(&request);
        put_begin();
        put_params(cut);
        put_body();
        ck_assert_int_eq(scan(request.length), FCGI_SCAN_READY);
    }
}
END_TEST

START_TEST(what_follows_does_not_matter) {
    put_begin();
    put_params(0);
    put_body();
    buffer_append_text(&request, "the next request, or anything");
    ck_assert_int_eq(scan(request.length), FCGI_SCAN_READY);
}
END_TEST

/* Lengths that libfcgi would add up beyond an int. */
START_TEST(impossible_lengths) {
    static const char *const pairs[] = {"\xff\xff\xff\xff\x01", "\xff\xff\xff\xfe\xff\xff\xff\xfe",
                                        "\x01\xff\xff\xff\xff", "\x80\x01\x00\x01\x01"};
    static const size_t lengths[] = {5, 8, 5, 5};
    put_begin();
    put_record(FCGI_PARAMS, 1, pairs[_i], lengths[_i], 0);
    ck_assert_int_eq(scan(request.length), FCGI_SCAN_BROKEN);
}
END_TEST

START_TEST(what_has_no_place) {
    static const int types[] = {FCGI_ABORT_REQUEST, FCGI_END_REQUEST, FCGI_STDIN, FCGI_STDOUT,
                                FCGI_DATA,          FCGI_GET_VALUES,  77,         0};
    put_record(types[_i], 1, "12345678", 8, 0);
    ck_assert_int_eq(scan(request.length), FCGI_SCAN_BROKEN);
    buffer_clear(&request);
    put_begin();
    put_record(types[_i], 1, "12345678", 8, 0);
    ck_assert_int_eq(scan(request.length), FCGI_SCAN_BROKEN);
}
END_TEST

START_TEST(other_requests_and_versions) {
    put_begin();
    put_record(FCGI_PARAMS, 2, "", 0, 0);
    ck_assert_int_eq(scan(request.length), FCGI_SCAN_BROKEN);
    buffer_clear(&request);
    put_record(FCGI_GET_VALUES, 0, "", 0, 0);
    ck_assert_int_eq(scan(request.length), FCGI_SCAN_BROKEN);
    buffer_clear(&request);
    put_begin();
    request.data[0] = 2;
    ck_assert_int_eq(scan(request.length), FCGI_SCAN_BROKEN);
}
END_TEST

/* The buffer is full before the request ends: it is read, unless that is still the parameters. */
START_TEST(longer_than_is_looked_at) {
    put_begin();
    put_params(0);
    put_header(FCGI_STDIN, 1, 65535, 0);
    ck_assert(buffer_reserve(&request, FCGI_SCAN_BYTES));
    memset(request.data + request.length, 'x', FCGI_SCAN_BYTES - request.length);
    ck_assert_int_eq(scan(FCGI_SCAN_BYTES - 1), FCGI_SCAN_PARTIAL);
    ck_assert_int_eq(scan(FCGI_SCAN_BYTES), FCGI_SCAN_READY);

    static char many[FCGI_SCAN_BYTES - 200]; /* pairs of nothing */
    buffer_clear(&request);
    put_begin();
    put_record(FCGI_PARAMS, 1, many, sizeof many, 255);
    ck_assert_int_eq(scan(FCGI_SCAN_BYTES), FCGI_SCAN_BROKEN);
}
END_TEST

START_TEST(random_bytes) {
    unsigned char bytes[512];
    srandom(1);
    for (int round = 0; round < 20000; round++) {
        const size_t length = (size_t)random() % sizeof bytes;
        /* Headers that look right at first sight get further. */
        for (size_t i = 0; i < length; i++)
            bytes[i] = (unsigned char)(random() % 4 == 0 ? random() : random() % 6);
        const enum fcgi_scan found = fcgi_scan(bytes, length);
        ck_assert(found == FCGI_SCAN_PARTIAL || found == FCGI_SCAN_BROKEN);
    }
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("fcgi_scan");
    TCase *tcase = tcase_create("fcgi_scan");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, ready_only_when_whole);
    tcase_add_test(tcase, pairs_may_be_cut_anywhere);
    tcase_add_test(tcase, what_follows_does_not_matter);
    tcase_add_loop_test(tcase, impossible_lengths, 0, 4);
    tcase_add_loop_test(tcase, what_has_no_place, 0, 8);
    tcase_add_test(tcase, other_requests_and_versions);
    tcase_add_test(tcase, longer_than_is_looked_at);
    tcase_add_test(tcase, random_bytes);
    suite_add_tcase(suite, tcase);
    return suite;
}
