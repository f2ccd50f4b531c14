/* What a message of the command topic asks for. */
#include "commands/envelope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

#define TENANT "11111111-1111-4111-8111-111111111111"
#define OTHER "22222222-2222-4222-8222-222222222222"
#define TYPE "33333333-3333-4333-8333-333333333333"
#define LOCK "018f0011-2233-7455-8677-8899aabbccfd"
#define COMMAND "99999999-9999-4999-8999-999999999999"

#define STAY "\"roomTypeId\":\"" TYPE "\",\"stayStart\":\"2090-01-01\",\"stayEnd\":\"2090-01-03\""
#define META(name)                                                                                 \
    "\"commandId\":\"" COMMAND "\",\"commandName\":\"" name "\",\"tenantId\":\"" TENANT "\""
#define MESSAGE(metadata, payload) "{\"metadata\":{" metadata "},\"payload\":{" payload "}}"

static const struct envelope_rules rules = {
    .service = "guard",
    .limits = {.default_ttl_seconds = 7200, .max_ttl_seconds = 86400, .max_stay_us = INT64_MAX},
};

static struct envelope envelope;
static struct command command;
static struct buffer kept;
static char *memory; /* the text, without anything behind it */

static void setup(void) {
    buffer_init(&kept);
    memory = NULL;
}

static void teardown(void) {
    if (command_is_bulk_release(&command))
        free(command.as.bulk_release.lock_ids);
    memset(&command, 0, sizeof command);
    buffer_free(&kept);
    free(memory);
    memory = NULL;
}

/* What is read must not need the message any more. */
static enum envelope_verdict read_bytes(const char *text, size_t length) {
    teardown();
    memory = malloc(length + 1);
    ck_assert_ptr_nonnull(memory);
    memcpy(memory, text, length);
    memory = realloc(memory, length > 0 ? length : 1);
    memset(&command, 0xAA, sizeof command);
    const enum envelope_verdict verdict =
        envelope_read(&envelope, (struct text_span){memory, length}, &rules, &command, &kept);
    free(memory);
    memory = NULL;
    return verdict;
}

static enum envelope_verdict read(const char *text) {
    return read_bytes(text, strlen(text));
}

#define ck_assert_id(id_value, text)                                                               \
    do {                                                                                           \
        char formatted[ID_TEXT_LENGTH + 1];                                                        \
        id_format(&(id_value), formatted);                                                         \
        ck_assert_str_eq(formatted, (text));                                                       \
    } while (0)

#define ck_assert_span(value, text) ck_assert_bytes_eq((value).data, (value).length, text)

#define ck_assert_invalid(message, problem_text)                                                   \
    do {                                                                                           \
        ck_assert_int_eq(read(message), ENVELOPE_INVALID);                                         \
        ck_assert_str_eq(envelope.problem, (problem_text));                                        \
        ck_assert_ptr_null(kept.data);                                                             \
    } while (0)

START_TEST(a_lock) {
    ck_assert_int_eq(
        read(MESSAGE(META("inventory.lock.room") ",\"correlationId\":\"from-envelope\","
                                                 "\"targetService\":\"guard\",\"initiatedBy\":{}",
                     STAY ",\"tenantId\":\"" TENANT "\",\"reason\":\"R\",\"ttlSeconds\":60,"
                          "\"idempotencyKey\":\"" LOCK "\",\"correlationId\":\"from-payload\","
                          "\"metadata\":{\"n\":1.10}")),
        ENVELOPE_COMMAND);
    const struct lock_request *r = &command.as.lock;
    ck_assert_int_eq(command.kind, COMMAND_LOCK_ONCE);
    ck_assert_int_eq(envelope.name, ENVELOPE_LOCK);
    ck_assert_span(command.ledger_id, COMMAND);
    ck_assert_int_eq(command.ledger_id.data[command.ledger_id.length], '\0');
    ck_assert_id(r->tenant_id, TENANT);
    ck_assert_id(r->id, LOCK);
    ck_assert(r->has_key);
    ck_assert_int_eq(r->ttl_seconds, 60);
    ck_assert_span(r->reason, "R");
    ck_assert_span(r->correlation_id, "from-payload");
    ck_assert_span(r->metadata, "{\"n\":1.10}");
}
END_TEST

START_TEST(what_the_envelope_stands_in_for) {
    ck_assert_int_eq(
        read(MESSAGE(META("inventory.lock.room") ",\"correlationId\":\"from-envelope\"", STAY)),
        ENVELOPE_COMMAND);
    ck_assert_id(command.as.lock.tenant_id, TENANT);
    ck_assert_id(command.as.lock.id, COMMAND);
    ck_assert_span(command.as.lock.correlation_id, "from-envelope");
    ck_assert_span(command.as.lock.reason, "RESERVATION_CREATE");
    ck_assert_int_eq(command.as.lock.ttl_seconds, 7200);
}
END_TEST

