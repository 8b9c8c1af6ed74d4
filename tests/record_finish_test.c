/* How recordings come to their names: what was there already, what a crash has left, a catalogue that cannot be
 * read, an end that is not waited for. The recorder is opened and closed on a folder that the test has laid out. */
#include "hls_fixture.h"
#include "record_fixture.h"
#include "record/record_internal.h"
#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static int slow_us; /* what each read of a file takes longer */

ssize_t read(int fd, void *to, size_t len)
{
	if (slow_us)
		usleep((useconds_t)slow_us);
	return syscall(SYS_read, fd, to, len);
}

/* ---- a folder, a catalogue, and a recording's part to lay there ---- */

static char folder[80], url[96];
static struct sg_config *cfg;
static struct sg_store *store;
static struct sg_hub *hub;

static void record_part(void)
{
	struct sg_publisher *pub = publish(hub);
	struct sg_record_file *r = NULL;
	int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	feed(pub, BOTH, 0, 500, 0);
	assert_int_equal(sg_record_open(&r, sg_publisher_stream(pub), 0, fd, buffer), SG_OK);
	feed(pub, BOTH, 500, SOURCE_ALL_MS, 0);
	assert_int_equal(sg_record_pump(r), SG_OK);
	sg_record_close(r);
	sg_publisher_close(pub, true);
}

static int begin(void **state)
{
	if (source_open(state) != 0 || record_place_open() != 0)
		return -1;
	hub = hub_open();
	record_part();
	return 0;
}

static int end(void **state)
{
	sg_hub_close(hub);
	record_place_close();
	return source_close(state);
}

static void sh(const char *format, ...)
{
	char command[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	assert_int_equal(system(command), 0);
}

static int set_up(void **state)
{
	char error[512];

	(void)state;
	snprintf(folder, sizeof(folder), "%s/rec", record_dir);
	snprintf(url, sizeof(url), "sqlite:%s/t.db", record_dir);
	sh("mkdir -p %s/live", folder);
	cfg = calloc(1, sizeof(*cfg));
	assert_non_null(cfg);
	cfg->recording_path = folder;
	cfg->store_url = url;
	cfg->apps = calloc(1, sizeof(*cfg->apps));
	assert_non_null(cfg->apps);
	snprintf(cfg->apps[0].name, sizeof(cfg->apps[0].name), "live");
	cfg->app_count = 1;
	assert_int_equal(sg_store_open(&store, url, true, error, sizeof(error)), SG_OK);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	sg_store_close(store);
	free(cfg->apps);
	free(cfg);
	sh("rm -rf %s %s/t.db*", folder, record_dir);
	return 0;
}

static void put_part(const char *name)
{
	sh("cp %s %s/live/.%s.part", part, folder, name);
}

static void put_row(const char *name, const char *stream, enum sg_recording_state state)
{
	struct sg_recording row = { .app = "live", .created_at = 1000, .state = state };

	snprintf(row.name, sizeof(row.name), "%s", name);
	snprintf(row.stream, sizeof(row.stream), "%s", stream);
	assert_int_equal(sg_store_recording_add(store, &row), SG_OK);
}

/* Its threads wait by the real clock. */
static void set_the_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now_us = now.tv_sec * INT64_C(1000000) + now.tv_nsec / 1000;
}

static struct sg_recorder *recorder_open(void)
{
	struct sg_recorder *r;
	char error[512];

	set_the_clock();
	if (sg_recorder_open(&r, cfg, hub, error, sizeof(error)) != SG_OK)
		fail_msg("%s", error);
	return r;
}

/* All leftovers are finished. */
static void run(void)
{
	sg_recorder_close(recorder_open());
}

