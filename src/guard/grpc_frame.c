/* grpc_frame.c: see grpc_frame.h. */
#include "guard/grpc_frame.h"

#include <stdint.h>

#define HEADER 5

enum grpc_frame grpc_frame_read(struct text_span body, struct text_span *message) {
    const unsigned char *bytes = (const unsigned char *)body.data;
    if (body.length == 0)
        return GRPC_FRAME_NONE;
    if (body.length < HEADER || bytes[0] > 1)
        return GRPC_FRAME_BROKEN;
    const size_t length =
        (size_t)bytes[1] << 24 | (size_t)bytes[2] << 16 | (size_t)bytes[3] << 8 | (size_t)bytes[4];
    if (length > body.length - HEADER)
        return GRPC_FRAME_BROKEN;
    if (length < body.length - HEADER)
        return GRPC_FRAME_SEVERAL;
    if (bytes[0] == 1)
        return GRPC_FRAME_COMPRESSED;
    *message = (struct text_span){body.data + HEADER, length};
    return GRPC_FRAME_ONE;
}

void grpc_frame_append(struct buffer *out, const ProtobufCMessage *message) {
    const size_t length = protobuf_c_message_get_packed_size(message);
    if (!buffer_reserve(out, HEADER + length))
        return;
    uint8_t *bytes = (uint8_t *)out->data + out->length;
    bytes[0] = 0;
    bytes[1] = (uint8_t)(length >> 24);
    bytes[2] = (uint8_t)(length >> 16);
    bytes[3] = (uint8_t)(length >> 8);
    bytes[4] = (uint8_t)length;
    (void)protobuf_c_message_pack(message, bytes + HEADER);
    out->length += HEADER + length;
}
