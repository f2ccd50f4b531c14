#include "db/row.h"

#include <string.h>

#include "unit.h"

/* Object ids of types. */
enum { INT8 = 20, INT4 = 23, TEXT = 25, TIMESTAMPTZ = 1184, UUID = 2950, JSONB = 3802 };

static const unsigned TYPES[] = {UUID, INT4, INT8, TIMESTAMPTZ, TEXT, JSONB};
enum { COLUMN_UUID, COLUMN_INT4, COLUMN_INT8, COLUMN_TIME, COLUMN_TEXT, COLUMN_JSONB, COLUMNS };

static PGresult *result;

static PGresult *make_result(const unsigned *types, int count, int format) {
    PGresult *made = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
    static char name[] = "column"; /* libpq copies it */
    PGresAttDesc attributes[COLUMNS] = {0};
    for (int i = 0; i < count; i++) {
        attributes[i].name = name;
        attributes[i].format = format;
        attributes[i].typid = types[i];
    }
    ck_assert_int_eq(PQsetResultAttrs(made, count, attributes), 1);
    return made;
}

/* Puts the bytes of a literal; the row is made when it is not there. */
#define SET(row, column, bytes) set((row), (column), (bytes), (int)sizeof(bytes) - 1)

static void set(int row, int column, const char *bytes, int length) {
    char copy[64];
    memcpy(copy, bytes, (size_t)length);
    ck_assert_int_eq(PQsetvalue(result, row, column, copy, length), 1);
}

static void set_null(int row, int column) {
    ck_assert_int_eq(PQsetvalue(result, row, column, NULL, -1), 1);
}

static void setup(void) {
    result = make_result(TYPES, COLUMNS, 1);
}

static void teardown(void) {
    PQclear(result);
}

START_TEST(types_that_fit) {
    ck_assert(row_has_types(result, TYPES, COLUMNS));
}
END_TEST

START_TEST(types_that_do_not_fit) {
    unsigned types[COLUMNS + 1] = {0};
    for (int i = 0; i < COLUMNS; i++) {
        memcpy(types, TYPES, sizeof TYPES);
        types[i] = 16;
        ck_assert(!row_has_types(result, types, COLUMNS));
    }
    memcpy(types, TYPES, sizeof TYPES);
    ck_assert(!row_has_types(result, types, COLUMNS - 1));
    ck_assert(!row_has_types(result, types, COLUMNS + 1));
    ck_assert(!row_has_types(result, types, 0));
}
END_TEST

START_TEST(text_format_does_not_fit) {
    PGresult *text = make_result(TYPES, COLUMNS, 0);
    ck_assert(!row_has_types(text, TYPES, COLUMNS));
    PQclear(text);
}
END_TEST

START_TEST(results_without_rows_do_not_fit) {
    static const ExecStatusType statuses[] = {PGRES_COMMAND_OK, PGRES_FATAL_ERROR,
                                              PGRES_EMPTY_QUERY};
    for (int i = 0; i < COUNT(statuses); i++) {
        PGresult *other = PQmakeEmptyPGresult(NULL, statuses[i]);
        ck_assert(!row_has_types(other, TYPES, 0));
        ck_assert(!row_has_types(other, TYPES, COLUMNS));
        PQclear(other);
    }
    ck_assert(!row_has_types(NULL, TYPES, COLUMNS));
}
END_TEST

START_TEST(ids) {
    struct id id;
    char text[ID_TEXT_LENGTH + 1];
    SET(0, COLUMN_UUID, "\x01\x8f\x00\x11\x22\x33\x74\x55\x86\x77\x88\x99\xaa\xbb\xcc\xfd");
    ck_assert(row_id((struct row){result, 0}, COLUMN_UUID, &id));
    id_format(&id, text);
    ck_assert_str_eq(text, "018f0011-2233-7455-8677-8899aabbccfd");
}
END_TEST

START_TEST(integers) {
    int32_t small = 0;
    int64_t large = 0;
    SET(0, COLUMN_INT4, "\x01\x02\x03\x04");
    SET(1, COLUMN_INT4, "\x80\x00\x00\x00");
    SET(2, COLUMN_INT4, "\xff\xff\xff\xfe");
    SET(0, COLUMN_INT8, "\x01\x02\x03\x04\x85\x86\x87\x88");
    SET(1, COLUMN_INT8, "\x80\x00\x00\x00\x00\x00\x00\x00");
    SET(2, COLUMN_INT8, "\xff\xff\xff\xff\xff\xff\xff\xfe");
    ck_assert(row_int4((struct row){result, 0}, COLUMN_INT4, &small));
    ck_assert_int_eq(small, 0x01020304);
    ck_assert(row_int4((struct row){result, 1}, COLUMN_INT4, &small));
    ck_assert_int_eq(small, INT32_MIN);
    ck_assert(row_int4((struct row){result, 2}, COLUMN_INT4, &small));
    ck_assert_int_eq(small, -2);
    ck_assert(row_int8((struct row){result, 0}, COLUMN_INT8, &large));
    ck_assert_int_eq(large, INT64_C(0x0102030485868788));
    ck_assert(row_int8((struct row){result, 1}, COLUMN_INT8, &large));
    ck_assert_int_eq(large, INT64_MIN);
    ck_assert(row_int8((struct row){result, 2}, COLUMN_INT8, &large));
    ck_assert_int_eq(large, -2);
}
END_TEST

