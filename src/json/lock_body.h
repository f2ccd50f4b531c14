/*
 * lock_body.h: requests about locks as JSON objects, whichever door they come in by: the names of
 * their members, and which input each is. What is of another type than it must be is added to the
 * violations. Spans live as long as the body.
 */
#ifndef JSON_LOCK_BODY_H
#define JSON_LOCK_BODY_H

#include "domain/request.h"
#include "domain/violations.h"
#include "json/request_body.h"

struct lock_input lock_body_lock(struct request_body *body, struct violations *v);

/* All but the lock's id, which HTTP has in the path. */
struct release_input lock_body_release(struct request_body *body, struct violations *v);

/* The ids, which the caller frees, are put into the request. */
struct bulk_release_input lock_body_bulk_release(struct request_body *body, struct violations *v,
                                                 struct bulk_release_request *request);

#endif
