/* outcome.c: see outcome.h. */
#include "http/outcome.h"

#include <stdio.h>
#include <string.h>

#include "http/retry.h"

static bool is_worth_repeating(long status) {
    return status == 408 || status == 425 || status == 429 || status >= 500;
}

static void judge_status(struct outcome *out, const struct outcome_facts *facts) {
    const long status = facts->status;
    (void)snprintf(out->reason, sizeof out->reason, "HTTP status %ld", status);
    out->status = (int)status;
    out->healthy = status < 500;
    if (status >= 200 && status < 300) {
        out->kind = OUTCOME_DELIVERED;
    } else if (status >= 100 && status < 600 && is_worth_repeating(status)) {
        out->kind = OUTCOME_TRANSIENT;
        out->uncertain = status >= 500;
        out->asked_ms = facts->asked_ms;
    }
}

void outcome_of_call(struct outcome *out, const struct outcome_facts *facts) {
    *out = (struct outcome){.kind = OUTCOME_PERMANENT, .asked_ms = RETRY_NOT_ASKED};
    if (facts->answered && facts->status > 0) {
        judge_status(out, facts);
    } else if (facts->refused) {
        out->healthy = true;
        (void)snprintf(out->reason, sizeof out->reason, "its address is private");
    } else {
        /* libcurl's own words for the code; those for the call may name the host. */
        outcome_transient(out, curl_easy_strerror(facts->code));
        out->uncertain = facts->sent;
    }
}

void outcome_transient(struct outcome *out, const char *reason) {
    *out = (struct outcome){.kind = OUTCOME_TRANSIENT, .asked_ms = RETRY_NOT_ASKED};
    (void)snprintf(out->reason, sizeof out->reason, "%s", reason);
}
