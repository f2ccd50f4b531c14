#include "notification/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "notification/recipients.h"
#include "unit.h"

/* As the database writes it: see guard.manual_release_event(). */
#define LOCK_ID "018f0011-2233-7455-8677-8899aabbccfd"
#define TENANT_ID "7b5a3c1e-0d2f-4e6a-8b9c-1d3e5f7a9b0c"
#define RESERVATION_ID "9d3e1c5a-7b2f-4d6e-8a1c-3e5f7b9d1c2a"
#define ROOM_TYPE_ID "2f4e6d8c-1a3b-4c5d-9e8f-7a6b5c4d3e2f"
#define ROOM_ID "5e0f3f3e-6a51-4b0f-9d0c-2a1b3c4d5e6f"
static const char SAMPLE[] =
    "{\"type\" : \"availability_guard.manual_release\", \"sentAt\" : \"2027-06-30T21:14:03.250Z\","
    " \"lockId\" : \"" LOCK_ID "\", \"tenantId\" : \"" TENANT_ID "\","
    " \"reservationId\" : \"" RESERVATION_ID "\", \"roomTypeId\" : \"" ROOM_TYPE_ID "\","
    " \"roomId\" : \"" ROOM_ID "\", \"stayStart\" : \"2027-07-01T00:00:00.000Z\","
    " \"stayEnd\" : \"2027-07-04T11:00:00.000Z\", \"reason\" : \"Guest moved\","
    " \"actor\" : {\"id\" : \"ops.42\", \"name\" : \"Alex Night\", \"email\" : "
    "\"alex@hotel.example\"},"
    " \"recipients\" : [\"gm@hotel.example\", \"#ops\"]}";

static struct event event;
static struct event_error error;
static char *memory; /* the event, without anything behind it: sanitizers see a byte too much */

static void setup(void) {
    memset(&event, 0, sizeof event);
    memory = NULL;
}

static void teardown(void) {
    event_exit(&event);
    free(memory);
    memory = NULL;
}

static enum event_result parse_bytes(const char *bytes, size_t length) {
    teardown();
    error.text[0] = '\0';
    memory = malloc(length + (length == 0 ? 1 : 0));
    ck_assert_ptr_nonnull(memory);
    memcpy(memory, bytes, length);
    const enum event_result result = event_parse(&event, memory, length, &error);
    /* the event must not need them any more */
    memset(memory, 'x', length);
    return result;
}

static bool same(struct text_span span, const char *text) {
    return span.length == strlen(text) && memcmp(span.data, text, span.length) == 0;
}

static void check_id(const struct id *id, const char *expected) {
    char text[ID_TEXT_LENGTH + 1];
    id_format(id, text);
    ck_assert_str_eq(text, expected);
}

static void check_time(timestamp_us time, const char *expected) {
    char text[TIMESTAMP_TEXT_LENGTH + 1];
    timestamp_format(time, text);
    ck_assert_str_eq(text, expected);
}

/* One line of ASCII. */
static void check_error_form(void) {
    ck_assert(error.text[0] != '\0');
    for (const char *at = error.text; *at != '\0'; at++)
        ck_assert(*at >= ' ' && *at <= '~');
    ck_assert_uint_lt(strlen(error.text), sizeof error.text - 1);
}

