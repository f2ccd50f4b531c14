/* endpoint.c: see endpoint.h. */
#include "notifier/endpoint.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "http/retry.h"
#include "metrics/metrics.h"

/* The settings of a channel. */
struct endpoint_settings {
    bool enabled;
    const char *url;
    const char *api_key;
    int64_t timeout_ms;
};

static struct endpoint_settings settings_of(const struct settings *s,
                                            enum recipient_channel channel) {
    switch (channel) {
    case RECIPIENT_EMAIL:
        return (struct endpoint_settings){
            s->availability_guard_notification_email_enabled,
            s->availability_guard_notification_email_webhook_url,
            s->availability_guard_notification_email_api_key,
            s->availability_guard_notification_email_timeout_ms,
        };
    case RECIPIENT_SMS:
        return (struct endpoint_settings){
            s->availability_guard_notification_sms_enabled,
            s->availability_guard_notification_sms_webhook_url,
            s->availability_guard_notification_sms_api_key,
            s->availability_guard_notification_sms_timeout_ms,
        };
    case RECIPIENT_SLACK:
        return (struct endpoint_settings){
            s->availability_guard_notification_slack_enabled,
            s->availability_guard_notification_slack_webhook_url,
            s->availability_guard_notification_slack_api_key,
            s->availability_guard_notification_slack_timeout_ms,
        };
    case RECIPIENT_UNROUTABLE:
        break;
    }
    return (struct endpoint_settings){false, "", "", 0};
}

/* A key that is to stand in a header: what is visible in ASCII. */
static bool is_visible(const char *text) {
    for (; *text != '\0'; text++) {
        if (*text < '!' || *text > '~')
            return false;
    }
    return true;
}

const char *endpoint_check(const struct settings *settings) {
#define URL "_WEBHOOK_URL: must be an address that begins with http:// or https://"
#define KEY "_API_KEY: must be of visible ASCII characters without spaces"
#define NAME "AVAILABILITY_GUARD_NOTIFICATION_"
    static const char *const WRONG_URL[] = {NAME "EMAIL" URL, NAME "SMS" URL, NAME "SLACK" URL};
    static const char *const WRONG_KEY[] = {NAME "EMAIL" KEY, NAME "SMS" KEY, NAME "SLACK" KEY};
    static char wrong_secret[256];
    for (int i = 0; i < RECIPIENT_CHANNELS; i++) {
        const struct endpoint_settings s = settings_of(settings, (enum recipient_channel)i);
        if (*s.url != '\0' && !http_url_is_fine(s.url))
            return WRONG_URL[i];
        if (!is_visible(s.api_key))
            return WRONG_KEY[i];
    }
    struct signer signer;
    const char *wrong =
        signer_init(&signer, settings->availability_guard_notification_signing_secret);
    signer_exit(&signer);
    if (wrong == NULL)
        return NULL;
    (void)snprintf(wrong_secret, sizeof wrong_secret, "%sSIGNING_SECRET: %s", NAME, wrong);
    return wrong_secret;
#undef URL
#undef KEY
#undef NAME
}

void endpoint_init(struct endpoint *e, const struct settings *settings,
                   enum recipient_channel channel) {
    const struct endpoint_settings own = settings_of(settings, channel);
    memset(e, 0, sizeof *e);
    e->channel = channel;
    e->name = recipient_channel_name(channel);
    e->enabled = own.enabled;
    e->url = own.url;
    e->api_key = own.api_key;
    e->timeout_ms = own.timeout_ms;
    e->never_twice =
        channel == RECIPIENT_SMS && !settings->availability_guard_notification_sms_retry_uncertain;
    e->hold_until = mono_now();
    breaker_init(&e->breaker, (int)settings->availability_guard_notification_breaker_failures,
                 settings->availability_guard_notification_breaker_pause_ms);
}

bool endpoint_is_ready(const struct endpoint *e, mono_time now) {
    return e->calls < ENDPOINT_CALLS_MAX && !mono_is_before(now, e->hold_until);
}

/* Metrics have names of their own for what they are about. */
static_assert((int)METRICS_CHANNEL_EMAIL == (int)RECIPIENT_EMAIL &&
                  (int)METRICS_CHANNEL_SMS == (int)RECIPIENT_SMS &&
                  (int)METRICS_CHANNEL_SLACK == (int)RECIPIENT_SLACK &&
                  (int)METRICS_CHANNEL_COUNT == RECIPIENT_CHANNELS,
              "the values of the label \"channel\" are those of enum recipient_channel");
