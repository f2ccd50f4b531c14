/* health_routes.c: see health_routes.h. */
#include "guard/health_routes.h"

void health_routes_liveness(struct exchange *x) {
    buffer_append_text(exchange_body(x), x->context->shadow_mode
                                             ? "{\"status\":\"ok\",\"shadowMode\":true}"
                                             : "{\"status\":\"ok\",\"shadowMode\":false}");
    exchange_answer(x, "200 OK");
}

static void answer_readiness(struct command *command, const struct outcome *outcome) {
    struct exchange *x = exchange_of(command);
    if (outcome->kind != OUTCOME_ALIVE) {
        exchange_answer_failure(x, outcome);
        return;
    }
    buffer_append_text(exchange_body(x), "{\"status\":\"ready\"}");
    exchange_answer(x, "200 OK");
}

void health_routes_readiness(struct exchange *x) {
    exchange_submit(x, COMMAND_PING, answer_readiness);
}
