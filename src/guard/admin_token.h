/*
 * admin_token.h: the tokens of operators, as digests. Nothing here depends on where two tokens
 * differ, so the time that a wrong one takes tells nothing about the right ones.
 */
#ifndef GUARD_ADMIN_TOKEN_H
#define GUARD_ADMIN_TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/attributes.h"
#include "base/text.h"

#define ADMIN_TOKEN_DIGEST_BYTES 32 /* SHA-256 */

struct admin_tokens {
    unsigned char (*digests)[ADMIN_TOKEN_DIGEST_BYTES]; /* owned */
    size_t count;
};

/* Reads a setting of kind TOKENS: tokens, or "sha256:" and their digests, by comma. False when
 * memory ran out. End with admin_tokens_exit() in both cases. */
MUST_CHECK bool admin_tokens_init(struct admin_tokens *tokens, const char *setting);
void admin_tokens_exit(struct admin_tokens *tokens);

/* Whether this is one of the tokens. Without data, or without any tokens: no. */
bool admin_tokens_allow(const struct admin_tokens *tokens, struct text_span token);

#endif
