/* proof.c - what let a caller in, kept for as long as what they were given: a listener's events, a preview.
 * The key's text, or the session's cookie: both may end meanwhile. */
#include "api/api_internal.h"

#define KEY 'k'
#define SESSION 's'
#define LOCAL 'l'

_Static_assert(API_PROOF_SIZE > SG_APIKEY_TEXT_SIZE, "a key, and what it is");

void api_proof_of(const struct api_call *c, char out[API_PROOF_SIZE])
{
	struct sg_str text = c->via == API_VIA_KEY ? api_bearer(c->req)
			     : c->via == API_VIA_SESSION
				 ? sg_http_cookie(c->req, API_ADMIN_COOKIE)
				 : (struct sg_str){0};

	snprintf(out, API_PROOF_SIZE, "%c%.*s",
	    c->via == API_VIA_KEY ? KEY : c->via == API_VIA_SESSION ? SESSION : LOCAL,
	    SG_STR_ARG(text));
}

bool api_proof_holds(struct sg_api *api, struct sg_store *store, const char *proof)
{
	struct sg_str text = sg_str_from(proof + 1);
	char hash[SG_PASSWORD_HASH_SIZE];
	struct sg_apikey key;
	struct api_admin row;

	if (*proof == KEY)
		return sg_store_apikey_verify(store, text, &key) == SG_OK;
	if (*proof == LOCAL)
		return true;
	bool holds = api_admin_find(&api->admins, text, sg_mono_ms(), false, &row) &&
		     sg_store_password_get(store, hash) == SG_OK &&
		     api_admin_is_of(&api->admins, &row, hash);
	sg_wipe(hash, sizeof(hash));
	return holds;
}
