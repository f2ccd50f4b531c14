/* metrics_routes.h: what all programs of this machine count, for Prometheus. */
#ifndef GUARD_METRICS_ROUTES_H
#define GUARD_METRICS_ROUTES_H

#include "guard/exchange.h"

void metrics_routes_all(struct exchange *x);

#endif
