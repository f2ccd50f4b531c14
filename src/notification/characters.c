/* characters.c: see characters.h. */
#include "notification/characters.h"

uint32_t character_decode(const char *sequence, size_t size) {
    const unsigned char *s = (const unsigned char *)sequence;
    if (size == 1)
        return s[0];
    /* The first byte of 2, 3 or 4 has 5, 4 or 3 bits of the number, each other one 6. */
    uint32_t character = s[0] & (0x7FU >> size);
    for (size_t i = 1; i < size; i++)
        character = character << 6 | (s[i] & 0x3FU);
    return character;
}

bool character_is_space(uint32_t character) {
    switch (character) {
    case ' ':
    case 0x85:
    case 0xA0:
    case 0x1680:
    case 0x2028:
    case 0x2029:
    case 0x202F:
    case 0x205F:
    case 0x3000:
    case 0xFEFF:
        return true;
    default:
        return (character >= '\t' && character <= '\r') ||
               (character >= 0x2000 && character <= 0x200A);
    }
}

bool character_is_control(uint32_t character) {
    return character < 0x20 || (character >= 0x7F && character <= 0x9F) || character == 0x2028 ||
           character == 0x2029;
}

bool character_reorders(uint32_t character) {
    return character == 0x061C || character == 0x200E || character == 0x200F ||
           (character >= 0x202A && character <= 0x202E) ||
           (character >= 0x2066 && character <= 0x2069);
}
