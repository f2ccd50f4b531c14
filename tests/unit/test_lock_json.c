#include "guard/lock_json.h"

#include <jansson.h>
#include <string.h>

#include "unit.h"

static struct buffer out;
static struct lock lock; /* one with every member, for each test to change */

static struct text_span span(const char *text) {
    return (struct text_span){text, strlen(text)};
}

static struct id make_id(unsigned char byte) {
    struct id id;
    memset(id.bytes, byte, sizeof id.bytes);
    return id;
}

static void setup(void) {
    buffer_init(&out);
    lock = (struct lock){
        .id = make_id(0x01),
        .tenant_id = make_id(0x02),
        .property_id = {true, make_id(0x03)},
        .reservation_id = {true, make_id(0x04)},
        .room_type_id = make_id(0x05),
        .room_id = {true, make_id(0xab)},
        .stay_start = INT64_C(1801398896789999),
        .stay_end = TIMESTAMP_MAX,
        .reason = span("RESERVATION_CREATE"),
        .correlation_id = span("c-1"),
        .expires_at = INT64_C(1801398896790000),
        .ttl_seconds = 7200,
        .metadata = span("{\"n\": 1.10, \"s\": \"\\u00e9\"}"),
        .status = span("RELEASED"),
        .release_reason = span("RELEASE_REQUEST"),
        .was_released = true,
        .released_at = INT64_C(0),
        .fencing_token = INT64_MAX,
        .created_at = INT64_C(1000),
        .updated_at = INT64_C(86400000000),
    };
}

static void teardown(void) {
    buffer_free(&out);
}

static json_t *parse(void) {
    json_error_t error;
    json_t *value = json_loadb(out.data, out.length, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(value != NULL, "%s", error.text);
    return value;
}

START_TEST(everything) {
    lock_json_append(&out, &lock, LOCK_JSON_WITH_METADATA);
    ck_assert_bytes_eq(out.data, out.length,
                       "{\"id\":\"01010101-0101-0101-0101-010101010101\","
                       "\"tenant_id\":\"02020202-0202-0202-0202-020202020202\","
                       "\"property_id\":\"03030303-0303-0303-0303-030303030303\","
                       "\"reservation_id\":\"04040404-0404-0404-0404-040404040404\","
                       "\"room_type_id\":\"05050505-0505-0505-0505-050505050505\","
                       "\"room_id\":\"abababab-abab-abab-abab-abababababab\","
                       "\"stay_start\":\"2027-01-31T12:34:56.789Z\","
                       "\"stay_end\":\"9999-12-31T23:59:59.999Z\","
                       "\"reason\":\"RESERVATION_CREATE\","
                       "\"correlation_id\":\"c-1\","
                       "\"expires_at\":\"2027-01-31T12:34:56.790Z\","
                       "\"ttl_seconds\":7200,"
                       "\"metadata\":{\"n\": 1.10, \"s\": \"\\u00e9\"},"
                       "\"status\":\"RELEASED\","
                       "\"release_reason\":\"RELEASE_REQUEST\","
                       "\"released_at\":\"1970-01-01T00:00:00.000Z\","
                       "\"fencing_token\":9223372036854775807,"
                       "\"created_at\":\"1970-01-01T00:00:00.001Z\","
                       "\"updated_at\":\"1970-01-02T00:00:00.000Z\"}");
    json_t *value = parse();
    ck_assert_uint_eq(json_object_size(value), 19);
    json_decref(value);
}
END_TEST

START_TEST(nulls) {
    static const char *const null_members[] = {"property_id",    "reservation_id", "room_id",
                                               "correlation_id", "release_reason", "released_at"};
    lock.property_id.set = false;
    lock.reservation_id.set = false;
    lock.room_id.set = false;
    lock.correlation_id = (struct text_span){NULL, 0};
    lock.metadata = (struct text_span){NULL, 0};
    lock.status = span("ACTIVE");
    lock.release_reason = (struct text_span){NULL, 0};
    lock.was_released = false;
    lock_json_append(&out, &lock, LOCK_JSON_WITH_METADATA);
    json_t *value = parse();
    ck_assert_uint_eq(json_object_size(value), 19);
    for (int i = 0; i < COUNT(null_members); i++)
        ck_assert(json_is_null(json_object_get(value, null_members[i])));
    ck_assert_str_eq(json_string_value(json_object_get(value, "status")), "ACTIVE");
    const json_t *metadata = json_object_get(value, "metadata");
    ck_assert(json_is_object(metadata));
    ck_assert_uint_eq(json_object_size(metadata), 0);
    json_decref(value);
}
END_TEST

/* Somebody else's metadata is not shown, not even that there is some. */
START_TEST(without_metadata) {
    lock_json_append(&out, &lock, LOCK_JSON_WITHOUT_METADATA);
    json_t *value = parse();
    ck_assert_uint_eq(json_object_size(value), 18);
    ck_assert_ptr_null(json_object_get(value, "metadata"));
    ck_assert_str_eq(json_string_value(json_object_get(value, "status")), "RELEASED");
    json_decref(value);
}
END_TEST

static const char *const hostile_texts[] = {
    "\"}", "\\", "\n\t\x01\x1f\x7f", "caf\xc3\xa9 \xf0\x9f\x94\x91", "", "</script>", "\\u0000",
};

START_TEST(texts_are_escaped) {
    const char *text = hostile_texts[_i];
    lock.reason = span(text);
    lock.correlation_id = span(text);
    lock.release_reason = span(text);
    lock_json_append(&out, &lock, LOCK_JSON_WITH_METADATA);
    json_t *value = parse();
    ck_assert_str_eq(json_string_value(json_object_get(value, "reason")), text);
    ck_assert_str_eq(json_string_value(json_object_get(value, "correlation_id")), text);
    ck_assert_str_eq(json_string_value(json_object_get(value, "release_reason")), text);
    json_decref(value);
}
END_TEST

START_TEST(appends_behind_what_is_there) {
    buffer_append_char(&out, '[');
    lock_json_append(&out, &lock, LOCK_JSON_WITH_METADATA);
    buffer_append_char(&out, ',');
    lock_json_append(&out, &lock, LOCK_JSON_WITHOUT_METADATA);
    buffer_append_char(&out, ']');
    json_t *value = parse();
    ck_assert_uint_eq(json_array_size(value), 2);
    json_decref(value);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("lock_json");
    TCase *tcase = tcase_create("lock_json");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, everything);
    tcase_add_test(tcase, nulls);
    tcase_add_test(tcase, without_metadata);
    tcase_add_loop_test(tcase, texts_are_escaped, 0, COUNT(hostile_texts));
    tcase_add_test(tcase, appends_behind_what_is_there);
    suite_add_tcase(suite, tcase);
    return suite;
}
