#include "notification/message.h"

#include <stdlib.h>
#include <string.h>

#include "notification/sms.h"
#include "unit.h"

#define LOCK_ID "018f0011-2233-7455-8677-8899aabbccfd"
#define TENANT_ID "7b5a3c1e-0d2f-4e6a-8b9c-1d3e5f7a9b0c"
#define RESERVATION_ID "9d3e1c5a-7b2f-4d6e-8a1c-3e5f7b9d1c2a"
#define ROOM_TYPE_ID "2f4e6d8c-1a3b-4c5d-9e8f-7a6b5c4d3e2f"
#define ROOM_ID "5e0f3f3e-6a51-4b0f-9d0c-2a1b3c4d5e6f"

static struct event event;
static struct message message;
static struct recipients all;

static struct text_span span_of(const char *text) {
    return (struct text_span){text, strlen(text)};
}

static void read_id(struct id *out, const char *text) {
    ck_assert(id_parse(out, text, strlen(text)));
}

static void read_time(timestamp_us *out, const char *text) {
    ck_assert(timestamp_parse(out, text, strlen(text)));
}

static void setup(void) {
    memset(&message, 0, sizeof message);
    memset(&all, 0, sizeof all);
    event = (struct event){.reservation_id.set = true, .room_id.set = true};
    read_id(&event.lock_id, LOCK_ID);
    read_id(&event.tenant_id, TENANT_ID);
    read_id(&event.reservation_id.id, RESERVATION_ID);
    read_id(&event.room_type_id, ROOM_TYPE_ID);
    read_id(&event.room_id.id, ROOM_ID);
    read_time(&event.sent_at, "2027-06-30T21:14:03.250Z");
    read_time(&event.stay_start, "2027-07-01T00:00:00Z");
    read_time(&event.stay_end, "2027-07-04T11:00:00Z");
    event.reason = span_of("Guest moved to another room");
    event.actor_id = span_of("ops.user.42");
    event.actor_name = span_of("Alex Night Audit");
    event.actor_email = span_of("alex@hotel.example");
}

static void teardown(void) {
    message_exit(&message);
    recipients_exit(&all);
}

static void make(void) {
    message_exit(&message);
    ck_assert(message_init(&message, &event));
}

START_TEST(all_that_is_known_of_a_room_lock) {
    make();
    ck_assert_str_eq(message.subject, "Room lock released by Alex Night Audit, stay 2027-07-01 to "
                                      "2027-07-04");
    ck_assert_str_eq(message.plain_text, "A lock of a room was released by hand.\n"
                                         "\n"
                                         "Reason: Guest moved to another room\n"
                                         "Released by: Alex Night Audit (ops.user.42, "
                                         "alex@hotel.example)\n"
                                         "Released at: 2027-06-30 21:14 UTC\n"
                                         "Stay: 2027-07-01 00:00 UTC to 2027-07-04 11:00 UTC\n"
                                         "Room: " ROOM_ID "\n"
                                         "Room type: " ROOM_TYPE_ID "\n"
                                         "Reservation: " RESERVATION_ID "\n"
                                         "Lock: " LOCK_ID "\n"
                                         "Tenant: " TENANT_ID "\n");
    ck_assert_str_eq(message.slack_text, "A lock of a room was released by hand.\n"
                                         "*Reason:* Guest moved to another room\n"
                                         "*Released by:* Alex Night Audit (ops.user.42, "
                                         "alex@hotel.example)\n"
                                         "*Released at:* 2027-06-30 21:14 UTC\n"
                                         "*Stay:* 2027-07-01 00:00 UTC to 2027-07-04 11:00 UTC\n"
                                         "*Room:* " ROOM_ID "\n"
                                         "*Room type:* " ROOM_TYPE_ID "\n"
                                         "*Reservation:* " RESERVATION_ID "\n"
                                         "*Lock:* " LOCK_ID "\n"
                                         "*Tenant:* " TENANT_ID "\n");
    ck_assert_str_eq(message.sms_text, "Lock released by Alex Night Audit, stay 2027-07-01 to "
                                       "2027-07-04, lock " LOCK_ID ": Guest moved to another room");
}
END_TEST

#define ROW(label, value)                                                                          \
    "<tr><th align=\"left\" valign=\"top\">" label "</th><td>" value "</td></tr>\n"

