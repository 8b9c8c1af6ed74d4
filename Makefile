# Streamgate: `make help` lists the targets.
BUILD    ?= build
CC       ?= gcc
CFLAGS   ?= -O2 -g
PREFIX   ?= /usr/local
DESTDIR  ?=
SANITIZE ?=
VERSION  := 0.1.0

PKGS      := libuv libmicrohttpd sqlite3 jansson inih openssl libavformat libavcodec libavutil \
             libswresample
PLAY_PKGS := libswscale sdl2
PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS))
PKG_LIBS   := $(shell pkg-config --libs $(PKGS)) -lm -pthread

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
.PHONY: all lib programs tests help clean install

all: $(PROG_BIN) ## Build streamd, tokenctl and streamplay
lib: $(LIB)
tests: $(TEST_BIN)

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(SG_CFLAGS) $(CFLAGS) $(if $(filter cmd/streamplay/%,$<),$(shell pkg-config --cflags $(PLAY_PKGS))) -c -o $@ $<

$(LIB): $(LIB_OBJ)
	rm -f $@ && $(AR) rcs $@ $^

define PROGRAM
$(OUT)/$(1): $(patsubst %.c,$(OUT)/%.o,$(wildcard cmd/$(1)/*.c)) $(LIB)
	$(CC) $(SG_LDFLAGS) $(LDFLAGS) -o $$@ $$^ $(PKG_LIBS) $(if $(filter streamplay,$(1)),$(shell pkg-config --libs $(PLAY_PKGS)))
endef
$(foreach p,$(PROGRAMS),$(eval $(call PROGRAM,$(p))))

$(OUT)/tests/%: $(OUT)/tests/%.o $(LIB)
	$(CC) $(SG_LDFLAGS) $(LDFLAGS) -o $@ $< $(LIB) $(PKG_LIBS) -lcmocka

clean: ## Remove what was built
	rm -rf $(BUILD)

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | sort | column -t -s "$$(printf '\t')"

-include $(shell find $(OUT) -name '*.d' 2>/dev/null)
