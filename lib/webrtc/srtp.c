/* srtp.c - libsrtp2 for what comes in and for RTCP, OpenSSL for what goes out. */
#include "webrtc/srtp.h"
#include "base/text.h"
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <srtp2/srtp.h>
#include <stdlib.h>

#define RTP_HEADER_BYTES 12
#define RTCP_HEADER_BYTES 8
#define GCM_SALT_BYTES 12
#define GCM_TAG_BYTES 16
#define SHA1_TAG_BYTES 10
#define SHA1_BYTES 20
#define WINDOW 1024 /* packets late or again that are still told apart */

const char *sg_srtp_profile_name(enum sg_srtp_profile profile)
{
	return profile == SG_SRTP_AEAD_AES_128_GCM    ? "SRTP_AEAD_AES_128_GCM"
	       : profile == SG_SRTP_AES128_CM_SHA1_80 ? "SRTP_AES128_CM_SHA1_80"
						      : "none";
}

/* ---- sealing ---- */

struct sg_srtp_sealer {
	enum sg_srtp_profile profile;
	EVP_CIPHER_CTX *cipher;
	EVP_MAC_CTX *mac; /* NULL with GCM */
	uint8_t salt[SG_SRTP_SALT_MAX];
};

bool sg_srtp_derive(uint8_t *out, size_t len, const uint8_t *key, const uint8_t *salt,
    size_t salt_len, uint8_t label)
{
	static const uint8_t zeros[32];
	uint8_t iv[16] = { 0 };
	int n = 0;

	if (len > sizeof(zeros))
		return false;
	/* Section 4.3.1 with a key derivation rate of zero; GCM's shorter salt is padded at its end
	 * (RFC 7714 section 11). */
	memcpy(iv, salt, salt_len);
	iv[7] ^= label;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ok = ctx && EVP_EncryptInit_ex(ctx, EVP_aes_128_ctr(), NULL, key, iv) == 1 &&
		  EVP_EncryptUpdate(ctx, out, &n, zeros, (int)len) == 1 && n == (int)len;
	EVP_CIPHER_CTX_free(ctx);
	return ok;
}

static bool open_mac(struct sg_srtp_sealer *s, const uint8_t *auth)
{
	char digest[] = "SHA1";
	const OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
		OSSL_PARAM_construct_end() };
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	s->mac = mac ? EVP_MAC_CTX_new(mac) : NULL;
	EVP_MAC_free(mac);
	return s->mac && EVP_MAC_init(s->mac, auth, SG_SRTP_AUTH_KEY_BYTES, params) == 1;
}

enum sg_result sg_srtp_sealer_open_session(struct sg_srtp_sealer **out, enum sg_srtp_profile profile,
    const uint8_t *key, const uint8_t *salt, const uint8_t *auth)
{
	bool gcm = profile == SG_SRTP_AEAD_AES_128_GCM;
	struct sg_srtp_sealer *s = calloc(1, sizeof(*s));

	*out = NULL;
	if (!s)
		return SG_ERR_NO_MEMORY;
	s->profile = profile;
	memcpy(s->salt, salt, gcm ? GCM_SALT_BYTES : SG_SRTP_SALT_MAX);
	s->cipher = EVP_CIPHER_CTX_new();
	if (!s->cipher || EVP_EncryptInit_ex(s->cipher, gcm ? EVP_aes_128_gcm() : EVP_aes_128_ctr(), NULL,
			      key, NULL) != 1 || (!gcm && !open_mac(s, auth))) {
		sg_srtp_sealer_close(s);
		return SG_ERR_NO_MEMORY;
	}
	*out = s;
	return SG_OK;
}

enum sg_result sg_srtp_sealer_open(struct sg_srtp_sealer **out, enum sg_srtp_profile profile,
    const uint8_t *key, const uint8_t *salt)
{
	size_t salt_len = profile == SG_SRTP_AEAD_AES_128_GCM ? GCM_SALT_BYTES : SG_SRTP_SALT_MAX;
	uint8_t k[SG_SRTP_KEY_BYTES], a[SG_SRTP_AUTH_KEY_BYTES], z[SG_SRTP_SALT_MAX];
	enum sg_result res = SG_ERR_NO_MEMORY;

	*out = NULL;
	if (sg_srtp_derive(k, sizeof(k), key, salt, salt_len, 0) &&
	    sg_srtp_derive(a, sizeof(a), key, salt, salt_len, 1) &&
	    sg_srtp_derive(z, salt_len, key, salt, salt_len, 2))
		res = sg_srtp_sealer_open_session(out, profile, k, z, a);
	sg_wipe(k, sizeof(k));
	sg_wipe(a, sizeof(a));
	sg_wipe(z, sizeof(z));
	return res;
}

