/* signer.c: see signer.h. */
#include "notifier/signer.h"

#include <assert.h>
#include <inttypes.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "whsec_"
#define PREFIX_LENGTH (sizeof PREFIX - 1)

/* No setting is longer. */
#define KEY_MAX 1024

#define DIGEST_LENGTH 32
#define DIGEST_BASE64_LENGTH 44

struct key {
    unsigned char bytes[KEY_MAX];
    size_t length;
};

/* OpenSSL forgives white space and counts padding as bytes, so the form is looked at here. */
static bool decode(struct key *key, const char *text, size_t length) {
    static const char ALPHABET[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t padding = 0;
    while (padding < 2 && padding < length && text[length - 1 - padding] == '=')
        padding++;
    if (length == 0 || length % 4 != 0 || strspn(text, ALPHABET) != length - padding)
        return false;
    const int decoded = EVP_DecodeBlock(key->bytes, (const unsigned char *)text, (int)length);
    if (decoded <= (int)padding)
        return false;
    key->length = (size_t)decoded - padding;
    return true;
}

static bool read_key(struct key *key, const char *text, size_t length) {
    if (length == 0 || length > KEY_MAX)
        return false;
    if (length > PREFIX_LENGTH && strncmp(text, PREFIX, PREFIX_LENGTH) == 0)
        return decode(key, text + PREFIX_LENGTH, length - PREFIX_LENGTH);
    memcpy(key->bytes, text, length);
    key->length = length;
    return true;
}

static EVP_MAC_CTX *make_mac(const struct key *key) {
    char digest[] = "SHA256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac = hmac == NULL ? NULL : EVP_MAC_CTX_new(hmac);
    EVP_MAC_free(hmac);
    if (mac == NULL || EVP_MAC_init(mac, key->bytes, key->length, params) == 1)
        return mac;
    EVP_MAC_CTX_free(mac);
    return NULL;
}

static const char *add(struct signer *s, const char *text, size_t length) {
    struct key key;
    if (s->count == SIGNER_SECRETS_MAX)
        return "more than two secrets";
    const bool fine = read_key(&key, text, length);
    if (fine)
        s->macs[s->count] = make_mac(&key);
    OPENSSL_cleanse(&key, sizeof key);
    if (!fine)
        return "a secret is empty, or is not base64 behind whsec_";
    if (s->macs[s->count] == NULL)
        return "the library of cryptography refuses a secret";
    s->count++;
    return NULL;
}

const char *signer_init(struct signer *s, const char *secrets) {
    memset(s, 0, sizeof *s);
    if (*secrets == '\0')
        return NULL;
    const char *wrong = NULL;
    for (const char *text = secrets; wrong == NULL; text++) {
        const size_t length = strcspn(text, ",");
        wrong = add(s, text, length);
        text += length;
        if (*text == '\0')
            break;
    }
    return wrong;
}

void signer_exit(struct signer *s) {
    for (int i = 0; i < s->count; i++)
        EVP_MAC_CTX_free(s->macs[i]);
    memset(s, 0, sizeof *s);
}

static bool update(EVP_MAC_CTX *mac, const char *bytes, size_t length) {
    return EVP_MAC_update(mac, (const unsigned char *)bytes, length) == 1;
}

static bool sign(EVP_MAC_CTX *with_key, const char *head, struct text_span body,
                 unsigned char digest[DIGEST_LENGTH]) {
    size_t length = 0;
    EVP_MAC_CTX *mac = EVP_MAC_CTX_dup(with_key);
    const bool signed_ =
        mac != NULL && update(mac, head, strlen(head)) && update(mac, body.data, body.length) &&
        EVP_MAC_final(mac, digest, &length, DIGEST_LENGTH) == 1 && length == DIGEST_LENGTH;
    EVP_MAC_CTX_free(mac);
    return signed_;
}

bool signer_append(const struct signer *s, struct buffer *out, const char *id, int64_t timestamp_s,
                   struct text_span body) {
    unsigned char digest[DIGEST_LENGTH];
    unsigned char text[DIGEST_BASE64_LENGTH + 1];
    char head[128];
    assert(strchr(id, '.') == NULL);
    const int printed = snprintf(head, sizeof head, "%s.%" PRId64 ".", id, timestamp_s);
    if (printed < 0 || (size_t)printed >= sizeof head)
        return false;
    for (int i = 0; i < s->count; i++) {
        if (!sign(s->macs[i], head, body, digest))
            return false;
        (void)EVP_EncodeBlock(text, digest, DIGEST_LENGTH);
        buffer_append_text(out, i == 0 ? "v1," : " v1,");
        buffer_append_text(out, (const char *)text);
    }
    return !out->failed;
}