static int64_t size_of(const char *name)
{
	char path[300];
	struct stat st;

	snprintf(path, sizeof(path), "%s/live/%s", folder, name);
	return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

static bool row_of(const char *name, struct sg_recording *row)
{
	enum sg_result res = sg_store_recording_get(store, SG_STR("live"), sg_str_from(name), row);

	assert_true(res == SG_OK || res == SG_ERR_NOT_FOUND);
	return res == SG_OK;
}

static void assert_ready(const char *name, const char *stream)
{
	struct sg_recording row;
	char hidden[160];

	assert_true(row_of(name, &row));
	assert_string_equal(row.stream, stream);
	assert_int_equal(row.state, SG_RECORDING_DONE);
	assert_true(row.size > 0);
	assert_int_equal(size_of(name), row.size);
	snprintf(hidden, sizeof(hidden), ".%s.part", name);
	assert_int_equal(size_of(hidden), -1);
}

/* ---- claims ---- */

static void a_leftover_is_finished(void **state)
{
	struct sg_recording row;

	(void)state;
	put_part("cam.mp4");
	put_row("cam.mp4", "cam", SG_RECORDING_WRITTEN);
	put_part("other.mp4"); /* which the catalogue does not know */
	run();
	assert_ready("cam.mp4", "cam");
	assert_true(row_of("cam.mp4", &row));
	assert_in_range(row.duration_ms, 3900, 4300);
	assert_true(size_of("other.mp4") > 0);
	assert_false(row_of("other.mp4", &row));
}

static void a_file_of_its_name_stays_and_it_takes_the_next(void **state)
{
	struct sg_recording row;

	(void)state;
	put_part("cam.mp4");
	put_row("cam.mp4", "door", SG_RECORDING_WRITTEN);
	put_part("other.mp4");
	sh("printf 12345 >%s/live/cam.mp4 && printf 123 >%s/live/other.mp4 && printf 1 >%s/live/door.mp4", folder,
	    folder, folder);
	run();
	assert_int_equal(size_of("cam.mp4"), 5);
	assert_false(row_of("cam.mp4", &row)); /* its stem's, as it was put there by hand */
	assert_int_equal(size_of(".cam.mp4.part"), -1);
	assert_int_equal(size_of("door.mp4"), 1);
	assert_ready("door_1.mp4", "door");
	/* One that the catalogue does not know stays its stem's, too, and nobody's to delete. */
	assert_int_equal(size_of("other.mp4"), 3);
	assert_true(row_of("other_1.mp4", &row));
	assert_string_equal(row.stream, "other");
	assert_int_equal(row.state, SG_RECORDING_PLACED);
	assert_int_equal(size_of("other_1.mp4"), row.size);
}

static void a_row_that_is_somebody_elses_stays(void **state)
{
	struct sg_recording row;

	(void)state;
	put_part("cam.mp4");
	put_row("cam.mp4", "film", SG_RECORDING_PLACED);
	sh("printf 12345 >%s/live/cam.mp4", folder);
	run();
	assert_int_equal(size_of("cam.mp4"), 5);
	assert_true(row_of("cam.mp4", &row));
	assert_string_equal(row.stream, "film");
	assert_int_equal(row.state, SG_RECORDING_PLACED);
	assert_int_equal(size_of("film.mp4"), -1); /* nor is the recording that one's */
	assert_true(row_of("cam_1.mp4", &row));
	assert_string_equal(row.stream, "cam");
}

static void what_is_empty_is_forgotten_and_what_is_not_stays(void **state)
{
	struct sg_recording row;

	(void)state;
	sh(": >%s/live/.empty.mp4.part", folder);
	put_row("empty.mp4", "empty", SG_RECORDING_WRITTEN);
	put_part("cam.mp4");
	put_row("cam.mp4", "cam", SG_RECORDING_WRITTEN);
	sh("dd if=/dev/zero of=%s/live/.cam.mp4.part bs=4096 count=1 conv=notrunc status=none", folder);
	run();
	assert_int_equal(size_of(".empty.mp4.part"), -1);
	assert_false(row_of("empty.mp4", &row));
	assert_true(size_of(".cam.mp4.part") > 0);
	assert_true(row_of("cam.mp4", &row));
	assert_int_equal(row.state, SG_RECORDING_WRITTEN);
}

/* As after a crash between the file's renaming and its row's. */
static void a_row_is_brought_up_to_date_with_its_file(void **state)
{
	struct sg_recording row;

	(void)state;
	put_row("cam.mp4", "cam", SG_RECORDING_WRITTEN);
	sh("printf 12345 >%s/live/cam.mp4", folder);
	put_row("gone.mp4", "cam", SG_RECORDING_WRITTEN);
	put_row("away.mp4", "cam", SG_RECORDING_DONE); /* gone by hand: nobody's concern here */
	run();
	assert_ready("cam.mp4", "cam");
	assert_false(row_of("gone.mp4", &row));
	assert_true(row_of("away.mp4", &row));
	put_row("gone.mp4", "cam", SG_RECORDING_WRITTEN);
	sh("mv %s/live %s/elsewhere", folder, folder); /* not mounted yet */
	run();
	assert_true(row_of("gone.mp4", &row));
	sh("mv %s/elsewhere %s/live", folder, folder);
}

static void a_leftover_whose_row_cannot_be_read_waits(void **state)
{
	sqlite3 *db;

	(void)state;
	put_part("cam_1.mp4");
	put_row("cam_1.mp4", "cam", SG_RECORDING_WRITTEN);
	assert_int_equal(sqlite3_open(url + strlen("sqlite:"), &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "ALTER TABLE recording RENAME TO away", NULL, NULL, NULL), SQLITE_OK);
	run();
	assert_int_equal(size_of("cam_1.mp4"), -1);
	assert_true(size_of(".cam_1.mp4.part") > 0);
	assert_int_equal(sqlite3_exec(db, "ALTER TABLE away RENAME TO recording", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	run();
	assert_ready("cam_1.mp4", "cam");
}

static void an_end_is_not_waited_for_longer_than_it_may_take(void **state)
{
	struct sg_recording row;

	(void)state;
	put_part("cam.mp4");
	put_row("cam.mp4", "cam", SG_RECORDING_WRITTEN);
	put_part("dam.mp4");
	put_row("dam.mp4", "dam", SG_RECORDING_WRITTEN);
	slow_us = 200000;
	struct sg_recorder *r = recorder_open();
	r->finish_at_end_ms = 50;
	sg_recorder_close(r);
	slow_us = 0;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(size_of(i ? "dam.mp4" : "cam.mp4"), -1);
		assert_true(size_of(i ? ".dam.mp4.part" : ".cam.mp4.part") > 0);
		assert_int_equal(size_of(i ? ".dam.mp4.tmp" : ".cam.mp4.tmp"), -1);
		assert_true(row_of(i ? "dam.mp4" : "cam.mp4", &row));
	}
	run();
	assert_ready("cam.mp4", "cam");
	assert_ready("dam.mp4", "dam");
}

static void a_long_recording_goes_on_in_the_next_file(void **state)
{
	struct sg_publisher *pub;
	struct sg_recording row;

	(void)state;
	cfg->apps[0].record = SG_RECORD_ON;
	struct sg_recorder *r = recorder_open();
	r->roll_ms = 1500;
	assert_int_equal(sg_hub_publish(hub, SG_STR("live"), SG_STR("roll"), "rtmp", &pub), SG_OK);
	feed(pub, BOTH, 0, 500, 0);
	for (int i = 0; i < 300 && size_of(".roll.mp4.part") <= 0; i++)
		usleep(10000);
	feed(pub, BOTH, 500, SOURCE_ALL_MS, 0);
	for (int i = 0; i < 300 && size_of("roll.mp4") < 0; i++)
		usleep(10000);
	sg_publisher_close(pub, true);
	sg_recorder_close(r);
	assert_ready("roll.mp4", "roll");
	assert_ready("roll_1.mp4", "roll");
	assert_int_equal(size_of("roll_2.mp4"), -1);
	assert_true(row_of("roll.mp4", &row));
	assert_in_range(row.duration_ms, 1900, 2100);
	assert_true(row_of("roll_1.mp4", &row));
	assert_in_range(row.duration_ms, 1900, 2200);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_leftover_is_finished),
		CASE(a_file_of_its_name_stays_and_it_takes_the_next),
		CASE(a_row_that_is_somebody_elses_stays),
		CASE(what_is_empty_is_forgotten_and_what_is_not_stays),
		CASE(a_row_is_brought_up_to_date_with_its_file),
		CASE(a_leftover_whose_row_cannot_be_read_waits),
		CASE(a_long_recording_goes_on_in_the_next_file),
		CASE(an_end_is_not_waited_for_longer_than_it_may_take),
	};

	return cmocka_run_group_tests_name("record_finish", tests, begin, end);
}
