/* once.c - Idempotency-Key: a creation that is repeated makes nothing twice.
 *
 * Secrets are kept nowhere, so a repetition cannot be answered as the first call was. It is told what
 * was made, so that the caller can revoke that and ask anew. Only the query thread comes here. */
#include "api/api_internal.h"

#define ONCE_MS 600000
#define ONCE_KEY_MAX 128

struct once {
	uint8_t key[SG_SHA256_BYTES], body[SG_SHA256_BYTES]; /* the key with its caller's name */
	int64_t at_ms;
	uint64_t *ids;
	size_t count;
};
struct api_onces {
	pthread_mutex_t lock; /* for the counts, which /metrics reads */
	struct once rows[API_ONCES_MAX]; /* in the order of time, from `first` */
	size_t first, count, ids;
};

struct api_onces *api_onces_open(void)
{
	struct api_onces *o = calloc(1, sizeof(*o));

	if (o)
		pthread_mutex_init(&o->lock, NULL);
	return o;
}

static void forget_oldest(struct api_onces *o)
{
	struct once *row = &o->rows[o->first];

	pthread_mutex_lock(&o->lock);
	o->ids -= row->count;
	o->first = (o->first + 1) % API_ONCES_MAX;
	o->count--;
	pthread_mutex_unlock(&o->lock);
	free(row->ids);
	*row = (struct once){0};
}

void api_onces_close(struct api_onces *o)
{
	if (!o)
		return;
	while (o->count)
		forget_oldest(o);
	pthread_mutex_destroy(&o->lock);
	free(o);
}

static struct once *find(struct api_onces *o, const uint8_t key[SG_SHA256_BYTES], int64_t now_ms)
{
	while (o->count && now_ms - o->rows[o->first].at_ms >= ONCE_MS)
		forget_oldest(o);
	for (size_t i = 0; i < o->count; i++) {
		struct once *row = &o->rows[(o->first + i) % API_ONCES_MAX];
		if (!memcmp(row->key, key, SG_SHA256_BYTES))
			return row;
	}
	return NULL;
}

static struct sg_str key_of(const struct api_call *c)
{
	return sg_http_header(c->req, "Idempotency-Key");
}

static void hash_key(const struct api_call *c, uint8_t out[SG_SHA256_BYTES])
{
	char text[sizeof(c->who) + ONCE_KEY_MAX + 2];
	int len = snprintf(text, sizeof(text), "%s\n%.*s", c->who, SG_STR_ARG(key_of(c)));

	sg_sha256(out, text, (size_t)len);
}

static void hash_body(const struct api_call *c, uint8_t out[SG_SHA256_BYTES])
{
	struct sg_str body = sg_http_body(c->req);

	sg_sha256(out, body.len ? body.p : "", body.len);
}

static void answer_made(struct api_call *c, const struct once *row)
{
	json_t *ids = json_array();

	for (size_t i = 0; i < row->count; i++)
		json_array_append_new(ids, api_json_id(row->ids[i]));
	api_problem_with(c->req, 409,
	    "already created: these are the ids; their secrets were shown then, and are kept nowhere",
	    json_pack("{so}", "ids", ids));
}

bool api_once_repeated(struct api_call *c)
{
	uint8_t key[SG_SHA256_BYTES], body[SG_SHA256_BYTES];

	if (!key_of(c).p)
		return false;
	if (!key_of(c).len || key_of(c).len > ONCE_KEY_MAX) {
		api_problem(c->req, 400, "'Idempotency-Key' must have 1 to %d bytes", ONCE_KEY_MAX);
		return true;
	}
	hash_key(c, key);
	hash_body(c, body);
	const struct once *row = find(c->api->onces, key, sg_mono_ms());
	if (!row)
		return false;
	if (!memcmp(row->body, body, sizeof(body)))
		answer_made(c, row);
	else
		api_problem(c->req, 422, "this Idempotency-Key was used for another body");
	return true;
}

void api_once_note(struct api_call *c, const struct sg_token_key *keys, size_t count)
{
	struct api_onces *o = c->api->onces;
	uint64_t *ids;

	if (!key_of(c).p)
		return;
	if (!(ids = malloc(count * sizeof(*ids)))) {
		sg_log_warning("api: out of memory: an Idempotency-Key is not remembered");
		return;
	}
	for (size_t i = 0; i < count; i++)
		ids[i] = keys[i].id;
	while (o->count == API_ONCES_MAX || (o->count && o->ids + count > API_ONCE_IDS_MAX))
		forget_oldest(o);
	struct once *row = &o->rows[(o->first + o->count) % API_ONCES_MAX];
	*row = (struct once){.at_ms = sg_mono_ms(), .ids = ids, .count = count};
	hash_key(c, row->key);
	hash_body(c, row->body);
	pthread_mutex_lock(&o->lock);
	o->count++;
	o->ids += count;
	pthread_mutex_unlock(&o->lock);
}

size_t api_onces_count(struct api_onces *o, size_t *ids)
{
	pthread_mutex_lock(&o->lock);
	size_t count = o->count;
	*ids = o->ids;
	pthread_mutex_unlock(&o->lock);
	return count;
}
