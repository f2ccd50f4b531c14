/*
 * fuzz_notification_event.c: an event of any bytes, and all that is made of one that is accepted:
 * recipients, texts, bodies of webhooks.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notification/characters.h"
#include "notification/message.h"
#include "notification/sms.h"

/* Like assert(), but always there. */
#define MUST(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            (void)fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct text_span span_of(const char *text) {
    return (struct text_span){text, strlen(text)};
}

static void check_error(const struct event_error *error) {
    MUST(memchr(error->text, '\0', sizeof error->text) != NULL);
    MUST(error->text[0] != '\0');
    for (const char *at = error->text; *at != '\0'; at++)
        MUST(*at >= ' ' && *at <= '~');
}

static void check_text(struct text_span text) {
    MUST(text.length > 0);
    MUST(text_is_valid_utf8(text.data, text.length));
    MUST(text_code_points(text.data, text.length) <= EVENT_TEXT_MAX);
}

static void check_event(const struct event *event) {
    MUST(event->sent_at >= TIMESTAMP_MIN && event->sent_at <= TIMESTAMP_MAX);
    MUST(event->stay_start >= TIMESTAMP_MIN && event->stay_end <= TIMESTAMP_MAX);
    MUST(event->stay_start < event->stay_end);
    check_text(event->reason);
    check_text(event->actor_id);
    check_text(event->actor_name);
    if (event->actor_email.data != NULL)
        check_text(event->actor_email);
    MUST(json_is_array(event->recipients));
    MUST(json_array_size(event->recipients) <= RECIPIENTS_MAX);
}

static size_t count_of(const char *text, char c) {
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += *text == c ? 1 : 0;
    return count;
}

/* Valid UTF-8, and no line more than the texts themselves have. */
static void check_lines(const char *text, size_t lines) {
    const size_t length = strlen(text);
    MUST(text_is_valid_utf8(text, length));
    MUST(count_of(text, '\n') == lines);
    size_t size = 0;
    for (size_t i = 0; i < length; i += size) {
        size = text_utf8_sequence(text + i, length - i);
        const uint32_t character = character_decode(text + i, size);
        MUST(character == '\n' || !character_is_control(character));
        MUST(!character_reorders(character));
    }
}

/* Only the tags that are ours: 6 in each of the 9 rows, and 14 around them. */
static void check_html(const char *html) {
    MUST(count_of(html, '<') == 68);
    MUST(count_of(html, '>') == 68);
    check_lines(html, 18);
}

static void check_slack(const char *slack) {
    MUST(strchr(slack, '<') == NULL && strchr(slack, '>') == NULL);
    check_lines(slack, 10);
    for (const char *at = slack; (at = strchr(at, '@')) != NULL; at++) {
        const char before = at[-1]; /* a text begins with the headline */
        const bool in_word = (before >= '0' && before <= '9') || (before >= 'a' && before <= 'z') ||
                             (before >= 'A' && before <= 'Z');
        MUST(in_word || strncmp(at + 1, "\xE2\x80\x8B", 3) == 0);
    }
}

static void check_message(const struct message *message) {
    check_lines(message->subject, 0);
    MUST(text_code_points(message->subject, strlen(message->subject)) <= 120);
    check_lines(message->plain_text, 11);
    check_html(message->html_body);
    check_slack(message->slack_text);
    check_lines(message->sms_text, 0);
    MUST(sms_segments(span_of(message->sms_text)) <= SMS_SEGMENTS_MAX);
    MUST(json_object_size(message->metadata) == 10);
}

static void check_body(const struct message *message, const struct recipients *all,
                       enum recipient_channel channel) {
    static const size_t members[] = {
        [RECIPIENT_EMAIL] = 6, [RECIPIENT_SMS] = 4, [RECIPIENT_SLACK] = 5};
    size_t length = 0;
    char *text = message_webhook_body(message, all, channel, &length);
    MUST(text != NULL && strlen(text) == length);
    MUST(text_is_valid_utf8(text, length));
    json_t *body = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    MUST(json_object_size(body) == members[channel]);
    MUST(json_array_size(json_object_get(body, "recipients")) == all->counts[channel]);
    MUST(json_equal(json_object_get(body, "metadata"), message->metadata));
    json_decref(body);
    free(text);
}

static void check_made(const struct event *event) {
    struct message message;
    struct recipients all = {0};
    MUST(recipients_add_array(&all, event->recipients, RECIPIENTS_MAX) == RECIPIENTS_OK);
    MUST(message_init(&message, event));
    check_message(&message);
    for (enum recipient_channel c = RECIPIENT_EMAIL; c < RECIPIENT_CHANNELS; c++)
        check_body(&message, &all, c);
    message_exit(&message);
    recipients_exit(&all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct event event;
    struct event_error error = {{0}};
    const enum event_result result = event_parse(&event, (const char *)data, size, &error);
    MUST(result != EVENT_NO_MEMORY);
    if (result == EVENT_MALFORMED) {
        check_error(&error);
        MUST(event.tree == NULL);
        return 0;
    }
    check_event(&event);
    check_made(&event);
    event_exit(&event);
    return 0;
}