START_TEST(the_html_is_a_document) {
    event.reason = span_of("<b>\"R&D\"</b>");
    event.actor_name = span_of("O'Neill");
    make();
    ck_assert_str_eq(message.html_body,
                     "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>"
                     "Room lock released by O&#39;Neill, stay 2027-07-01 to 2027-07-04"
                     "</title></head>\n<body>\n<p>A lock of a room was released by hand.</p>\n"
                     "<table>\n" ROW("Reason", "&lt;b&gt;&quot;R&amp;D&quot;&lt;/b&gt;")
                         ROW("Released by", "O&#39;Neill (ops.user.42, alex@hotel.example)")
                             ROW("Released at", "2027-06-30 21:14 UTC")
                                 ROW("Stay", "2027-07-01 00:00 UTC to 2027-07-04 11:00 UTC")
                                     ROW("Room", ROOM_ID) ROW("Room type", ROOM_TYPE_ID) ROW(
                                         "Reservation", RESERVATION_ID) ROW("Lock", LOCK_ID)
                                         ROW("Tenant", TENANT_ID) "</table>\n</body>\n</html>\n");
}
END_TEST

START_TEST(a_lock_of_a_room_type_without_a_reservation) {
    event.room_id.set = false;
    event.reservation_id.set = false;
    event.actor_email = (struct text_span){NULL, 0};
    make();
    ck_assert_str_eq(message.subject,
                     "Room type lock released by Alex Night Audit, stay 2027-07-01 to 2027-07-04");
    ck_assert(strstr(message.plain_text, "A lock of a room type was released by hand.\n\n") ==
              message.plain_text);
    ck_assert_ptr_nonnull(strstr(message.plain_text, "\nRoom: any of the type\n"));
    ck_assert_ptr_nonnull(strstr(message.plain_text, "\nReservation: none\n"));
    ck_assert_ptr_nonnull(
        strstr(message.plain_text, "\nReleased by: Alex Night Audit (ops.user.42)\n"));
    ck_assert(json_is_null(json_object_get(message.metadata, "roomId")));
    ck_assert(json_is_null(json_object_get(message.metadata, "reservationId")));
    const json_t *actor = json_object_get(message.metadata, "actor");
    ck_assert(json_is_null(json_object_get(actor, "email")));
    ck_assert_uint_eq(json_object_size(actor), 3);
}
END_TEST

#define METADATA                                                                                   \
    "{\"lockId\":\"" LOCK_ID "\",\"tenantId\":\"" TENANT_ID                                        \
    "\",\"reservationId\":\"" RESERVATION_ID "\",\"roomTypeId\":\"" ROOM_TYPE_ID                   \
    "\",\"roomId\":\"" ROOM_ID "\",\"stayStart\":\"2027-07-01T00:00:00.000Z\","                    \
    "\"stayEnd\":\"2027-07-04T11:00:00.000Z\",\"reason\":\"Guest moved to another room\","         \
    "\"actor\":{\"id\":\"ops.user.42\",\"name\":\"Alex Night Audit\","                             \
    "\"email\":\"alex@hotel.example\"},\"sentAt\":\"2027-06-30T21:14:03.250Z\"}"

START_TEST(metadata_for_programs) {
    make();
    char *text = json_dumps(message.metadata, JSON_COMPACT);
    ck_assert_str_eq(text, METADATA);
    free(text);
}
END_TEST

START_TEST(metadata_has_what_was_written_unchanged) {
    /* NOLINTNEXTLINE(misc-misleading-bidirectional): the metadata may hold that */
    static const char written[] = "  <!channel>\r\n\xE2\x80\xAEx ";
    event.reason = span_of(written);
    make();
    ck_assert_str_eq(json_string_value(json_object_get(message.metadata, "reason")), written);
}
END_TEST

static void add(const char *text) {
    ck_assert(recipients_add(&all, span_of(text)) == RECIPIENTS_OK);
}

/* Appends a text as JSON. */
static void append_json(struct buffer *out, const char *text) {
    buffer_append_json_string(out, text, strlen(text));
}

static void check_body(enum recipient_channel channel, const struct buffer *expected) {
    size_t length = 0;
    char *body = message_webhook_body(&message, &all, channel, &length);
    ck_assert_ptr_nonnull(body);
    ck_assert_uint_eq(length, strlen(body));
    ck_assert(!expected->failed);
    ck_assert_uint_eq(length, expected->length);
    ck_assert_mem_eq(body, expected->data, length);
    free(body);
}

static void add_everybody(void) {
    add("gm@hotel.example");
    add("+1 (415) 555-0123");
    add("slack:#ops");
    add("rev@hotel.example");
    add("@night");
    add("everyone");
}

