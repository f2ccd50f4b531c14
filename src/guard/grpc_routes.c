/* grpc_routes.c: see grpc_routes.h. */
#include "guard/grpc_routes.h"

#include <string.h>

#include "domain/lock.h"
#include "guard/grpc_frame.h"
#include "guard/grpc_message.h"
#include "guard/grpc_timeout.h"
#include "guard/route_input.h"

#define PACKAGE "availabilityguard.v1."

/* The message of the request, and the violations of its texts; NULL when there is none that could
 * be used: it has been answered. */
static void *decode(struct exchange *x, const ProtobufCMessageDescriptor *descriptor,
                    struct text_span bytes, struct violations *v) {
    void *message = grpc_message_decode(descriptor, bytes, &x->arena, v);
    if (message != NULL)
        return message;
    if (x->arena.no_memory)
        route_answer_no_memory(x);
    else if (x->arena.exhausted)
        exchange_answer_problem(x, PROBLEM_PAYLOAD_TOO_LARGE, "the message needs too much memory",
                                NULL);
    else
        exchange_answer_problem(x, PROBLEM_INVALID_REQUEST,
                                "the bytes are no message of the type that the call takes", NULL);
    return NULL;
}

static void answer(struct exchange *x, const ProtobufCMessage *message,
                   enum metrics_result result) {
    grpc_frame_append(exchange_body(x), message);
    exchange_answer_message(x, result);
}

static struct text_span correlation_id(const struct exchange *x, const char *text,
                                       struct violations *v) {
    return route_either(grpc_arena_text(text), x->request.correlation_id, "correlationId", v);
}

/* Memory may run out: x->query.failed. */
static struct text_span metadata(struct exchange *x, size_t count, void *entries) {
    return grpc_message_map(count, entries, &x->query);
}

static void read_lock(struct grpc_lock *out, const struct outcome *outcome) {
    struct lock lock;
    lock_read(&lock, outcome->row, outcome->column);
    grpc_lock_init(out, &lock);
}

static void read_granted(struct grpc_lock *out, const struct command *command,
                         const struct outcome *outcome) {
    struct lock lock;
    lock_read_granted(&lock, outcome->row, outcome->column, &command->as.lock);
    grpc_lock_init(out, &lock);
}

static void lock_answered(struct command *command, const struct outcome *outcome) {
    struct exchange *x = exchange_of(command);
    Availabilityguard__V1__LockRoomResponse response =
        AVAILABILITYGUARD__V1__LOCK_ROOM_RESPONSE__INIT;
    struct grpc_lock lock;
    switch (outcome->kind) {
    case OUTCOME_LOCKED:
        read_granted(&lock, command, outcome);
        response.status = AVAILABILITYGUARD__V1__LOCK_ROOM_RESPONSE__STATUS__STATUS_LOCKED;
        response.lock = &lock.message;
        answer(x, &response.base, METRICS_RESULT_SUCCESS);
        break;
    case OUTCOME_CONFLICT:
        read_lock(&lock, outcome);
        response.status = AVAILABILITYGUARD__V1__LOCK_ROOM_RESPONSE__STATUS__STATUS_CONFLICT;
        response.conflict = &lock.message;
        answer(x, &response.base, METRICS_RESULT_CONFLICT);
        break;
    case OUTCOME_STAY_OVER:
        route_answer_stay_over(x);
        break;
    default:
        exchange_answer_failure(x, outcome);
    }
}

static void lock_room(struct exchange *x, struct text_span bytes) {
    struct violations v = {.count = 0};
    const Availabilityguard__V1__LockRoomRequest *m =
        decode(x, &availabilityguard__v1__lock_room_request__descriptor, bytes, &v);
    if (m == NULL)
        return;
    const struct lock_input input = {
        .tenant_id = grpc_arena_text(m->tenant_id),
        .property_id = grpc_arena_text(m->property_id),
        .reservation_id = grpc_arena_text(m->reservation_id),
        .room_type_id = grpc_arena_text(m->room_type_id),
        .room_id = grpc_arena_text(m->room_id),
        .stay_start = grpc_arena_text(m->stay_start),
        .stay_end = grpc_arena_text(m->stay_end),
        .reason = grpc_arena_text(m->reason),
        .correlation_id = correlation_id(x, m->correlation_id, &v),
        .idempotency_key = grpc_arena_text(m->idempotency_key),
        .metadata = metadata(x, m->n_metadata, m->metadata),
        .ttl_seconds = m->ttl_seconds,
    };
    if (x->query.failed)
        route_answer_no_memory(x);
    else if (request_lock(&input, &x->context->limits, &v, &x->command.as.lock))
        exchange_submit(x, COMMAND_LOCK, lock_answered);
    else
        route_answer_invalid(x, &v);
}

