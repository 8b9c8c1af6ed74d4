/* tokenctl.h - what the subcommands of tokenctl share.
 *
 * A command is one row of the table in commands.c and one function: it gets a struct ctl with
 * its options parsed and the configuration loaded, writes results through ctl_printf or the
 * row printer, and answers with an exit status. Errors go through ctl_fail.
 *
 * A command may run many times in one process (the shell): it keeps nothing outside its
 * struct ctl. One that allows --url (CTL_REMOTE) finds c->remote set when it is given; then
 * there is neither configuration nor store, and the server is asked. */
#ifndef TOKENCTL_H
#define TOKENCTL_H

#include "base/config.h"
#include "gate/gate.h"
#include "store/store.h"
#include <jansson.h>

/* INTERFACE: EXIT STATUS in tokenctl(1). */
enum ctl_exit { CTL_DONE = 0, CTL_FAILED = 1, CTL_USAGE = 2, CTL_UNKNOWN = 3, CTL_REFUSED = 4 };

/* ---- options.c: one table of options; a command names those it takes ---- */

#define CTL_OPTIONS(X)                                                                             \
	X(HELP, "help", NULL, "this help")                                                         \
	X(VERSION, "version", NULL, "the version")                                                 \
	X(CONFIG, "config", "FILE", "the configuration to use")                                    \
	X(JSON, "json", NULL, "print JSON")                                                        \
	X(CSV, "csv", NULL, "print comma-separated values with a header")                          \
	X(APP, "app", "APP", "the application (where one is needed: live)")                        \
	X(STREAM, "stream", "STREAM", "the stream id")                                             \
	X(TYPE, "type", "TYPE", "play or publish")                                                 \
	X(STATE, "state", "STATE", "active, used, expired, revoked or all")                        \
	X(LIMIT, "limit", "N", "at most so many (on a terminal: 50; else all)")                    \
	X(AFTER, "after", "CURSOR", "go on after this one")                                        \
	X(EXPIRES, "expires", "DURATION", "how long it opens, such as 30s, 15m, 2h, 7d")           \
	X(EXPIRES_AT, "expires-at", "TIME", "until when it opens: RFC 3339 or Unix seconds")       \
	X(MAX_USES, "max-uses", "N", "how many sessions it opens (1)")                             \
	X(RESUME, "resume", "DURATION", "how long a broken connection may come back with it")      \
	X(LABEL, "label", "TEXT", "a note to find it by")                                          \
	X(COUNT, "count", "N", "how many to make (1)")                                             \
	X(QUIET, "quiet", NULL, "print nothing but the secret")                                    \
	X(QR, "qr", "[=PROTOCOL]", "draw a QR code of the URL, such as --qr=hls")                  \
	X(KEEP_SESSIONS, "keep-sessions", NULL, "let those who are in stay")                       \
	X(FOLLOW, "follow", NULL, "go on printing as it happens, until interrupted")               \
	X(EVENT, "event", "EVENT", "only this event: admitted, refused, ended, ...")               \
	X(REASON, "reason", "REASON", "only this reason, such as expired")                         \
	X(TOKEN, "token", "ID", "only this token")                                                 \
	X(OLDER_THAN, "older-than", "DURATION",                                                    \
	    "only what has been over for so long, such as 30d")                                    \
	X(SCOPE, "scope", "SCOPE", "admin, tokens or read (admin)")                                \
	X(URL, "url", "URL", "ask the streamd there, such as http://host:5080")                    \
	X(KEY_FILE, "key-file", "FILE", "the API key that --url needs")                            \
	X(KEY, "key", "-|@FILE", "the same from standard input or a file")

enum ctl_opt {
#define CTL_OPT(name, text, value, help) OPT_##name,
	CTL_OPTIONS(CTL_OPT)
#undef CTL_OPT
	    OPT_COUNT_
};
#define CTL_BIT(name) ((uint64_t)1 << OPT_##name)
#define CTL_COMMON (CTL_BIT(HELP) | CTL_BIT(VERSION) | CTL_BIT(CONFIG) | CTL_BIT(JSON))
#define CTL_REMOTE (CTL_BIT(URL) | CTL_BIT(KEY_FILE) | CTL_BIT(KEY))

