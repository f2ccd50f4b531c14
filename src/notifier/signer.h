/*
 * signer.h: signs webhook calls as Standard Webhooks says (specification 1.0.0, "Signature
 * scheme"): HMAC-SHA256 over "id.timestamp.body", one signature for each secret.
 *
 * A secret is "whsec_" and base64 (RFC 4648, section 4, padded), as the specification writes it, or
 * any other text, whose bytes are the key.
 */
#ifndef NOTIFIER_SIGNER_H
#define NOTIFIER_SIGNER_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/attributes.h"
#include "base/buffer.h"
#include "base/text.h"

/* One, and the one that replaces it. */
#define SIGNER_SECRETS_MAX 2

struct signer {
    int count;                             /* 0: nothing is signed */
    EVP_MAC_CTX *macs[SIGNER_SECRETS_MAX]; /* each with its key in it */
};

/*
 * Reads secrets, by comma; "" for none. Returns NULL, or what is wrong: static text, without the
 * secret. End with signer_exit() in both cases.
 */
MUST_CHECK const char *signer_init(struct signer *s, const char *secrets);
void signer_exit(struct signer *s);

/*
 * Appends the value of the header webhook-signature: "v1,BASE64", for two secrets two of them with
 * a space between. The id must not contain a full stop; the timestamp is in seconds since 1970.
 * False when the library fails or memory runs out.
 */
MUST_CHECK bool signer_append(const struct signer *s, struct buffer *out, const char *id,
                              int64_t timestamp_s, struct text_span body);

#endif
