/* exchange.c: see exchange.h. */
#include "guard/exchange.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard/access_log.h"
#include "guard/grpc_problem.h"
#include "guard/request_span.h"
#include "metrics/metrics.h"
#include "trace/tracing.h"

#define HEADERS_MAX 512

/* What the answer buffer may keep between two answers. */
#define ANSWER_KEEP ((size_t)256 * 1024)

/* What a connection keeps of its memory for bodies between two requests. */
#define BODY_KEEP ((size_t)8 * 1024)

/* Trees of bodies longer than this leave holes in the heap that are worth giving back. */
#define BODY_LARGE ((size_t)64 * 1024)

/* Callers that are turned away come back after this. */
#define RETRY_AFTER "Retry-After: 1\r\n"

void exchange_begin(struct exchange *x) {
    memset(&x->command, 0, sizeof x->command);
    x->began_at = mono_now();
    x->operation = METRICS_OPERATION_OTHER;
    x->route = NULL;
    x->duration_us = 0;
    x->path_lock_id = (struct text_span){NULL, 0};
    buffer_init(&x->query);
    buffer_init(&x->kept);
}

/* Those who only look whether all is well come every few seconds: nobody wants traces of that. */
void exchange_take_route(struct exchange *x, enum metrics_operation operation, const char *route) {
    x->operation = operation;
    x->route = route;
    if (operation == METRICS_OPERATION_HEALTH || operation == METRICS_OPERATION_METRICS)
        tracing_go_on(&x->command.trace, x->request.traceparent);
    else
        tracing_begin(&x->command.trace, x->request.traceparent);
}

/* The body, parsed and as received: many times the size of what is needed of it. */
static void drop_body(struct exchange *x) {
    const bool large = x->body_text.length > BODY_LARGE;
    request_body_exit(&x->body);
    grpc_arena_clear(&x->arena);
    buffer_clear(&x->body_text);
    buffer_shrink(&x->body_text, BODY_KEEP);
    if (large)
        (void)malloc_trim(0);
}

void exchange_end(struct exchange *x) {
    if (x->command.kind == COMMAND_BULK_RELEASE)
        free(x->command.as.bulk_release.lock_ids);
    drop_body(x);
    buffer_free(&x->query);
    buffer_free(&x->kept);
}

void exchange_exit(struct exchange *x) {
    buffer_free(&x->body_text);
}

struct buffer *exchange_body(struct exchange *x) {
    buffer_clear(&x->context->answer);
    return &x->context->answer;
}

struct log_subject exchange_subject(const struct exchange *x) {
    /* Before it is submitted the command may be half made. */
    const bool submitted = x->command.answer != NULL;
    struct log_subject subject =
        submitted ? command_subject(&x->command) : (struct log_subject){.operation = NULL};
    struct id tenant;
    if (!submitted && x->request.tenant_id.data != NULL &&
        id_parse(&tenant, x->request.tenant_id.data, x->request.tenant_id.length))
        subject.tenant_id = tenant;
    subject.request_id = (struct text_span){x->request.request_id, strlen(x->request.request_id)};
    if (subject.correlation_id.data == NULL)
        subject.correlation_id = x->request.correlation_id;
    subject.trace_id = trace_context_trace_id(&x->command.trace.context);
    subject.operation = metrics_operations->values[x->operation];
    if (x->duration_us > 0) {
        subject.outcome = metrics_results->values[x->result];
        subject.duration_us = x->duration_us;
    }
    return subject;
}

/* It is answered: status is HTTP's, or gRPC's. */
static void count(struct exchange *x, int status, enum metrics_result result) {
    const mono_time now = mono_now();
    const int64_t us = mono_diff_us(now, x->began_at);
    metrics_request(x->operation, result, us);
    if (x->operation == METRICS_OPERATION_LOCK_ROOM && result == METRICS_RESULT_CONFLICT)
        metrics_tenant_conflict(&x->command.as.lock.tenant_id);
    x->status = status;
    x->result = result;
    x->duration_us = us > 0 ? us : 1;
    request_span_tell(x, status, result, now);
}

