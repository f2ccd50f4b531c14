/* health_routes.h: is this process alive, and can it do its work? */
#ifndef GUARD_HEALTH_ROUTES_H
#define GUARD_HEALTH_ROUTES_H

#include "guard/exchange.h"

/* Asks nobody else: an orchestrator must not restart the guard because the database is away. */
void health_routes_liveness(struct exchange *x);

/* Asks the database, and whether its schema is the one this program is written for. */
void health_routes_readiness(struct exchange *x);

#endif