struct ctl_option {
	const char *name;
	/* What stands for its value in the help; NULL = takes none, "[=...]" = only behind '='. */
	const char *value;
	const char *help;
};
extern const struct ctl_option ctl_options[OPT_COUNT_];

struct ctl;
struct ctl_command {
	const char *name; /* one word, or two for a family such as "apikey create" */
	const char *arguments; /* for the help */
	const char *summary;
	const char *example;
	uint64_t options; /* CTL_BIT()s, beyond CTL_COMMON */
	int args_min, args_max;
	int (*run)(struct ctl *c);
};
extern const struct ctl_command ctl_commands[];
extern const size_t ctl_command_count;

#define CTL_ARGS_MAX 10000

struct ctl {
	const struct ctl_command *command;
	const char *opt[OPT_COUNT_]; /* as typed; "" for a switch; NULL = not given */
	char **args; /* what is left, in order; slots of argv */
	int arg_count;
	struct sg_config *cfg; /* NULL with `remote` */
	struct sg_store *store; /* after ctl_open_store */
	struct ctl_remote *remote; /* --url; NULL = here */
	int patience_ms; /* with streamd; 0 = the usual */
	int64_t now; /* Unix seconds, when the command began */
	bool out_tty, err_tty;
	bool colour; /* on standard output */
	bool hold; /* what is printed stays in `out`: a screen is being drawn */
	struct sg_buf out;
	int out_error; /* errno of the first write that failed */
};

/* Finds the command and takes the options apart. CTL_DONE: c->command is set, or NULL when
 * nothing but global options was given. Else the error has been printed. */
int ctl_parse(struct ctl *c, int argc, char **argv);
/* "--name" or "--name=value" (*value, else NULL): which, or OPT_COUNT_. */
enum ctl_opt ctl_find_option(const char *arg, const char **value);
/* Does it take the word behind it as its value? */
bool ctl_takes_word(enum ctl_opt opt);
/* The command that these words begin with, NULL when there is none; *used: 1 or 2 of them. */
const struct ctl_command *ctl_find_command(const char *first, const char *second, int *used);

/* ---- main.c ---- */

/* Runs one command line; argv is changed. `base` (or NULL) has the options that hold for all. */
int ctl_run(int argc, char **argv, const struct ctl *base);
/* What every run begins with: the time, what the terminals are like. */
void ctl_init(struct ctl *c);
/* Prints "tokenctl: ..." and answers `status`. */
int ctl_fail(int status, const char *fmt, ...) SG_PRINTF(2, 3);
void ctl_warn(const char *fmt, ...) SG_PRINTF(1, 2);
/* Opens the configured store, made if missing; once. CTL_DONE, or the error has been printed. */
int ctl_open_store(struct ctl *c);
/* The store said `res`: prints why while `doing`, answers CTL_FAILED. */
int ctl_store_failed(struct ctl *c, const char *doing);

/* ---- help.c ---- */

void ctl_print_all_help(struct ctl *c);
void ctl_print_help(struct ctl *c, const struct ctl_command *cmd);

/* ---- interrupt.c: Ctrl-C ---- */

/* From now on an interrupt (with `terminate`, SIGTERM and SIGHUP as well) no longer ends the
 * program but is told by ctl_interrupted, and ends waits; until ctl_catch_end. Nests. */
void ctl_catch_interrupt(bool terminate);
void ctl_catch_end(void);
bool ctl_interrupted(void);
void ctl_forget_interrupt(void);
/* Told to end by other means than Ctrl-C: the shell ends, too. */
bool ctl_terminated(void);
/* Waits for `fd` (or -1) to have `events`, at most so long; false when interrupted, or when nobody
 * reads standard output any more. */
