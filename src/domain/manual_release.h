/*
 * manual_release.h: an operator forces a lock open: who, why, and who is told. See request.h for
 * the way from an input to a request.
 */
#ifndef DOMAIN_MANUAL_RELEASE_H
#define DOMAIN_MANUAL_RELEASE_H

#include <stdbool.h>

#include "base/attributes.h"
#include "base/id.h"
#include "base/text.h"
#include "domain/field.h"
#include "domain/violations.h"

#define MANUAL_RELEASE_REASON_MIN 3
#define MANUAL_RELEASE_REASON_MAX 500
#define MANUAL_RELEASE_ACTOR_MAX 255
#define MANUAL_RELEASE_EMAIL_MAX 320 /* RFC 5321: 64 before the "@", 255 behind it */

/* Every field as received; no data means absent. */
struct manual_release_input {
    struct text_span tenant_id;
    struct text_span lock_id;
    struct text_span reservation_id;
    struct text_span reason;
    struct text_span actor_id;
    struct text_span actor_name;
    struct text_span actor_email;
    struct text_span correlation_id;
    struct text_span metadata; /* JSON object */
};

/* Texts point to the door's memory, as in request.h. */
struct manual_release_request {
    struct id tenant_id;
    struct id lock_id;
    struct optional_id reservation_id;
    struct id audit_id; /* new; tells a repetition after a lost answer from a second release */
    struct id event_id; /* new */
    struct text_span reason;
    struct text_span actor_id;
    struct text_span actor_name;
    struct text_span actor_email;
    struct text_span correlation_id;
    struct text_span metadata;
    struct text_span recipients; /* JSON array of texts, set by the door; no data: nobody is told */
};

/*
 * Adds to the violations what is wrong with the input and fills the request, but for its
 * recipients. Returns whether there are no violations; false without a violation when the system
 * gives no random bytes for the ids.
 */
MUST_CHECK bool manual_release_request(const struct manual_release_input *input,
                                       struct violations *v, struct manual_release_request *out);

#endif
