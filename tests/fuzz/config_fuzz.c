/* Feeds the configuration's reader; what it takes, it must print so that it takes it again. */
#include "base/config.h"
#include <stdlib.h>

static void print(const struct sg_config *cfg, struct sg_buf *out)
{
	sg_buf_init(out, 1u << 22);
	sg_config_print(cfg, out);
	if (out->failed)
		abort();
}

static void check_printed(const struct sg_config *cfg)
{
	struct sg_config *again;
	struct sg_buf first, second;
	char error[512];

	print(cfg, &first);
	/* A line may become longer than the reader takes, and a password is not printed. */
	struct sg_str text = {(char *)first.p, first.len};
	if (sg_config_parse(&again, "printed", text, error, sizeof(error)) == SG_OK) {
		print(again, &second);
		if (first.len != second.len || memcmp(first.p, second.p, first.len) != 0)
			abort();
		sg_buf_reset(&second);
		sg_config_free(again);
	} else if (!strstr(error, "too long") && !memmem(first.p, first.len, "[redacted]", 10)) {
		abort();
	}
	sg_buf_reset(&first);
}

static void check_error(const char *error)
{
	if (strncmp(error, "fuzz", 4) != 0 || strpbrk(error, "\r\n\x1b"))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sg_config *cfg;
	char error[512];
	/* A copy of its own, so that a read past the end is seen. */
	char *copy = malloc(size ? size : 1);

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, data, size);
	if (sg_config_parse(&cfg, "fuzz", (struct sg_str){copy, size}, error, sizeof(error)) ==
	    SG_OK)
		check_printed(cfg);
	else
		check_error(error);
	sg_config_free(cfg);
	free(copy);
	return 0;
}
