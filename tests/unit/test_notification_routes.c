/* The route itself; the way to it (token, JSON) is the router's. */
#include "guard/notification_routes.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "door.h"
#include "unit.h"

static const char SAMPLE[] = "{\"lockId\":\"018f0011-2233-7455-8677-8899aabbccfd\","
                             "\"tenantId\":\"7b5a3c1e-0d2f-4e6a-8b9c-1d3e5f7a9b0c\","
                             "\"roomTypeId\":\"2f4e6d8c-1a3b-4c5d-9e8f-7a6b5c4d3e2f\","
                             "\"stayStart\":\"2027-07-01\",\"stayEnd\":\"2027-07-04T11:00:00Z\","
                             "\"reason\":\"Guest moved\",\"actorId\":\"ops.42\","
                             "\"actorName\":\"Alex Night\",\"recipients\":[\"gm@hotel.example\"]}";

static struct door door;
static json_t *answer;

static void setup(void) {
    door_init(&door);
    answer = NULL;
}

static void teardown(void) {
    json_decref(answer);
    door_exit(&door);
}

static void handle_text(const char *text, char *const *params) {
    struct exchange *x = &door.exchange;
    door.answers = 0;
    ck_assert(http_request_read(&x->request, params));
    exchange_begin(x);
    ck_assert(request_body_parse(&x->body, (struct text_span){text, strlen(text)}));
    notification_routes_test(x);
    ck_assert_int_eq(door.answers, 1);
    json_decref(answer);
    answer = json_loadb(door.body.data, door.body.length, JSON_REJECT_DUPLICATES, NULL);
    ck_assert(json_is_object(answer));
}

static void handle(const char *text) {
    char *const params[] = {"REQUEST_METHOD=POST",
                            "REQUEST_URI=/v1/notifications/manual-release/test", "REQUEST_ID=r-1",
                            NULL};
    handle_text(text, params);
}

/* The sample with a member set to a value of JSON, or taken out. */
static char *with(const char *member, const char *value) {
    json_t *tree = json_loads(SAMPLE, 0, NULL);
    if (value == NULL)
        ck_assert_int_eq(json_object_del(tree, member), 0);
    else
        ck_assert_int_eq(
            json_object_set_new(tree, member, json_loads(value, JSON_DECODE_ANY, NULL)), 0);
    char *text = json_dumps(tree, JSON_COMPACT);
    json_decref(tree);
    return text;
}

static void handle_with(const char *member, const char *value) {
    char *text = with(member, value);
    handle(text);
    free(text);
}

static void check_json(const json_t *value, const char *expected) {
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    ck_assert_ptr_nonnull(text);
    ck_assert_str_eq(text, expected);
    free(text);
}

static const json_t *recipients(const char *list) {
    return json_object_get(json_object_get(answer, "recipients"), list);
}

static const json_t *summary(const char *text) {
    return json_object_get(json_object_get(answer, "summary"), text);
}

START_TEST(what_would_be_sent_and_to_whom) {
    door.context.notification_recipients = "rev@hotel.example,GM@hotel.example";
    handle_with("recipients",
                "[\" gm@hotel.example\",\"+1 415 555 0123\",\"slack:#ops\",\"x\",\"\","
                "\"+14155550123\"]");
    ck_assert_int_eq(door.status, 200);
    ck_assert_uint_eq(json_object_size(answer), 4);
    check_json(json_object_get(answer, "status"), "\"ok\"");
    check_json(json_object_get(answer, "dryRun"), "true");
    ck_assert_uint_eq(json_object_size(json_object_get(answer, "recipients")), 6);
    check_json(recipients("provided"), "[\" gm@hotel.example\",\"+1 415 555 0123\",\"slack:#ops\","
                                       "\"x\",\"\",\"+14155550123\"]");
    check_json(recipients("merged"), "[\"gm@hotel.example\",\"+1 415 555 0123\",\"slack:#ops\","
                                     "\"x\",\"rev@hotel.example\"]");
    check_json(recipients("email"), "[\"gm@hotel.example\",\"rev@hotel.example\"]");
    check_json(recipients("sms"), "[\"+14155550123\"]");
    check_json(recipients("slack"), "[\"#ops\"]");
    check_json(recipients("unroutable"), "[\"x\"]");
    ck_assert_uint_eq(json_object_size(json_object_get(answer, "summary")), 6);
    check_json(summary("subject"),
               "\"Room type lock released by Alex Night, stay 2027-07-01 to 2027-07-04\"");
    ck_assert(json_is_string(summary("plainText")));
    ck_assert(json_is_string(summary("htmlBody")));
    ck_assert(json_is_string(summary("slackText")));
    ck_assert(json_is_string(summary("smsText")));
    const json_t *metadata = summary("metadata");
    ck_assert_uint_eq(json_object_size(metadata), 10);
    check_json(json_object_get(metadata, "stayStart"), "\"2027-07-01T00:00:00.000Z\"");
    check_json(json_object_get(metadata, "roomId"), "null");
    check_json(json_object_get(metadata, "reservationId"), "null");
    check_json(json_object_get(metadata, "actor"),
               "{\"id\":\"ops.42\",\"name\":\"Alex Night\",\"email\":null}");
}
END_TEST

