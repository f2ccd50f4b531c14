/* What is told when memory runs out, at every single place where it can, and that nothing leaks. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "notification/message.h"
#include "unit.h"

/* Each test runs twice: memory stays away, or is back after one failure. */

#define ALWAYS (-1)

static int allocations_left = ALWAYS; /* until memory runs out; ALWAYS: it does not */
static bool ran_out;
static bool comes_back; /* memory, after one failure */

static bool take_one(void) {
    if (allocations_left == ALWAYS)
        return true;
    if (allocations_left == 0) {
        allocations_left = comes_back ? ALWAYS : 0;
        ran_out = true;
        errno = ENOMEM;
        return false;
    }
    allocations_left--;
    return true;
}

/* The linker puts these in the place of the functions (--wrap). Their names are its choice. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
void *__real_malloc(size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size) {
    return take_one() ? __real_malloc(size) : NULL;
}

void *__wrap_realloc(void *memory, size_t size) {
    return take_one() ? __real_realloc(memory, size) : NULL;
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static void setup(void) {
    allocations_left = ALWAYS;
    json_set_alloc_funcs(malloc, free);
}

static void teardown(void) {
    allocations_left = ALWAYS;
}

/* Calls `attempt` with ever more memory until it has enough. It must say each time whether it
 * had, and free what it made. Before it asserts anything it gives memory back to check. */
static void with_ever_more_memory(bool (*attempt)(void), int once) {
    comes_back = once == 1;
    for (int memory = 0;; memory++) {
        ck_assert_int_lt(memory, 10000);
        ran_out = false;
        allocations_left = memory;
        const bool done = attempt();
        allocations_left = ALWAYS;
        ck_assert_msg(done == !ran_out, "with %d allocations", memory);
        if (done)
            return;
    }
}

#define ID "\"018f0011-2233-7455-8677-8899aabbccfd\""
static const char TEXT[] =
    "{\"type\":\"availability_guard.manual_release\",\"sentAt\":\"2027-06-30T21:14:03.250Z\","
    "\"lockId\":" ID ",\"tenantId\":" ID ",\"roomTypeId\":" ID ","
    "\"stayStart\":\"2027-07-01T00:00:00Z\",\"stayEnd\":\"2027-07-04T00:00:00Z\","
    "\"reason\":\"Water damage in the bathroom, the guest has moved to another house\","
    "\"actor\":{\"id\":\"ops.42\",\"name\":\"Alex Night\"},\"recipients\":[\"a@b\"]}";

static bool read_event(void) {
    struct event event;
    struct event_error error;
    const enum event_result result = event_parse(&event, TEXT, strlen(TEXT), &error);
    event_exit(&event);
    allocations_left = ALWAYS;
    ck_assert(result != EVENT_MALFORMED);
    return result == EVENT_OK;
}

START_TEST(of_an_event) {
    with_ever_more_memory(read_event, _i);
}
END_TEST

static const struct event EVENT = {
    .sent_at = 1,
    .stay_start = 2,
    .stay_end = 3,
    .reason = {"Guest moved", 11},
    .actor_id = {"ops.42", 6},
    .actor_name = {"Alex", 4},
    .actor_email = {"alex@hotel.example", 18},
};

static bool make_message(void) {
    struct message message;
    const bool done = message_init(&message, &EVENT);
    message_exit(&message);
    return done;
}

START_TEST(of_a_message) {
    with_ever_more_memory(make_message, _i);
}
END_TEST

static bool make_recipients(void) {
    struct recipients all = {0};
    const enum recipients_result result =
        recipients_add_list(&all, "a@b,c@d,#e,+123456789,f,g@h", RECIPIENTS_GIVEN_MAX);
    recipients_exit(&all);
    allocations_left = ALWAYS;
    ck_assert(result == RECIPIENTS_OK || result == RECIPIENTS_NO_MEMORY);
    return result == RECIPIENTS_OK;
}

START_TEST(of_recipients) {
    with_ever_more_memory(make_recipients, _i);
}
END_TEST

static bool check_setting(void) {
    const char *wrong = recipients_check_setting("a@b,c@d");
    allocations_left = ALWAYS;
    ck_assert(wrong == NULL || strstr(wrong, "out of memory") != NULL);
    return wrong == NULL;
}

START_TEST(of_the_check_of_a_setting) {
    with_ever_more_memory(check_setting, _i);
}
END_TEST

static struct message whole;
static struct recipients everybody;

static void make_whole(void) {
    ck_assert(message_init(&whole, &EVENT));
    ck_assert(recipients_add_list(&everybody, "a@b,c@d,#e,+123456789,f", RECIPIENTS_GIVEN_MAX) ==
              RECIPIENTS_OK);
}

static void free_whole(void) {
    message_exit(&whole);
    recipients_exit(&everybody);
}

static bool make_summary(void) {
    json_t *summary = message_summary(&whole);
    json_decref(summary);
    return summary != NULL;
}

static bool make_body(void) {
    size_t length = 0;
    char *body = message_webhook_body(&whole, &everybody, RECIPIENT_EMAIL, &length);
    allocations_left = ALWAYS;
    ck_assert((body == NULL) == (length == 0));
    free(body);
    return body != NULL;
}

static bool make_merged_text(void) {
    char *text = recipients_merged_text(&everybody);
    free(text);
    return text != NULL;
}

START_TEST(of_what_is_sent) {
    make_whole();
    with_ever_more_memory(make_summary, _i);
    with_ever_more_memory(make_body, _i);
    with_ever_more_memory(make_merged_text, _i);
    free_whole();
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("notification_memory");
    TCase *tc = tcase_create("memory");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, of_an_event, 0, 2);
    tcase_add_loop_test(tc, of_a_message, 0, 2);
    tcase_add_loop_test(tc, of_recipients, 0, 2);
    tcase_add_loop_test(tc, of_the_check_of_a_setting, 0, 2);
    tcase_add_loop_test(tc, of_what_is_sent, 0, 2);
    suite_add_tcase(suite, tc);
    return suite;
}
