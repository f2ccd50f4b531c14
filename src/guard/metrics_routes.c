/* metrics_routes.c: see metrics_routes.h. */
#include "guard/metrics_routes.h"

#include "metrics/metrics.h"
#include "metrics/render.h"

/* What one process has counted is not the sum of all: better no answer than a wrong one. */
void metrics_routes_all(struct exchange *x) {
    const struct slots *slots = metrics_slots();
    if (slots == NULL) {
        exchange_answer_problem(x, PROBLEM_METRICS_UNAVAILABLE,
                                "metrics are switched off, or their file cannot be used", NULL);
        return;
    }
    render_metrics(exchange_body(x), slots);
    exchange_answer_as(x, "200 OK", RENDER_CONTENT_TYPE);
}
