/* admin_routes.c: see admin_routes.h. */
#include "guard/admin_routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "domain/json_member.h"
#include "guard/audit_json.h"
#include "guard/recipients_input.h"
#include "guard/route_input.h"

static void log_release(const struct exchange *x, const struct manual_release_request *request) {
    struct log_subject subject = exchange_subject(x);
    char actor[MASK_MAX];
    subject.lock_id = request->lock_id;
    if (request->recipients.data != NULL)
        subject.event_id = request->event_id;
    log_request(LOG_LEVEL_INFO, &subject, "a lock was released by force, by %s%s",
                log_name(actor, request->actor_name),
                request->recipients.data == NULL ? ", and nobody is told" : "");
}

static void answer_released(struct exchange *x) {
    const struct manual_release_request *request = &x->command.as.manual_release;
    struct buffer *body = exchange_body(x);
    json_member_id(body, "{\"status\":\"released\",\"lockId\":", &request->lock_id);
    json_member_id(body, ",\"auditId\":", &request->audit_id);
    buffer_append_char(body, '}');
    log_release(x, request);
    exchange_answer(x, "200 OK");
}

static void answer_not_active(struct exchange *x, const struct outcome *outcome) {
    const struct text_span status = row_text(outcome->row, outcome->column);
    char detail[64];
    snprintf(detail, sizeof detail, "the lock is not active, it is %.*s", (int)status.length,
             status.data);
    exchange_answer_problem(x, PROBLEM_LOCK_NOT_ACTIVE, detail, NULL);
}

static void manual_release_answered(struct command *command, const struct outcome *outcome) {
    struct exchange *x = exchange_of(command);
    switch (outcome->kind) {
    case OUTCOME_RELEASED:
        answer_released(x);
        break;
    case OUTCOME_NOT_FOUND:
        exchange_answer_problem(x, PROBLEM_NOT_FOUND, "the tenant has no such lock", NULL);
        break;
    case OUTCOME_NOT_ACTIVE:
        answer_not_active(x, outcome);
        break;
    default:
        exchange_answer_failure(x, outcome);
    }
}

/* Who is told, as JSON text for the caller to free. NULL: nobody, or *failed: out of memory. */
static char *recipients_text(const struct exchange *x, const struct recipients *all, bool *failed) {
    *failed = false;
    if (!x->context->notifications_enabled || all->count == 0)
        return NULL;
    char *text = recipients_merged_text(all);
    *failed = text == NULL;
    return text;
}

static void warn_of_nobody(const struct exchange *x) {
    struct log_subject subject = exchange_subject(x);
    subject.tenant_id = x->command.as.manual_release.tenant_id;
    subject.lock_id = x->command.as.manual_release.lock_id;
    log_request(LOG_LEVEL_WARN, &subject,
                "a manual release has no recipients: nobody is told of it");
}

static void submit_manual_release(struct exchange *x, const struct recipients *all) {
    bool failed = false;
    char *recipients = recipients_text(x, all, &failed);
    if (failed) {
        route_answer_no_memory(x);
        return;
    }
    if (recipients != NULL)
        x->command.as.manual_release.recipients =
            (struct text_span){recipients, strlen(recipients)};
    else if (x->context->notifications_enabled)
        warn_of_nobody(x);
    exchange_submit(x, COMMAND_MANUAL_RELEASE, manual_release_answered);
    free(recipients);
}

void admin_routes_manual_release(struct exchange *x) {
    struct violations v = {.count = 0};
    struct request_body *b = &x->body;
    struct recipients all = {.count = 0};
    if (!x->context->manual_release_enabled) {
        exchange_answer_problem(x, PROBLEM_MANUAL_RELEASE_DISABLED,
                                "manual releases are switched off", NULL);
        return;
    }
    const struct manual_release_input input = {
        .tenant_id = route_body_tenant_id(x, &v),
        .lock_id = x->path_lock_id,
        .reservation_id = request_body_text(b, "reservationId", &v),
        .reason = request_body_text(b, "reason", &v),
        .actor_id = request_body_text(b, "actorId", &v),
        .actor_name = request_body_text(b, "actorName", &v),
        .actor_email = request_body_text(b, "actorEmail", &v),
        .correlation_id = route_body_correlation_id(x, &v),
        .metadata = request_body_object(b, "metadata", &v),
    };
    if (!recipients_input(x, "notify", FIELD_OPTIONAL, &v, &all))
        route_answer_no_memory(x);
    else if (manual_release_request(&input, &v, &x->command.as.manual_release))
        submit_manual_release(x, &all);
    else
        route_answer_invalid(x, &v);
    recipients_exit(&all);
}

static void append_cursor(struct buffer *body, int64_t sequence) {
    buffer_append_text(body, "],\"nextCursor\":\"");
    buffer_append_int(body, sequence);
    buffer_append_char(body, '"');
}

static void audits_answered(struct command *command, const struct outcome *outcome) {
    struct exchange *x = exchange_of(command);
    const struct audits_request *request = &command->as.audits;
    struct audit audit = {.sequence = 0};
    if (outcome->kind != OUTCOME_AUDITED) {
        exchange_answer_failure(x, outcome);
        return;
    }
    /* One more than the page holds was asked for: it tells whether there is a next page. */
    const int64_t limit = request->limit - 1;
    const int64_t count = outcome->count < limit ? outcome->count : limit;
    struct buffer *body = exchange_body(x);
    if (request->order == AUDIT_OLDEST_FIRST)
        json_member_id(body, "{\"lockId\":", &request->lock_id.id);
    buffer_append_text(body,
                       request->order == AUDIT_OLDEST_FIRST ? ",\"audits\":[" : "{\"audits\":[");
    for (int64_t i = 0; i < count; i++) {
        audit_read(&audit, (struct row){outcome->row.result, outcome->row.number + (int)i});
        if (i > 0)
            buffer_append_char(body, ',');
        audit_json_append(body, &audit);
    }
    if (outcome->count > limit)
        append_cursor(body, audit.sequence);
    else
        buffer_append_text(body, "],\"nextCursor\":null");
    buffer_append_char(body, '}');
    exchange_answer(x, "200 OK");
}

static void submit_audits(struct exchange *x, const struct audits_input *input,
                          enum audit_order order, struct violations *v) {
    struct audits_request *request = &x->command.as.audits;
    if (!audits_request(input, order, v, request)) {
        route_answer_invalid(x, v);
        return;
    }
    request->limit++;
    exchange_submit(x, COMMAND_AUDITS, audits_answered);
}

void admin_routes_lock_audits(struct exchange *x) {
    struct violations v = {.count = 0};
    const struct audits_input input = {
        .tenant_id = route_query_tenant_id(x, &v),
        .lock_id = x->path_lock_id,
        .limit = route_query_value(x, "limit", &v),
        .cursor = route_query_value(x, "cursor", &v),
    };
    submit_audits(x, &input, AUDIT_OLDEST_FIRST, &v);
}

void admin_routes_tenant_audits(struct exchange *x) {
    struct violations v = {.count = 0};
    const struct audits_input input = {
        .tenant_id = route_query_tenant_id(x, &v),
        .lock_id = route_query_value(x, "lockId", &v),
        .actor_id = route_query_value(x, "actorId", &v),
        .from = route_query_time(x, "from", &v),
        .to = route_query_time(x, "to", &v),
        .limit = route_query_value(x, "limit", &v),
        .cursor = route_query_value(x, "cursor", &v),
    };
    submit_audits(x, &input, AUDIT_NEWEST_FIRST, &v);
}