START_TEST(nothing_is_left_of_what_the_request_held) {
    handle(SAMPLE);
    ck_assert_ptr_null(door.exchange.body.object);
    ck_assert_uint_eq(door.context.answer.length, 0);
}
END_TEST

static const struct {
    const char *member;
    const char *value;
} optional[] = {
    {"reservationId", "\"9d3e1c5a-7b2f-4d6e-8a1c-3e5f7b9d1c2a\""},
    {"roomId", "\"5e0f3f3e-6a51-4b0f-9d0c-2a1b3c4d5e6f\""},
    {"roomId", "null"},
    {"roomId", "\"\""},
    {"actorEmail", "\"alex@hotel.example\""},
    {"reason", "\"x\""},
    {"stayStart", "\"1970-01-01\""},
    {"other", "[1]"},
};

START_TEST(what_may_be_there_too) {
    handle_with(optional[_i].member, optional[_i].value);
    ck_assert_int_eq(door.status, 200);
}
END_TEST

START_TEST(all_that_can_be_given_arrives) {
    char *text = with("roomId", "\"5E0F3F3E-6a51-4b0f-9d0c-2a1b3c4d5e6f\"");
    json_t *tree = json_loads(text, 0, NULL);
    free(text);
    json_object_set_new(tree, "reservationId", json_string("9d3e1c5a-7b2f-4d6e-8a1c-3e5f7b9d1c2a"));
    json_object_set_new(tree, "actorEmail", json_string("alex@hotel.example"));
    text = json_dumps(tree, 0);
    json_decref(tree);
    handle(text);
    free(text);
    const json_t *metadata = summary("metadata");
    check_json(json_object_get(metadata, "roomId"), "\"5e0f3f3e-6a51-4b0f-9d0c-2a1b3c4d5e6f\"");
    check_json(json_object_get(metadata, "reservationId"),
               "\"9d3e1c5a-7b2f-4d6e-8a1c-3e5f7b9d1c2a\"");
    check_json(json_object_get(json_object_get(metadata, "actor"), "email"),
               "\"alex@hotel.example\"");
}
END_TEST

#define REQUIRED "is required"
#define ARRAY "must be an array of texts"

static const struct {
    const char *field;
    const char *value;
    const char *message;
} bad[] = {
    {"lockId", NULL, REQUIRED},
    {"lockId", "\"x\"", "must be a uuid"},
    {"lockId", "null", "must be a string"},
    {"tenantId", NULL, REQUIRED},
    {"tenantId", "1", "must be a string"},
    {"roomTypeId", NULL, REQUIRED},
    {"roomTypeId", "\"\"", "must be a uuid"},
    {"roomId", "\"x\"", "must be a uuid"},
    {"roomId", "7", "must be a string"},
    {"reservationId", "\"x\"", "must be a uuid"},
    {"stayStart", NULL, REQUIRED},
    {"stayEnd", NULL, REQUIRED},
    {"stayEnd", "\"2027-07-01T00:00:00Z\"", "must be after stayStart"},
    {"stayEnd", "\"2027-02-30\"", "must be an RFC 3339 date-time or a date, from 1970 to 9999"},
    {"reason", NULL, REQUIRED},
    {"reason", "\"\"", "must not be empty"},
    {"reason", "[]", "must be a string"},
    {"actorId", NULL, REQUIRED},
    {"actorName", NULL, REQUIRED},
    {"actorName", "\"\"", "must not be empty"},
    {"actorEmail", "\"\"", "must not be empty"},
    {"actorEmail", "{}", "must be a string"},
    {"recipients", NULL, REQUIRED},
    {"recipients", "null", ARRAY},
    {"recipients", "\"gm@hotel.example\"", ARRAY},
    {"recipients", "{}", ARRAY},
    {"recipients", "[1]", ARRAY},
    {"recipients", "[\"gm@hotel.example\",null]", ARRAY},
    {"recipients", "[]", "must have at least one recipient"},
};

