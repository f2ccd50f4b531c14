/* lock_routes.c: see lock_routes.h. */
#include "guard/lock_routes.h"

#include <string.h>

#include "domain/lock.h"
#include "guard/lock_json.h"

static void answer_invalid(struct exchange *x, const struct violations *v) {
    if (v->count == 0) {
        /* The only other way in which a request can't be made. */
        exchange_answer_problem(x, PROBLEM_INTERNAL_ERROR, "no random bytes for an id", NULL);
        return;
    }
    exchange_answer_problem(x, PROBLEM_INVALID_REQUEST, "the request is not valid; see errors", v);
}

/* Whether two spellings mean the same: ids in any case, other texts byte by byte. */
static bool same_value(struct text_span a, struct text_span b) {
    struct id a_id;
    struct id b_id;
    if (id_parse(&a_id, a.data, a.length) && id_parse(&b_id, b.data, b.length))
        return id_equal(&a_id, &b_id);
    return a.length == b.length && memcmp(a.data, b.data, a.length) == 0;
}

/* A field that may come from two places, such as the body and a header: from either, but not with
 * two meanings. */
static struct text_span either(struct text_span first, struct text_span second, const char *field,
                               struct violations *v) {
    if (first.data == NULL)
        return second;
    if (second.data != NULL && !same_value(first, second))
        violations_add(v, field, "is given twice, with different values");
    return first;
}

static struct text_span body_tenant_id(struct exchange *x, struct violations *v) {
    return either(request_body_text(&x->body, "tenantId", v), x->request.tenant_id, "tenantId", v);
}

static struct text_span body_correlation_id(struct exchange *x, struct violations *v) {
    return either(request_body_text(&x->body, "correlationId", v), x->request.correlation_id,
                  "correlationId", v);
}

static struct text_span decode_query(struct exchange *x, const char *name, bool plus_is_plus,
                                     struct violations *v) {
    bool bad = false;
    const struct text_span value =
        http_request_query(&x->request, name, plus_is_plus, &x->query, &bad);
    if (bad)
        violations_add(v, name, "must be given once, percent-encoded UTF-8");
    return value;
}

static struct text_span query_value(struct exchange *x, const char *name, struct violations *v) {
    return decode_query(x, name, false, v);
}

static struct text_span query_time(struct exchange *x, const char *name, struct violations *v) {
    return decode_query(x, name, true, v);
}

static struct text_span query_tenant_id(struct exchange *x, struct violations *v) {
    return either(query_value(x, "tenantId", v), x->request.tenant_id, "tenantId", v);
}

static void answer_lock(struct exchange *x, const char *status, const char *opening,
                        const struct outcome *outcome, enum lock_json_metadata metadata) {
    struct lock lock;
    struct buffer *body = exchange_body(x);
    lock_read(&lock, outcome->row, outcome->column);
    buffer_append_text(body, opening);
    lock_json_append(body, &lock, metadata);
    buffer_append_char(body, '}');
    exchange_answer(x, status);
}

static void answer_stay_over(struct exchange *x) {
    struct violations v = {.count = 0};
    violations_add(&v, "stayEnd", "the stay is over already");
    answer_invalid(x, &v);
}

static void lock_answered(struct command *command, const struct outcome *outcome) {
    struct exchange *x = exchange_of(command);
    switch (outcome->kind) {
    case OUTCOME_LOCKED:
        answer_lock(x, "200 OK", "{\"status\":\"LOCKED\",\"lock\":", outcome,
                    LOCK_JSON_WITH_METADATA);
        break;
    case OUTCOME_CONFLICT:
        answer_lock(x, "409 Conflict", "{\"status\":\"CONFLICT\",\"conflict\":", outcome,
                    LOCK_JSON_WITHOUT_METADATA);
        break;
    case OUTCOME_STAY_OVER:
        answer_stay_over(x);
        break;
    default:
        exchange_answer_failure(x, outcome);
    }
}

void lock_routes_lock(struct exchange *x) {
    struct violations v = {.count = 0};
    struct request_body *b = &x->body;
    const struct lock_input input = {
        .tenant_id = body_tenant_id(x, &v),
        .property_id = request_body_text(b, "propertyId", &v),
        .reservation_id = request_body_text(b, "reservationId", &v),
        .room_type_id = request_body_text(b, "roomTypeId", &v),
        .room_id = request_body_nullable_text(b, "roomId", &v),
        .stay_start = request_body_text(b, "stayStart", &v),
        .stay_end = request_body_text(b, "stayEnd", &v),
        .reason = request_body_text(b, "reason", &v),
        .correlation_id = body_correlation_id(x, &v),
        .idempotency_key = either(request_body_text(b, "idempotencyKey", &v),
                                  x->request.idempotency_key, "idempotencyKey", &v),
        .metadata = request_body_object(b, "metadata", &v),
        .ttl_seconds = request_body_integer(b, "ttlSeconds", &v),
    };
    if (request_lock(&input, &x->context->limits, &v, &x->command.as.lock))
        exchange_submit(x, COMMAND_LOCK, lock_answered);
    else
        answer_invalid(x, &v);
}

