/*
 * admin_routes.h: what operators do: force a lock open, read the audit trail. The router has
 * checked their token.
 */
#ifndef GUARD_ADMIN_ROUTES_H
#define GUARD_ADMIN_ROUTES_H

#include "guard/exchange.h"

void admin_routes_manual_release(struct exchange *x);
/* The trail of the lock in the path, oldest row first. */
void admin_routes_lock_audits(struct exchange *x);
/* The trail of a tenant, newest row first. */
void admin_routes_tenant_audits(struct exchange *x);

#endif
