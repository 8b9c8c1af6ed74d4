# Tests. What they need comes from Debian's packages (tests/packages.txt), and for the browser tests from
# the npm registry, pinned (tests/browser/package-lock.json).
.PHONY: deps check unit browser thread-unit fuzz

# A package that is there costs nothing; one that cannot be had ends the run with apt's own words.
deps: ## Install what building and testing need (Debian packages; asks for root)
	@tests/install.sh

check: deps ## Install what the tests need, build, run every test
	$(MAKE) -j$$(nproc) all tests
	BUILD_DIR=$(OUT) TEST_LOGS=$(OUT)/test-logs tests/run.sh $(TEST_BIN) $(sort $(wildcard tests/*.bats tests/browser/*_test.js tests/matrix/*_test.js))

unit: tests ## Run the unit tests alone
	TEST_LOGS=$(OUT)/test-logs tests/run.sh $(TEST_BIN)

browser: all ## Run the browser tests alone
	@tests/browser/install.sh
	BUILD_DIR=$(OUT) TEST_LOGS=$(OUT)/test-logs tests/run.sh $(sort $(wildcard tests/browser/*_test.js))

# Where threads meet: for a build with SANITIZE=thread.
THREAD_TESTS := gate gate_now gate_race gate_reserve gate_resume ring fanout fanout_gather net net_conn net_listen base_log signal media_variant webrtc_server
thread-unit: $(THREAD_TESTS:%=$(OUT)/tests/%_test)
	TEST_LOGS=$(OUT)/test-logs tests/run.sh $^

# libFuzzer comes with clang: a build of its own, all of the library instrumented.
FUZZ_SECONDS ?= 60
FUZZ_SRC := $(wildcard tests/fuzz/*_fuzz.c)
FUZZ_BIN := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/fuzz/%)
FUZZ_FLAGS = -fsanitize=address,undefined -fno-sanitize-recover=undefined

$(BUILD)/fuzz/lib/%.o: lib/%.c
	@mkdir -p $(@D)
	clang $(SG_CFLAGS) $(CFLAGS) -fsanitize=fuzzer-no-link $(FUZZ_FLAGS) -c -o $@ $<
$(BUILD)/fuzz/libstreamgate.a: $(LIB_SRC:lib/%.c=$(BUILD)/fuzz/lib/%.o)
	rm -f $@ && $(AR) rcs $@ $^
$(BUILD)/fuzz/%: tests/fuzz/%.c $(BUILD)/fuzz/libstreamgate.a
	clang $(SG_CFLAGS) $(CFLAGS) -fsanitize=fuzzer $(FUZZ_FLAGS) -o $@ $< $(BUILD)/fuzz/libstreamgate.a $(PKG_LIBS)

fuzz: deps ## Fuzz every parser for FUZZ_SECONDS in all
	$(MAKE) -j$$(nproc) $(FUZZ_BIN)
	FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run.sh $(FUZZ_BIN)
