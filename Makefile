# memmgr.h needs no building: these are its demonstration, its tests and its measurements.
# They need make, a POSIX shell and a C compiler; more compilers and tools are used where found.
#
#     make demo FILE=book.txt
#     make test CC=clang CFLAGS=-O1
#     make replay TRACE=program.trace
#     make install PREFIX=$HOME/.local

CC ?= cc
CXX ?= c++
CFLAGS ?= -O2
CXXFLAGS ?= $(CFLAGS)
PREFIX ?= /usr/local
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share
MANDIR ?= $(DATADIR)/man
FILE ?= memmgr.h README.md LICENSE
TRACE ?= out.trace

TOOLS = CC='$(CC)' CXX='$(CXX)' CFLAGS='$(CFLAGS)' CXXFLAGS='$(CXXFLAGS)'
COMPILE = $(CC) $(CFLAGS) -Wall -Wextra -pthread -I.
PLACES = DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' INCLUDEDIR='$(INCLUDEDIR)' DATADIR='$(DATADIR)' \
    MANDIR='$(MANDIR)'

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "    make %-10s %s\n", $$1, $$2 }' Makefile

demo: ## a real program on libc malloc, on memmgr and in a pool, compared (FILE=text)
	@mkdir -p build/demo
	@$(COMPILE) -o build/demo/on_libc examples/demo/demo.c
	@$(COMPILE) -o build/demo/on_memmgr -DUSE_MEMORY_MGR examples/demo/demo.c
	@$(COMPILE) -o build/demo/compare examples/demo/compare.c
	@build/demo/compare build/demo/on_libc build/demo/on_memmgr build/demo.svg $(FILE)

test: ## all tests, then all examples, with the switch on and off
	$(TOOLS) sh tests/run.sh
	$(TOOLS) sh examples/run.sh

examples: ## only the examples
	$(TOOLS) sh examples/run.sh

hooks: ## real libraries on memmgr: Lua, SQLite, zlib and more, compared with their own malloc
	$(TOOLS) sh tests/hooks.sh

preload: ## build/libmemmgr.so: memmgr for any program, by LD_PRELOAD
	@mkdir -p build
	$(CC) $(CPPFLAGS) $(CFLAGS) -g -Wall -Wextra -fPIC -shared -fno-builtin -fexceptions \
	    -fvisibility=hidden -ffunction-sections -fdata-sections -Wl,--gc-sections $(LDFLAGS) \
	    -o build/libmemmgr.so examples/preload/preload.c -pthread -ldl

replay: ## a TRACE=file on libc malloc and on memmgr, with a picture of its memory over time
	@[ -r '$(TRACE)' ] || { echo '$(TRACE): cannot be opened. To make one, see examples/record.c:'; \
	    echo '    cc -DUSE_MEMORY_MGR -I. examples/record.c -o record && ./record out.trace'; exit 1; }
	@mkdir -p build
	@$(COMPILE) -DUSE_MEMORY_MGR -o build/replay examples/trace/replay.c
	@build/replay --svg build/replay.svg '$(TRACE)'

check: ## the whole matrix: compilers, processors, boards, systems, and what is below, in short
	$(TOOLS) sh tests/check.sh

cover: ## lines and branches of memmgr.h that the tests reach: all, or it fails
	sh tests/cover.sh

prove: ## bounded proofs of the map and of pools, models of what threads do at once
	$(TOOLS) sh tests/proof/run.sh
	$(TOOLS) sh tests/protocol/run.sh

lint: ## static checkers, sanitizers, Valgrind, instruction counts
	$(TOOLS) sh tests/lint.sh

fuzz: ## libFuzzer and AFL++, FUZZ_SECONDS=1800 for each target
	$(TOOLS) sh tests/fuzz/run.sh

mutate: ## faults put into memmgr.h one at a time: do the tests find them?
	CC='$(CC)' python3 tests/mutate.py

soak: ## redis, nginx, memcached and postgres under load on memmgr, SOAK_SECONDS=600 each
	$(TOOLS) sh tests/soak/run.sh

bench: preload ## speed, worst cases, packing and memory, against the allocators found here
	$(TOOLS) sh tests/bench.sh
	$(TOOLS) BENCH_CHART=1 sh tests/bench_general.sh
	$(TOOLS) sh tests/bench_fast.sh

docs: ## build/docs/index.html: manual, calls, options, pictures; and the manual page, build/man
	@$(TOOLS) sh examples/docs/docs.sh html
	@sh examples/docs/docs.sh man
	@echo build/docs/index.html build/man/memmgr.3

install: ## memmgr.h, manual pages, pkg-config and CMake files, to DESTDIR and PREFIX
	@$(PLACES) sh examples/packaging/install.sh install

uninstall: ## take them away again
	@$(PLACES) sh examples/packaging/install.sh uninstall

clean: ## remove build/
	rm -rf build

format: ## clang-format every source in place, if it is there
	@if command -v clang-format >/dev/null; then \
	    find memmgr.h examples tests -name '*.[ch]' -o -name '*.[ch]pp' | xargs clang-format -i; \
	else echo 'clang-format is not installed: nothing done'; fi

.PHONY: help demo test examples hooks preload replay check cover prove lint fuzz mutate soak bench
.PHONY: docs install uninstall clean format