START_TEST(the_body_of_an_email) {
    struct buffer expected = {0};
    make();
    add_everybody();
    buffer_append_text(&expected,
                       "{\"template\":\"availability_guard_manual_release\",\"subject\":");
    append_json(&expected, message.subject);
    buffer_append_text(&expected, ",\"textBody\":");
    append_json(&expected, message.plain_text);
    buffer_append_text(&expected, ",\"htmlBody\":");
    append_json(&expected, message.html_body);
    buffer_append_text(&expected, ",\"recipients\":[\"gm@hotel.example\",\"rev@hotel.example\"],"
                                  "\"metadata\":" METADATA "}");
    check_body(RECIPIENT_EMAIL, &expected);
    buffer_free(&expected);
}
END_TEST

START_TEST(the_body_of_an_sms) {
    struct buffer expected = {0};
    make();
    add_everybody();
    buffer_append_text(&expected,
                       "{\"template\":\"availability_guard_manual_release\",\"message\":");
    append_json(&expected, message.sms_text);
    buffer_append_text(&expected, ",\"recipients\":[\"+14155550123\"],\"metadata\":" METADATA "}");
    check_body(RECIPIENT_SMS, &expected);
    buffer_free(&expected);
}
END_TEST

START_TEST(the_body_for_slack) {
    struct buffer expected = {0};
    make();
    add_everybody();
    buffer_append_text(&expected, "{\"template\":\"availability_guard_manual_release\",\"text\":");
    append_json(&expected, message.slack_text);
    buffer_append_text(&expected, ",\"message\":");
    append_json(&expected, message.slack_text);
    buffer_append_text(&expected,
                       ",\"recipients\":[\"#ops\",\"@night\"],\"metadata\":" METADATA "}");
    check_body(RECIPIENT_SLACK, &expected);
    buffer_free(&expected);
}
END_TEST

START_TEST(a_summary_has_all_texts) {
    make();
    json_t *summary = message_summary(&message);
    ck_assert_uint_eq(json_object_size(summary), 6);
    ck_assert_str_eq(json_string_value(json_object_get(summary, "subject")), message.subject);
    ck_assert_str_eq(json_string_value(json_object_get(summary, "plainText")), message.plain_text);
    ck_assert_str_eq(json_string_value(json_object_get(summary, "htmlBody")), message.html_body);
    ck_assert_str_eq(json_string_value(json_object_get(summary, "slackText")), message.slack_text);
    ck_assert_str_eq(json_string_value(json_object_get(summary, "smsText")), message.sms_text);
    ck_assert(json_equal(json_object_get(summary, "metadata"), message.metadata));
    json_decref(summary);
}
END_TEST

START_TEST(nobody_is_mentioned_in_slack) {
    event.reason = span_of("<!channel> @channel <@U024BE7LH> see <http://x|y>");
    event.actor_name = span_of("@here");
    event.actor_id = span_of("<!here>");
    make();
    ck_assert_ptr_null(strchr(message.slack_text, '<'));
    ck_assert_ptr_null(strchr(message.slack_text, '>'));
    ck_assert_ptr_null(strstr(message.slack_text, "@channel"));
    ck_assert_ptr_null(strstr(message.slack_text, "@here"));
    ck_assert_ptr_null(strstr(message.slack_text, "@U024BE7LH"));
    ck_assert_ptr_nonnull(strstr(message.slack_text, "&lt;!channel&gt;"));
}
END_TEST

static size_t lines_in(const char *text) {
    size_t lines = 0;
    for (const char *at = text; *at != '\0'; at++)
        lines += *at == '\n' ? 1 : 0;
    return lines;
}

START_TEST(nobody_adds_lines) {
    static const char evil[] = "x\r\nReleased by: Mallory\xE2\x80\xA8Tenant: y\n\n\xC2\x85z";
    make();
    const size_t plain = lines_in(message.plain_text);
    const size_t slack = lines_in(message.slack_text);
    const size_t html = lines_in(message.html_body);
    event.reason = span_of(evil);
    event.actor_id = span_of(evil);
    event.actor_name = span_of(evil);
    event.actor_email = span_of(evil);
    make();
    ck_assert_uint_eq(lines_in(message.plain_text), plain);
    ck_assert_uint_eq(lines_in(message.slack_text), slack);
    ck_assert_uint_eq(lines_in(message.html_body), html);
    ck_assert_uint_eq(lines_in(message.subject), 0);
    ck_assert_uint_eq(lines_in(message.sms_text), 0);
    ck_assert_ptr_null(strchr(message.subject, '\r'));
    ck_assert_ptr_nonnull(
        strstr(message.plain_text, "\nReason: x Released by: Mallory Tenant: y z\n"));
}
END_TEST

