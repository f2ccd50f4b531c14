/* test_manual_release.c: what a manual release must have, and what becomes of it. */
#include "domain/manual_release.h"

#include <stddef.h>
#include <string.h>

#include "domain/request.h"
#include "unit.h"

#define TENANT "11111111-1111-4111-8111-111111111111"
#define RESERVATION "44444444-4444-4444-8444-444444444444"
#define LOCK "018f0011-2233-7455-8677-8899aabbccfd"

static struct violations v;
static struct manual_release_input input; /* a valid one, for each test to change */
static struct manual_release_request request;

static struct text_span span(const char *text) {
    return (struct text_span){text, strlen(text)};
}

/* A text of so many characters, each of two bytes. */
static struct text_span characters(size_t count) {
    static char text[2048];
    ck_assert_uint_le(2 * count, sizeof text);
    for (size_t i = 0; i < 2 * count; i++)
        text[i] = i % 2 == 0 ? '\xc3' : '\xa9';
    return (struct text_span){text, 2 * count};
}

static void setup(void) {
    memset(&v, 0, sizeof v);
    input = (struct manual_release_input){
        .tenant_id = span(TENANT),
        .lock_id = span(LOCK),
        .reason = span("why"),
        .actor_id = span("ops.42"),
        .actor_name = span("Alex Night"),
    };
}

