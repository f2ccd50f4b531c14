/* router.c: see router.h. */
#include "guard/router.h"

#include <string.h>

#include "guard/admin_routes.h"
#include "guard/grpc_routes.h"
#include "guard/health_routes.h"
#include "guard/lock_routes.h"
#include "guard/metrics_routes.h"
#include "guard/notification_routes.h"
#include "guard/openapi_routes.h"
#include "guard/route_input.h"

typedef void route(struct exchange *x);

enum callers { ANYBODY, OPERATORS };

/* What a method does on a path, and as what it is counted. */
struct action {
    route *handle;
    enum metrics_operation operation;
};

/* "{id}" stands for one segment of the path. Fixed paths come before those with it. */
static const struct path {
    const char *pattern;
    enum callers callers;
    const char *allow;
    struct action actions[HTTP_METHODS];
} PATHS[] = {
    {"/v1/locks",
     ANYBODY,
     "GET, HEAD, POST",
     {[HTTP_GET] = {lock_routes_list, METRICS_OPERATION_LIST_LOCKS},
      [HTTP_POST] = {lock_routes_lock, METRICS_OPERATION_LOCK_ROOM}}},
    {"/v1/locks/bulk-release",
     ANYBODY,
     "POST",
     {[HTTP_POST] = {lock_routes_bulk_release, METRICS_OPERATION_BULK_RELEASE}}},
    {"/v1/locks/audit",
     OPERATORS,
     "GET, HEAD",
     {[HTTP_GET] = {admin_routes_tenant_audits, METRICS_OPERATION_LIST_AUDITS}}},
    {"/v1/locks/{id}/manual-release",
     OPERATORS,
     "POST",
     {[HTTP_POST] = {admin_routes_manual_release, METRICS_OPERATION_MANUAL_RELEASE}}},
    {"/v1/locks/{id}/audit",
     OPERATORS,
     "GET, HEAD",
     {[HTTP_GET] = {admin_routes_lock_audits, METRICS_OPERATION_LIST_AUDITS}}},
    {"/v1/locks/{id}",
     ANYBODY,
     "GET, HEAD, DELETE",
     {[HTTP_GET] = {lock_routes_get, METRICS_OPERATION_GET_LOCK},
      [HTTP_DELETE] = {lock_routes_release, METRICS_OPERATION_RELEASE_LOCK}}},
    {"/v1/notifications/manual-release/test",
     OPERATORS,
     "POST",
     {[HTTP_POST] = {notification_routes_test, METRICS_OPERATION_TEST_NOTIFICATION}}},
    {"/health",
     ANYBODY,
     "GET, HEAD",
     {[HTTP_GET] = {health_routes_liveness, METRICS_OPERATION_HEALTH}}},
    {"/health/liveness",
     ANYBODY,
     "GET, HEAD",
     {[HTTP_GET] = {health_routes_liveness, METRICS_OPERATION_HEALTH}}},
    {"/ready",
     ANYBODY,
     "GET, HEAD",
     {[HTTP_GET] = {health_routes_readiness, METRICS_OPERATION_HEALTH}}},
    {"/health/readiness",
     ANYBODY,
     "GET, HEAD",
     {[HTTP_GET] = {health_routes_readiness, METRICS_OPERATION_HEALTH}}},
    {"/metrics",
     ANYBODY,
     "GET, HEAD",
     {[HTTP_GET] = {metrics_routes_all, METRICS_OPERATION_METRICS}}},
    {"/openapi.json",
     ANYBODY,
     "GET, HEAD",
     {[HTTP_GET] = {openapi_routes_document, METRICS_OPERATION_OTHER}}},
};

static bool starts_with(struct text_span text, const char *start, size_t length) {
    return text.length >= length && memcmp(text.data, start, length) == 0;
}

static bool matches(const char *pattern, struct text_span path, struct text_span *id) {
    static const char PLACE[] = "{id}";
    const char *place = strstr(pattern, PLACE);
    const size_t fixed = place == NULL ? strlen(pattern) : (size_t)(place - pattern);
    if (!starts_with(path, pattern, fixed))
        return false;
    if (place == NULL)
        return path.length == fixed;
    const char *behind = place + sizeof PLACE - 1;
    const size_t behind_length = strlen(behind);
    const struct text_span rest = {path.data + fixed, path.length - fixed};
    if (rest.length <= behind_length)
        return false;
    *id = (struct text_span){rest.data, rest.length - behind_length};
    return memcmp(rest.data + id->length, behind, behind_length) == 0 &&
           memchr(id->data, '/', id->length) == NULL;
}

/* Makes room for the decoded query, which is never longer than the query itself. */
static bool reserve_query(struct exchange *x) {
    if (buffer_reserve(&x->query, x->request.query.length + 1))
        return true;
    route_answer_no_memory(x);
    return false;
}

/* A body, which every POST must have, is a JSON object before a route sees it. */
static bool read_body(struct exchange *x) {
    if (x->request.method == HTTP_GET)
        return true;
    if (x->request.body.length == 0) {
        if (x->request.method != HTTP_POST)
            return true;
        exchange_answer_problem(x, PROBLEM_INVALID_JSON, "the body is empty", NULL);
        return false;
    }
    if (!http_request_is_json(&x->request)) {
        exchange_answer_problem(x, PROBLEM_UNSUPPORTED_MEDIA_TYPE, "the body must be JSON", NULL);
        return false;
    }
    if (request_body_parse(&x->body, x->request.body))
        return true;
    if (x->body.no_memory)
        route_answer_no_memory(x);
    else
        exchange_answer_problem(x, PROBLEM_INVALID_JSON, x->body.error, NULL);
    return false;
}

static const struct action *action_of(const struct path *path, enum http_method method) {
    const struct action *action = method == HTTP_OTHER_METHOD ? NULL : &path->actions[method];
    return action == NULL || action->handle == NULL ? NULL : action;
}

static void handle(struct exchange *x, const struct path *path) {
    const struct action *action = action_of(path, x->request.method);
    exchange_take_route(x, action != NULL ? action->operation : METRICS_OPERATION_OTHER,
                        path->pattern);
    if (path->callers == OPERATORS &&
        !admin_tokens_allow(&x->context->admin_tokens, x->request.admin_token)) {
        exchange_answer_problem(x, PROBLEM_ADMIN_TOKEN_REQUIRED,
                                "the header x-guard-admin-token must hold a valid token", NULL);
        return;
    }
    if (action == NULL)
        exchange_answer_wrong_method(x, path->allow);
    else if (reserve_query(x) && read_body(x))
        action->handle(x);
}

void router_handle(struct exchange *x) {
    if (x->request.is_grpc) {
        grpc_routes_handle(x);
        return;
    }
    for (size_t i = 0; i < sizeof PATHS / sizeof PATHS[0]; i++) {
        if (matches(PATHS[i].pattern, x->request.path, &x->path_lock_id)) {
            handle(x, &PATHS[i]);
            return;
        }
    }
    exchange_take_route(x, METRICS_OPERATION_OTHER, NULL);
    exchange_answer_problem(x, PROBLEM_ROUTE_NOT_FOUND, "there is no such route", NULL);
}