bool ctl_wait(int fd, short events, int timeout_ms, bool *ready);

/* ---- values.c: what people type, checked ---- */

/* Text from outside made fit for an error line: printable, short, secrets taken out. */
#define CTL_SHOWN_SIZE 256
struct ctl_shown {
	char text[CTL_SHOWN_SIZE];
};
struct ctl_shown ctl_show(struct sg_str s);
struct ctl_shown ctl_show_long(struct sg_str s); /* a sentence of the server's */
#define CTL_SHOW(z) (ctl_show(sg_str_from(z)).text)

/* Each answers CTL_DONE, or has printed what is wrong. An option that was not given leaves
 * *out as it was. */
int ctl_get_app(struct ctl *c, const char **out); /* checked against the configuration */
int ctl_check_app(struct ctl *c, struct sg_str app);
int ctl_check_stream(const char *stream);
int ctl_get_type(const struct ctl *c, int *out);
int ctl_get_number(
    const struct ctl *c, enum ctl_opt opt, uint64_t min, uint64_t max, uint64_t *out);
int ctl_get_duration(const struct ctl *c, enum ctl_opt opt, int64_t min_s, int64_t max_s,
    int64_t *out_s); /* rounded up to whole seconds */
int ctl_get_label(const struct ctl *c, char out[SG_LABEL_MAX + 1]);
/* How many rows to print: --limit, else 50 on a terminal and all otherwise. */
int ctl_get_limit(const struct ctl *c, uint64_t *out);

/* A secret argument: itself, "-" for standard input (typed at a terminal, it is asked for and not
 * shown), "@FILE" for a file; blanks around it go.
 * The argument is blotted out, so that `ps` no longer shows it. Ends with ctl_secret_free. */
#define CTL_SECRET_MAX 65536
int ctl_secret_read(char *arg, const char *what, struct sg_buf *out);
void ctl_secret_free(struct sg_buf *secret);

/* A token by its public id, or by its secret in any form of the above. SG_ERR_NOT_FOUND has
 * been reported as CTL_UNKNOWN. With --url only out->id is set, and not known to be there. */
int ctl_find_token(struct ctl *c, char *arg, struct sg_token *out);
int ctl_no_such_token(const char *id); /* CTL_UNKNOWN, reported; "" = it is not to be shown */

/* ---- output.c ---- */

enum ctl_format { CTL_TABLE, CTL_TSV, CTL_CSV, CTL_JSON };
enum ctl_format ctl_format(const struct ctl *c);

/* Standard output, gathered; false once it cannot be written any more. */
bool ctl_printf(struct ctl *c, const char *fmt, ...) SG_PRINTF(2, 3);
bool ctl_flush(struct ctl *c);
void ctl_terminal_size(size_t *columns, size_t *lines);
bool ctl_print_json(struct ctl *c, json_t *value); /* one line; takes the value */
/* A word such as "admitted", in its colour where there is colour. */
bool ctl_print_word(struct ctl *c, const char *word);
/* Appends `text` fit for a terminal: at most `room` columns of it (an ellipsis ends what was cut),
 * '?' for what a terminal would obey. Answers how many columns it takes. */
size_t ctl_put_shown(struct sg_buf *out, const char *text, size_t room);

/* A row is a JSON object; columns say which members a table or a line of fields shows. */
enum ctl_column_kind {
	CTL_TEXT,
	CTL_WHOLE, /* text that a table does not cut to fit */
	CTL_TIME, /* Unix seconds */
	CTL_TIME_MS, /* Unix milliseconds */
	CTL_USES, /* a table shows "1/5", with "maxUses" */
	CTL_BYTES, /* a table shows "1.2 MB" */
};
struct ctl_column {
	const char *key;
	const char *title; /* NULL: not shown in a table */
	enum ctl_column_kind kind;
	uint8_t width; /* at least so wide in a table whose rows are not known beforehand */
	uint8_t yields; /* a table without room hides the highest first; 0: never */
};
struct ctl_rows;
/* `live`: print each row as it comes (JSON: one object a line). NULL: out of memory, reported. */
struct ctl_rows *ctl_rows_open(
    struct ctl *c, const struct ctl_column *columns, size_t count, bool live);
