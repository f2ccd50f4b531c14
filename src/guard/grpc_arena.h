/*
 * grpc_arena.h: the memory of one decoded message. It is bounded, whatever a message claims to
 * hold, and given back as a whole.
 *
 * The arena knows the size of each block. So the length of a decoded text is known, which
 * protobuf-c keeps as a C string: a text that holds a NUL is not taken for a shorter one.
 */
#ifndef GUARD_GRPC_ARENA_H
#define GUARD_GRPC_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/text.h"

/* What one message may take. 10,000 ids of locks take less than 2 MiB. */
#define GRPC_ARENA_MAX ((size_t)8 * 1024 * 1024)

struct grpc_arena {
    struct grpc_arena_chunk *chunk; /* the newest; NULL: nothing was taken */
    size_t taken;                   /* from the system, in all chunks */
    bool exhausted;                 /* a block was refused: the message asks for too much */
    bool no_memory;                 /* a block was refused: the system has no more */
};

/* An allocator of protobuf-c that takes from the arena, which must outlive it. */
ProtobufCAllocator grpc_arena_allocator(struct grpc_arena *arena);

/* The text of a message that was decoded with this allocator. No data when it is empty. */
struct text_span grpc_arena_text(const char *text);

/* Frees all blocks; the arena can be used again. Equals zeroed memory then. */
void grpc_arena_clear(struct grpc_arena *arena);

#endif
