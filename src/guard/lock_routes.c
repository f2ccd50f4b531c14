/* lock_routes.c: see lock_routes.h. */
#include "guard/lock_routes.h"

#include "domain/json_member.h"
#include "domain/lock.h"
#include "guard/lock_json.h"
#include "guard/route_input.h"
#include "json/lock_body.h"

static void answer_lock(struct exchange *x, const char *status, const char *opening,
                        const struct lock *lock, enum lock_json_metadata metadata) {
    struct buffer *body = exchange_body(x);
    buffer_append_text(body, opening);
    lock_json_append(body, lock, metadata);
    buffer_append_char(body, '}');
    exchange_answer(x, status);
}

static void lock_answered(struct command *command, const struct outcome *outcome) {
    struct exchange *x = exchange_of(command);
    struct lock lock;
    switch (outcome->kind) {
    case OUTCOME_LOCKED:
        lock_read_granted(&lock, outcome->row, outcome->column, &command->as.lock);
        answer_lock(x, "200 OK", "{\"status\":\"LOCKED\",\"lock\":", &lock,
                    LOCK_JSON_WITH_METADATA);
        break;
    case OUTCOME_CONFLICT:
        lock_read(&lock, outcome->row, outcome->column);
        answer_lock(x, "409 Conflict", "{\"status\":\"CONFLICT\",\"conflict\":", &lock,
                    LOCK_JSON_WITHOUT_METADATA);
        break;
    case OUTCOME_STAY_OVER:
        route_answer_stay_over(x);
        break;
    default:
        exchange_answer_failure(x, outcome);
    }
}

void lock_routes_lock(struct exchange *x) {
    struct violations v = {.count = 0};
    struct lock_input input = lock_body_lock(&x->body, &v);
    input.tenant_id = route_either(input.tenant_id, x->request.tenant_id, "tenantId", &v);
    input.correlation_id =
        route_either(input.correlation_id, x->request.correlation_id, "correlationId", &v);
    input.idempotency_key =
        route_either(input.idempotency_key, x->request.idempotency_key, "idempotencyKey", &v);
    if (request_lock(&input, &x->context->limits, &v, &x->command.as.lock))
        exchange_submit(x, COMMAND_LOCK, lock_answered);
    else
        route_answer_invalid(x, &v);
}

static void release_answered(struct command *command, const struct outcome *outcome) {
    struct exchange *x = exchange_of(command);
    struct buffer *body = NULL;
    switch (outcome->kind) {
    case OUTCOME_RELEASED:
        body = exchange_body(x);
        json_member_id(body, "{\"status\":\"released\",\"lockId\":", &command->as.release.lock_id);
        buffer_append_char(body, '}');
        exchange_answer(x, "200 OK");
        break;
    case OUTCOME_NOT_FOUND:
        exchange_answer_problem(x, PROBLEM_NOT_FOUND, "the tenant has no such lock", NULL);
        break;
    default:
        exchange_answer_failure(x, outcome);
    }
}

/* A release may say all but its metadata in the query: a DELETE often has no body. */
void lock_routes_release(struct exchange *x) {
    struct violations v = {.count = 0};
    struct release_input input = lock_body_release(&x->body, &v);
    input.lock_id = x->path_lock_id;
    input.tenant_id =
        route_either(route_either(input.tenant_id, x->request.tenant_id, "tenantId", &v),
                     route_query_value(x, "tenantId", &v), "tenantId", &v);
    input.correlation_id = route_either(
        route_either(input.correlation_id, x->request.correlation_id, "correlationId", &v),
        route_query_value(x, "correlationId", &v), "correlationId", &v);
    input.reservation_id = route_either(
        input.reservation_id, route_query_value(x, "reservationId", &v), "reservationId", &v);
    input.reason = route_either(input.reason, route_query_value(x, "reason", &v), "reason", &v);
    if (request_release(&input, &v, &x->command.as.release))
        exchange_submit(x, COMMAND_RELEASE, release_answered);
    else
        route_answer_invalid(x, &v);
}

static void bulk_release_answered(struct command *command, const struct outcome *outcome) {
    struct exchange *x = exchange_of(command);
    if (outcome->kind != OUTCOME_RELEASED) {
        exchange_answer_failure(x, outcome);
        return;
    }
    struct buffer *body = exchange_body(x);
    buffer_append_text(body, "{\"status\":\"released\",\"released\":");
    buffer_append_int(body, outcome->count);
    buffer_append_char(body, '}');
    exchange_answer(x, "200 OK");
}

