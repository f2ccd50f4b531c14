/*
 * rank.h: which of the processes that share a listening socket takes a new connection: the first
 * one that has room, else any. A process has a rank, 0 for the first, and tells the others whether
 * it has room. Both are record locks on the socket (fcntl(2), F_SETLK), one byte for each rank and
 * one for its room: the kernel takes them back when the process ends, however it ends.
 */
#ifndef GUARD_RANK_H
#define GUARD_RANK_H

#include <stdbool.h>

/* As many as GUARD_WORKERS may be. A process that has this rank has none: more than that share the
 * socket, or the kernel refuses such locks. */
#define RANK_MAX 256

struct rank {
    int fd;
    int number;
    bool has_room;
};

/* Takes the lowest free rank, and has room. The descriptor must stay open: closing any descriptor
 * of the socket gives the locks back. */
void rank_init(struct rank *rank, int fd);

/* Takes a lower rank when its holder has ended. */
void rank_improve(struct rank *rank);

/* Tells the others whether this process has room. */
void rank_set_room(struct rank *rank, bool has_room);

/* Whether a new connection is another one's: it has room and comes first, or this one has none. */
bool rank_yields(const struct rank *rank);

#endif
