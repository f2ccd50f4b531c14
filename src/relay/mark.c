/* mark.c: see mark.h. */
#include "relay/mark.h"

static const struct text_span NOBODY = {"{}", 2};

void mark_free(struct mark *m) {
    buffer_free(&m->before);
}

void mark_reset(struct mark *m) {
    buffer_clear(&m->before);
    m->settled = 0;
    m->seen = 0;
    m->next = 0;
    m->known = false;
}

void mark_see(struct mark *m, int64_t top) {
    if (top < m->seen)
        mark_reset(m); /* somebody has set the sequence */
    m->seen = top;
}

void mark_put(const struct mark *m, struct params *p) {
    const struct text_span before = {m->before.data, m->before.length};
    params_put_text(p, before.length > 0 ? before : NOBODY);
}

void mark_take(struct mark *m, const struct outbox_writers *writers) {
    const bool nobody = text_is(writers->names, NOBODY.data);
    mark_see(m, writers->top);
    m->known = true;
    if (writers->still_open)
        return;
    m->settled = nobody ? writers->top : m->next;
    m->next = writers->top;
    buffer_clear(&m->before);
    if (!nobody)
        buffer_append(&m->before, writers->names.data, writers->names.length);
    if (m->before.failed)
        mark_reset(m);
}