START_TEST(an_event_of_the_database) {
    ck_assert(parse_bytes(SAMPLE, strlen(SAMPLE)) == EVENT_OK);
    check_time(event.sent_at, "2027-06-30T21:14:03.250Z");
    check_id(&event.lock_id, LOCK_ID);
    check_id(&event.tenant_id, TENANT_ID);
    ck_assert(event.reservation_id.set);
    check_id(&event.reservation_id.id, RESERVATION_ID);
    check_id(&event.room_type_id, ROOM_TYPE_ID);
    ck_assert(event.room_id.set);
    check_id(&event.room_id.id, ROOM_ID);
    check_time(event.stay_start, "2027-07-01T00:00:00.000Z");
    check_time(event.stay_end, "2027-07-04T11:00:00.000Z");
    ck_assert(same(event.reason, "Guest moved"));
    ck_assert(same(event.actor_id, "ops.42"));
    ck_assert(same(event.actor_name, "Alex Night"));
    ck_assert(same(event.actor_email, "alex@hotel.example"));
    struct recipients all = {0};
    ck_assert(recipients_add_array(&all, event.recipients, RECIPIENTS_MAX) == RECIPIENTS_OK);
    ck_assert_uint_eq(all.count, 2);
    recipients_exit(&all);
    event_exit(&event);
    ck_assert_ptr_null(event.tree);
    event_exit(&event);
}
END_TEST

/* The sample with one member ("actor.name": of the actor) set to a value of JSON, or taken out. */
static char *with(const char *member, const char *value) {
    json_t *tree = json_loads(SAMPLE, 0, NULL);
    json_t *object = tree;
    if (strncmp(member, "actor.", 6) == 0) {
        object = json_object_get(tree, "actor");
        member += 6;
    }
    if (value == NULL)
        ck_assert_int_eq(json_object_del(object, member), 0);
    else
        ck_assert_int_eq(
            json_object_set_new(object, member, json_loads(value, JSON_DECODE_ANY, NULL)), 0);
    char *text = json_dumps(tree, 0);
    json_decref(tree);
    return text;
}

static enum event_result parse_with(const char *member, const char *value) {
    char *text = with(member, value);
    const enum event_result result = parse_bytes(text, strlen(text));
    free(text);
    return result;
}

static const struct {
    const char *member;
    const char *value; /* NULL: without the member */
} good[] = {
    {"reservationId", NULL},
    {"reservationId", "null"},
    {"roomId", NULL},
    {"roomId", "null"},
    {"actor.email", NULL},
    {"actor.email", "null"},
    {"recipients", "[]"},
    {"recipients", "[\"\"]"},
    {"recipients", "[\"a\",\"a\"]"},
    {"lockId", "\"018F0011-2233-7455-8677-8899AABBCCFD\""},
    {"sentAt", "\"2027-06-30t23:14:03.25+02:00\""},
    {"stayEnd", "\"2027-07-01T00:00:00.001Z\""},
    {"reason", "\"a\\r\\nb\""},
    {"reason", "\"\\ud83d\\udd11\""},
    {"schemaVersion", "2"},
    {"schemaVersion", "[{\"a\":[null,true,1.5]}]"},
    {"actor.role", "{}"},
};

START_TEST(what_may_be_otherwise) {
    ck_assert_msg(parse_with(good[_i].member, good[_i].value) == EVENT_OK, "%s = %s: %s",
                  good[_i].member, good[_i].value, error.text);
}
END_TEST

START_TEST(what_is_not_there_is_not_set) {
    ck_assert(parse_with("reservationId", "null") == EVENT_OK);
    ck_assert(!event.reservation_id.set);
    ck_assert(parse_with("roomId", NULL) == EVENT_OK);
    ck_assert(!event.room_id.set);
    ck_assert(parse_with("actor.email", "null") == EVENT_OK);
    ck_assert_ptr_null(event.actor_email.data);
}
END_TEST

#define NOT_TYPE "type is missing or not a text"
#define NOT_TIME " is not a time of RFC 3339 from 1970 to 9999"

