#include "domain/request.h"

#include <stddef.h>
#include <string.h>

#include "unit.h"

#define TENANT "11111111-1111-4111-8111-111111111111"
#define OTHER_TENANT "22222222-2222-4222-8222-222222222222"
#define TYPE "33333333-3333-4333-8333-333333333333"
#define ROOM "44444444-4444-4444-8444-444444444444"
#define LOCK "018f0011-2233-7455-8677-8899aabbccfd"

static const struct request_limits LIMITS = {
    .default_ttl_seconds = 7200,
    .max_ttl_seconds = 86400,
    .max_stay_us = 30 * US_PER_DAY,
};

static struct violations v;
static struct lock_input input; /* a valid one, for each test to change */
static struct lock_request lock;

static struct text_span span(const char *text) {
    return (struct text_span){text, strlen(text)};
}

static void setup(void) {
    memset(&v, 0, sizeof v);
    input = (struct lock_input){
        .tenant_id = span(TENANT),
        .room_type_id = span(TYPE),
        .stay_start = span("2030-01-01"),
        .stay_end = span("2030-01-03"),
    };
}

static bool read_lock(void) {
    memset(&v, 0, sizeof v);
    memset(&lock, 0xAA, sizeof lock);
    return request_lock(&input, &LIMITS, &v, &lock);
}

static const char *message_of(const char *field) {
    for (size_t i = 0; i < v.count; i++) {
        if (strcmp(v.items[i].field, field) == 0)
            return v.items[i].message;
    }
    return NULL;
}

/* Exactly one violation, on this field. */
#define ck_assert_only(name)                                                                       \
    do {                                                                                           \
        ck_assert_uint_eq(v.count, 1);                                                             \
        ck_assert_str_eq(v.items[0].field, (name));                                                \
    } while (0)

#define ck_assert_id(id_value, text)                                                               \
    do {                                                                                           \
        char formatted[ID_TEXT_LENGTH + 1];                                                        \
        id_format(&(id_value), formatted);                                                         \
        ck_assert_str_eq(formatted, (text));                                                       \
    } while (0)

#define ck_assert_span(value, text) ck_assert_bytes_eq((value).data, (value).length, text)

START_TEST(limits_of_settings) {
    struct settings settings = {.lock_default_ttl_seconds = 31536000,
                                .lock_max_ttl_seconds = 31536000,
                                .lock_max_stay_days = 36600};
    const struct request_limits limits = request_limits_of(&settings);
    ck_assert_int_eq(limits.default_ttl_seconds, 31536000);
    ck_assert_int_eq(limits.max_ttl_seconds, 31536000);
    ck_assert_int_eq(limits.max_stay_us, INT64_C(36600) * 86400 * 1000000);
}
END_TEST

START_TEST(lock_with_as_little_as_possible) {
    ck_assert(read_lock());
    ck_assert_uint_eq(v.count, 0);
    ck_assert_id(lock.tenant_id, TENANT);
    ck_assert_id(lock.room_type_id, TYPE);
    ck_assert_int_eq(lock.stay_end - lock.stay_start, 2 * US_PER_DAY);
    ck_assert(!lock.property_id.set);
    ck_assert(!lock.reservation_id.set);
    ck_assert(!lock.room_id.set);
    ck_assert_int_eq(lock.ttl_seconds, 7200);
    ck_assert_span(lock.reason, "RESERVATION_CREATE");
    ck_assert_ptr_null(lock.correlation_id.data);
    ck_assert_ptr_null(lock.metadata.data);
    ck_assert(!lock.has_key);
    ck_assert_uint_eq(lock.id.bytes[6] >> 4, 7);
}
END_TEST