bool ctl_rows_add(struct ctl_rows *rows, json_t *row); /* takes the row; false: stop */
/* Ends the output with where to go on (NULL or "" = that was all). NULL rows allowed. */
int ctl_rows_close(struct ctl_rows *rows, const char *next);
/* The same after work that ended as `res`, which it answers; of a failure before the first row
 * nothing is printed. */
int ctl_rows_end(struct ctl_rows *rows, const char *next, int res);

/* One thing: a name and a value per line, or a JSON object. Members of a nested object `urls`
 * follow, each by its name. Takes the record. */
int ctl_print_record(struct ctl *c, const struct ctl_column *columns, size_t count, json_t *record);

json_t *ctl_json_text(const char *z); /* what is not UTF-8 in it is replaced */
json_t *ctl_json_time(int64_t unix_s); /* null when 0 */
json_t *ctl_json_id(uint64_t id); /* null when 0 */
json_t *ctl_json_token(const struct ctl *c, const struct sg_token *t);
void ctl_json_drop(json_t *value); /* gives a reference back and wipes the strings; NULL allowed */
const char *ctl_json_get(const json_t *object, const char *key); /* "" when not a string */

/* A line on standard error that rewrites itself, once the work has taken a second. */
struct ctl_progress {
	int64_t started_ms, shown_ms;
	bool on, shown;
};
void ctl_progress_start(struct ctl_progress *p, const struct ctl *c);
void ctl_progress_show(struct ctl_progress *p, const char *what, uint64_t done, uint64_t total);
void ctl_progress_end(struct ctl_progress *p);

/* ---- client.c ---- */

/* Asks streamd over its Unix socket, or the one at --url; `body` (borrowed, or NULL) is sent along.
 * SG_OK: it answered, *status is HTTP's and *answer the JSON or NULL (free with json_decref).
 * SG_ERR_NOT_FOUND: it is not running. Else `error` says what. */
enum sg_result ctl_ask(const struct ctl *c, const char *method, const char *path,
    const json_t *body, int *status, json_t **answer, char *error, size_t error_size);
/* The same, where streamd is needed: CTL_DONE, or the error has been printed. */
int ctl_ask_streamd(const struct ctl *c, const char *method, const char *path, const json_t *body,
    int *status, json_t **answer);
/* The same, where nothing but a success is of use (*answer is an object then). `missing`: what is
 * said of 404, which is CTL_UNKNOWN; "" = the caller says it; NULL = a failure like others. */
int ctl_call(const struct ctl *c, const char *method, const char *path, const json_t *body,
    const char *missing, json_t **answer);
/* Tells what an answer other than a success says; answers the exit status that it stands for. */
int ctl_call_failed(const struct ctl *c, int status, const json_t *answer, const char *missing);
/* A file of streamd's, written to `fd` as it comes; progress on a terminal. CTL_DONE: all of it. Else the
 * error has been printed, and `fd` may have a part; `missing` as of ctl_call. */
int ctl_call_file(const struct ctl *c, const char *path, int fd, const char *missing);
/* Calls `each` for every item of a list ({items, next} or an array), page by page, until it
 * answers false. */
enum sg_result ctl_ask_list(const struct ctl *c, const char *path,
    bool (*each)(void *user, json_t *item), void *user, char *error, size_t error_size);
/* The same for a list that is the answer: at most `limit` items from `after` ("" = the beginning) on.
 * `next` becomes where to go on, or "". CTL_DONE, or the error has been printed. */
#define CTL_CURSOR_SIZE 128
int ctl_call_list(const struct ctl *c, const char *path, uint64_t limit, const char *after,
    bool (*each)(void *user, json_t *item), void *user, char next[CTL_CURSOR_SIZE]);
