# Streamgate: `make help` lists the targets.
BUILD    ?= build
CC       ?= gcc
CFLAGS   ?= -O2 -g
PREFIX   ?= /usr/local
SYSCONFDIR ?= /etc
UNITDIR  ?= $(PREFIX)/lib/systemd/system
DESTDIR  ?=
SANITIZE ?=
VERSION  := 0.1.0

PKGS      := libuv libmicrohttpd sqlite3 jansson openssl libxcrypt libavformat libavcodec libavutil \
             libswresample libsrtp2 srt
# What one program alone stands on.
PKGS_tokenctl   := libqrencode readline
PKGS_streamplay := libswscale sdl2 libcurl
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lwslay -lm -pthread

SG_CFLAGS := -std=gnu11 -D_GNU_SOURCE -DSG_VERSION='"$(VERSION)"' -Ilib -I$(BUILD) -MMD -MP -pthread \
             -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
             -Wvla -Wformat=2 -Wno-format-nonliteral -fno-common -fstack-protector-strong \
             $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=undefined) \
             $(PKG_CFLAGS)
SG_LDFLAGS := $(if $(SANITIZE),-fsanitize=$(SANITIZE))

# A sanitized build lives beside the plain one.
comma := ,
OUT := $(BUILD)$(if $(SANITIZE),/$(subst $(comma),-,$(SANITIZE)))

LIB_SRC  := $(wildcard lib/*/*.c)
LIB_OBJ  := $(LIB_SRC:%.c=$(OUT)/%.o)
LIB      := $(OUT)/libstreamgate.a
PROGRAMS := streamd tokenctl streamplay
PROG_BIN := $(PROGRAMS:%=$(OUT)/%)
TEST_SRC := $(wildcard tests/*_test.c)
TEST_BIN := $(TEST_SRC:tests/%.c=$(OUT)/tests/%)

include $(wildcard tests/*.mk)

.DEFAULT_GOAL := all
.PHONY: all lib tests help clean install demo libraries

all: $(PROG_BIN) ## Build streamd, tokenctl and streamplay
lib: $(LIB)
tests: $(TEST_BIN)

# One clear line instead of a missing header.
libraries:
	@{ pkg-config --print-errors --exists $(PKGS) $(PKGS_tokenctl) $(PKGS_streamplay) && \
		echo '#include <wslay/wslay.h>' | $(CC) -E -x c - >/dev/null; } || \
		{ echo "make: libraries are missing: \`make deps\` installs them" >&2; exit 1; }

$(OUT)/%.o: %.c | libraries
	@mkdir -p $(@D)
	$(CC) $(SG_CFLAGS) $(PROG_CFLAGS) $(CFLAGS) -c -o $@ $<

$(LIB): $(LIB_OBJ)
	rm -f $@ && $(AR) rcs $@ $^

define PROGRAM
$(OUT)/$(1): $(patsubst %.c,$(OUT)/%.o,$(wildcard cmd/$(1)/*.c)) $(LIB)
	$(CC) $(SG_LDFLAGS) $(LDFLAGS) -o $$@ $$^ $(PKG_LIBS) $(if $(PKGS_$(1)),$$(shell pkg-config --libs $(PKGS_$(1))))
$(OUT)/cmd/$(1)/%.o: PROG_CFLAGS = $(if $(PKGS_$(1)),$$(shell pkg-config --cflags $(PKGS_$(1))))
endef
$(foreach p,$(PROGRAMS),$(eval $(call PROGRAM,$(p))))

$(OUT)/tests/%: $(OUT)/tests/%.o $(LIB)
	$(CC) $(SG_LDFLAGS) $(LDFLAGS) -o $@ $< $(LIB) $(PKG_LIBS) -lcmocka

# The build runs as another make, since the libraries' flags are known only once they are installed.
demo: ## Install what is missing, build, and see one token open one publisher and one viewer
	@tests/install.sh tests/packages-build.txt
	@$(MAKE) --no-print-directory -s -j$$(nproc) all
	@BUILD_DIR=$(OUT) tests/demo.sh

install: all ## Install programs, manual pages, completion and the systemd unit (PREFIX, DESTDIR)
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin sbin share/man/man1 share/man/man5 share/man/man8 share/bash-completion/completions) \
		$(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSCONFDIR)/streamgate
	install -m 755 $(OUT)/tokenctl $(OUT)/streamplay $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(OUT)/streamd $(DESTDIR)$(PREFIX)/sbin
	install -m 644 man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 644 man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8
	install -m 644 man/tokenctl.bash-completion $(DESTDIR)$(PREFIX)/share/bash-completion/completions/tokenctl
	sed 's|@SBIN@|$(PREFIX)/sbin|' cmd/streamd/streamd.service.in >$(DESTDIR)$(UNITDIR)/streamd.service
	test -e $(DESTDIR)$(SYSCONFDIR)/streamgate/streamgate.conf || \
		install -m 644 cmd/streamd/streamgate.conf $(DESTDIR)$(SYSCONFDIR)/streamgate/

clean: ## Remove what was built
	rm -rf $(BUILD)

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | sort | \
		awk -F '\t' '{ printf "%-10s %s\n", $$1, $$2 }'

-include $(shell find $(OUT) -name '*.d' 2>/dev/null)