static void append_id_string(struct buffer *out, const char *label, const struct id *id) {
    char text[ID_TEXT_LENGTH + 1];
    id_format(id, text);
    buffer_append_text(out, label);
    buffer_append_text(out, text);
    buffer_append_char(out, '"');
}

static void release_answered(struct command *command, const struct outcome *outcome) {
    struct exchange *x = exchange_of(command);
    struct buffer *body = NULL;
    switch (outcome->kind) {
    case OUTCOME_RELEASED:
        body = exchange_body(x);
        append_id_string(body, "{\"status\":\"released\",\"lockId\":\"",
                         &command->as.release.lock_id);
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
    const struct release_input input = {
        .tenant_id = either(body_tenant_id(x, &v), query_value(x, "tenantId", &v), "tenantId", &v),
        .lock_id = x->path_lock_id,
        .reservation_id = either(request_body_text(&x->body, "reservationId", &v),
                                 query_value(x, "reservationId", &v), "reservationId", &v),
        .reason = either(request_body_text(&x->body, "reason", &v), query_value(x, "reason", &v),
                         "reason", &v),
        .correlation_id = either(body_correlation_id(x, &v), query_value(x, "correlationId", &v),
                                 "correlationId", &v),
        .metadata = request_body_object(&x->body, "metadata", &v),
    };
    if (request_release(&input, &v, &x->command.as.release))
        exchange_submit(x, COMMAND_RELEASE, release_answered);
    else
        answer_invalid(x, &v);
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
    request->lock_ids =
        request_body_ids(&x->body, "lockIds", REQUEST_BULK_MAX, &request->lock_count, &v);
    const struct bulk_release_input input = {
        .tenant_id = body_tenant_id(x, &v),
        .reason = request_body_text(&x->body, "reason", &v),
        .correlation_id = body_correlation_id(x, &v),
    };
    if (request_bulk_release(&input, &v, request))
        exchange_submit(x, COMMAND_BULK_RELEASE, bulk_release_answered);
    else
        answer_invalid(x, &v);
}

static void get_answered(struct command *command, const struct outcome *outcome) {
    struct exchange *x = exchange_of(command);
    if (outcome->kind == OUTCOME_FOUND)
        answer_lock(x, "200 OK", "{\"lock\":", outcome, LOCK_JSON_WITH_METADATA);
    else if (outcome->kind == OUTCOME_NOT_FOUND)
        exchange_answer_problem(x, PROBLEM_NOT_FOUND, "the tenant has no such lock", NULL);
    else
        exchange_answer_failure(x, outcome);
}

void lock_routes_get(struct exchange *x) {
    struct violations v = {.count = 0};
    const struct get_input input = {.tenant_id = query_tenant_id(x, &v),
                                    .lock_id = x->path_lock_id};
    if (request_get(&input, &v, &x->command.as.get))
        exchange_submit(x, COMMAND_GET, get_answered);
    else
        answer_invalid(x, &v);
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
        append_id_string(body, "],\"nextCursor\":\"", &lock.id);
    else if (outcome->cut_off && row_id((struct row){outcome->row.result, (int)outcome->count},
                                        LOCK_COLUMN_ID, &looked_until))
        append_id_string(body, "],\"nextCursor\":\"", &looked_until);
    else
        buffer_append_text(body, "],\"nextCursor\":null");
    buffer_append_char(body, '}');
    exchange_answer(x, "200 OK");
}

void lock_routes_list(struct exchange *x) {
    struct violations v = {.count = 0};
    struct list_request *request = &x->command.as.list;
    const struct list_input input = {
        .tenant_id = query_tenant_id(x, &v),
        .room_id = query_value(x, "roomId", &v),
        .room_type_id = query_value(x, "roomTypeId", &v),
        .reservation_id = query_value(x, "reservationId", &v),
        .status = query_value(x, "status", &v),
        .from = query_time(x, "from", &v),
        .to = query_time(x, "to", &v),
        .limit = query_value(x, "limit", &v),
        .cursor = query_value(x, "cursor", &v),
    };
    if (!request_list(&input, &v, request)) {
        answer_invalid(x, &v);
        return;
    }
    request->limit++;
    exchange_submit(x, COMMAND_LIST, list_answered);
}
