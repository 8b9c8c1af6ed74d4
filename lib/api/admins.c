/* admins.c - administrators' sessions: a small table in memory. What is in it opens nothing: ids are
 * kept as hashes, and a restart ends them all. */
#include "api/api_internal.h"

static bool is_over(const struct api_admin *row, int64_t now_ms)
{
	return now_ms - row->seen_ms >= API_ADMIN_IDLE_MS ||
	       now_ms - row->began_ms >= API_ADMIN_END_MS;
}

static void drop_over(struct api_admins *a, int64_t now_ms)
{
	for (size_t i = 0; i < a->count;)
		if (is_over(&a->rows[i], now_ms))
			a->rows[i] = a->rows[--a->count];
		else
			i++;
}

static struct api_admin *find(struct api_admins *a, const uint8_t id[SG_SHA256_BYTES])
{
	for (size_t i = 0; i < a->count; i++)
		if (sg_equal_constant_time(a->rows[i].id, id, SG_SHA256_BYTES))
			return &a->rows[i];
	return NULL;
}

static struct api_admin *take_row(struct api_admins *a)
{
	size_t quiet = 0;

	if (a->count < API_ADMINS_MAX)
		return &a->rows[a->count++];
	for (size_t i = 1; i < a->count; i++)
		if (a->rows[i].seen_ms < a->rows[quiet].seen_ms)
			quiet = i;
	return &a->rows[quiet];
}

void api_admin_new(
    struct api_admins *a, const char *password_hash, int64_t now_ms, char id[API_ADMIN_ID_SIZE])
{
	struct api_admin row = {.began_ms = now_ms, .seen_ms = now_ms};
	uint8_t random[API_ADMIN_ID_BYTES];

	sg_random(random, sizeof(random));
	sg_base64url_encode(id, random, sizeof(random));
	sg_wipe(random, sizeof(random));
	sg_sha256(row.id, id, strlen(id));
	sg_sha256(row.password, password_hash, strlen(password_hash));
	pthread_mutex_lock(&a->lock);
	drop_over(a, now_ms);
	*take_row(a) = row;
	pthread_mutex_unlock(&a->lock);
}

bool api_admin_find(struct api_admins *a, struct sg_str id, int64_t now_ms, bool touch,
    struct api_admin *out)
{
	uint8_t hash[SG_SHA256_BYTES];

	if (id.len != API_ADMIN_ID_SIZE - 1)
		return false;
	sg_sha256(hash, id.p, id.len);
	pthread_mutex_lock(&a->lock);
	drop_over(a, now_ms);
	struct api_admin *row = find(a, hash);
	if (row && touch)
		row->seen_ms = now_ms;
	if (row && out)
		*out = *row;
	pthread_mutex_unlock(&a->lock);
	return row != NULL;
}

static void end(struct api_admins *a, const uint8_t hash[SG_SHA256_BYTES])
{
	pthread_mutex_lock(&a->lock);
	struct api_admin *row = find(a, hash);
	if (row)
		*row = a->rows[--a->count];
	pthread_mutex_unlock(&a->lock);
}

bool api_admin_is_of(struct api_admins *a, const struct api_admin *row, const char *password_hash)
{
	uint8_t hash[SG_SHA256_BYTES];

	sg_sha256(hash, password_hash, strlen(password_hash));
	if (sg_equal_constant_time(row->password, hash, sizeof(hash)))
		return true;
	end(a, row->id);
	return false;
}

void api_admin_end(struct api_admins *a, struct sg_str id)
{
	uint8_t hash[SG_SHA256_BYTES];

	sg_sha256(hash, id.len ? id.p : "", id.len);
	end(a, hash);
}

size_t api_admins_count(struct api_admins *a)
{
	pthread_mutex_lock(&a->lock);
	drop_over(a, sg_mono_ms());
	size_t count = a->count;
	pthread_mutex_unlock(&a->lock);
	return count;
}
