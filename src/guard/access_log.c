/* access_log.c: see access_log.h. */
#include "guard/access_log.h"

#include "base/log.h"
#include "base/log_line.h"

static bool is_wanted(const struct exchange *x) {
    return log_is_enabled(LOG_LEVEL_INFO) &&
           (x->result == METRICS_RESULT_ERROR || log_is_sampled());
}

void access_log_write(const struct exchange *x, size_t bytes_out) {
    struct log_line line;
    if (!is_wanted(x))
        return;
    const char *method = http_method_name(x->request.method);
    const struct log_subject subject = exchange_subject(x);
    log_line_begin(&line, LOG_LEVEL_INFO, &subject);
    log_line_word(&line, "method", method != NULL ? method : "other");
    log_line_word(&line, "route", x->route);
    /* Somebody's name may be in a path that leads nowhere. */
    if (log_is_enabled(LOG_LEVEL_DEBUG))
        log_line_text(&line, "path", x->request.path);
    log_line_int(&line, x->request.is_grpc ? "grpcStatus" : "status", x->status);
    log_line_int(&line, "bytesIn", (int64_t)x->request.content_length);
    log_line_int(&line, "bytesOut", (int64_t)bytes_out);
    log_line_end(&line, "request");
    log_gather(&line);
}
