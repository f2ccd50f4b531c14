/* partition.c: see partition.h. */
#include "kafka/partition.h"

#include <stdlib.h>
#include <string.h>

/* --- places -------------------------------------------------------------------------------- */

void place_take(struct place *place, struct partition *partition, const rd_kafka_message_t *m) {
    place->partition = partition;
    place->offset = m->offset;
    TAILQ_INSERT_TAIL(&partition->places, place, link);
}

static void leave_row(struct place *place) {
    TAILQ_REMOVE(&place->partition->places, place, link);
    place->partition = NULL;
}

void place_settle(struct place *place) {
    if (place->partition != NULL)
        leave_row(place);
}

/* The offset that is committed does not pass this one. */
static void hold_at(struct partition *partition, int64_t offset) {
    if (offset < partition->ceiling)
        partition->ceiling = offset;
}

void place_abandon(struct place *place) {
    if (place->partition == NULL)
        return;
    hold_at(place->partition, place->offset);
    leave_row(place);
}

/* --- one partition ------------------------------------------------------------------------- */

void partition_skip(struct partition *partition, const rd_kafka_message_t *m) {
    hold_at(partition, m->offset);
}

int64_t partition_position(const struct partition *p) {
    const struct place *first = TAILQ_FIRST(&p->places);
    const int64_t reached = first != NULL ? first->offset : p->next_offset;
    return reached < p->ceiling ? reached : p->ceiling;
}

bool partition_is_dirty(const struct partition *p) {
    return partition_position(p) > p->committed;
}

/* --- all of them --------------------------------------------------------------------------- */

struct partition *partitions_find(const struct partitions *all, int32_t number) {
    for (int i = 0; i < all->count; i++) {
        if (all->items[i]->number == number)
            return all->items[i];
    }
    return NULL;
}

/* Makes room for one more. */
static bool grow(struct partitions *all) {
    if (all->count < all->room)
        return true;
    const int room = all->room == 0 ? 16 : all->room * 2;
    struct partition **more = reallocarray(all->items, (size_t)room, sizeof(struct partition *));
    if (more == NULL)
        return false;
    all->items = more;
    all->room = room;
    return true;
}

bool partitions_add(struct partitions *all, int32_t number, int64_t end) {
    struct partition *p = grow(all) ? calloc(1, sizeof *p) : NULL;
    if (p == NULL)
        return false;
    TAILQ_INIT(&p->places);
    p->number = number;
    p->next_offset = -1;
    p->committed = -1;
    p->ceiling = INT64_MAX;
    p->end = end;
    all->items[all->count++] = p;
    return true;
}

static void partition_free(struct partition *p) {
    while (!TAILQ_EMPTY(&p->places))
        leave_row(TAILQ_FIRST(&p->places));
    free(p);
}

void partitions_clear(struct partitions *all) {
    for (int i = 0; i < all->count; i++)
        partition_free(all->items[i]);
    free(all->items);
    memset(all, 0, sizeof *all);
}