START_TEST(lock_with_everything) {
    input.property_id = span(OTHER_TENANT);
    input.reservation_id = span(LOCK);
    input.room_id = span(ROOM);
    input.reason = span("WHY");
    input.correlation_id = span("c");
    input.idempotency_key = span("k");
    input.metadata = span("{}");
    input.ttl_seconds = 60;
    ck_assert(read_lock());
    ck_assert(lock.property_id.set);
    ck_assert_id(lock.property_id.id, OTHER_TENANT);
    ck_assert(lock.reservation_id.set);
    ck_assert_id(lock.reservation_id.id, LOCK);
    ck_assert(lock.room_id.set);
    ck_assert_id(lock.room_id.id, ROOM);
    ck_assert_span(lock.reason, "WHY");
    ck_assert_span(lock.correlation_id, "c");
    ck_assert_span(lock.metadata, "{}");
    ck_assert_int_eq(lock.ttl_seconds, 60);
    ck_assert(lock.has_key);
}
END_TEST

START_TEST(lock_that_has_nothing) {
    memset(&input, 0, sizeof input);
    ck_assert(!read_lock());
    ck_assert_uint_eq(v.count, 4);
    static const char *const required[] = {"tenantId", "roomTypeId", "stayStart", "stayEnd"};
    for (int i = 0; i < COUNT(required); i++) {
        ck_assert_ptr_nonnull(message_of(required[i]));
        ck_assert_str_eq(message_of(required[i]), "is required");
    }
}
END_TEST

/* Everything is wrong: all of it is told, each field once. */
START_TEST(lock_that_is_all_wrong) {
    static char json[FIELD_METADATA_MAX + 1];
    static const char *const fields[] = {
        "tenantId", "propertyId", "reservationId", "roomTypeId", "roomId",        "stayStart",
        "stayEnd",  "ttlSeconds", "reason",        "metadata",   "correlationId", "idempotencyKey"};
    memset(json, ' ', sizeof json);
    input = (struct lock_input){
        .tenant_id = span("t"),
        .property_id = span("p"),
        .reservation_id = span(""),
        .room_type_id = span(""),
        .room_id = span("r"),
        .stay_start = span("yesterday"),
        .stay_end = span("2030-02-30"),
        .reason = span(""),
        .correlation_id = span("\xff"),
        .idempotency_key = span(""),
        .metadata = {json, sizeof json},
        .ttl_seconds = -1,
    };
    ck_assert(!read_lock());
    ck_assert_uint_eq(v.count, (size_t)COUNT(fields));
    for (int i = 0; i < COUNT(fields); i++)
        ck_assert_ptr_nonnull(message_of(fields[i]));
}
END_TEST

/* What the door could not read is not called missing. */
START_TEST(violations_of_the_door_stand) {
    memset(&v, 0, sizeof v);
    violations_add(&v, "tenantId", "must be a string");
    violations_add(&v, "ttlSeconds", "must be an integer");
    input.tenant_id = (struct text_span){NULL, 0};
    ck_assert(!request_lock(&input, &LIMITS, &v, &lock));
    ck_assert_uint_eq(v.count, 2);
    ck_assert_str_eq(message_of("tenantId"), "must be a string");
}
END_TEST

START_TEST(empty_room_is_no_room) {
    input.room_id = (struct text_span){"", 0};
    ck_assert(read_lock());
    ck_assert(!lock.room_id.set);
}
END_TEST

static const struct {
    const char *start;
    const char *end;
    const char *field; /* that is wrong; NULL: none */
} stays[] = {
    {"2030-01-01", "2030-01-01", "stayEnd"},
    {"2030-01-02", "2030-01-01", "stayEnd"},
    {"2030-01-01T00:00:00.000Z", "2030-01-01T00:00:00.001Z", NULL},
    {"2030-01-01T00:00:00.0001Z", "2030-01-01T00:00:00.0009Z", "stayEnd"}, /* cut to the same */
    {"2030-01-01T02:00:00+02:00", "2030-01-01T00:00:00Z", "stayEnd"},      /* the same moment */
    {"2030-01-01T02:00:00+03:00", "2030-01-01T00:00:00Z", NULL},
    {"2030-01-01", "2030-01-31", NULL}, /* exactly as long as it may be */
    {"2030-01-01", "2030-01-31T00:00:00.001Z", "stayEnd"},
    {"1970-01-01", "9999-12-31", "stayEnd"},
    {"1969-12-31", "2030-01-01", "stayStart"},
    {"2030-01-01", "never", "stayEnd"},
    {"2030-01-01T00:00:00", "2030-01-02", "stayStart"},
};

