/*
 * grpc_frame.h: the frames around gRPC messages: a byte that says whether the message is
 * compressed, its length in four bytes, and the message.
 *
 * Source: "gRPC over HTTP2", Length-Prefixed-Message.
 */
#ifndef GUARD_GRPC_FRAME_H
#define GUARD_GRPC_FRAME_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "base/buffer.h"
#include "base/text.h"

enum grpc_frame {
    GRPC_FRAME_ONE, /* exactly one, as every call here has */
    GRPC_FRAME_NONE,
    GRPC_FRAME_SEVERAL,
    GRPC_FRAME_COMPRESSED,
    GRPC_FRAME_BROKEN, /* cut off, or no frame at all */
};

/* What the body of a request holds. `message` is set for GRPC_FRAME_ONE, and points into it. */
enum grpc_frame grpc_frame_read(struct text_span body, struct text_span *message);

/* Appends the message in a frame. */
void grpc_frame_append(struct buffer *out, const ProtobufCMessage *message);

#endif
