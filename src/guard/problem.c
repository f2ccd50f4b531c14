/* problem.c: see problem.h. */
#include "guard/problem.h"

#include <string.h>

static const struct {
    int status;
    const char *code;
    const char *title; /* of the status, RFC 9110 */
    bool passes;
} PROBLEMS[] = {
    [PROBLEM_INVALID_JSON] = {400, "invalid_json", "Bad Request", false},
    [PROBLEM_INVALID_REQUEST] = {400, "invalid_request", "Bad Request", false},
    [PROBLEM_UNAUTHENTICATED] = {401, "unauthenticated", "Unauthorized", false},
    [PROBLEM_ADMIN_TOKEN_REQUIRED] = {403, "admin_token_required", "Forbidden", false},
    [PROBLEM_NOT_FOUND] = {404, "not_found", "Not Found", false},
    [PROBLEM_ROUTE_NOT_FOUND] = {404, "route_not_found", "Not Found", false},
    [PROBLEM_METHOD_NOT_ALLOWED] = {405, "method_not_allowed", "Method Not Allowed", false},
    [PROBLEM_LOCK_NOT_ACTIVE] = {409, "lock_not_active", "Conflict", false},
    [PROBLEM_PAYLOAD_TOO_LARGE] = {413, "payload_too_large", "Content Too Large", false},
    [PROBLEM_UNSUPPORTED_MEDIA_TYPE] = {415, "unsupported_media_type", "Unsupported Media Type",
                                        false},
    [PROBLEM_INTERNAL_ERROR] = {500, "internal_error", "Internal Server Error", false},
    [PROBLEM_NOT_IMPLEMENTED] = {501, "not_implemented", "Not Implemented", false},
    [PROBLEM_OVERLOADED] = {503, "overloaded", "Service Unavailable", true},
    [PROBLEM_DATABASE_UNAVAILABLE] = {503, "database_unavailable", "Service Unavailable", true},
    [PROBLEM_MANUAL_RELEASE_DISABLED] = {503, "manual_release_disabled", "Service Unavailable",
                                         false},
    [PROBLEM_METRICS_UNAVAILABLE] = {503, "metrics_unavailable", "Service Unavailable", false},
    [PROBLEM_DEADLINE_EXCEEDED] = {504, "deadline_exceeded", "Gateway Timeout", false},
};

int problem_status(enum problem problem) {
    return PROBLEMS[problem].status;
}

const char *problem_title(enum problem problem) {
    return PROBLEMS[problem].title;
}

bool problem_passes(enum problem problem) {
    return PROBLEMS[problem].passes;
}

static void append_string(struct buffer *out, const char *label, const char *text) {
    buffer_append_text(out, label);
    buffer_append_json_string(out, text, strlen(text));
}

static void append_violations(struct buffer *out, const struct violations *violations) {
    const size_t count = violations == NULL ? 0 : violations->count;
    buffer_append_text(out, ",\"errors\":[");
    for (size_t i = 0; i < count; i++) {
        append_string(out, i == 0 ? "{\"field\":" : ",{\"field\":", violations->items[i].field);
        append_string(out, ",\"message\":", violations->items[i].message);
        buffer_append_char(out, '}');
    }
    buffer_append_char(out, ']');
}

void problem_append(struct buffer *out, enum problem problem, const char *detail,
                    const struct violations *violations, const char *request_id, bool fail_open) {
    append_string(out, "{\"type\":\"about:blank\",\"title\":", PROBLEMS[problem].title);
    buffer_append_text(out, ",\"status\":");
    buffer_append_int(out, PROBLEMS[problem].status);
    append_string(out, ",\"error\":", PROBLEMS[problem].code);
    append_string(out, ",\"detail\":", detail);
    append_violations(out, violations);
    append_string(out, ",\"requestId\":", request_id);
    if (PROBLEMS[problem].status >= 500)
        buffer_append_text(out, fail_open ? ",\"failOpen\":true" : ",\"failOpen\":false");
    buffer_append_char(out, '}');
}