START_TEST(stay) {
    input.stay_start = span(stays[_i].start);
    input.stay_end = span(stays[_i].end);
    ck_assert_int_eq(read_lock(), stays[_i].field == NULL);
    if (stays[_i].field != NULL)
        ck_assert_only(stays[_i].field);
}
END_TEST

static const struct {
    int64_t asked;
    int32_t given; /* -1: refused */
} ttls[] = {
    {0, 7200},
    {1, 1},
    {7200, 7200},
    {86399, 86399},
    {86400, 86400},
    {86401, 86400},
    {INT32_MAX, 86400},
    {INT64_C(4294967297), 86400},
    {INT64_MAX, 86400},
    {-1, -1},
    {-7200, -1},
    {INT64_MIN, -1},
    {INT64_C(-4294967295), -1},
};

START_TEST(ttl) {
    input.ttl_seconds = ttls[_i].asked;
    ck_assert_int_eq(read_lock(), ttls[_i].given != -1);
    if (ttls[_i].given == -1)
        ck_assert_only("ttlSeconds");
    else
        ck_assert_int_eq(lock.ttl_seconds, ttls[_i].given);
}
END_TEST

/* A text of so many characters of four bytes each. */
static struct text_span keys(size_t count) {
    static const char KEY[4] = {'\xf0', '\x9f', '\x94', '\x91'};
    static char text[256 * sizeof KEY];
    for (size_t i = 0; i < count; i++)
        memcpy(text + i * sizeof KEY, KEY, sizeof KEY);
    return (struct text_span){text, count * sizeof KEY};
}

static const struct {
    const char *field;
    size_t offset;
    size_t max;
} texts[] = {
    {"reason", offsetof(struct lock_input, reason), 100},
    {"correlationId", offsetof(struct lock_input, correlation_id), 255},
    {"idempotencyKey", offsetof(struct lock_input, idempotency_key), 255},
};

START_TEST(text_bounds) {
    struct text_span *text = (struct text_span *)(void *)((char *)&input + texts[_i].offset);
    *text = keys(1);
    ck_assert(read_lock());
    *text = keys(texts[_i].max);
    ck_assert(read_lock());
    *text = keys(texts[_i].max + 1);
    ck_assert(!read_lock());
    ck_assert_only(texts[_i].field);
    *text = (struct text_span){"", 0};
    ck_assert(!read_lock());
    ck_assert_only(texts[_i].field);
    *text = (struct text_span){"a\0b", 3};
    ck_assert(!read_lock());
    ck_assert_only(texts[_i].field);
}
END_TEST

START_TEST(metadata_bound) {
    static char json[FIELD_METADATA_MAX + 1];
    memset(json, ' ', sizeof json);
    input.metadata = (struct text_span){json, FIELD_METADATA_MAX};
    ck_assert(read_lock());
    ck_assert_uint_eq(lock.metadata.length, 16384);
    input.metadata.length++;
    ck_assert(!read_lock());
    ck_assert_only("metadata");
}
END_TEST

/* Numbers count as long as the database would write them; what only looks like one does not. */
static const struct {
    const char *json;
    bool fits;
} exponents[] = {
    {"{\"n\":1e300}", true},
    {"{\"n\":1e16000}", true},
    {"{\"n\":1E16384}", false},
    {"{\"n\":1.5e+16384}", false},
    {"{\"n\":-1e-16384}", false},
    {"{\"n\":0E-16384}", false},
    {"{\"n\":1e99999999999999999999999999999999999999999999}", false},
    {"{\"a\":1e6000,\"b\":[2e6000]}", true},
    {"{\"a\":1e6000,\"b\":[2e6000,{\"c\":3e6000}]}", false},
    {"{\"1e16384\":\"1e16384\"}", true},
    {"{\"\\\"1e16384\":\"\\\\\",\"b\":true}", true},
    {"{\"\\\\\":1e16384}", false},
    {"{\"a\":\"\\\"\",\"b\":1e16384}", false},
    {"{\"a\":true,\"b\":false,\"c\":[true]}", true},
};

