/* test_audit.c: what may be asked of the audit trail, and its rows as JSON. */
#include "domain/audit.h"

#include <stddef.h>
#include <string.h>

#include "guard/audit_json.h"
#include "unit.h"

#define TENANT "11111111-1111-4111-8111-111111111111"
#define LOCK "018f0011-2233-7455-8677-8899aabbccfd"

static struct violations v;
static struct audits_input input; /* a valid one, for each test to change */
static struct audits_request request;

static struct text_span span(const char *text) {
    return (struct text_span){text, strlen(text)};
}

static void setup(void) {
    input = (struct audits_input){.tenant_id = span(TENANT)};
}

static bool read_input(void) {
    memset(&v, 0, sizeof v);
    memset(&request, 0xAA, sizeof request);
    return audits_request(&input, AUDIT_NEWEST_FIRST, &v, &request);
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

START_TEST(as_little_as_possible) {
    ck_assert(read_input());
    ck_assert_id(request.tenant_id, TENANT);
    ck_assert(!request.lock_id.set);
    ck_assert_ptr_null(request.actor_id.data);
    ck_assert(!request.has_from);
    ck_assert(!request.has_to);
    ck_assert_int_eq(request.order, AUDIT_NEWEST_FIRST);
    ck_assert_int_eq(request.beyond, 0);
    ck_assert_int_eq(request.limit, 50);
}
END_TEST

START_TEST(everything) {
    input.lock_id = span(LOCK);
    input.actor_id = span("ops.42");
    input.from = span("1970-01-01T01:00:00+01:00");
    input.to = span("1970-01-02");
    input.limit = span("200");
    input.cursor = span("9223372036854775807");
    memset(&v, 0, sizeof v);
    ck_assert(audits_request(&input, AUDIT_OLDEST_FIRST, &v, &request));
    ck_assert(request.lock_id.set);
    ck_assert_id(request.lock_id.id, LOCK);
    ck_assert_bytes_eq(request.actor_id.data, request.actor_id.length, "ops.42");
    ck_assert(request.has_from);
    ck_assert_int_eq(request.from, 0);
    ck_assert(request.has_to);
    ck_assert_int_eq(request.to, US_PER_DAY);
    ck_assert_int_eq(request.order, AUDIT_OLDEST_FIRST);
    ck_assert_int_eq(request.beyond, INT64_MAX);
    ck_assert_int_eq(request.limit, 200);
}
END_TEST

START_TEST(all_wrong) {
    static const char *const fields[] = {"tenantId", "lockId", "actorId", "from",
                                         "to",       "limit",  "cursor"};
    memset(&v, 0, sizeof v);
    input = (struct audits_input){.lock_id = span("x"),
                                  .actor_id = span(""),
                                  .from = span("x"),
                                  .to = span("y"),
                                  .limit = span("none"),
                                  .cursor = span("next")};
    ck_assert(!read_input());
    ck_assert_uint_eq(v.count, (size_t)COUNT(fields));
    for (int i = 0; i < COUNT(fields); i++)
        ck_assert(violations_has(&v, fields[i]));
}
END_TEST

START_TEST(violations_of_the_door_stand) {
    static const char message[] = "must be given once";
    memset(&v, 0, sizeof v);
    violations_add(&v, "tenantId", message);
    input.tenant_id = (struct text_span){NULL, 0};
    ck_assert(!audits_request(&input, AUDIT_NEWEST_FIRST, &v, &request));
    ck_assert_only("tenantId");
    ck_assert_str_eq(v.items[0].message, message);
}
END_TEST

static const struct {
    const char *field;
    size_t offset;
    const char *value;
    bool valid;
} filters[] = {
    {"tenantId", offsetof(struct audits_input, tenant_id), "", false},
    {"tenantId", offsetof(struct audits_input, tenant_id), "x", false},
    {"lockId", offsetof(struct audits_input, lock_id), "", false},
    {"lockId", offsetof(struct audits_input, lock_id), "audit", false},
    {"actorId", offsetof(struct audits_input, actor_id), " ", true},
    {"actorId", offsetof(struct audits_input, actor_id), "\xc3\xa9", true},
    {"actorId", offsetof(struct audits_input, actor_id), "\xc3", false},
    {"from", offsetof(struct audits_input, from), "2030-01-01", true},
    {"from", offsetof(struct audits_input, from), "", false},
    {"from", offsetof(struct audits_input, from), "1969-12-31", false},
    {"to", offsetof(struct audits_input, to), "2030-01-01T00:00:00Z", true},
    {"to", offsetof(struct audits_input, to), "2030-01-01T00:00:00", false},
    {"limit", offsetof(struct audits_input, limit), "1", true},
    {"limit", offsetof(struct audits_input, limit), "200", true},
    {"limit", offsetof(struct audits_input, limit), "0", false},
    {"limit", offsetof(struct audits_input, limit), "201", false},
    {"limit", offsetof(struct audits_input, limit), "-1", false},
    {"limit", offsetof(struct audits_input, limit), "", false},
    {"limit", offsetof(struct audits_input, limit), "4294967297", false},
    {"cursor", offsetof(struct audits_input, cursor), "1", true},
    {"cursor", offsetof(struct audits_input, cursor), "9223372036854775807", true},
    {"cursor", offsetof(struct audits_input, cursor), "9223372036854775808", false},
    {"cursor", offsetof(struct audits_input, cursor), "0", false},
    {"cursor", offsetof(struct audits_input, cursor), "-1", false},
    {"cursor", offsetof(struct audits_input, cursor), "+1", false},
    {"cursor", offsetof(struct audits_input, cursor), " 1", false},
    {"cursor", offsetof(struct audits_input, cursor), "1 ", false},
    {"cursor", offsetof(struct audits_input, cursor), "1.0", false},
    {"cursor", offsetof(struct audits_input, cursor), "", false},
    {"cursor", offsetof(struct audits_input, cursor), LOCK, false},
};

START_TEST(filter) {
    *(struct text_span *)(void *)((char *)&input + filters[_i].offset) = span(filters[_i].value);
    ck_assert_int_eq(read_input(), filters[_i].valid);
    if (!filters[_i].valid)
        ck_assert_only(filters[_i].field);
}
END_TEST

START_TEST(bound_of_an_actor) {
    static char text[256];
    memset(text, 'a', sizeof text);
    input.actor_id = (struct text_span){text, 255};
    ck_assert(read_input());
    input.actor_id.length++;
    ck_assert(!read_input());
    ck_assert_only("actorId");
}
END_TEST

static const struct {
    const char *from;
    const char *to;
    bool valid;
} ranges[] = {
    {"2030-01-02", "2030-01-02T00:00:00.001Z", true},
    {"2030-01-02", "2030-01-02", false},
    {"2030-01-02", "2030-01-01", false},
    {"2030-01-02T01:00:00+01:00", "2030-01-02", false}, /* the same moment */
    {"2030-01-02T01:00:00+02:00", "2030-01-02", true},
};

START_TEST(range) {
    input.from = span(ranges[_i].from);
    input.to = span(ranges[_i].to);
    ck_assert_int_eq(read_input(), ranges[_i].valid);
    if (!ranges[_i].valid)
        ck_assert_only("to");
}
END_TEST

static void check_json(const struct audit *audit, const char *expected) {
    struct buffer b = {0};
    audit_json_append(&b, audit);
    buffer_append_char(&b, '\0');
    ck_assert(!b.failed);
    ck_assert_str_eq(b.data, expected);
    buffer_free(&b);
}

START_TEST(json_with_as_little_as_possible) {
    const struct audit audit = {.action = span("MANUAL_RELEASE"),
                                .performed_by_id = span("ops.42"),
                                .performed_by_name = span("Alex"),
                                .reason = span("why"),
                                .sequence = 7};
    check_json(&audit, "{\"id\":\"00000000-0000-0000-0000-000000000000\","
                       "\"lock_id\":\"00000000-0000-0000-0000-000000000000\","
                       "\"tenant_id\":\"00000000-0000-0000-0000-000000000000\","
                       "\"action\":\"MANUAL_RELEASE\",\"performed_by_id\":\"ops.42\","
                       "\"performed_by_name\":\"Alex\",\"performed_by_email\":null,"
                       "\"reason\":\"why\",\"metadata\":{},"
                       "\"created_at\":\"1970-01-01T00:00:00.000Z\"}");
}
END_TEST

START_TEST(json_with_everything) {
    struct audit audit = {.action = span("MANUAL_RELEASE"),
                          .performed_by_id = span("\"\\"),
                          .performed_by_name = span("\xc3\xa9\n"),
                          .performed_by_email = span("<a@b>"),
                          .reason = span("\x7f\x01"),
                          .metadata = span("{\"a\": 1}"),
                          .created_at = US_PER_DAY + 1999};
    ck_assert(id_parse(&audit.id, LOCK, ID_TEXT_LENGTH));
    ck_assert(id_parse(&audit.lock_id, TENANT, ID_TEXT_LENGTH));
    ck_assert(id_parse(&audit.tenant_id, TENANT, ID_TEXT_LENGTH));
    check_json(&audit, "{\"id\":\"" LOCK "\",\"lock_id\":\"" TENANT "\",\"tenant_id\":\"" TENANT
                       "\",\"action\":\"MANUAL_RELEASE\",\"performed_by_id\":\"\\\"\\\\\","
                       "\"performed_by_name\":\"\xc3\xa9\\n\",\"performed_by_email\":\"<a@b>\","
                       "\"reason\":\"\x7f\\u0001\",\"metadata\":{\"a\": 1},"
                       "\"created_at\":\"1970-01-02T00:00:00.001Z\"}");
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("audit");
    TCase *tcase = tcase_create("audit");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, as_little_as_possible);
    tcase_add_test(tcase, everything);
    tcase_add_test(tcase, all_wrong);
    tcase_add_test(tcase, violations_of_the_door_stand);
    tcase_add_loop_test(tcase, filter, 0, COUNT(filters));
    tcase_add_test(tcase, bound_of_an_actor);
    tcase_add_loop_test(tcase, range, 0, COUNT(ranges));
    tcase_add_test(tcase, json_with_as_little_as_possible);
    tcase_add_test(tcase, json_with_everything);
    suite_add_tcase(suite, tcase);
    return suite;
}