static void send_answer(struct exchange *x, struct text_span headers, struct text_span body) {
    access_log_write(x, body.length);
    x->send(x, headers, body);
}

static enum metrics_result result_of(int status) {
    if (status < 300)
        return METRICS_RESULT_SUCCESS;
    if (status >= 500)
        return METRICS_RESULT_ERROR;
    if (status == 404)
        return METRICS_RESULT_NOT_FOUND;
    return status == 409 ? METRICS_RESULT_CONFLICT : METRICS_RESULT_INVALID;
}

static void send_with_headers(struct exchange *x, const char *status, const char *type,
                              const char *more_headers) {
    struct buffer *b = &x->context->answer;
    char headers[HEADERS_MAX];
    const int length = snprintf(headers, sizeof headers,
                                "Status: %s\r\n"
                                "Content-Type: %s\r\n"
                                "Content-Length: %zu\r\n"
                                "%s"
                                "\r\n",
                                status, type, b->length, more_headers);
    send_answer(x, (struct text_span){headers, (size_t)length},
                (struct text_span){b->data, b->length});
    buffer_clear(b);
    buffer_shrink(b, ANSWER_KEEP);
}

/* What is sent when there is no memory for an answer. */
#define NO_MEMORY(fail_open)                                                                       \
    "Status: 200 OK\r\nContent-Type: application/grpc\r\nGrpc-Status: 13\r\n"                      \
    "X-Guard-Fail-Open: " fail_open "\r\n\r\n"

/* All of it is in the headers. */
static void send_grpc_problem(struct exchange *x, enum problem problem, const char *detail,
                              const struct violations *violations) {
    struct buffer *b = exchange_body(x);
    /* What no method can do is the caller's mistake. */
    count(x, (int)grpc_problem_status(problem),
          problem == PROBLEM_NOT_IMPLEMENTED ? METRICS_RESULT_INVALID
                                             : result_of(problem_status(problem)));
    grpc_problem_append(b, problem, detail, violations, x->context->fail_open);
    const char *no_memory = x->context->fail_open ? NO_MEMORY("true") : NO_MEMORY("false");
    send_answer(x,
                b->failed ? (struct text_span){no_memory, strlen(no_memory)}
                          : (struct text_span){b->data, b->length},
                (struct text_span){"", 0});
    buffer_clear(b);
}

static void send_problem(struct exchange *x, enum problem problem, const char *detail,
                         const struct violations *violations, const char *more_headers) {
    const int status = problem_status(problem);
    const bool fail_open = x->context->fail_open;
    char headers[HEADERS_MAX / 2];
    char status_line[64];
    count(x, status, result_of(status));
    problem_append(exchange_body(x), problem, detail, violations, x->request.request_id, fail_open);
    snprintf(headers, sizeof headers, "%s%s%s", more_headers,
             problem_passes(problem) ? RETRY_AFTER : "",
             status < 500 ? ""
             : fail_open  ? "X-Guard-Fail-Open: true\r\n"
                          : "X-Guard-Fail-Open: false\r\n");
    snprintf(status_line, sizeof status_line, "%d %s", status, problem_title(problem));
    send_with_headers(x, status_line, "application/problem+json", headers);
}

void exchange_answer_problem(struct exchange *x, enum problem problem, const char *detail,
                             const struct violations *violations) {
    if (log_is_enabled(LOG_LEVEL_DEBUG)) {
        const struct log_subject subject = exchange_subject(x);
        log_request(LOG_LEVEL_DEBUG, &subject, "answered %d: %s", problem_status(problem), detail);
    }
    if (x->request.is_grpc)
        send_grpc_problem(x, problem, detail, violations);
    else
        send_problem(x, problem, detail, violations, "");
}

/* Sends the body, if it could be made. */
static void send_body(struct exchange *x, const char *status, const char *type,
                      const char *more_headers, int code, enum metrics_result result) {
    if (x->context->answer.failed) {
        buffer_free(&x->context->answer);
        exchange_answer_problem(x, PROBLEM_INTERNAL_ERROR, "out of memory", NULL);
        return;
    }
    count(x, code, result);
    send_with_headers(x, status, type, more_headers);
}

