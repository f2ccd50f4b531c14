/* grpc_arena.c: see grpc_arena.h. */
#include "guard/grpc_arena.h"

#include <stdint.h>
#include <stdlib.h>

/* Most messages fit into one chunk. */
#define CHUNK_BYTES ((size_t)8 * 1024)

struct grpc_arena_chunk {
    struct grpc_arena_chunk *older;
    size_t left; /* bytes of it that are free, at its end */
    size_t size; /* of bytes[] */
    uint64_t words[];
};

/* Each block has its size before it. Words are aligned for all that protobuf-c keeps. */
#define WORD sizeof(uint64_t)

static struct grpc_arena_chunk *add_chunk(struct grpc_arena *arena, size_t least) {
    const size_t size = least > CHUNK_BYTES ? least : CHUNK_BYTES;
    if (size > GRPC_ARENA_MAX - arena->taken) {
        arena->exhausted = true;
        return NULL;
    }
    struct grpc_arena_chunk *chunk = malloc(sizeof *chunk + size);
    if (chunk == NULL) {
        arena->no_memory = true;
        return NULL;
    }
    *chunk = (struct grpc_arena_chunk){.older = arena->chunk, .left = size, .size = size};
    arena->chunk = chunk;
    arena->taken += size;
    return chunk;
}

static void *take(void *context, size_t size) {
    struct grpc_arena *arena = context;
    struct grpc_arena_chunk *chunk = arena->chunk;
    if (size > GRPC_ARENA_MAX) {
        arena->exhausted = true;
        return NULL;
    }
    const size_t whole = WORD + (size + WORD - 1) / WORD * WORD;
    if (chunk == NULL || chunk->left < whole)
        chunk = add_chunk(arena, whole);
    if (chunk == NULL)
        return NULL;
    uint64_t *block = chunk->words + (chunk->size - chunk->left) / WORD;
    chunk->left -= whole;
    block[0] = size;
    return block + 1;
}

/* All at once, by grpc_arena_clear(). */
static void give_back(void *context, void *block) {
    (void)context;
    (void)block;
}

ProtobufCAllocator grpc_arena_allocator(struct grpc_arena *arena) {
    return (ProtobufCAllocator){.alloc = take, .free = give_back, .allocator_data = arena};
}

struct text_span grpc_arena_text(const char *text) {
    /* A field that is not in the message has a text of protobuf-c's own. */
    if (text == protobuf_c_empty_string)
        return (struct text_span){NULL, 0};
    const size_t length = (size_t)((const uint64_t *)(const void *)text)[-1] - 1;
    return length == 0 ? (struct text_span){NULL, 0} : (struct text_span){text, length};
}

void grpc_arena_clear(struct grpc_arena *arena) {
    while (arena->chunk != NULL) {
        struct grpc_arena_chunk *older = arena->chunk->older;
        free(arena->chunk);
        arena->chunk = older;
    }
    *arena = (struct grpc_arena){.chunk = NULL};
}
