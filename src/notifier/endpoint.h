/*
 * endpoint.h: the webhook of one channel: how to call it, and how it is doing.
 */
#ifndef NOTIFIER_ENDPOINT_H
#define NOTIFIER_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/attributes.h"
#include "base/clock.h"
#include "base/id.h"
#include "base/settings.h"
#include "base/text.h"
#include "http/client.h"
#include "http/outcome.h"
#include "notification/recipient.h"
#include "notifier/breaker.h"
#include "notifier/signer.h"

/* Most calls of one webhook at the same time. */
#define ENDPOINT_CALLS_MAX 16

struct endpoint {
    enum recipient_channel channel;
    const char *name; /* of the channel */
    bool enabled;
    const char *url;
    const char *api_key;
    int64_t timeout_ms;
    bool never_twice;     /* what may have been sent already is not sent again */
    mono_time hold_until; /* it asked to be left alone until then */
    struct breaker breaker;
    int calls; /* under way */
};

/* What is wrong with the settings of the webhooks and of signing: static text with no values in it,
 * or NULL. */
MUST_CHECK const char *endpoint_check(const struct settings *settings);

/* The settings must outlive it. */
void endpoint_init(struct endpoint *e, const struct settings *settings,
                   enum recipient_channel channel);

/* Whether recipients of this channel are told. */
static inline bool endpoint_is_used(const struct endpoint *e) {
    return e->enabled && *e->url != '\0';
}

/* Whether there is room for a call, and the webhook has not asked for a pause. */
bool endpoint_is_ready(const struct endpoint *e, mono_time now);

/*
 * Calls it, whatever endpoint_is_ready() says; done() comes later. The header webhook-id is the id
 * of the event and the channel: the same for every repetition, and another one for each channel,
 * for several may have one address. Without data there is no header traceparent. False when memory
 * ran out.
 */
MUST_CHECK bool endpoint_call(struct endpoint *e, struct http *http, const struct signer *signer,
                              const struct id *event_id, struct text_span traceparent,
                              struct text_span body, http_done *done, void *context);

/* To be told of every call that has ended. */
void endpoint_note(struct endpoint *e, const struct outcome *outcome, mono_time now);

#endif