/* Appends "&name=value" (or "?name=value") to a path; nothing for a NULL or empty value. */
void ctl_add_query(struct sg_buf *path, const char *name, const char *value);
enum ctl_liveness { CTL_LIVE_UNKNOWN, CTL_LIVE_NO, CTL_LIVE_YES };
enum ctl_liveness ctl_stream_is_live(const struct ctl *c, struct sg_str app, struct sg_str stream);

/* ---- remote.c: --url, --key-file, --key ---- */

struct ctl_remote {
	bool tls;
	char host[256]; /* without brackets */
	char port[6];
	char prefix[256]; /* of every path: "" or "/streamgate" */
	char name[300]; /* "http://host:5080", to be shown */
	char key[256]; /* "" = none given */
};
/* Takes the options; c->remote stays as it is without --url, or when it has been set. CTL_DONE, or the error has been printed. */
int ctl_remote_open(struct ctl *c);
void ctl_remote_close(struct ctl *c);
/* c is another command of the shell's, about the same server: the key is not read again. */
void ctl_remote_inherit(struct ctl *c, const struct ctl *base);

/* ---- qr.c ---- */

/* Draws a QR code of what c->opt[OPT_QR] names among `urls`. */
int ctl_print_qr(struct ctl *c, const json_t *urls);

/* ---- switches.c, audit.c ---- */

/* Must this have a token? The store's word over the file's, a stream's over its application's. */
int ctl_token_needed(
    struct ctl *c, struct sg_str app, struct sg_str stream, enum sg_token_type type, bool *needed);
/* Notes an administrator's act; a failure is only warned about, since the act is done. */
void ctl_audit(struct ctl *c, const char *event, const struct sg_token *token, struct sg_str app,
    struct sg_str stream, int type, const char *detail);

/* ---- the commands ---- */

int ctl_create(struct ctl *c);
int ctl_list(struct ctl *c);
int ctl_show_token(struct ctl *c);
int ctl_revoke(struct ctl *c);
int ctl_check(struct ctl *c);
int ctl_explain(struct ctl *c);
int ctl_enable(struct ctl *c);
int ctl_disable(struct ctl *c);
int ctl_reset(struct ctl *c);
int ctl_status(struct ctl *c);
int ctl_sessions(struct ctl *c);
int ctl_record(struct ctl *c);
int ctl_recordings(struct ctl *c);
int ctl_recordings_download(struct ctl *c);
int ctl_recordings_delete(struct ctl *c);
int ctl_recordings_rename(struct ctl *c);
int ctl_kick(struct ctl *c);
int ctl_audit_list(struct ctl *c);
int ctl_purge(struct ctl *c);
int ctl_passwd(struct ctl *c);
int ctl_apikey_create(struct ctl *c);
int ctl_apikey_list(struct ctl *c);
int ctl_apikey_revoke(struct ctl *c);
int ctl_watch(struct ctl *c);
int ctl_help(struct ctl *c);

/* `audit --follow` of everything: what `watch` is without a terminal. */
int ctl_follow_audit(struct ctl *c);
/* Calls `each` for the newest verdicts and acts (at most `max`, newest first). */
enum sg_result ctl_newest_audit(struct ctl *c, size_t max, bool (*each)(void *user, json_t *row),
    void *user, char *error, size_t error_size);
extern const struct ctl_column ctl_audit_columns[];
extern const size_t ctl_audit_column_count;

/* What `audit --event` takes. */
#define CTL_EVENT_COUNT 7
extern const char *const ctl_audit_events[CTL_EVENT_COUNT];
/* Why one was refused, how a session ended, or why an administrator was not let in. */
#define CTL_REASON_COUNT (SG_REASON_COUNT - 1 + SG_BYE_COUNT + 2)
const char *ctl_audit_reason(size_t i);

/* The interactive shell; `base` has the options that hold for all commands. */
int ctl_shell(struct ctl *base);

#endif
