/* router.c: see router.h. */
#include "guard/router.h"

#include <string.h>

#include "guard/health_routes.h"
#include "guard/lock_routes.h"

typedef void route(struct exchange *x);

/* "{id}" stands for one segment of the path. Fixed paths come before those with it. */
static const struct path {
    const char *pattern;
    const char *allow;
    route *routes[HTTP_METHODS];
} PATHS[] = {
    {"/v1/locks",
     "GET, HEAD, POST",
     {[HTTP_GET] = lock_routes_list, [HTTP_POST] = lock_routes_lock}},
    {"/v1/locks/bulk-release", "POST", {[HTTP_POST] = lock_routes_bulk_release}},
    {"/v1/locks/{id}",
     "GET, HEAD, DELETE",
     {[HTTP_GET] = lock_routes_get, [HTTP_DELETE] = lock_routes_release}},
    {"/health", "GET, HEAD", {[HTTP_GET] = health_routes_liveness}},
    {"/health/liveness", "GET, HEAD", {[HTTP_GET] = health_routes_liveness}},
    {"/ready", "GET, HEAD", {[HTTP_GET] = health_routes_readiness}},
    {"/health/readiness", "GET, HEAD", {[HTTP_GET] = health_routes_readiness}},
};

static bool matches(const char *pattern, struct text_span path, struct text_span *id) {
    static const char PLACE[] = "{id}";
    const char *place = strstr(pattern, PLACE);
    const size_t fixed = place == NULL ? strlen(pattern) : (size_t)(place - pattern);
    if (path.length < fixed || memcmp(path.data, pattern, fixed) != 0)
        return false;
    *id = (struct text_span){path.data + fixed, path.length - fixed};
    if (place == NULL)
        return id->length == 0;
    return id->length > 0 && memchr(id->data, '/', id->length) == NULL;
}

/* Makes room for the decoded query, which is never longer than the query itself. */
static bool reserve_query(struct exchange *x) {
    if (buffer_reserve(&x->query, x->request.query.length + 1))
        return true;
    exchange_answer_problem(x, PROBLEM_INTERNAL_ERROR, "out of memory", NULL);
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
    if (!request_body_parse(&x->body, x->request.body)) {
        exchange_answer_problem(x, PROBLEM_INVALID_JSON, x->body.error, NULL);
        return false;
    }
    return true;
}

void router_handle(struct exchange *x) {
    for (size_t i = 0; i < sizeof PATHS / sizeof PATHS[0]; i++) {
        if (!matches(PATHS[i].pattern, x->request.path, &x->path_lock_id))
            continue;
        route *handle =
            x->request.method == HTTP_OTHER_METHOD ? NULL : PATHS[i].routes[x->request.method];
        if (handle == NULL)
            exchange_answer_wrong_method(x, PATHS[i].allow);
        else if (reserve_query(x) && read_body(x))
            handle(x);
        return;
    }
    exchange_answer_problem(x, PROBLEM_ROUTE_NOT_FOUND, "there is no such route", NULL);
}