void exchange_answer(struct exchange *x, const char *status) {
    exchange_answer_as(x, status, "application/json; charset=utf-8");
}

void exchange_answer_as(struct exchange *x, const char *status, const char *type) {
    const int code = (int)strtol(status, NULL, 10);
    send_body(x, status, type, "", code, result_of(code));
}

void exchange_answer_message(struct exchange *x, enum metrics_result result) {
    send_body(x, "200 OK", "application/grpc", "Grpc-Status: 0\r\n", GRPC_STATUS_OK, result);
}

void exchange_answer_wrong_method(struct exchange *x, const char *allow) {
    char header[128];
    snprintf(header, sizeof header, "Allow: %s\r\n", allow);
    send_problem(x, PROBLEM_METHOD_NOT_ALLOWED, "the path does not have this method", NULL, header);
}

/* Whether the caller can find out by the request's key what became of it. */
static bool has_key(const struct exchange *x) {
    return x->command.kind == COMMAND_LOCK && x->command.as.lock.has_key;
}

static void answer_unavailable(struct exchange *x, const char *field, const char *message,
                               bool maybe_done) {
    struct violations reasons = {.count = 0};
    violations_add(&reasons, field, message);
    exchange_answer_problem(x, PROBLEM_DATABASE_UNAVAILABLE,
                            !maybe_done  ? "the database can't be used; nothing was done"
                            : has_key(x) ? "the database was lost before it answered: the request"
                                           " may have been done; repeat it with the same"
                                           " idempotencyKey"
                                         : "the database was lost before it answered: the request"
                                           " may have been done",
                            &reasons);
}

static void count_unserved(enum metrics_unserved reason) {
    metrics_add(METRICS_CELL(unserved_requests) + (size_t)reason, 1);
}

void exchange_answer_failure(struct exchange *x, const struct outcome *outcome) {
    switch (outcome->kind) {
    case OUTCOME_OVERLOADED:
        count_unserved(METRICS_UNSERVED_OVERLOADED);
        exchange_answer_problem(x, PROBLEM_OVERLOADED,
                                outcome->maybe_done
                                    ? "too much to do; a part of the request may have been done"
                                    : "too much to do; nothing was done",
                                NULL);
        break;
    case OUTCOME_TOO_LATE:
        exchange_answer_problem(
            x, PROBLEM_DEADLINE_EXCEEDED,
            !outcome->maybe_done ? "the time of the call is over; nothing was done"
            : has_key(x)         ? "the time of the call is over; the request may have been"
                                   " done: repeat it with the same idempotencyKey"
                                 : "the time of the call is over; the request may have been"
                                   " done",
            NULL);
        break;
    case OUTCOME_UNAVAILABLE:
        count_unserved(METRICS_UNSERVED_DATABASE);
        answer_unavailable(x, "database", "is not reachable, or did not do it in time",
                           outcome->maybe_done);
        break;
    case OUTCOME_WRONG_SCHEMA:
        count_unserved(METRICS_UNSERVED_SCHEMA);
        answer_unavailable(x, "schema", "is missing or has another version", outcome->maybe_done);
        break;
    case OUTCOME_REFUSED:
        exchange_answer_problem(x, PROBLEM_INVALID_REQUEST,
                                "the request has a value that the database can't store", NULL);
        break;
    default:
        count_unserved(METRICS_UNSERVED_FAILED);
        exchange_answer_problem(x, PROBLEM_INTERNAL_ERROR, "the request failed; see the log", NULL);
    }
}

void exchange_submit(struct exchange *x, enum command_kind kind,
                     void (*answer)(struct command *command, const struct outcome *outcome)) {
    struct outcome refusal;
    x->command.kind = kind;
    x->command.request_id = x->request.request_id;
    x->command.answer = answer;
    if (!command_keep_texts(&x->command, &x->kept)) {
        exchange_answer_problem(x, PROBLEM_INTERNAL_ERROR, "out of memory", NULL);
        return;
    }
    drop_body(x);
    if (!dispatcher_submit(x->context->dispatcher, &x->command, x->began_at, &refusal))
        answer(&x->command, &refusal);
}
