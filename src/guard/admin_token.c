/* admin_token.c: see admin_token.h. */
#include "guard/admin_token.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

static const char PREFIX[] = "sha256:";
#define PREFIX_LENGTH (sizeof PREFIX - 1)

static size_t count_elements(const char *list) {
    size_t count = *list == '\0' ? 0 : 1;
    for (; *list != '\0'; list++)
        count += *list == ',';
    return count;
}

static void read_hex(const char *text, unsigned char *out) {
    for (size_t i = 0; i < ADMIN_TOKEN_DIGEST_BYTES; i++)
        out[i] =
            (unsigned char)(text_hex_digit(text[2 * i]) * 16 + text_hex_digit(text[2 * i + 1]));
}

static void digest_of(const char *token, size_t length, unsigned char *out) {
    (void)SHA256((const unsigned char *)token, length, out);
}

bool admin_tokens_init(struct admin_tokens *tokens, const char *setting) {
    *tokens = (struct admin_tokens){.digests = NULL};
    const size_t count = count_elements(setting);
    if (count == 0)
        return true;
    tokens->digests = calloc(count, sizeof *tokens->digests);
    if (tokens->digests == NULL)
        return false;
    const char *p = setting;
    for (; tokens->count < count; tokens->count++) {
        const size_t length = strcspn(p, ",");
        unsigned char *digest = tokens->digests[tokens->count];
        if (strncmp(p, PREFIX, PREFIX_LENGTH) == 0)
            read_hex(p + PREFIX_LENGTH, digest);
        else
            digest_of(p, length, digest);
        p += length + 1;
    }
    return true;
}

void admin_tokens_exit(struct admin_tokens *tokens) {
    free(tokens->digests);
    *tokens = (struct admin_tokens){.digests = NULL};
}

bool admin_tokens_allow(const struct admin_tokens *tokens, struct text_span token) {
    unsigned char digest[ADMIN_TOKEN_DIGEST_BYTES];
    int found = 0;
    if (token.data == NULL)
        return false;
    digest_of(token.data, token.length, digest);
    /* All of them, whichever it is. */
    for (size_t i = 0; i < tokens->count; i++)
        found |= CRYPTO_memcmp(digest, tokens->digests[i], sizeof digest) == 0;
    return found != 0;
}