static_assert((int)METRICS_CALL_DELIVERED == (int)OUTCOME_DELIVERED &&
                  (int)METRICS_CALL_TRANSIENT == (int)OUTCOME_TRANSIENT &&
                  (int)METRICS_CALL_PERMANENT == (int)OUTCOME_PERMANENT,
              "the values of the label \"outcome\" are those of enum outcome_kind");
static_assert((int)METRICS_BREAKER_CLOSED == (int)BREAKER_CLOSED &&
                  (int)METRICS_BREAKER_OPEN == (int)BREAKER_OPEN &&
                  (int)METRICS_BREAKER_TRYING == (int)BREAKER_TRYING,
              "the values of the label \"state\" are those of enum breaker_state");

/* --- a call -------------------------------------------------------------------------------- */

enum { HEADERS_MAX = 5 };

/* Header lines, one behind the other in one buffer. */
struct header_lines {
    struct buffer text;
    size_t ends[HEADERS_MAX];
    size_t count;
};

static void end_line(struct header_lines *h) {
    h->ends[h->count++] = h->text.length;
}

static bool write_headers(struct header_lines *h, const struct endpoint *e,
                          const struct signer *signer, const struct id *event_id,
                          struct text_span traceparent, struct text_span body) {
    char event[ID_TEXT_LENGTH + 1];
    char id[ID_TEXT_LENGTH + 32];
    const int64_t now_s = wall_now_us() / US_PER_SECOND;
    bool signed_ = true;
    id_format(event_id, event);
    (void)snprintf(id, sizeof id, "%s-%s", event, e->name);
    buffer_printf(&h->text, "webhook-id: %s", id);
    end_line(h);
    buffer_printf(&h->text, "webhook-timestamp: %" PRId64, now_s);
    end_line(h);
    if (traceparent.data != NULL) {
        buffer_append_text(&h->text, "traceparent: ");
        buffer_append(&h->text, traceparent.data, traceparent.length);
        end_line(h);
    }
    if (*e->api_key != '\0') {
        buffer_printf(&h->text, "Authorization: Bearer %s", e->api_key);
        end_line(h);
    }
    if (signer->count > 0) {
        buffer_append_text(&h->text, "webhook-signature: ");
        signed_ = signer_append(signer, &h->text, id, now_s, body);
        end_line(h);
    }
    return signed_ && !h->text.failed;
}

bool endpoint_call(struct endpoint *e, struct http *http, const struct signer *signer,
                   const struct id *event_id, struct text_span traceparent, struct text_span body,
                   http_done *done, void *context) {
    struct header_lines lines = {.count = 0};
    struct text_span headers[HEADERS_MAX];
    bool called = false;
    buffer_init(&lines.text);
    if (write_headers(&lines, e, signer, event_id, traceparent, body)) {
        for (size_t i = 0, start = 0; i < lines.count; start = lines.ends[i++])
            headers[i] = (struct text_span){lines.text.data + start, lines.ends[i] - start};
        const struct http_request request = {
            .url = e->url,
            .headers = headers,
            .header_count = lines.count,
            .body = body,
            .timeout_ms = e->timeout_ms,
            .fresh = e->never_twice,
        };
        called = http_post(http, &request, done, context) != NULL;
    }
    buffer_free(&lines.text);
    if (called)
        e->calls++;
    return called;
}

void endpoint_note(struct endpoint *e, const struct outcome *outcome, mono_time now) {
    e->calls--;
    metrics_add(METRICS_CELL(notification_calls) + (size_t)e->channel * METRICS_CALL_COUNT +
                    (size_t)outcome->kind,
                1);
    if (outcome->healthy) {
        if (breaker_succeed(&e->breaker))
            log_info("the %s webhook answers again", e->name);
    } else if (breaker_fail(&e->breaker, now)) {
        log_warn("the %s webhook has failed %d times in a row (%s): it is left alone for %" PRId64
                 " ms",
                 e->name, e->breaker.failures, outcome->reason, e->breaker.pause_ms);
    }
    if (outcome->asked_ms != RETRY_NOT_ASKED) {
        const mono_time until = mono_after_ms(now, outcome->asked_ms);
        if (mono_is_before(e->hold_until, until))
            e->hold_until = until;
    }
}
