/* password.c - an administrator's password as it is kept: yescrypt, crypt(5). */
#include "store/store.h"
#include <crypt.h>
#include <stdlib.h>

/* crypt_rn's workspace holds the password: made for one call, and wiped. */
static bool hash_with(const char *setting, struct sg_str password, char out[SG_PASSWORD_HASH_SIZE])
{
	struct crypt_data *work = calloc(1, sizeof(*work));
	char phrase[SG_PASSWORD_MAX + 1];
	bool ok = false;

	if (work && sg_str_copy(phrase, sizeof(phrase), password)) {
		const char *hash = crypt_rn(phrase, setting, work, sizeof(*work));
		ok = hash && *hash == '$' &&
		     sg_str_copy(out, SG_PASSWORD_HASH_SIZE, sg_str_from(hash));
	}
	sg_wipe(phrase, sizeof(phrase));
	if (work)
		sg_wipe(work, sizeof(*work));
	free(work);
	return ok;
}

enum sg_result sg_password_hash(char out[SG_PASSWORD_HASH_SIZE], struct sg_str password)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	out[0] = '\0';
	if (password.len < SG_PASSWORD_MIN || password.len > SG_PASSWORD_MAX ||
	    !sg_str_is_utf8(password))
		return SG_ERR_BAD_INPUT;
	if (!crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)))
		return SG_ERR_UNSUPPORTED;
	return hash_with(setting, password, out) ? SG_OK : SG_ERR_NO_MEMORY;
}

bool sg_password_matches(const char *hash, struct sg_str password)
{
	char again[SG_PASSWORD_HASH_SIZE];
	size_t len = strlen(hash);

	if (hash[0] != '$' || password.len > SG_PASSWORD_MAX || !hash_with(hash, password, again))
		return false;
	bool same = strlen(again) == len && sg_equal_constant_time(again, hash, len);
	sg_wipe(again, sizeof(again));
	return same;
}
