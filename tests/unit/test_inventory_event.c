#include "relay/inventory_event.h"

#include <jansson.h>
#include <string.h>

#include "unit.h"

static struct inventory_event event;
static struct buffer text;

static struct text_span span(const char *from) {
    return (struct text_span){from, strlen(from)};
}

static void read_id(struct id *out, const char *from) {
    ck_assert(id_parse(out, from, strlen(from)));
}

static void setup(void) {
    memset(&event, 0, sizeof event);
    event.type = span("inventory.locked");
    event.occurred_at = INT64_C(1750000000123456);
    struct lock *lock = &event.lock;
    read_id(&lock->id, "11111111-1111-4111-8111-111111111111");
    read_id(&lock->tenant_id, "22222222-2222-4222-8222-222222222222");
    read_id(&lock->room_type_id, "33333333-3333-4333-8333-333333333333");
    lock->stay_start = INT64_C(1750100000000000);
    lock->stay_end = INT64_C(1750200000000000);
    lock->expires_at = INT64_C(1750000900123456);
    lock->reason = span("RESERVATION_CREATE");
    lock->fencing_token = INT64_C(9007199254740993);
}

static void teardown(void) {
    buffer_free(&text);
}

/* The message, which is JSON. */
static const char *message(void) {
    struct id id;
    json_error_t error;
    inventory_event_id(&event, &id);
    buffer_clear(&text);
    inventory_event_append(&text, &event, &id);
    ck_assert(!text.failed);
    json_t *json = json_loadb(text.data, text.length, JSON_REJECT_DUPLICATES, &error);
    ck_assert_msg(json_is_object(json), "%s", error.text);
    json_decref(json);
    buffer_append_char(&text, '\0');
    return text.data;
}

START_TEST(a_lock_of_a_room_type) {
    ck_assert_str_eq(message(), "{\"type\":\"inventory.locked\","
                                "\"eventId\":\"a8669534-71f4-5ff1-9fe2-ba515c00b36f\","
                                "\"occurredAt\":\"2025-06-15T15:06:40.123Z\","
                                "\"lockId\":\"11111111-1111-4111-8111-111111111111\","
                                "\"tenantId\":\"22222222-2222-4222-8222-222222222222\","
                                "\"propertyId\":null,\"reservationId\":null,"
                                "\"roomTypeId\":\"33333333-3333-4333-8333-333333333333\","
                                "\"roomId\":null,\"stayStart\":\"2025-06-16T18:53:20.000Z\","
                                "\"stayEnd\":\"2025-06-17T22:40:00.000Z\","
                                "\"expiresAt\":\"2025-06-15T15:21:40.123Z\","
                                "\"reason\":\"RESERVATION_CREATE\",\"correlationId\":null,"
                                "\"fencingToken\":9007199254740993}");
}
END_TEST

START_TEST(a_release_with_everything) {
    event.type = span("inventory.released");
    event.released_by = span("manual");
    struct lock *lock = &event.lock;
    lock->property_id.set = lock->reservation_id.set = lock->room_id.set = true;
    read_id(&lock->property_id.id, "44444444-4444-4444-8444-444444444444");
    read_id(&lock->reservation_id.id, "55555555-5555-4555-8555-555555555555");
    read_id(&lock->room_id.id, "66666666-6666-4666-8666-666666666666");
    lock->reason = span("a \"quoted\"\n\xC3\xA9");
    lock->correlation_id = span("c\\d");
    lock->released_at = event.occurred_at;
    lock->release_reason = span("\x01");
    const char *got = message();
    ck_assert_ptr_nonnull(strstr(got,
                                 ",\"propertyId\":\"44444444-4444-4444-8444-444444444444\","
                                 "\"reservationId\":\"55555555-5555-4555-8555-555555555555\","));
    ck_assert_ptr_nonnull(strstr(got, ",\"roomId\":\"66666666-6666-4666-8666-666666666666\","));
    ck_assert_ptr_nonnull(strstr(got, ",\"reason\":\"a \\\"quoted\\\"\\n\xC3\xA9\","
                                      "\"correlationId\":\"c\\\\d\","));
    ck_assert_ptr_nonnull(strstr(got, ",\"releasedAt\":\"2025-06-15T15:06:40.123Z\","
                                      "\"releaseReason\":\"\\u0001\",\"releasedBy\":\"manual\"}"));
}
END_TEST

/* Whatever tells two events apart tells their ids apart, and nothing else does. */
START_TEST(ids) {
    struct id first;
    struct id other;
    const struct inventory_event same = event;
    inventory_event_id(&event, &first);
    inventory_event_id(&same, &other);
    ck_assert(id_equal(&first, &other));
    for (int what = 0; what < 5; what++) {
        struct inventory_event changed = event;
        if (what == 0)
            changed.type = span("inventory.expired");
        else if (what == 1)
            changed.occurred_at++;
        else if (what == 2)
            changed.lock.id.bytes[15]++;
        else if (what == 3)
            changed.lock.tenant_id.bytes[0]++;
        else
            changed.lock.fencing_token++;
        inventory_event_id(&changed, &other);
        ck_assert_msg(!id_equal(&first, &other), "%d", what);
    }
    event.lock.reason = span("another");
    inventory_event_id(&event, &other);
    ck_assert(id_equal(&first, &other));
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("inventory_event");
    TCase *tcase = tcase_create("inventory_event");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_lock_of_a_room_type);
    tcase_add_test(tcase, a_release_with_everything);
    tcase_add_test(tcase, ids);
    suite_add_tcase(suite, tcase);
    return suite;
}
