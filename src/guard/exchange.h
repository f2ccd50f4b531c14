/*
 * exchange.h: one request and its answer. The connection makes an exchange when a request has
 * arrived; the router hands it to a route; the route answers it, at once or when its command comes
 * back. Exactly one exchange_answer…() call ends it.
 */
#ifndef GUARD_EXCHANGE_H
#define GUARD_EXCHANGE_H

#include <stdbool.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "base/log.h"
#include "domain/command.h"
#include "domain/dispatcher.h"
#include "guard/admin_token.h"
#include "guard/grpc_arena.h"
#include "guard/http_request.h"
#include "guard/problem.h"
#include "metrics/table.h"
#include "json/request_body.h"

/* What all exchanges of a process share. */
struct exchange_context {
    struct dispatcher *dispatcher;
    struct request_limits limits;
    size_t max_body_bytes;
    bool fail_open;
    bool shadow_mode;
    struct admin_tokens admin_tokens;
    struct admin_tokens grpc_tokens; /* of callers of gRPC; none: everybody may call */
    bool manual_release_enabled;
    bool notifications_enabled;
    const char *notification_recipients; /* who is told of every manual release, by comma */
    struct buffer answer;                /* body of the answer being made */
};

struct exchange {
    struct command command; /* first, so that a command's answer finds its exchange */
    struct exchange_context *context;
    struct http_request request;
    mono_time began_at;
    enum metrics_operation operation; /* as what it is counted; its route knows */
    const char *route;                /* pattern of the path; NULL: it leads nowhere */
    int status;                       /* of the answer: HTTP's, or gRPC's; then the next two, too */
    enum metrics_result result;
    int64_t duration_us;
    struct request_body body;
    struct text_span path_lock_id; /* the {lockId} of the path */
    struct buffer query;           /* decoded query parameters; of gRPC, metadata as JSON */
    struct grpc_arena arena;       /* the message of gRPC, decoded */
    struct buffer body_text;       /* the body as received; its memory is used again */
    struct buffer kept;            /* what a command needs of the body while it waits */
    /* Sends headers (with the empty line) and body, and ends the exchange. */
    void (*send)(struct exchange *exchange, struct text_span headers, struct text_span body);
};

/* Prepares for a new request, whose http_request has been read. The exchange was zeroed before its
 * first request. */
void exchange_begin(struct exchange *x);
/* The request is for this route (a literal; NULL: for none that there is), and so it is known
 * whether a trace is to be made for it. */
void exchange_take_route(struct exchange *x, enum metrics_operation operation, const char *route);
/* Frees what the exchange holds for its request. */
void exchange_end(struct exchange *x);
/* Frees all. */
void exchange_exit(struct exchange *x);

/* What lines of the log say of it, while it lasts. */
struct log_subject exchange_subject(const struct exchange *x);

/* The buffer for the body of the answer; exchange_answer() adds the headers. */
struct buffer *exchange_body(struct exchange *x);

/* Sends the frame that was put into exchange_body(), as the answer to a call of gRPC, and counts it
 * with this result. */
void exchange_answer_message(struct exchange *x, enum metrics_result result);

/* Sends the body that was put into exchange_body() as application/json. The status is the status
 * line's: code and reason phrase. */
void exchange_answer(struct exchange *x, const char *status);
/* The same with another Content-Type. */
void exchange_answer_as(struct exchange *x, const char *status, const char *type);

/* Each as the request's door tells it: RFC 9457, or a status of gRPC. */
void exchange_answer_problem(struct exchange *x, enum problem problem, const char *detail,
                             const struct violations *violations);
/* 405 with the methods that the path does have. */
void exchange_answer_wrong_method(struct exchange *x, const char *allow);

/* Answers for an outcome that has nothing to do with what was asked: overload, no database … */
void exchange_answer_failure(struct exchange *x, const struct outcome *outcome);

/* Sends the exchange's command (its kind and request are set) and calls `answer` with the outcome;
 * also when the dispatcher does not take it. */
void exchange_submit(struct exchange *x, enum command_kind kind,
                     void (*answer)(struct command *command, const struct outcome *outcome));

static inline struct exchange *exchange_of(struct command *command) {
    return (struct exchange *)command;
}

#endif