void sg_srtp_sealer_close(struct sg_srtp_sealer *s)
{
	if (!s)
		return;
	EVP_CIPHER_CTX_free(s->cipher);
	EVP_MAC_CTX_free(s->mac);
	sg_wipe(s->salt, sizeof(s->salt));
	free(s);
}

/* RFC 7714 section 8.1: 0, 0, SSRC, rollover counter, sequence number; over it the salt. */
static size_t seal_gcm(struct sg_srtp_sealer *s, uint8_t *out, const uint8_t *header,
    size_t header_len, const uint8_t *payload, size_t payload_len, uint64_t index)
{
	uint8_t iv[GCM_SALT_BYTES] = { 0 };
	int n;

	memcpy(iv + 2, header + 8, 4);
	sg_put_be32(iv + 6, (uint32_t)(index >> 16));
	sg_put_be16(iv + 10, (uint16_t)index);
	for (size_t i = 0; i < sizeof(iv); i++)
		iv[i] ^= s->salt[i];
	memcpy(out, header, header_len);
	if (EVP_EncryptInit_ex(s->cipher, NULL, NULL, NULL, iv) != 1 ||
	    EVP_EncryptUpdate(s->cipher, NULL, &n, header, (int)header_len) != 1 ||
	    EVP_EncryptUpdate(s->cipher, out + header_len, &n, payload, (int)payload_len) != 1 ||
	    EVP_EncryptFinal_ex(s->cipher, out + header_len + payload_len, &n) != 1 ||
	    EVP_CIPHER_CTX_ctrl(s->cipher, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_BYTES,
		out + header_len + payload_len) != 1)
		return 0;
	return header_len + payload_len + GCM_TAG_BYTES;
}

/* RFC 3711 sections 4.1.1 and 4.2: counter mode, then HMAC over packet and rollover counter. */
static size_t seal_cm(struct sg_srtp_sealer *s, uint8_t *out, const uint8_t *header,
    size_t header_len, const uint8_t *payload, size_t payload_len, uint64_t index)
{
	uint8_t iv[16] = { 0 }, roc[4], tag[SHA1_BYTES];
	size_t len = header_len + payload_len, tag_len;
	int n;

	memcpy(iv, s->salt, SG_SRTP_SALT_MAX);
	for (size_t i = 0; i < 4; i++)
		iv[4 + i] ^= header[8 + i];
	for (size_t i = 0; i < 6; i++)
		iv[8 + i] ^= (uint8_t)(index >> (40 - 8 * i));
	sg_put_be32(roc, (uint32_t)(index >> 16));
	memcpy(out, header, header_len);
	if (EVP_EncryptInit_ex(s->cipher, NULL, NULL, NULL, iv) != 1 ||
	    EVP_EncryptUpdate(s->cipher, out + header_len, &n, payload, (int)payload_len) != 1 ||
	    EVP_MAC_init(s->mac, NULL, 0, NULL) != 1 || EVP_MAC_update(s->mac, out, len) != 1 ||
	    EVP_MAC_update(s->mac, roc, sizeof(roc)) != 1 ||
	    EVP_MAC_final(s->mac, tag, &tag_len, sizeof(tag)) != 1)
		return 0;
	memcpy(out + len, tag, SHA1_TAG_BYTES);
	return len + SHA1_TAG_BYTES;
}

size_t sg_srtp_seal(struct sg_srtp_sealer *s, uint8_t *out, const uint8_t *header, size_t header_len,
    const uint8_t *payload, size_t payload_len, uint64_t index)
{
	return s->mac ? seal_cm(s, out, header, header_len, payload, payload_len, index)
		      : seal_gcm(s, out, header, header_len, payload, payload_len, index);
}

/* ---- both ways ---- */

struct sg_srtp {
	srtp_t in, out; /* `out` serves RTCP alone */
	struct sg_srtp_sealer *sealer;
	uint32_t sources[2][SG_SRTP_SOURCES_MAX]; /* of RTP, of RTCP */
	size_t source_count[2];
};

static void init_library(void)
{
	srtp_init();
}

