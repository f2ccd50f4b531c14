/* lock_routes.h: the routes under /v1/locks. */
#ifndef GUARD_LOCK_ROUTES_H
#define GUARD_LOCK_ROUTES_H

#include "guard/exchange.h"

void lock_routes_lock(struct exchange *x);         /* POST /v1/locks */
void lock_routes_list(struct exchange *x);         /* GET /v1/locks */
void lock_routes_get(struct exchange *x);          /* GET /v1/locks/{id} */
void lock_routes_release(struct exchange *x);      /* DELETE /v1/locks/{id} */
void lock_routes_bulk_release(struct exchange *x); /* POST /v1/locks/bulk-release */

#endif