START_TEST(metadata_with_exponents) {
    input.metadata = span(exponents[_i].json);
    ck_assert_int_eq(read_lock(), exponents[_i].fits);
    if (!exponents[_i].fits)
        ck_assert_only("metadata");
}
END_TEST

START_TEST(key_that_is_a_uuid_is_the_id) {
    input.idempotency_key = span(LOCK);
    ck_assert(read_lock());
    ck_assert(lock.has_key);
    ck_assert_id(lock.id, LOCK);
    input.idempotency_key = span("018F0011-2233-7455-8677-8899AABBCCFD");
    ck_assert(read_lock());
    ck_assert_id(lock.id, LOCK);
}
END_TEST

/* Made by Python: uuid.uuid5(uuid.UUID(TENANT), key) */
static const struct {
    const char *tenant;
    const char *key;
    const char *id;
} named[] = {
    {TENANT, "booking-1", "bc977e25-450b-5f7b-8811-befca024e3d3"},
    {TENANT, "booking-2", "141ef206-bd99-5c12-9dec-241f84f60ca6"},
    {OTHER_TENANT, "booking-1", "e3cba9f1-f0d3-5e1c-a172-81ad2374b9e4"},
    {TENANT, "schl\xc3\xbcssel \xf0\x9f\x94\x91", "afbbfa12-c51d-5bf8-93c2-adebf78f2767"},
    {TENANT, "{018f0011-2233-7455-8677-8899aabbccfd}", "e60100b9-cd44-5a22-bdc9-5f3705a65abf"},
};

START_TEST(key_that_is_no_uuid) {
    input.tenant_id = span(named[_i].tenant);
    input.idempotency_key = span(named[_i].key);
    ck_assert(read_lock());
    ck_assert(lock.has_key);
    ck_assert_id(lock.id, named[_i].id);
}
END_TEST

START_TEST(no_key_gets_a_new_id_each_time) {
    ck_assert(read_lock());
    const struct id first = lock.id;
    ck_assert(read_lock());
    ck_assert_int_gt(id_compare(&lock.id, &first), 0);
}
END_TEST

START_TEST(release) {
    struct release_request request;
    struct release_input release_input = {.tenant_id = span(TENANT), .lock_id = span(LOCK)};
    ck_assert(request_release(&release_input, &v, &request));
    ck_assert_id(request.tenant_id, TENANT);
    ck_assert_id(request.lock_id, LOCK);
    ck_assert(!request.reservation_id.set);
    ck_assert_span(request.reason, "RELEASE_REQUEST");
    ck_assert_ptr_null(request.correlation_id.data);
    ck_assert_ptr_null(request.metadata.data);
    release_input.reservation_id = span(ROOM);
    release_input.reason = span("WHY");
    release_input.correlation_id = span("c");
    release_input.metadata = span("{}");
    ck_assert(request_release(&release_input, &v, &request));
    ck_assert_id(request.reservation_id.id, ROOM);
    ck_assert_span(request.reason, "WHY");
    ck_assert_span(request.correlation_id, "c");
    ck_assert_span(request.metadata, "{}");
}
END_TEST

START_TEST(release_that_is_all_wrong) {
    static char json[FIELD_METADATA_MAX + 1];
    static const char *const fields[] = {"tenantId", "lockId",        "reservationId",
                                         "reason",   "correlationId", "metadata"};
    struct release_request request;
    const struct release_input release_input = {
        .lock_id = span("bulk"),
        .reservation_id = span(""),
        .reason = keys(101),
        .correlation_id = span(""),
        .metadata = {json, sizeof json},
    };
    ck_assert(!request_release(&release_input, &v, &request));
    ck_assert_uint_eq(v.count, (size_t)COUNT(fields));
    for (int i = 0; i < COUNT(fields); i++)
        ck_assert_ptr_nonnull(message_of(fields[i]));
}
END_TEST