void lock_routes_bulk_release(struct exchange *x) {
    struct violations v = {.count = 0};
    struct bulk_release_request *request = &x->command.as.bulk_release;
    x->command.kind = COMMAND_BULK_RELEASE; /* the exchange's end frees the ids */
    struct bulk_release_input input = lock_body_bulk_release(&x->body, &v, request);
    input.tenant_id = route_either(input.tenant_id, x->request.tenant_id, "tenantId", &v);
    input.correlation_id =
        route_either(input.correlation_id, x->request.correlation_id, "correlationId", &v);
    if (request_bulk_release(&input, &v, request))
        exchange_submit(x, COMMAND_BULK_RELEASE, bulk_release_answered);
    else
        route_answer_invalid(x, &v);
}

static void get_answered(struct command *command, const struct outcome *outcome) {
    struct exchange *x = exchange_of(command);
    struct lock lock;
    switch (outcome->kind) {
    case OUTCOME_FOUND:
        lock_read(&lock, outcome->row, outcome->column);
        answer_lock(x, "200 OK", "{\"lock\":", &lock, LOCK_JSON_WITH_METADATA);
        break;
    case OUTCOME_NOT_FOUND:
        exchange_answer_problem(x, PROBLEM_NOT_FOUND, "the tenant has no such lock", NULL);
        break;
    default:
        exchange_answer_failure(x, outcome);
    }
}

void lock_routes_get(struct exchange *x) {
    struct violations v = {.count = 0};
    const struct get_input input = {.tenant_id = route_query_tenant_id(x, &v),
                                    .lock_id = x->path_lock_id};
    if (request_get(&input, &v, &x->command.as.get))
        exchange_submit(x, COMMAND_GET, get_answered);
    else
        route_answer_invalid(x, &v);
}

static void list_answered(struct command *command, const struct outcome *outcome) {
    struct exchange *x = exchange_of(command);
    struct lock lock;
    if (outcome->kind != OUTCOME_LISTED) {
        exchange_answer_failure(x, outcome);
        return;
    }
    /* One more than the page holds was asked for: it tells whether there is a next page. */
    const int64_t limit = command->as.list.limit - 1;
    const int64_t count = outcome->count < limit ? outcome->count : limit;
    struct buffer *body = exchange_body(x);
    buffer_append_text(body, "{\"locks\":[");
    for (int64_t i = 0; i < count; i++) {
        const struct row row = {outcome->row.result, outcome->row.number + (int)i};
        lock_read(&lock, row, outcome->column);
        if (i > 0)
            buffer_append_char(body, ',');
        lock_json_append(body, &lock, LOCK_JSON_WITH_METADATA);
    }
    struct id looked_until;
    if (outcome->count > limit)
        json_member_id(body, "],\"nextCursor\":", &lock.id);
    else if (outcome->cut_off && row_id((struct row){outcome->row.result, (int)outcome->count},
                                        LOCK_COLUMN_ID, &looked_until))
        json_member_id(body, "],\"nextCursor\":", &looked_until);
    else
        buffer_append_text(body, "],\"nextCursor\":null");
    buffer_append_char(body, '}');
    exchange_answer(x, "200 OK");
}

void lock_routes_list(struct exchange *x) {
    struct violations v = {.count = 0};
    struct list_request *request = &x->command.as.list;
    const struct list_input input = {
        .tenant_id = route_query_tenant_id(x, &v),
        .room_id = route_query_value(x, "roomId", &v),
        .room_type_id = route_query_value(x, "roomTypeId", &v),
        .reservation_id = route_query_value(x, "reservationId", &v),
        .status = route_query_value(x, "status", &v),
        .from = route_query_time(x, "from", &v),
        .to = route_query_time(x, "to", &v),
        .limit = route_query_value(x, "limit", &v),
        .cursor = route_query_value(x, "cursor", &v),
    };
    if (!request_list(&input, &v, request)) {
        route_answer_invalid(x, &v);
        return;
    }
    request->limit++;
    exchange_submit(x, COMMAND_LIST, list_answered);
}
