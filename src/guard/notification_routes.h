/* notification_routes.h: the routes under /v1/notifications. */
#ifndef GUARD_NOTIFICATION_ROUTES_H
#define GUARD_NOTIFICATION_ROUTES_H

#include "guard/exchange.h"

/*
 * POST /v1/notifications/manual-release/test: what a manual release would send, and to whom,
 * without any of it being done. The database is not asked.
 */
void notification_routes_test(struct exchange *x);

#endif