START_TEST(bulk_release) {
    struct id ids[2];
    struct bulk_release_request request = {.lock_ids = ids, .lock_count = 2};
    struct bulk_release_input bulk = {.tenant_id = span(TENANT)};
    ck_assert(request_bulk_release(&bulk, &v, &request));
    ck_assert_id(request.tenant_id, TENANT);
    ck_assert_ptr_eq(request.lock_ids, ids);
    ck_assert_uint_eq(request.lock_count, 2);
    ck_assert_span(request.reason, "BULK_RELEASE");
    ck_assert_ptr_null(request.correlation_id.data);
    ck_assert_uint_eq(request.release_id.bytes[6] >> 4, 7);
    bulk = (struct bulk_release_input){.reason = span(""), .correlation_id = keys(256)};
    ck_assert(!request_bulk_release(&bulk, &v, &request));
    ck_assert_uint_eq(v.count, 3);
    ck_assert_ptr_nonnull(message_of("tenantId"));
    ck_assert_ptr_nonnull(message_of("reason"));
    ck_assert_ptr_nonnull(message_of("correlationId"));
}
END_TEST

START_TEST(get) {
    struct get_request request;
    struct get_input get_input = {.tenant_id = span(TENANT), .lock_id = span(LOCK)};
    ck_assert(request_get(&get_input, &v, &request));
    ck_assert_id(request.tenant_id, TENANT);
    ck_assert_id(request.lock_id, LOCK);
    get_input = (struct get_input){.lock_id = span("x")};
    ck_assert(!request_get(&get_input, &v, &request));
    ck_assert_uint_eq(v.count, 2);
    ck_assert_str_eq(message_of("tenantId"), "is required");
    ck_assert_str_eq(message_of("lockId"), "must be a uuid");
}
END_TEST

START_TEST(list_of_everything) {
    struct list_request request;
    const struct list_input list_input = {.tenant_id = span(TENANT)};
    memset(&request, 0xAA, sizeof request);
    ck_assert(request_list(&list_input, &v, &request));
    ck_assert_int_eq(request.limit, 50);
    ck_assert(!request.room_id.set);
    ck_assert(!request.room_type_id.set);
    ck_assert(!request.reservation_id.set);
    ck_assert_ptr_null(request.status.data);
    ck_assert(!request.has_from);
    ck_assert(!request.has_to);
    ck_assert(!request.after.set);
}
END_TEST

START_TEST(list_with_filters) {
    struct list_request request;
    const struct list_input list_input = {
        .tenant_id = span(TENANT),
        .room_id = span(ROOM),
        .room_type_id = span(TYPE),
        .reservation_id = span(OTHER_TENANT),
        .status = span("EXPIRED"),
        .from = span("1970-01-02"),
        .to = span("1970-01-03"),
        .limit = span("200"),
        .cursor = span(LOCK),
    };
    ck_assert(request_list(&list_input, &v, &request));
    ck_assert_id(request.room_id.id, ROOM);
    ck_assert_id(request.room_type_id.id, TYPE);
    ck_assert_id(request.reservation_id.id, OTHER_TENANT);
    ck_assert_span(request.status, "EXPIRED");
    ck_assert(request.has_from);
    ck_assert_int_eq(request.from, US_PER_DAY);
    ck_assert(request.has_to);
    ck_assert_int_eq(request.to, 2 * US_PER_DAY);
    ck_assert_int_eq(request.limit, 200);
    ck_assert(request.after.set);
    ck_assert_id(request.after.id, LOCK);
}
END_TEST

