/* characters.h: what single characters of Unicode mean for texts that travel to other programs. */
#ifndef NOTIFICATION_CHARACTERS_H
#define NOTIFICATION_CHARACTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The number of a character, given as a valid UTF-8 sequence of `size` bytes. */
uint32_t character_decode(const char *sequence, size_t size);

/* White space: the property White_Space of Unicode, and U+FEFF, which pasted texts begin with. */
bool character_is_space(uint32_t character);

/* Control characters, and those that end a line or a paragraph (U+2028, U+2029). */
bool character_is_control(uint32_t character);

/* Invisible characters that change the direction of what stands beside them, so that a line shows
 * something else than it says (Unicode, UAX #9, explicit formatting characters). */
bool character_reorders(uint32_t character);

#endif