static const struct {
    const char *member;
    const char *value;
    const char *error;
} bad[] = {
    {"type", NULL, NOT_TYPE},
    {"type", "null", NOT_TYPE},
    {"type", "1", NOT_TYPE},
    {"type", "\"\"", "type is empty"},
    {"type", "\"secret\"", "type is not one that is known"},
    {"type", "\"availability_guard.manual_releas\"", "type is not one that is known"},
    {"type", "\"availability_guard.manual_release \"", "type is not one that is known"},
    {"type", "\"Availability_guard.manual_release\"", "type is not one that is known"},
    {"lockId", NULL, "lockId is not a uuid"},
    {"lockId", "null", "lockId is not a uuid"},
    {"lockId", "{}", "lockId is not a uuid"},
    {"lockId", "\"secret\"", "lockId is not a uuid"},
    {"lockId", "\"{018f0011-2233-7455-8677-8899aabbccfd}\"", "lockId is not a uuid"},
    {"tenantId", NULL, "tenantId is not a uuid"},
    {"tenantId", "null", "tenantId is not a uuid"},
    {"tenantId", "\"secret\"", "tenantId is not a uuid"},
    {"reservationId", "\"\"", "reservationId is not a uuid"},
    {"reservationId", "false", "reservationId is not a uuid"},
    {"roomTypeId", NULL, "roomTypeId is not a uuid"},
    {"roomTypeId", "null", "roomTypeId is not a uuid"},
    {"roomId", "\"\"", "roomId is not a uuid"},
    {"roomId", "12", "roomId is not a uuid"},
    {"sentAt", NULL, "sentAt" NOT_TIME},
    {"sentAt", "null", "sentAt" NOT_TIME},
    {"sentAt", "1814390043", "sentAt" NOT_TIME},
    {"sentAt", "\"2027-06-30\"", "sentAt" NOT_TIME},
    {"sentAt", "\"2027-06-30T21:14:03\"", "sentAt" NOT_TIME},
    {"stayStart", NULL, "stayStart" NOT_TIME},
    {"stayStart", "\"2027-02-30T00:00:00Z\"", "stayStart" NOT_TIME},
    {"stayStart", "\"2027-07-01\"", "stayStart" NOT_TIME},
    {"stayEnd", NULL, "stayEnd" NOT_TIME},
    {"stayEnd", "\"secret\"", "stayEnd" NOT_TIME},
    {"stayEnd", "\"2027-07-01T00:00:00Z\"", "stayEnd is not after stayStart"},
    {"stayEnd", "\"2027-06-01T00:00:00Z\"", "stayEnd is not after stayStart"},
    {"reason", NULL, "reason is missing or not a text"},
    {"reason", "null", "reason is missing or not a text"},
    {"reason", "[\"secret\"]", "reason is missing or not a text"},
    {"reason", "\"\"", "reason is empty"},
    {"actor", NULL, "actor is missing or not an object"},
    {"actor", "null", "actor is missing or not an object"},
    {"actor", "\"secret\"", "actor is missing or not an object"},
    {"actor", "[]", "actor is missing or not an object"},
    {"actor", "{}", "actor.id is missing or not a text"},
    {"actor.id", NULL, "actor.id is missing or not a text"},
    {"actor.id", "7", "actor.id is missing or not a text"},
    {"actor.id", "\"\"", "actor.id is empty"},
    {"actor.name", NULL, "actor.name is missing or not a text"},
    {"actor.name", "\"\"", "actor.name is empty"},
    {"actor.email", "\"\"", "actor.email is empty"},
    {"actor.email", "true", "actor.email is missing or not a text"},
    {"recipients", NULL, "recipients is missing or not an array"},
    {"recipients", "null", "recipients is missing or not an array"},
    {"recipients", "\"secret@hotel.example\"", "recipients is missing or not an array"},
    {"recipients", "{\"secret\":1}", "recipients is missing or not an array"},
    {"recipients", "[\"a@b\",null]", "recipients has an element that is not a text"},
    {"recipients", "[[]]", "recipients has an element that is not a text"},
};

START_TEST(what_is_wrong_is_named_and_not_quoted) {
    ck_assert(parse_with(bad[_i].member, bad[_i].value) == EVENT_MALFORMED);
    ck_assert_str_eq(error.text, bad[_i].error);
    ck_assert_ptr_null(event.tree);
    check_error_form();
}
END_TEST