START_TEST(any_text_is_an_id) {
    ck_assert_int_eq(read(MESSAGE("\"commandId\":\"cmd-\xc3\xa9\",\"tenantId\":\"" TENANT
                                  "\",\"commandName\":\"inventory.lock.room\"",
                                  STAY)),
                     ENVELOPE_COMMAND);
    struct id expected;
    id_v5(&expected, &command.as.lock.tenant_id, "cmd-\xc3\xa9", 6);
    ck_assert_span(command.ledger_id, "cmd-\xc3\xa9");
    ck_assert(id_equal(&command.as.lock.id, &expected));
}
END_TEST

START_TEST(a_release) {
    ck_assert_int_eq(read(MESSAGE(META("inventory.release.room"), "\"lockId\":\"" LOCK "\"")),
                     ENVELOPE_COMMAND);
    ck_assert_int_eq(command.kind, COMMAND_RELEASE_ONCE);
    ck_assert_int_eq(envelope.name, ENVELOPE_RELEASE);
    ck_assert_id(command.as.release.lock_id, LOCK);
    ck_assert_id(command.as.release.tenant_id, TENANT);
    ck_assert(!command.as.release.reservation_id.set);
    ck_assert_span(command.as.release.reason, "RELEASE_REQUEST");
}
END_TEST

START_TEST(a_bulk_release) {
    ck_assert_int_eq(read(MESSAGE(META("inventory.release.bulk"),
                                  "\"lockIds\":[\"" LOCK "\",\"" OTHER "\"],\"reason\":\"R\"")),
                     ENVELOPE_COMMAND);
    const struct bulk_release_request *r = &command.as.bulk_release;
    ck_assert_int_eq(command.kind, COMMAND_BULK_RELEASE_ONCE);
    ck_assert_uint_eq(r->lock_count, 2);
    ck_assert_id(r->lock_ids[1], OTHER);
    ck_assert_span(r->reason, "R");
}
END_TEST

/* Names with escapes, members in any order, spaces. */
START_TEST(other_spellings) {
    ck_assert_int_eq(
        read(" {\"p\\u0061yload\" : {" STAY " , \"met\\u0061data\":{\"a\":[1]}} ,\n"
             "\"more\":[1,{}],\"m\\u0065tadata\":{" META("inventory.lock\\u002eroom") "}} "),
        ENVELOPE_COMMAND);
    ck_assert_span(command.as.lock.metadata, "{\"a\":[1]}");
}
END_TEST

static const char *const skipped[] = {
    MESSAGE(META("inventory.lock.room") ",\"targetService\":\"billing\"", STAY),
    MESSAGE(META("inventory.lock.room") ",\"targetService\":\"Guard\"", STAY),
    MESSAGE(META("inventory.lock.room") ",\"targetService\":\"guard \"", "\"bad\":1"),
    MESSAGE(META("inventory.lock.rooms"), STAY),
    MESSAGE(META("inventory.lock"), STAY),
    MESSAGE(META("INVENTORY.LOCK.ROOM"), STAY),
    MESSAGE("\"commandName\":\"other\"", ""),
    MESSAGE("\"targetService\":\"billing\"", ""),
    "{\"metadata\":{\"commandName\":\"other\"}}",
    "{\"metadata\":{\"commandName\":\"other\"},\"payload\":7}",
};

START_TEST(for_others) {
    ck_assert_int_eq(read(skipped[_i]), ENVELOPE_SKIPPED);
    ck_assert_ptr_null(kept.data);
}
END_TEST

static const char *const no_target[] = {
    ",\"targetService\":null",
    ",\"targetService\":\"\"",
    ",\"targetService\":\"guard\"",
    "",
};

START_TEST(for_us) {
    char text[1024];
    (void)snprintf(text, sizeof text, "{\"metadata\":{%s%s},\"payload\":{%s}}",
                   META("inventory.lock.room"), no_target[_i], STAY);
    ck_assert_int_eq(read(text), ENVELOPE_COMMAND);
}
END_TEST

