/* commands.c - the one list of commands: dispatch, help and the tests read it. */
#include "tokenctl.h"

#define O(name) CTL_BIT(name)
#define FAR CTL_REMOTE /* streamd's REST interface can do it, too */

const struct ctl_command ctl_commands[] = {
    {"create", "STREAM", "make one-time tokens and print them with ready URLs",
	"tokenctl create cam-1 --type publish --expires 2h",
	O(APP) | O(TYPE) | O(EXPIRES) | O(EXPIRES_AT) | O(MAX_USES) | O(RESUME) | O(LABEL) |
	    O(COUNT) | O(QUIET) | O(QR) | FAR,
	1, 1, ctl_create},
    {"list", "[STREAM]", "list tokens, newest first", "tokenctl list cam-1 --state active",
	O(CSV) | O(APP) | O(TYPE) | O(STATE) | O(LIMIT) | O(AFTER) | FAR, 0, 1, ctl_list},
    {"show", "ID", "tell all about a token, but its secret", "tokenctl show 0d3bq8kq4v2mc", FAR, 1, 1,
	ctl_show_token},
    {"revoke", "ID... | --stream STREAM", "end tokens, and the sessions they opened",
	"tokenctl revoke --stream cam-1 --type play",
	O(APP) | O(STREAM) | O(TYPE) | O(KEEP_SESSIONS) | FAR, 0, CTL_ARGS_MAX, ctl_revoke},
    {"check", "TOKEN --stream STREAM", "tell whether a token opens a stream; spends nothing",
	"tokenctl check - --stream cam-1 --type play < token.txt", O(APP) | O(STREAM) | O(TYPE) | FAR, 1,
	1, ctl_check},
    {"explain", "URL", "tell which of the gate's checks a URL passes, and why",
	"tokenctl explain @url.txt", O(TYPE), 1, 1, ctl_explain},
    {"enable", "[publish|play]", "from now on a token is needed",
	"tokenctl enable play --stream cam-1", O(APP) | O(STREAM) | FAR, 0, 1, ctl_enable},
    {"disable", "[publish|play]", "from now on no token is needed",
	"tokenctl disable publish --app lab", O(APP) | O(STREAM) | FAR, 0, 1, ctl_disable},
    {"reset", "[publish|play]", "take back what enable or disable said",
	"tokenctl reset --stream cam-1", O(APP) | O(STREAM) | FAR, 0, 1, ctl_reset},
    {"status", "", "tell where tokens are needed, and whether streamd runs", "tokenctl status", FAR,
	0, 0, ctl_status},
    {"sessions", "", "list who is in", "tokenctl sessions --stream cam-1",
	O(CSV) | O(APP) | O(STREAM) | O(TYPE) | FAR, 0, 0, ctl_sessions},
    {"kick", "SESSION-ID", "end a session", "tokenctl kick 0d3bq8kq4v2mc", FAR, 1, 1, ctl_kick},
    {"audit", "", "list the gate's verdicts and administrators' acts, newest first",
	"tokenctl audit --follow --event refused",
	O(CSV) | O(APP) | O(STREAM) | O(EVENT) | O(REASON) | O(TOKEN) | O(LIMIT) | O(AFTER) |
	    O(FOLLOW) | FAR,
	0, 0, ctl_audit_list},
    {"watch", "", "show who is in and what the gate says, as it happens", "tokenctl watch", FAR, 0, 0,
	ctl_watch},
    {"purge", "", "delete tokens that can never admit again", "tokenctl purge --older-than 30d",
	O(OLDER_THAN), 0, 0, ctl_purge},
    {"passwd", "[-|@FILE]", "set the administrator's password for the panel",
	"tokenctl passwd @password.txt", 0, 0, 1, ctl_passwd},
    {"apikey create", "", "make a key for the REST interface",
	"tokenctl apikey create --scope tokens --label shop", O(SCOPE) | O(LABEL) | O(QUIET), 0, 0,
	ctl_apikey_create},
    {"apikey list", "", "list the keys", "tokenctl apikey list", O(CSV), 0, 0, ctl_apikey_list},
    {"apikey revoke", "ID", "end a key", "tokenctl apikey revoke 0d3bq8kq4v2mc", 0, 1, 1,
	ctl_apikey_revoke},
    {"help", "[COMMAND]", "tell about a command", "tokenctl help create", 0, 0, 2, ctl_help},
};
const size_t ctl_command_count = sizeof(ctl_commands) / sizeof(ctl_commands[0]);