/* A JSON text of n times the piece, between `before` and `behind`. */
static char *repeat(const char *before, const char *piece, int n, const char *behind) {
    struct buffer text = {0};
    buffer_append_text(&text, before);
    for (int i = 0; i < n; i++)
        buffer_append_text(&text, piece);
    buffer_append_text(&text, behind);
    buffer_append_char(&text, '\0');
    ck_assert(!text.failed);
    return text.data;
}

static const struct {
    const char *member;
    const char *before;
    const char *piece;
    int most;
    const char *behind;
    const char *error;
} bounds[] = {
    {"reason", "\"", "x", 1000, "\"", "reason is longer than 1000 characters"},
    {"reason", "\"", "\xF0\x9F\x94\x91", 1000, "\"", "reason is longer than 1000 characters"},
    {"actor.id", "\"", "\xC3\xBC", 1000, "\"", "actor.id is longer than 1000 characters"},
    {"actor.name", "\"", "x", 1000, "\"", "actor.name is longer than 1000 characters"},
    {"actor.email", "\"", "x", 1000, "\"", "actor.email is longer than 1000 characters"},
    {"recipients", "[\"\"", ",\"a\"", 199, "]", "recipients has more than 200 elements"},
    {"recipients", "[\"", "x", 320, "\"]", "recipients has an element of more than 320 bytes"},
    {"recipients", "[\"", "\xC3\xBC", 160, "\"]",
     "recipients has an element of more than 320 bytes"},
};

START_TEST(bounds_are_the_last_that_is_taken) {
    char *most = repeat(bounds[_i].before, bounds[_i].piece, bounds[_i].most, bounds[_i].behind);
    char *more =
        repeat(bounds[_i].before, bounds[_i].piece, bounds[_i].most + 1, bounds[_i].behind);
    ck_assert_msg(parse_with(bounds[_i].member, most) == EVENT_OK, "%s", error.text);
    ck_assert(parse_with(bounds[_i].member, more) == EVENT_MALFORMED);
    ck_assert_str_eq(error.text, bounds[_i].error);
    free(most);
    free(more);
}
END_TEST

static const struct {
    const char *bytes;
    size_t length; /* 0: up to the NUL */
    const char *error;
} not_events[] = {
    {"", 0, "the event is JSON that ends too early, at line 1, column 0"},
    {" \n ", 0, "the event is JSON that ends too early, at line 2, column 1"},
    {"secret", 0, "the event is not JSON, at line 1, column 6"},
    {"\"secret\"", 0, "the event is not JSON"},
    {"1", 0, "the event is not JSON"},
    {"null", 0, "the event is not JSON"},
    {"[\"secret\"]", 0, "the event is not an object"},
    {"{}", 0, NOT_TYPE},
    {"{\"secret\":", 0, "the event is JSON that ends too early"},
    {"{\"secret\":1} secret", 0, "the event is JSON with something behind it"},
    {"{\"secret\":1,\"secret\":2}", 0, "the event has a name twice in one object"},
    {"{\"actor\":{\"id\":1,\"i\\u0064\":2}}", 0, "the event has a name twice in one object"},
    {"{\"secret\":\"\\u0000\"}", 0, "the event has a NUL in a text"},
    {"{\"\\u0000\":1}", 0, "the event has a NUL in a"},
    {"{\"secret\":1\0}", 13, "the event has a NUL byte"},
    {"{\"a\":\"\0\"}", 9, "the event has a NUL byte"},
    {"{}\0", 3, "the event has a NUL byte"},
    {"{\"a\":\"secret\xFF\"}", 0, "the event is not valid UTF-8"},
    {"{\"a\":\"\xED\xA0\x80\"}", 0, "the event is not valid UTF-8"},
    {"{\"a\":\"\xC0\x80\"}", 0, "the event is not valid UTF-8"},
    {"{\"a\":\"\\ud800\"}", 0, "the event is not JSON"},
    {"{\"a\":\"\\ud800 secret\"}", 0, "the event is not JSON"},
    {"{\"a\":\"secret\nx\"}", 0, "the event is not JSON"},
    {"{\"a\":1e999}", 0, "the event has a number that is out of range"},
    {"{\"a\":01}", 0, "the event is not JSON"},
    {"{\"a\":NaN}", 0, "the event is not JSON"},
    {"{'type':1}", 0, "the event is not JSON"},
    {"\xEF\xBB\xBF{}", 0, "the event is not JSON"},
};

