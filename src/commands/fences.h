/*
 * fences.h: a room that is released can be locked by the next command. A release does not say which
 * room it frees, so each is a fence for its tenant: locks that came behind it stay behind it, until
 * it has ended. Releases go through the fences of others, and so do locks that came before.
 *
 *   release 1 | lock 2, lock 3 | release 4 | lock 5
 *
 * Here 1 and 4 go at once, 2 and 3 when 1 has ended, 5 when 1 and 4 have.
 *
 * Tenants share lines: a lock may wait for a release of somebody else, which only takes longer.
 */
#ifndef COMMANDS_FENCES_H
#define COMMANDS_FENCES_H

#include <stdbool.h>
#include <sys/queue.h>

#include "base/id.h"

#define FENCES_LINES 1024

/* A line: in the order in which they came; a release first. */
TAILQ_HEAD(fence_line, fence_post);

/* Who is in a line: embedded in the command; all zeros: in none. */
struct fence_post {
    TAILQ_ENTRY(fence_post) link;
    struct fence_line *line; /* NULL: in none */
    bool is_release;
    /* A lock may go now. Called from fences_leave() of a release. */
    void (*ready)(struct fence_post *post);
};

struct fences {
    struct fence_line lines[FENCES_LINES];
};

void fences_init(struct fences *f);

/* A release of the tenant, which may go. */
void fences_put_release(struct fences *f, struct fence_post *post, const struct id *tenant_id);
/* A lock of the tenant; afterwards fences_hold() says whether it must wait. */
void fences_put_lock(struct fences *f, struct fence_post *post, const struct id *tenant_id);

/* Whether it is a lock that must wait. */
static inline bool fences_hold(const struct fence_post *post) {
    return post->line != NULL && !post->is_release;
}

/* It has ended, or does not want to go any more. Harmless when it is in no line. */
void fences_leave(struct fence_post *post);

#endif