START_TEST(what_is_wrong_is_named) {
    handle_with(bad[_i].field, bad[_i].value);
    ck_assert_int_eq(door.status, 400);
    check_json(json_object_get(answer, "error"), "\"invalid_request\"");
    const json_t *errors = json_object_get(answer, "errors");
    ck_assert_uint_eq(json_array_size(errors), 1);
    const json_t *error = json_array_get(errors, 0);
    ck_assert_str_eq(json_string_value(json_object_get(error, "field")), bad[_i].field);
    ck_assert_str_eq(json_string_value(json_object_get(error, "message")), bad[_i].message);
}
END_TEST

START_TEST(all_that_is_wrong_is_named) {
    handle("{}");
    ck_assert_int_eq(door.status, 400);
    ck_assert_uint_eq(json_array_size(json_object_get(answer, "errors")), 9);
    handle("{\"lockId\":1,\"tenantId\":\"\",\"roomTypeId\":{},\"roomId\":1,\"reservationId\":\"x\","
           "\"stayStart\":\"\",\"stayEnd\":null,\"reason\":\"\",\"actorId\":[],\"actorName\":\"\","
           "\"actorEmail\":\"\",\"recipients\":[]}");
    ck_assert_uint_eq(json_array_size(json_object_get(answer, "errors")), 12);
}
END_TEST

static const struct {
    const char *field;
    const char *piece;
    int most;
} bounds[] = {
    {"reason", "\xC3\xBC", 500},
    {"actorId", "x", 255},
    {"actorName", "\xF0\x9F\x94\x91", 255},
    {"actorEmail", "x", 320},
};

START_TEST(texts_are_bounded) {
    struct buffer value = {0};
    buffer_append_char(&value, '"');
    for (int i = 0; i < bounds[_i].most; i++)
        buffer_append_text(&value, bounds[_i].piece);
    buffer_append(&value, "\"", 2);
    handle_with(bounds[_i].field, value.data);
    ck_assert_int_eq(door.status, 200);
    value.length -= 2;
    buffer_append_text(&value, bounds[_i].piece);
    buffer_append(&value, "\"", 2);
    handle_with(bounds[_i].field, value.data);
    ck_assert_int_eq(door.status, 400);
    buffer_free(&value);
}
END_TEST

/* So many different addresses, as a list of JSON. */
static void make_recipients(struct buffer *value, int count) {
    buffer_clear(value);
    for (int i = 0; i < count; i++)
        buffer_printf(value, "%s\"guest%d@hotel.example\"", i == 0 ? "[" : ",", i);
    buffer_append(value, "]", 2);
}

START_TEST(recipients_are_bounded) {
    struct buffer value = {0};
    /* the most of the setting and the most of a request fit together */
    struct buffer setting = {0};
    for (int i = 0; i < 100; i++)
        buffer_printf(&setting, "x%d@hotel.example,", i);
    buffer_append_char(&setting, '\0');
    door.context.notification_recipients = setting.data;
    make_recipients(&value, 100);
    handle_with("recipients", value.data);
    ck_assert_int_eq(door.status, 200);
    ck_assert_uint_eq(json_array_size(recipients("merged")), 200);
    make_recipients(&value, 101);
    handle_with("recipients", value.data);
    ck_assert_int_eq(door.status, 400);
    buffer_clear(&value);
    buffer_printf(&value, "[\"%0321d\"]", 0);
    buffer_append_char(&value, '\0');
    handle_with("recipients", value.data);
    ck_assert_int_eq(door.status, 400);
    buffer_free(&value);
    buffer_free(&setting);
}
END_TEST

