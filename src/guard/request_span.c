/* request_span.c: see request_span.h. */
#include "guard/request_span.h"

#include <stdio.h>
#include <string.h>

#include "guard/grpc_problem.h"
#include "metrics/table.h"
#include "trace/span.h"

static const char *method_of(const struct exchange *x) {
    const char *name = http_method_name(x->request.method);
    return name != NULL ? name : "_OTHER";
}

/* What is the server's fault; by gRPC: as the conventions list them. */
static const char *error_of(const struct exchange *x, int status, char digits[16]) {
    const bool failed = x->request.is_grpc ? status == GRPC_STATUS_DEADLINE_EXCEEDED ||
                                                 status == GRPC_STATUS_UNIMPLEMENTED ||
                                                 status == GRPC_STATUS_INTERNAL ||
                                                 status == GRPC_STATUS_UNAVAILABLE
                                           : status >= 500;
    (void)snprintf(digits, 16, "%d", status);
    return failed ? digits : NULL;
}

/* The route of a call is "package.Service/Method". */
static void tell_grpc(const struct exchange *x, int status) {
    const char *route = x->route == NULL ? "" : x->route;
    const char *slash = strchr(route, '/');
    span_text("rpc.system", "grpc");
    if (slash != NULL) {
        span_span("rpc.service", (struct text_span){route, (size_t)(slash - route)});
        span_text("rpc.method", slash + 1);
    }
    span_integer("rpc.grpc.status_code", status);
}

static void tell_http(const struct exchange *x, int status) {
    span_text("http.request.method", method_of(x));
    span_text("url.scheme", "http");
    span_span("url.path", x->request.path);
    if (x->route != NULL)
        span_text("http.route", x->route);
    span_integer("http.response.status_code", status);
}

static void tell_request(const struct exchange *x, enum metrics_result result) {
    const struct id *tenant = command_tenant(&x->command);
    span_text("availability_guard.operation", metrics_operations->values[x->operation]);
    span_text("availability_guard.outcome", metrics_results->values[result]);
    if (tenant != NULL)
        span_id("availability_guard.tenant_id", tenant);
    span_text("availability_guard.request_id", x->request.request_id);
}

void request_span_tell(const struct exchange *x, int status, enum metrics_result result,
                       mono_time now) {
    char name[128];
    char digits[16];
    if (!x->command.trace.sampled)
        return;
    const char *route = x->route == NULL ? "" : x->route;
    if (x->request.is_grpc)
        (void)snprintf(name, sizeof name, "%s", *route == '\0' ? "grpc" : route);
    else
        (void)snprintf(name, sizeof name, "%s%s%s", method_of(x), *route == '\0' ? "" : " ", route);
    span_begin(&(struct span){
        .trace = &x->command.trace,
        .place = SPAN_ITSELF,
        .kind = SPAN_SERVER,
        .name = {name, strlen(name)},
        .from = x->began_at,
        .to = now,
    });
    if (x->request.is_grpc)
        tell_grpc(x, status);
    else
        tell_http(x, status);
    tell_request(x, result);
    span_end(error_of(x, status, digits));
}
