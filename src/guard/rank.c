/* rank.c: see rank.h. */
#include "guard/rank.h"

#include <fcntl.h>

/* Bytes from here on: the room of rank 0, of rank 1, … */
#define ROOM RANK_MAX

static bool change(const struct rank *rank, int byte, short type) {
    const struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};
    return fcntl(rank->fd, F_SETLK, &lock) == 0;
}

/* It is nobody else's to refuse: only memory can lack, and then the others think for a while that
 * there is no room. */
static void publish_room(const struct rank *rank) {
    if (rank->number < RANK_MAX)
        (void)change(rank, ROOM + rank->number, rank->has_room ? F_WRLCK : F_UNLCK);
}

void rank_init(struct rank *rank, int fd) {
    *rank = (struct rank){.fd = fd, .number = RANK_MAX, .has_room = true};
    rank_improve(rank);
}

static void give_up(const struct rank *rank) {
    if (rank->number == RANK_MAX)
        return;
    (void)change(rank, ROOM + rank->number, F_UNLCK);
    (void)change(rank, rank->number, F_UNLCK);
}

void rank_improve(struct rank *rank) {
    int number = 0;
    while (number < rank->number && !change(rank, number, F_WRLCK))
        number++;
    if (number == rank->number)
        return;
    give_up(rank);
    rank->number = number;
    publish_room(rank);
}

void rank_set_room(struct rank *rank, bool has_room) {
    if (has_room == rank->has_room)
        return;
    rank->has_room = has_room;
    publish_room(rank);
}

bool rank_yields(const struct rank *rank) {
    const int before_me = rank->has_room ? rank->number : RANK_MAX;
    if (before_me == 0)
        return false; /* a length of 0 would mean "to the end" */
    struct flock others = {
        .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = ROOM, .l_len = before_me};
    /* Locks of the asking process itself are not reported. */
    return fcntl(rank->fd, F_GETLK, &others) == 0 && others.l_type != F_UNLCK;
}