static void release_answered(struct command *command, const struct outcome *outcome) {
    struct exchange *x = exchange_of(command);
    Availabilityguard__V1__ReleaseRoomResponse response =
        AVAILABILITYGUARD__V1__RELEASE_ROOM_RESPONSE__INIT;
    struct grpc_lock lock;
    if (outcome->kind == OUTCOME_RELEASED) {
        read_lock(&lock, outcome);
        response.released = 1;
        response.lock = &lock.message;
    } else if (outcome->kind != OUTCOME_NOT_FOUND) {
        exchange_answer_failure(x, outcome);
        return;
    }
    answer(x, &response.base,
           response.released ? METRICS_RESULT_SUCCESS : METRICS_RESULT_NOT_FOUND);
}

static void release_room(struct exchange *x, struct text_span bytes) {
    struct violations v = {.count = 0};
    const Availabilityguard__V1__ReleaseRoomRequest *m =
        decode(x, &availabilityguard__v1__release_room_request__descriptor, bytes, &v);
    if (m == NULL)
        return;
    const struct release_input input = {
        .tenant_id = grpc_arena_text(m->tenant_id),
        .lock_id = grpc_arena_text(m->lock_id),
        .reservation_id = grpc_arena_text(m->reservation_id),
        .reason = grpc_arena_text(m->reason),
        .correlation_id = correlation_id(x, m->correlation_id, &v),
        .metadata = metadata(x, m->n_metadata, m->metadata),
    };
    if (x->query.failed)
        route_answer_no_memory(x);
    else if (request_release(&input, &v, &x->command.as.release))
        exchange_submit(x, COMMAND_RELEASE, release_answered);
    else
        route_answer_invalid(x, &v);
}

static void bulk_release_answered(struct command *command, const struct outcome *outcome) {
    struct exchange *x = exchange_of(command);
    Availabilityguard__V1__BulkReleaseResponse response =
        AVAILABILITYGUARD__V1__BULK_RELEASE_RESPONSE__INIT;
    if (outcome->kind != OUTCOME_RELEASED) {
        exchange_answer_failure(x, outcome);
        return;
    }
    response.released = (uint32_t)outcome->count;
    answer(x, &response.base, METRICS_RESULT_SUCCESS);
}

static void bulk_release(struct exchange *x, struct text_span bytes) {
    struct violations v = {.count = 0};
    struct bulk_release_request *request = &x->command.as.bulk_release;
    const Availabilityguard__V1__BulkReleaseRequest *m =
        decode(x, &availabilityguard__v1__bulk_release_request__descriptor, bytes, &v);
    if (m == NULL)
        return;
    x->command.kind = COMMAND_BULK_RELEASE; /* the exchange's end frees the ids */
    request->lock_ids =
        grpc_message_ids(m->n_lock_ids, m->lock_ids, REQUEST_BULK_MAX, "lockIds", &v);
    request->lock_count = m->n_lock_ids;
    const struct bulk_release_input input = {
        .tenant_id = grpc_arena_text(m->tenant_id),
        .reason = grpc_arena_text(m->reason),
        .correlation_id = correlation_id(x, m->correlation_id, &v),
    };
    if (request->lock_ids == NULL && !violations_has(&v, "lockIds"))
        route_answer_no_memory(x);
    else if (request_bulk_release(&input, &v, request))
        exchange_submit(x, COMMAND_BULK_RELEASE, bulk_release_answered);
    else
        route_answer_invalid(x, &v);
}

static void answer_health(struct exchange *x, bool serving) {
    Availabilityguard__V1__HealthCheckResponse response =
        AVAILABILITYGUARD__V1__HEALTH_CHECK_RESPONSE__INIT;
    response.status =
        serving ? AVAILABILITYGUARD__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
                : AVAILABILITYGUARD__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING;
    answer(x, &response.base, METRICS_RESULT_SUCCESS);
}

static void health_answered(struct command *command, const struct outcome *outcome) {
    struct exchange *x = exchange_of(command);
    switch (outcome->kind) {
    case OUTCOME_ALIVE:
        answer_health(x, true);
        break;
    case OUTCOME_UNAVAILABLE:
    case OUTCOME_WRONG_SCHEMA:
        answer_health(x, false);
        break;
    default:
        exchange_answer_failure(x, outcome);
    }
}

static bool is_service(struct text_span name) {
    static const char *const SERVICES[] = {PACKAGE "AvailabilityGuard", PACKAGE "Health",
                                           "grpc.health.v1.Health"};
    for (size_t i = 0; i < sizeof SERVICES / sizeof SERVICES[0]; i++) {
        if (name.length == strlen(SERVICES[i]) && memcmp(name.data, SERVICES[i], name.length) == 0)
            return true;
    }
    return name.length == 0;
}

/* The canonical health protocol and the one of this package have the same messages, on the wire. */
static void check_health(struct exchange *x, struct text_span bytes) {
    struct violations v = {.count = 0};
    const Availabilityguard__V1__HealthCheckRequest *m =
        decode(x, &availabilityguard__v1__health_check_request__descriptor, bytes, &v);
    if (m == NULL)
        return;
    if (v.count > 0)
        route_answer_invalid(x, &v);
    else if (is_service(grpc_arena_text(m->service)))
        exchange_submit(x, COMMAND_PING, health_answered);
    else
        exchange_answer_problem(x, PROBLEM_NOT_FOUND, "there is no such service", NULL);
}

