/* call_span.c: see call_span.h. */
#include "notifier/call_span.h"

#include "trace/span.h"

void call_span_tell(const struct trace *trace, const char *channel, mono_time from, int tries,
                    const struct outcome *outcome) {
    if (!trace->sampled)
        return;
    span_begin(&(struct span){
        .trace = trace,
        .place = SPAN_ITSELF,
        .kind = SPAN_CLIENT,
        .name = {"POST", 4},
        .from = from,
        .to = mono_now(),
    });
    span_text("http.request.method", "POST");
    if (outcome->status > 0)
        span_integer("http.response.status_code", outcome->status);
    if (tries > 0)
        span_integer("http.request.resend_count", tries);
    span_text("availability_guard.channel", channel);
    span_end(outcome->kind == OUTCOME_DELIVERED ? NULL : outcome->reason);
}
