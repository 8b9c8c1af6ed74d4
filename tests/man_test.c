/* man_test.c - streamgate.conf(5) has one row for every key of the configuration, and no others, and
 * tells its default. */
#include "base/config.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PAGE "man/streamgate.conf.5"

struct row {
	char section[32], key[48];
	char text[2000]; /* what the row says, markup and all */
};
static struct row rows[200];
static size_t row_count;

static void add_text(struct row *row, const char *line)
{
	size_t len = strlen(row->text);

	assert_true(len + strlen(line) < sizeof(row->text));
	strcpy(row->text + len, line);
}

/* Rows are ".It Va key" below ".Ss Section name", up to the next ".It" or ".El". */
static int read_page(void **state)
{
	char line[300], section[32] = "";
	struct row *row = NULL;
	FILE *page = fopen(PAGE, "r");

	(void)state;
	if (!page)
		return -1;
	while (fgets(line, sizeof(line), page) && row_count < 200) {
		sscanf(line, ".Ss Section %31s", section);
		if (!strncmp(line, ".It", 3) || !strncmp(line, ".El", 3))
			row = NULL;
		if (row)
			add_text(row, line);
		if (sscanf(line, ".It Va %47s", rows[row_count].key) == 1) {
			row = &rows[row_count++];
			snprintf(row->section, sizeof(row->section), "%s", section);
		}
	}
	fclose(page);
	return 0;
}

/* "app NAME", or however the table writes it, is "app" in the page. */
static bool same_section(const char *ours, const char *page)
{
	size_t len = strcspn(ours, " ");

	return strlen(page) == len && !strncmp(ours, page, len);
}

static void every_key_has_one_row(void **state)
{
	size_t count, found;
	const struct sg_config_key *keys = sg_config_keys(&count);

	(void)state;
	assert_true(count > 20);
	for (size_t i = 0; i < count; i++) {
		found = 0;
		for (size_t k = 0; k < row_count; k++)
			if (same_section(keys[i].section, rows[k].section) && !strcmp(keys[i].key, rows[k].key))
				found++;
		if (found != 1)
			print_error(PAGE " has %zu rows for [%s] %s\n", found, keys[i].section,
			    keys[i].key);
		assert_int_equal(found, 1);
	}
}

static void every_row_tells_the_default(void **state)
{
	size_t count;
	const struct sg_config_key *keys = sg_config_keys(&count);

	(void)state;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < row_count; k++) {
			if (!same_section(keys[i].section, rows[k].section) || strcmp(keys[i].key, rows[k].key))
				continue;
			const char *told = strstr(rows[k].text, "Default:");
			if (!told || !strstr(told, keys[i].fallback))
				print_error("[%s] %s of " PAGE " does not say \"Default:\" and %s\n",
				    keys[i].section, keys[i].key, keys[i].fallback);
			assert_non_null(told);
			assert_non_null(strstr(told, keys[i].fallback));
		}
}

static void every_row_is_a_key(void **state)
{
	size_t count;
	const struct sg_config_key *keys = sg_config_keys(&count);

	(void)state;
	for (size_t k = 0; k < row_count; k++) {
		bool found = false;
		for (size_t i = 0; i < count; i++)
			found |= same_section(keys[i].section, rows[k].section) &&
				 !strcmp(keys[i].key, rows[k].key);
		if (!found)
			print_error("[%s] %s of " PAGE " is no key\n", rows[k].section, rows[k].key);
		assert_true(found);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_has_one_row),
		cmocka_unit_test(every_row_is_a_key),
		cmocka_unit_test(every_row_tells_the_default),
	};

	return cmocka_run_group_tests_name("man", tests, read_page, NULL);
}