START_TEST(nobody_is_left) {
    handle_with("recipients", "[\"\",\" \\t\"]");
    ck_assert_int_eq(door.status, 200);
    check_json(answer, "{\"status\":\"skipped\",\"reason\":\"no_recipients\"}");
    door.context.notification_recipients = " ,, ";
    handle_with("recipients", "[\" \"]");
    check_json(answer, "{\"status\":\"skipped\",\"reason\":\"no_recipients\"}");
}
END_TEST

START_TEST(the_setting_alone_is_somebody) {
    door.context.notification_recipients = "gm@hotel.example";
    handle_with("recipients", "[\"\"]");
    check_json(json_object_get(answer, "status"), "\"ok\"");
    check_json(recipients("merged"), "[\"gm@hotel.example\"]");
}
END_TEST

START_TEST(who_cannot_be_reached_is_shown) {
    handle_with("recipients", "[\"gm@hotel.example\\r\\nBcc: x@y\"]");
    check_json(json_object_get(answer, "status"), "\"ok\"");
    check_json(recipients("email"), "[]");
    check_json(recipients("unroutable"), "[\"gm@hotel.example\\r\\nBcc: x@y\"]");
}
END_TEST

START_TEST(the_tenant_may_be_in_a_header) {
    char *const same[] = {"REQUEST_METHOD=POST", "REQUEST_URI=/x", "REQUEST_ID=r-1",
                          "HTTP_X_TENANT_ID=7b5a3c1e-0d2f-4e6a-8b9c-1d3e5f7a9b0c", NULL};
    char *const another[] = {"REQUEST_METHOD=POST", "REQUEST_URI=/x", "REQUEST_ID=r-1",
                             "HTTP_X_TENANT_ID=8b5a3c1e-0d2f-4e6a-8b9c-1d3e5f7a9b0c", NULL};
    char *text = with("tenantId", NULL);
    handle_text(text, same);
    ck_assert_int_eq(door.status, 200);
    free(text);
    handle_text(SAMPLE, another);
    ck_assert_int_eq(door.status, 400);
}
END_TEST

#define ALWAYS (-1)
static int allocations_left = ALWAYS; /* of jansson's; ALWAYS: it does not run out */

static void *allocate(size_t size) {
    if (allocations_left == 0)
        return NULL;
    if (allocations_left != ALWAYS)
        allocations_left--;
    return malloc(size);
}

START_TEST(without_memory_the_answer_is_a_problem) {
    struct exchange *x = &door.exchange;
    char *const params[] = {"REQUEST_METHOD=POST", "REQUEST_URI=/x", "REQUEST_ID=r-1", NULL};
    json_set_alloc_funcs(allocate, free);
    for (int memory = 0;; memory++) {
        ck_assert_int_lt(memory, 10000);
        door.answers = 0;
        ck_assert(http_request_read(&x->request, params));
        exchange_begin(x);
        ck_assert(request_body_parse(&x->body, (struct text_span){SAMPLE, strlen(SAMPLE)}));
        allocations_left = memory;
        notification_routes_test(x);
        allocations_left = ALWAYS;
        ck_assert_int_eq(door.answers, 1);
        if (door.status == 200)
            break;
        ck_assert_int_eq(door.status, 500);
    }
    answer = json_loadb(door.body.data, door.body.length, JSON_REJECT_DUPLICATES, NULL);
    check_json(json_object_get(answer, "status"), "\"ok\"");
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("notification_routes");
    TCase *tc = tcase_create("routes");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_would_be_sent_and_to_whom);
    tcase_add_test(tc, nothing_is_left_of_what_the_request_held);
    tcase_add_loop_test(tc, what_may_be_there_too, 0, COUNT(optional));
    tcase_add_test(tc, all_that_can_be_given_arrives);
    tcase_add_loop_test(tc, what_is_wrong_is_named, 0, COUNT(bad));
    tcase_add_test(tc, all_that_is_wrong_is_named);
    tcase_add_loop_test(tc, texts_are_bounded, 0, COUNT(bounds));
    tcase_add_test(tc, recipients_are_bounded);
    tcase_add_test(tc, nobody_is_left);
    tcase_add_test(tc, the_setting_alone_is_somebody);
    tcase_add_test(tc, who_cannot_be_reached_is_shown);
    tcase_add_test(tc, the_tenant_may_be_in_a_header);
    tcase_add_test(tc, without_memory_the_answer_is_a_problem);
    suite_add_tcase(suite, tc);
    return suite;
}