START_TEST(timestamps) {
    timestamp_us time = 0;
    SET(0, COLUMN_TIME, "\0\0\0\0\0\0\0\0");
    SET(1, COLUMN_TIME, "\x00\x03\x09\x5b\xa2\x1f\xa6\x08");
    SET(2, COLUMN_TIME, "\xff\xfc\xa2\xfe\xc4\xc8\x20\x00");
    ck_assert(row_timestamp((struct row){result, 0}, COLUMN_TIME, &time));
    ck_assert_int_eq(time, INT64_C(946684800000000));
    ck_assert(row_timestamp((struct row){result, 1}, COLUMN_TIME, &time));
    ck_assert_int_eq(time, INT64_C(1801398896789000));
    ck_assert(row_timestamp((struct row){result, 2}, COLUMN_TIME, &time));
    ck_assert_int_eq(time, 0);
}
END_TEST

START_TEST(texts) {
    SET(0, COLUMN_TEXT, "caf\xc3\xa9");
    SET(1, COLUMN_TEXT, "");
    struct text_span text = row_text((struct row){result, 0}, COLUMN_TEXT);
    ck_assert_bytes_eq(text.data, text.length, "caf\xc3\xa9");
    text = row_text((struct row){result, 1}, COLUMN_TEXT);
    ck_assert_ptr_nonnull(text.data);
    ck_assert_uint_eq(text.length, 0);
}
END_TEST

START_TEST(jsonb) {
    SET(0, COLUMN_JSONB, "\x01{\"a\": 1}");
    SET(1, COLUMN_JSONB, "");
    const struct text_span json = row_jsonb((struct row){result, 0}, COLUMN_JSONB);
    ck_assert_bytes_eq(json.data, json.length, "{\"a\": 1}");
    ck_assert_ptr_null(row_jsonb((struct row){result, 1}, COLUMN_JSONB).data);
}
END_TEST

/* All of one row, so that what is zeroed was something else before. */
static void assert_nulls(int row_number) {
    const struct row row = {result, row_number};
    struct id id;
    int32_t small = 1;
    int64_t large = 1;
    timestamp_us time = 1;
    memset(&id, 1, sizeof id);
    ck_assert(!row_id(row, COLUMN_UUID, &id));
    ck_assert(!row_int4(row, COLUMN_INT4, &small));
    ck_assert(!row_int8(row, COLUMN_INT8, &large));
    ck_assert(!row_timestamp(row, COLUMN_TIME, &time));
    for (size_t i = 0; i < sizeof id.bytes; i++)
        ck_assert_uint_eq(id.bytes[i], 0);
    ck_assert_int_eq(small, 0);
    ck_assert_int_eq(large, 0);
    ck_assert_int_eq(time, 0);
}

START_TEST(nulls) {
    for (int i = 0; i < COLUMNS; i++)
        set_null(0, i);
    assert_nulls(0);
    ck_assert_ptr_null(row_text((struct row){result, 0}, COLUMN_TEXT).data);
    ck_assert_ptr_null(row_jsonb((struct row){result, 0}, COLUMN_JSONB).data);
}
END_TEST

/* Shorter and longer than their type, and empty. */
START_TEST(values_of_another_length_read_as_null) {
    static const char bytes[17] = "0123456789abcdef";
    static const int lengths[][4] = {{15, 3, 7, 7}, {17, 5, 9, 9}, {0, 0, 0, 0}};
    for (int i = 0; i < COUNT(lengths); i++) {
        for (int column = COLUMN_UUID; column <= COLUMN_TIME; column++)
            set(i, column, bytes, lengths[i][column]);
        assert_nulls(i);
    }
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("row");
    TCase *tcase = tcase_create("row");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, types_that_fit);
    tcase_add_test(tcase, types_that_do_not_fit);
    tcase_add_test(tcase, text_format_does_not_fit);
    tcase_add_test(tcase, results_without_rows_do_not_fit);
    tcase_add_test(tcase, ids);
    tcase_add_test(tcase, integers);
    tcase_add_test(tcase, timestamps);
    tcase_add_test(tcase, texts);
    tcase_add_test(tcase, jsonb);
    tcase_add_test(tcase, nulls);
    tcase_add_test(tcase, values_of_another_length_read_as_null);
    suite_add_tcase(suite, tcase);
    return suite;
}
