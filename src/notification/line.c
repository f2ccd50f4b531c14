/* line.c: see line.h. */
#include "notification/line.h"

#include <stdbool.h>
#include <stdint.h>

#include "notification/characters.h"

static const char DOTS[] = "...";
#define DOTS_LENGTH (sizeof DOTS - 1)

struct line {
    struct buffer *out;
    size_t begin; /* where the line begins in `out` */
    size_t cut;   /* where the dots go when it gets too long */
    size_t characters;
    size_t characters_max;
};

/* False when the line is full. */
static bool append_character(struct line *line, const char *character, size_t size) {
    if (line->characters == line->characters_max) {
        if (!line->out->failed)
            line->out->length = line->cut;
        buffer_append_text(line->out, DOTS);
        return false;
    }
    buffer_append(line->out, character, size);
    line->characters++;
    if (line->characters + DOTS_LENGTH <= line->characters_max)
        line->cut = line->out->length;
    return true;
}

void line_append(struct buffer *out, struct text_span text, size_t characters_max) {
    struct line line = {out, out->length, out->length, 0, characters_max};
    bool space = false; /* is due before the next character */
    size_t size = 0;
    for (size_t i = 0; i < text.length; i += size) {
        size = text_utf8_sequence(text.data + i, text.length - i);
        if (size == 0)
            break;
        const uint32_t character = character_decode(text.data + i, size);
        if (character_reorders(character))
            continue;
        if (character_is_space(character) || character_is_control(character)) {
            space = true;
            continue;
        }
        if (space && line.characters > 0 && !append_character(&line, " ", 1))
            return;
        space = false;
        if (!append_character(&line, text.data + i, size))
            return;
    }
    if (line.characters == 0)
        buffer_append_char(out, '-');
}