static const struct {
    const char *text;
    const char *problem;
} invalid[] = {
    {"", "there is no value"},
    {"7", "the value cannot be read: '[' or '{' expected at line 1, column 1"},
    {"[]", "the value cannot be read: the body is not a JSON object"},
    {"{}", "the metadata are missing or not an object"},
    {"{\"metadata\":[]}", "the metadata are missing or not an object"},
    {"{\"metadata\":{}}", "commandName is missing or not a string"},
    {MESSAGE("\"commandName\":null", ""), "commandName is missing or not a string"},
    {MESSAGE("\"commandName\":7", ""), "commandName is missing or not a string"},
    {"{\"metadata\":{" META("inventory.lock.room") "}}", "the payload is missing or not an object"},
    {"{\"metadata\":{" META("inventory.lock.room") "},\"payload\":\"{}\"}",
     "the payload is missing or not an object"},
    {MESSAGE("\"commandName\":\"inventory.release.room\",\"tenantId\":\"" TENANT "\"",
             "\"lockId\":\"" LOCK "\""),
     "commandId is required"},
    {MESSAGE("\"commandId\":\"\",\"commandName\":\"inventory.release.room\",\"tenantId\":\"" TENANT
             "\"",
             "\"lockId\":\"" LOCK "\""),
     "commandId is required"},
    {MESSAGE("\"commandId\":1,\"commandName\":\"inventory.release.room\",\"tenantId\":\"" TENANT
             "\"",
             "\"lockId\":\"" LOCK "\""),
     "commandId must be a string"},
    {MESSAGE(META("inventory.release.room"), ""), "lockId is required"},
    {MESSAGE(META("inventory.release.room"), "\"lockId\":7"), "lockId must be a string"},
    {MESSAGE(META("inventory.release.room"), "\"lockId\":\"" LOCK "\",\"tenantId\":\"" OTHER "\""),
     "tenantId differs from that of the metadata"},
    {MESSAGE(META("inventory.release.room") ",\"correlationId\":7", "\"lockId\":\"" LOCK "\""),
     "correlationId must be a string"},
    {MESSAGE(META("inventory.release.room") ",\"targetService\":7", "\"lockId\":\"" LOCK "\""),
     "targetService must be a string"},
    {MESSAGE("\"commandId\":\"c\",\"commandName\":\"inventory.release.room\"",
             "\"lockId\":\"" LOCK "\""),
     "tenantId is required"},
    {MESSAGE(META("inventory.release.bulk"), "\"lockIds\":[\"x\"]"),
     "lockIds must hold uuids only"},
    {MESSAGE(META("inventory.lock.room"),
             "\"roomTypeId\":\"x\",\"stayStart\":\"2090-01-02\",\"stayEnd\":\"2090-01-01\""),
     "roomTypeId must be a uuid; stayEnd must be after stayStart"},
};

START_TEST(what_is_wrong) {
    ck_assert_invalid(invalid[_i].text, invalid[_i].problem);
}
END_TEST

/* Many violations are cut, not written past the end. */
START_TEST(everything_is_wrong) {
    ck_assert_int_eq(
        read("{\"metadata\":{\"commandName\":\"inventory.lock.room\",\"commandId\":1,"
             "\"tenantId\":1,\"correlationId\":1,\"targetService\":1},\"payload\":{\"roomId\":1,"
             "\"roomTypeId\":1,\"propertyId\":1,\"reservationId\":1,\"stayStart\":1,\"stayEnd\":1,"
             "\"reason\":1,\"idempotencyKey\":1,\"metadata\":1,\"ttlSeconds\":\"\"}}"),
        ENVELOPE_INVALID);
    ck_assert_uint_eq(strlen(envelope.problem), ENVELOPE_PROBLEM_MAX - 1);
}
END_TEST

START_TEST(as_long_as_it_may_be) {
    const size_t most = ENVELOPE_BYTES_MAX;
    static const char start[] = "{\"metadata\":{\"commandName\":\"other\"}}";
    char *text = malloc(most + 1);
    ck_assert_ptr_nonnull(text);
    memset(text, ' ', most + 1);
    memcpy(text, start, sizeof start - 1);
    ck_assert_int_eq(read_bytes(text, most), ENVELOPE_SKIPPED);
    ck_assert_int_eq(read_bytes(text, most + 1), ENVELOPE_INVALID);
    ck_assert_str_eq(envelope.problem, "the value is longer than 1048576 bytes");
    free(text);
}
END_TEST

START_TEST(names) {
    ck_assert_str_eq(envelope_name_text(ENVELOPE_LOCK), "inventory.lock.room");
    ck_assert_str_eq(envelope_name_text(ENVELOPE_OTHER), "other");
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("commands/envelope");
    TCase *tests = tcase_create("envelope");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_lock);
    tcase_add_test(tests, what_the_envelope_stands_in_for);
    tcase_add_test(tests, any_text_is_an_id);
    tcase_add_test(tests, a_release);
    tcase_add_test(tests, a_bulk_release);
    tcase_add_test(tests, other_spellings);
    tcase_add_loop_test(tests, for_others, 0, COUNT(skipped));
    tcase_add_loop_test(tests, for_us, 0, COUNT(no_target));
    tcase_add_loop_test(tests, what_is_wrong, 0, COUNT(invalid));
    tcase_add_test(tests, everything_is_wrong);
    tcase_add_test(tests, as_long_as_it_may_be);
    tcase_add_test(tests, names);
    suite_add_tcase(suite, tests);
    return suite;
}