static bool open_half(srtp_t *out, const struct sg_srtp_keys *keys, bool inbound, const uint8_t *key,
    const uint8_t *salt)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	bool gcm = keys->profile == SG_SRTP_AEAD_AES_128_GCM;
	uint8_t both[SG_SRTP_KEY_BYTES + SG_SRTP_SALT_MAX];
	srtp_policy_t policy = { .window_size = WINDOW, .allow_repeat_tx = 1, .key = both };

	pthread_once(&once, init_library);
	memcpy(both, key, SG_SRTP_KEY_BYTES);
	memcpy(both + SG_SRTP_KEY_BYTES, salt, gcm ? GCM_SALT_BYTES : SG_SRTP_SALT_MAX);
	policy.ssrc.type = inbound ? ssrc_any_inbound : ssrc_any_outbound;
	srtp_profile_t profile = gcm ? srtp_profile_aead_aes_128_gcm : srtp_profile_aes128_cm_sha1_80;
	bool ok = srtp_crypto_policy_set_from_profile_for_rtp(&policy.rtp, profile) == srtp_err_status_ok &&
		  srtp_crypto_policy_set_from_profile_for_rtcp(&policy.rtcp, profile) == srtp_err_status_ok &&
		  srtp_create(out, &policy) == srtp_err_status_ok;
	sg_wipe(both, sizeof(both));
	return ok;
}

enum sg_result sg_srtp_open(struct sg_srtp **out, const struct sg_srtp_keys *keys, bool we_are_client)
{
	const uint8_t *our_key = we_are_client ? keys->client_key : keys->server_key,
		      *our_salt = we_are_client ? keys->client_salt : keys->server_salt,
		      *their_key = we_are_client ? keys->server_key : keys->client_key,
		      *their_salt = we_are_client ? keys->server_salt : keys->client_salt;
	struct sg_srtp *s = calloc(1, sizeof(*s));

	*out = NULL;
	if (!s)
		return SG_ERR_NO_MEMORY;
	if (!open_half(&s->in, keys, true, their_key, their_salt) ||
	    !open_half(&s->out, keys, false, our_key, our_salt) ||
	    sg_srtp_sealer_open(&s->sealer, keys->profile, our_key, our_salt) != SG_OK) {
		sg_srtp_close(s);
		return SG_ERR_NO_MEMORY;
	}
	*out = s;
	return SG_OK;
}

void sg_srtp_close(struct sg_srtp *s)
{
	if (!s)
		return;
	if (s->in)
		srtp_dealloc(s->in);
	if (s->out)
		srtp_dealloc(s->out);
	sg_srtp_sealer_close(s->sealer);
	free(s);
}

struct sg_srtp_sealer *sg_srtp_sealer(struct sg_srtp *s)
{
	return s->sealer;
}

static uint32_t read_ssrc(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* libsrtp2 keeps a stream for every SSRC that it has seen: not without end. */
static bool knows_source(const struct sg_srtp *s, bool rtcp, uint32_t ssrc)
{
	for (size_t i = 0; i < s->source_count[rtcp]; i++)
		if (s->sources[rtcp][i] == ssrc)
			return true;
	return false;
}

static bool unprotect(struct sg_srtp *s, bool rtcp, uint8_t *p, size_t *len)
{
	uint32_t ssrc = read_ssrc(p + (rtcp ? 4 : 8));
	bool known = knows_source(s, rtcp, ssrc);
	int n = (int)*len;

	if (!known && s->source_count[rtcp] == SG_SRTP_SOURCES_MAX)
		return false;
	if ((rtcp ? srtp_unprotect_rtcp(s->in, p, &n) : srtp_unprotect(s->in, p, &n)) !=
	    srtp_err_status_ok)
		return false;
	if (!known)
		s->sources[rtcp][s->source_count[rtcp]++] = ssrc;
	*len = (size_t)n;
	return true;
}

bool sg_srtp_unprotect(struct sg_srtp *s, uint8_t *p, size_t *len)
{
	return *len >= RTP_HEADER_BYTES && *len <= INT32_MAX && unprotect(s, false, p, len);
}

bool sg_srtp_unprotect_rtcp(struct sg_srtp *s, uint8_t *p, size_t *len)
{
	return *len >= RTCP_HEADER_BYTES && *len <= INT32_MAX && unprotect(s, true, p, len);
}

bool sg_srtp_protect_rtcp(struct sg_srtp *s, uint8_t *p, size_t *len)
{
	int n = (int)*len;

	if (*len < RTCP_HEADER_BYTES || srtp_protect_rtcp(s->out, p, &n) != srtp_err_status_ok)
		return false;
	*len = (size_t)n;
	return true;
}