static bool read_input(void) {
    memset(&v, 0, sizeof v);
    memset(&request, 0xAA, sizeof request);
    return manual_release_request(&input, &v, &request);
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

START_TEST(as_little_as_possible) {
    ck_assert(read_input());
    ck_assert_uint_eq(v.count, 0);
    ck_assert_id(request.tenant_id, TENANT);
    ck_assert_id(request.lock_id, LOCK);
    ck_assert(!request.reservation_id.set);
    ck_assert_span(request.reason, "why");
    ck_assert_span(request.actor_id, "ops.42");
    ck_assert_span(request.actor_name, "Alex Night");
    ck_assert_ptr_null(request.actor_email.data);
    ck_assert_ptr_null(request.correlation_id.data);
    ck_assert_ptr_null(request.metadata.data);
    ck_assert_ptr_null(request.recipients.data);
}
END_TEST

START_TEST(everything) {
    input.reservation_id = span(RESERVATION);
    input.actor_email = span("alex@hotel.example");
    input.correlation_id = span("case 7");
    input.metadata = span("{\"a\":1}");
    ck_assert(read_input());
    ck_assert(request.reservation_id.set);
    ck_assert_id(request.reservation_id.id, RESERVATION);
    ck_assert_span(request.actor_email, "alex@hotel.example");
    ck_assert_span(request.correlation_id, "case 7");
    ck_assert_span(request.metadata, "{\"a\":1}");
    ck_assert_ptr_null(request.recipients.data); /* the door's */
}
END_TEST

/* Each request gets an audit row and an event of its own. */
START_TEST(ids_are_new_each_time) {
    ck_assert(read_input());
    const struct id audit = request.audit_id;
    const struct id event = request.event_id;
    ck_assert_uint_eq(audit.bytes[6] >> 4, 7);
    ck_assert_uint_eq(event.bytes[6] >> 4, 7);
    ck_assert(!id_equal(&audit, &event));
    ck_assert(read_input());
    ck_assert_int_gt(id_compare(&request.audit_id, &event), 0);
    ck_assert_int_gt(id_compare(&request.event_id, &request.audit_id), 0);
}
END_TEST

START_TEST(nothing) {
    static const char *const required[] = {"tenantId", "lockId", "reason", "actorId", "actorName"};
    memset(&input, 0, sizeof input);
    ck_assert(!read_input());
    ck_assert_uint_eq(v.count, (size_t)COUNT(required));
    for (int i = 0; i < COUNT(required); i++)
        ck_assert_pstr_eq(message_of(required[i]), "is required");
}
END_TEST

/* Everything is wrong: all of it is told, each field once. */
START_TEST(all_wrong) {
    static char json[FIELD_METADATA_MAX + 1];
    static const char *const fields[] = {"tenantId",   "lockId",   "reservationId",
                                         "reason",     "actorId",  "actorName",
                                         "actorEmail", "metadata", "correlationId"};
    memset(json, ' ', sizeof json);
    input = (struct manual_release_input){
        .tenant_id = span("t"),
        .lock_id = span("x"),
        .reservation_id = span(""),
        .reason = span("no"),
        .actor_id = span("\xff"),
        .actor_name = span(""),
        .actor_email = characters(321),
        .correlation_id = span(""),
        .metadata = {json, sizeof json},
    };
    ck_assert(!read_input());
    ck_assert_uint_eq(v.count, (size_t)COUNT(fields));
    for (int i = 0; i < COUNT(fields); i++)
        ck_assert_ptr_nonnull(message_of(fields[i]));
}
END_TEST

/* What the door could not read is not called missing. */
START_TEST(violations_of_the_door_stand) {
    static const char *const fields[] = {"tenantId", "reason", "actorId", "actorName"};
    for (int i = 0; i < COUNT(fields); i++)
        violations_add(&v, fields[i], "must be a string");
    input.tenant_id = (struct text_span){NULL, 0};
    input.reason = (struct text_span){NULL, 0};
    input.actor_id = (struct text_span){NULL, 0};
    input.actor_name = (struct text_span){NULL, 0};
    ck_assert(!manual_release_request(&input, &v, &request));
    ck_assert_uint_eq(v.count, (size_t)COUNT(fields));
    for (int i = 0; i < COUNT(fields); i++)
        ck_assert_pstr_eq(message_of(fields[i]), "must be a string");
}
END_TEST

static const struct {
    const char *field;
    size_t offset;
} ids[] = {
    {"tenantId", offsetof(struct manual_release_input, tenant_id)},
    {"lockId", offsetof(struct manual_release_input, lock_id)},
    {"reservationId", offsetof(struct manual_release_input, reservation_id)},
};

START_TEST(wrong_ids) {
    static const char *const wrong[] = {"", "x", "018f0011-2233-7455-8677-8899aabbccf",
                                        "018f0011-2233-7455-8677-8899aabbccfdd",
                                        "{18f0011-2233-7455-8677-8899aabbccf}"};
    for (int i = 0; i < COUNT(wrong); i++) {
        *(struct text_span *)(void *)((char *)&input + ids[_i].offset) = span(wrong[i]);
        ck_assert(!read_input());
        ck_assert_only(ids[_i].field);
    }
}
END_TEST

static const struct {
    const char *field;
    size_t offset;
    size_t min;
    size_t max;
} texts[] = {
    {"reason", offsetof(struct manual_release_input, reason), 3, 500},
    {"actorId", offsetof(struct manual_release_input, actor_id), 1, 255},
    {"actorName", offsetof(struct manual_release_input, actor_name), 1, 255},
    {"actorEmail", offsetof(struct manual_release_input, actor_email), 1, 320},
    {"correlationId", offsetof(struct manual_release_input, correlation_id), 1, 255},
};

/* Bounds are in characters, not in bytes. */
START_TEST(bounds_of_texts) {
    const struct text_span wrong[] = {characters(texts[_i].max + 1),
                                      {"", 0},
                                      {"abc\0", 4},
                                      {"abc\xc3", 4},
                                      {"abc\xed\xa0\x80", 6}};
    struct text_span *text = (struct text_span *)(void *)((char *)&input + texts[_i].offset);
    *text = characters(texts[_i].min);
    ck_assert(read_input());
    *text = characters(texts[_i].max);
    ck_assert(read_input());
    *text = characters(texts[_i].min - 1);
    ck_assert(!read_input());
    ck_assert_only(texts[_i].field);
    for (int i = 0; i < COUNT(wrong); i++) {
        *text = wrong[i];
        ck_assert(!read_input());
        ck_assert_only(texts[_i].field);
    }
}
END_TEST

START_TEST(reason_is_measured_in_characters) {
    input.reason = span("\xf0\x9f\x94\x91\xf0\x9f\x94\x91"); /* two, in eight bytes */
    ck_assert(!read_input());
    ck_assert_only("reason");
    ck_assert_pstr_eq(message_of("reason"), "must have at least 3 characters");
    input.reason = span("\xf0\x9f\x94\x91\xf0\x9f\x94\x91\xf0\x9f\x94\x91");
    ck_assert(read_input());
}
END_TEST

START_TEST(bound_of_metadata) {
    static char json[FIELD_METADATA_MAX + 1];
    memset(json, ' ', sizeof json);
    input.metadata = (struct text_span){json, FIELD_METADATA_MAX};
    ck_assert(read_input());
    ck_assert_uint_eq(request.metadata.length, 16384);
    input.metadata.length++;
    ck_assert(!read_input());
    ck_assert_only("metadata");
    input.metadata = span("{\"n\":1e16384}");
    ck_assert(!read_input());
    ck_assert_only("metadata");
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("manual_release");
    TCase *tcase = tcase_create("manual_release");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, as_little_as_possible);
    tcase_add_test(tcase, everything);
    tcase_add_test(tcase, ids_are_new_each_time);
    tcase_add_test(tcase, nothing);
    tcase_add_test(tcase, all_wrong);
    tcase_add_test(tcase, violations_of_the_door_stand);
    tcase_add_loop_test(tcase, wrong_ids, 0, COUNT(ids));
    tcase_add_loop_test(tcase, bounds_of_texts, 0, COUNT(texts));
    tcase_add_test(tcase, reason_is_measured_in_characters);
    tcase_add_test(tcase, bound_of_metadata);
    suite_add_tcase(suite, tcase);
    return suite;
}