enum callers { ANYBODY, TOKEN_HOLDERS };

static const struct method {
    const char *path;
    enum metrics_operation operation;
    enum callers callers;
    void (*handle)(struct exchange *x, struct text_span bytes);
} METHODS[] = {
    {"/" PACKAGE "AvailabilityGuard/LockRoom", METRICS_OPERATION_LOCK_ROOM, TOKEN_HOLDERS,
     lock_room},
    {"/" PACKAGE "AvailabilityGuard/ReleaseRoom", METRICS_OPERATION_RELEASE_LOCK, TOKEN_HOLDERS,
     release_room},
    {"/" PACKAGE "AvailabilityGuard/BulkRelease", METRICS_OPERATION_BULK_RELEASE, TOKEN_HOLDERS,
     bulk_release},
    {"/" PACKAGE "Health/Check", METRICS_OPERATION_HEALTH, ANYBODY, check_health},
    {"/grpc.health.v1.Health/Check", METRICS_OPERATION_HEALTH, ANYBODY, check_health},
};

static const struct method *find_method(struct text_span path) {
    for (size_t i = 0; i < sizeof METHODS / sizeof METHODS[0]; i++) {
        if (path.length == strlen(METHODS[i].path) &&
            memcmp(path.data, METHODS[i].path, path.length) == 0)
            return &METHODS[i];
    }
    return NULL;
}

/* RFC 6750, section 2.1; the scheme is spelled in any case (RFC 9110, section 11.1). */
static struct text_span bearer_token(struct text_span authorization) {
    static const char SCHEME[] = "Bearer ";
    const size_t length = sizeof SCHEME - 1;
    if (authorization.length <= length ||
        !text_equals_nocase(authorization.data, length, SCHEME, length))
        return (struct text_span){NULL, 0};
    return (struct text_span){authorization.data + length, authorization.length - length};
}

static bool may_call(const struct exchange *x, const struct method *method) {
    const struct admin_tokens *tokens = &x->context->grpc_tokens;
    return method->callers == ANYBODY || tokens->count == 0 ||
           admin_tokens_allow(tokens, bearer_token(x->request.authorization));
}

/* Takes the caller's time limit. False when the call is not to be made: it has been answered. */
static bool read_timeout(struct exchange *x) {
    const struct text_span text = x->request.grpc_timeout;
    int64_t *limit_ms = &x->command.limit_ms;
    if (text.data == NULL)
        return true;
    if (!grpc_timeout_parse(limit_ms, text)) {
        exchange_answer_problem(x, PROBLEM_INVALID_REQUEST,
                                "grpc-timeout must be 1 to 8 digits and a unit: H, M, S, m, u or n",
                                NULL);
        return false;
    }
    if (*limit_ms == 0) {
        const struct outcome late = {.kind = OUTCOME_TOO_LATE};
        exchange_answer_failure(x, &late);
        return false;
    }
    return true;
}

static void call(struct exchange *x, const struct method *method) {
    struct text_span message = {NULL, 0};
    switch (grpc_frame_read(x->request.body, &message)) {
    case GRPC_FRAME_ONE:
        method->handle(x, message);
        break;
    case GRPC_FRAME_NONE:
    case GRPC_FRAME_SEVERAL:
        exchange_answer_problem(x, PROBLEM_NOT_IMPLEMENTED, "the call takes exactly one message",
                                NULL);
        break;
    case GRPC_FRAME_COMPRESSED:
        exchange_answer_problem(x, PROBLEM_NOT_IMPLEMENTED, "messages must not be compressed",
                                NULL);
        break;
    case GRPC_FRAME_BROKEN:
        exchange_answer_problem(x, PROBLEM_INVALID_REQUEST,
                                "the body is no frame with a message, or is cut off", NULL);
        break;
    }
}

void grpc_routes_handle(struct exchange *x) {
    const struct method *method = find_method(x->request.path);
    exchange_take_route(x, method != NULL ? method->operation : METRICS_OPERATION_OTHER,
                        method != NULL ? method->path + 1 : NULL);
    if (x->request.method != HTTP_POST)
        exchange_answer_problem(x, PROBLEM_METHOD_NOT_ALLOWED, "calls are made by POST", NULL);
    else if (!http_request_is_grpc_message(&x->request))
        exchange_answer_problem(x, PROBLEM_UNSUPPORTED_MEDIA_TYPE,
                                "the content-type must be application/grpc", NULL);
    else if (method == NULL)
        exchange_answer_problem(x, PROBLEM_NOT_IMPLEMENTED, "there is no such method", NULL);
    else if (!may_call(x, method))
        exchange_answer_problem(x, PROBLEM_UNAUTHENTICATED,
                                "the metadata authorization must hold a valid bearer token", NULL);
    else if (read_timeout(x))
        call(x, method);
}
