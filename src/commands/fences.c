/* fences.c: see fences.h. */
#include "commands/fences.h"

#include <stddef.h>

void fences_init(struct fences *f) {
    for (size_t i = 0; i < FENCES_LINES; i++)
        TAILQ_INIT(&f->lines[i]);
}

static struct fence_line *line_of(struct fences *f, const struct id *tenant_id) {
    size_t sum = 0;
    for (size_t i = 0; i < sizeof tenant_id->bytes; i++)
        sum = sum * 31 + tenant_id->bytes[i];
    return &f->lines[sum % FENCES_LINES];
}

static void put(struct fence_line *line, struct fence_post *post, bool is_release) {
    post->line = line;
    post->is_release = is_release;
    TAILQ_INSERT_TAIL(line, post, link);
}

void fences_put_release(struct fences *f, struct fence_post *post, const struct id *tenant_id) {
    put(line_of(f, tenant_id), post, true);
}

void fences_put_lock(struct fences *f, struct fence_post *post, const struct id *tenant_id) {
    struct fence_line *line = line_of(f, tenant_id);
    if (!TAILQ_EMPTY(line))
        put(line, post, false);
}

static void take_out(struct fence_line *line, struct fence_post *post) {
    TAILQ_REMOVE(line, post, link);
    post->line = NULL;
}

/* Lets those go that have no release before them any more. */
static void open_line(struct fence_line *line) {
    struct fence_post *post = TAILQ_FIRST(line);
    while (post != NULL && !post->is_release) {
        take_out(line, post);
        post->ready(post);
        post = TAILQ_FIRST(line);
    }
}

void fences_leave(struct fence_post *post) {
    struct fence_line *line = post->line;
    if (line == NULL)
        return;
    take_out(line, post);
    open_line(line);
}