static const struct {
    const char *field;
    size_t offset;
    const char *value;
    bool valid;
} filters[] = {
    {"roomId", offsetof(struct list_input, room_id), "", false},
    {"roomTypeId", offsetof(struct list_input, room_type_id), "x", false},
    {"reservationId", offsetof(struct list_input, reservation_id), "x", false},
    {"status", offsetof(struct list_input, status), "ACTIVE", true},
    {"status", offsetof(struct list_input, status), "RELEASED", true},
    {"status", offsetof(struct list_input, status), "active", false},
    {"status", offsetof(struct list_input, status), "ACTIV", false},
    {"status", offsetof(struct list_input, status), "ACTIVES", false},
    {"status", offsetof(struct list_input, status), "", false},
    {"from", offsetof(struct list_input, from), "2030-01-01", true},
    {"from", offsetof(struct list_input, from), "", false},
    {"to", offsetof(struct list_input, to), "2030-01-01T00:00:00Z", true},
    {"to", offsetof(struct list_input, to), "x", false},
    {"limit", offsetof(struct list_input, limit), "1", true},
    {"limit", offsetof(struct list_input, limit), "200", true},
    {"limit", offsetof(struct list_input, limit), "0", false},
    {"limit", offsetof(struct list_input, limit), "201", false},
    {"limit", offsetof(struct list_input, limit), "-1", false},
    {"limit", offsetof(struct list_input, limit), "", false},
    {"limit", offsetof(struct list_input, limit), "4294967297", false},
    {"cursor", offsetof(struct list_input, cursor), LOCK, true},
    {"cursor", offsetof(struct list_input, cursor), "", false},
    {"cursor", offsetof(struct list_input, cursor), "next", false},
};

START_TEST(list_filter) {
    struct list_request request;
    struct list_input list_input = {.tenant_id = span(TENANT)};
    *(struct text_span *)(void *)((char *)&list_input + filters[_i].offset) =
        span(filters[_i].value);
    ck_assert_int_eq(request_list(&list_input, &v, &request), filters[_i].valid);
    if (!filters[_i].valid)
        ck_assert_only(filters[_i].field);
}
END_TEST

START_TEST(list_range) {
    struct list_request request;
    struct list_input list_input = {
        .tenant_id = span(TENANT), .from = span("2030-01-02"), .to = span("2030-01-02")};
    ck_assert(!request_list(&list_input, &v, &request));
    ck_assert_only("to");
    setup();
    list_input.to = span("2030-01-01");
    ck_assert(!request_list(&list_input, &v, &request));
    ck_assert_only("to");
    setup();
    list_input.to = span("2030-01-02T00:00:00.001Z");
    ck_assert(request_list(&list_input, &v, &request));
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("request");
    TCase *tcase = tcase_create("request");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, limits_of_settings);
    tcase_add_test(tcase, lock_with_as_little_as_possible);
    tcase_add_test(tcase, lock_with_everything);
    tcase_add_test(tcase, lock_that_has_nothing);
    tcase_add_test(tcase, lock_that_is_all_wrong);
    tcase_add_test(tcase, violations_of_the_door_stand);
    tcase_add_test(tcase, empty_room_is_no_room);
    tcase_add_loop_test(tcase, stay, 0, COUNT(stays));
    tcase_add_loop_test(tcase, ttl, 0, COUNT(ttls));
    tcase_add_loop_test(tcase, text_bounds, 0, COUNT(texts));
    tcase_add_test(tcase, metadata_bound);
    tcase_add_loop_test(tcase, metadata_with_exponents, 0, COUNT(exponents));
    tcase_add_test(tcase, key_that_is_a_uuid_is_the_id);
    tcase_add_loop_test(tcase, key_that_is_no_uuid, 0, COUNT(named));
    tcase_add_test(tcase, no_key_gets_a_new_id_each_time);
    tcase_add_test(tcase, release);
    tcase_add_test(tcase, release_that_is_all_wrong);
    tcase_add_test(tcase, bulk_release);
    tcase_add_test(tcase, get);
    tcase_add_test(tcase, list_of_everything);
    tcase_add_test(tcase, list_with_filters);
    tcase_add_loop_test(tcase, list_filter, 0, COUNT(filters));
    tcase_add_test(tcase, list_range);
    suite_add_tcase(suite, tcase);
    return suite;
}
