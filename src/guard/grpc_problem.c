/* grpc_problem.c: see grpc_problem.h. */
#include "guard/grpc_problem.h"

enum grpc_status grpc_problem_status(enum problem problem) {
    switch (problem) {
    case PROBLEM_INVALID_JSON:
    case PROBLEM_INVALID_REQUEST:
    case PROBLEM_UNSUPPORTED_MEDIA_TYPE:
        return GRPC_STATUS_INVALID_ARGUMENT;
    case PROBLEM_DEADLINE_EXCEEDED:
        return GRPC_STATUS_DEADLINE_EXCEEDED;
    case PROBLEM_NOT_FOUND:
        return GRPC_STATUS_NOT_FOUND;
    case PROBLEM_PAYLOAD_TOO_LARGE:
    case PROBLEM_OVERLOADED:
        return GRPC_STATUS_RESOURCE_EXHAUSTED;
    case PROBLEM_ROUTE_NOT_FOUND:
    case PROBLEM_METHOD_NOT_ALLOWED:
    case PROBLEM_NOT_IMPLEMENTED:
        return GRPC_STATUS_UNIMPLEMENTED;
    case PROBLEM_DATABASE_UNAVAILABLE:
        return GRPC_STATUS_UNAVAILABLE;
    case PROBLEM_UNAUTHENTICATED:
        return GRPC_STATUS_UNAUTHENTICATED;
    default: /* those of operators have no calls here */
        return GRPC_STATUS_INTERNAL;
    }
}

/* Two kinds of callers see another status of HTTP than 200, because they don't speak gRPC and would
 * take that for success. */
static int http_status(enum problem problem) {
    return problem == PROBLEM_UNSUPPORTED_MEDIA_TYPE || problem == PROBLEM_METHOD_NOT_ALLOWED
               ? problem_status(problem)
               : 200;
}

/* Whether it is the service that failed. */
static bool is_ours(enum problem problem) {
    return problem_status(problem) >= 500 && problem != PROBLEM_NOT_IMPLEMENTED;
}

/* Visible ASCII and spaces as they are, but for "%". */
static void append_encoded(struct buffer *out, char c) {
    if (c >= ' ' && c <= '~' && c != '%')
        buffer_append_char(out, c);
    else
        buffer_printf(out, "%%%02X", (unsigned)(unsigned char)c);
}

static bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

static bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}

/* A text of the service's, in which "stayEnd" becomes "stay_end". */
static void append_message(struct buffer *out, const char *text) {
    char before = '\0';
    for (; *text != '\0'; before = *text++) {
        if (is_lower(before) && is_upper(*text)) {
            buffer_append_char(out, '_');
            buffer_append_char(out, (char)(*text + ('a' - 'A')));
        } else {
            append_encoded(out, *text);
        }
    }
}

static void append_violations(struct buffer *out, const struct violations *violations) {
    for (size_t i = 0; i < violations->count; i++) {
        buffer_append_text(out, i == 0 ? "" : "; ");
        append_message(out, violations->items[i].field);
        buffer_append_text(out, ": ");
        append_message(out, violations->items[i].message);
    }
}

void grpc_problem_append(struct buffer *headers, enum problem problem, const char *detail,
                         const struct violations *violations, bool fail_open) {
    const int status = http_status(problem);
    buffer_printf(headers, "Status: %d %s\r\nContent-Type: application/grpc\r\n", status,
                  status == 200 ? "OK" : problem_title(problem));
    buffer_printf(headers, "Grpc-Status: %d\r\nGrpc-Message: ", (int)grpc_problem_status(problem));
    const bool has_violations = violations != NULL && violations->count > 0;
    if (!has_violations || problem != PROBLEM_INVALID_REQUEST)
        append_message(headers, detail);
    if (has_violations && problem != PROBLEM_INVALID_REQUEST)
        buffer_append_text(headers, ": ");
    if (has_violations)
        append_violations(headers, violations);
    buffer_append_text(headers, "\r\n");
    if (problem == PROBLEM_METHOD_NOT_ALLOWED)
        buffer_append_text(headers, "Allow: POST\r\n"); /* RFC 9110, section 15.5.6 */
    if (problem_passes(problem))
        buffer_append_text(headers, "Grpc-Retry-Pushback-Ms: 1000\r\n");
    if (is_ours(problem))
        buffer_append_text(headers, fail_open ? "X-Guard-Fail-Open: true\r\n"
                                              : "X-Guard-Fail-Open: false\r\n");
    buffer_append_text(headers, "\r\n");
}