START_TEST(what_is_no_event_is_malformed) {
    const char *bytes = not_events[_i].bytes;
    const size_t length = not_events[_i].length > 0 ? not_events[_i].length : strlen(bytes);
    ck_assert(parse_bytes(bytes, length) == EVENT_MALFORMED);
    ck_assert_msg(strncmp(error.text, not_events[_i].error, strlen(not_events[_i].error)) == 0,
                  "%s: %s", bytes, error.text);
    ck_assert_ptr_null(strstr(error.text, "secret"));
    check_error_form();
}
END_TEST

START_TEST(integers_of_any_length_do_no_harm) {
    ck_assert(parse_with("reason", "\"x\"") == EVENT_OK);
    struct buffer text = {0};
    buffer_append(&text, SAMPLE, strlen(SAMPLE) - 1);
    buffer_append_text(&text, ",\"offset\":123456789012345678901234567890}");
    ck_assert(parse_bytes(text.data, text.length) == EVENT_OK);
    buffer_free(&text);
}
END_TEST

START_TEST(a_name_twice_is_refused_for_members_of_ours) {
    struct buffer text = {0};
    buffer_append(&text, SAMPLE, strlen(SAMPLE) - 1);
    buffer_append_text(&text, ",\"recipients\":[]}");
    ck_assert(parse_bytes(text.data, text.length) == EVENT_MALFORMED);
    buffer_free(&text);
}
END_TEST

START_TEST(every_cut_is_malformed) {
    for (size_t length = 0; length < strlen(SAMPLE); length++)
        ck_assert(parse_bytes(SAMPLE, length) == EVENT_MALFORMED);
}
END_TEST

START_TEST(nesting_is_bounded) {
    char *deep = repeat("", "[", 100000, "");
    ck_assert(parse_bytes(deep, strlen(deep)) == EVENT_MALFORMED);
    ck_assert(strstr(error.text, "nested too deeply") != NULL);
    free(deep);
}
END_TEST

START_TEST(a_mebibyte_is_the_most) {
    const size_t most = EVENT_BYTES_MAX;
    char *text = malloc(most + 1);
    ck_assert_ptr_nonnull(text);
    memset(text, ' ', most + 1);
    memcpy(text, SAMPLE, sizeof SAMPLE - 1);
    ck_assert(parse_bytes(text, most) == EVENT_OK);
    ck_assert(parse_bytes(text, most + 1) == EVENT_MALFORMED);
    ck_assert_str_eq(error.text, "the event is longer than 1048576 bytes");
    free(text);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("notification_event");
    TCase *tc = tcase_create("event");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, an_event_of_the_database);
    tcase_add_loop_test(tc, what_may_be_otherwise, 0, COUNT(good));
    tcase_add_test(tc, what_is_not_there_is_not_set);
    tcase_add_loop_test(tc, what_is_wrong_is_named_and_not_quoted, 0, COUNT(bad));
    tcase_add_loop_test(tc, bounds_are_the_last_that_is_taken, 0, COUNT(bounds));
    tcase_add_loop_test(tc, what_is_no_event_is_malformed, 0, COUNT(not_events));
    tcase_add_test(tc, integers_of_any_length_do_no_harm);
    tcase_add_test(tc, a_name_twice_is_refused_for_members_of_ours);
    tcase_add_test(tc, every_cut_is_malformed);
    tcase_add_test(tc, nesting_is_bounded);
    tcase_add_test(tc, a_mebibyte_is_the_most);
    suite_add_tcase(suite, tc);
    return suite;
}