/* The longest texts of an event, of one character each. */
static void make_long(const char *character) {
    struct buffer text = {0};
    for (int i = 0; i < EVENT_TEXT_MAX; i++)
        buffer_append_text(&text, character);
    event.reason = (struct text_span){text.data, text.length};
    event.actor_id = event.reason;
    event.actor_name = event.reason;
    event.actor_email = event.reason;
    make();
    buffer_free(&text);
}

static const char *const widest[] = {
    "x", "&", "'", "@", "<", "^", "\xC3\xBC", "\xD0\xB6", "\xE6\xBC\xA2", "\xF0\x9F\x94\x91"};

START_TEST(long_texts_are_kept_within_bounds) {
    make_long(widest[_i]);
    ck_assert_uint_le(text_code_points(message.subject, strlen(message.subject)), 120);
    ck_assert_uint_le(sms_segments(span_of(message.sms_text)), SMS_SEGMENTS_MAX);
    ck_assert_ptr_nonnull(strstr(message.sms_text, LOCK_ID ": "));
    ck_assert(text_is_valid_utf8(message.sms_text, strlen(message.sms_text)));
    ck_assert(text_is_valid_utf8(message.plain_text, strlen(message.plain_text)));
    ck_assert_ptr_nonnull(strstr(message.plain_text, "\nTenant: " TENANT_ID "\n"));
}
END_TEST

START_TEST(some_of_the_reason_always_fits_into_an_sms) {
    event.actor_name = span_of("\xD0\xB6\xD0\xB6\xD0\xB6\xD0\xB6\xD0\xB6\xD0\xB6\xD0\xB6\xD0\xB6"
                               "\xD0\xB6\xD0\xB6\xD0\xB6\xD0\xB6\xD0\xB6\xD0\xB6\xD0\xB6\xD0\xB6"
                               "\xD0\xB6\xD0\xB6\xD0\xB6\xD0\xB6\xD0\xB6\xD0\xB6\xD0\xB6\xD0\xB6");
    event.reason = span_of("Water damage in the bathroom, guest moved to another house");
    make();
    ck_assert_ptr_nonnull(strstr(message.sms_text, LOCK_ID ": Water damage"));
}
END_TEST

START_TEST(the_same_event_gives_the_same_bytes) {
    struct message again;
    size_t length = 0;
    size_t length_again = 0;
    add_everybody();
    make();
    ck_assert(message_init(&again, &event));
    for (enum recipient_channel c = RECIPIENT_EMAIL; c < RECIPIENT_CHANNELS; c++) {
        char *first = message_webhook_body(&message, &all, c, &length);
        char *second = message_webhook_body(&again, &all, c, &length_again);
        ck_assert_str_eq(first, second);
        ck_assert_uint_eq(length, length_again);
        free(first);
        free(second);
    }
    message_exit(&again);
}
END_TEST

START_TEST(an_exit_more_does_no_harm) {
    make();
    message_exit(&message);
    message_exit(&message);
    ck_assert_ptr_null(message.subject);
}
END_TEST

Suite *unit_suite(void) {
    Suite *suite = suite_create("notification_message");
    TCase *tc = tcase_create("message");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, all_that_is_known_of_a_room_lock);
    tcase_add_test(tc, the_html_is_a_document);
    tcase_add_test(tc, a_lock_of_a_room_type_without_a_reservation);
    tcase_add_test(tc, metadata_for_programs);
    tcase_add_test(tc, metadata_has_what_was_written_unchanged);
    tcase_add_test(tc, the_body_of_an_email);
    tcase_add_test(tc, the_body_of_an_sms);
    tcase_add_test(tc, the_body_for_slack);
    tcase_add_test(tc, a_summary_has_all_texts);
    tcase_add_test(tc, nobody_is_mentioned_in_slack);
    tcase_add_test(tc, nobody_adds_lines);
    tcase_add_loop_test(tc, long_texts_are_kept_within_bounds, 0, COUNT(widest));
    tcase_add_test(tc, some_of_the_reason_always_fits_into_an_sms);
    tcase_add_test(tc, the_same_event_gives_the_same_bytes);
    tcase_add_test(tc, an_exit_more_does_no_harm);
    suite_add_tcase(suite, tc);
    return suite;
}
