# SPDX-License-Identifier: Apache-2.0
# The front door. Everything real is in CMakeLists.txt, scripts/ and tests/.
PREFIX ?= /usr/local
JOBS   ?= $(shell nproc)
FUZZ_SECONDS ?= 20
FUZZ_SEED ?= 1
CRASH_EVENTS ?= 100000

.PHONY: help deps build release demo test test-asan test-tsan test-slow test-crash test-airflow test-spark test-dbt fuzz lint format bench install clean
help:
	@echo 'make demo     install what is missing, build, run the main job, show the result'
	@echo 'make test     install what is missing, build, run the tests (make test-asan, test-tsan, test-slow, test-crash, test-airflow, test-spark, test-dbt, fuzz)'
	@echo 'make lint     formatting, clang-tidy, cppcheck, shellcheck'
	@echo 'make bench    print the ratios of tests/bench/README.md'
	@echo 'make install  PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)'
deps:
	@scripts/install-deps build test
build: deps
	@cmake --preset dev >/dev/null
	cmake --build --preset dev -j$(JOBS)
release:
	@scripts/install-deps build
	@cmake --preset release -DOL_TESTS=OFF -DCMAKE_INSTALL_PREFIX=$(PREFIX) >/dev/null
	cmake --build --preset release -j$(JOBS)
demo: release
	@scripts/demo
test: build
	scripts/run-tests dev
test-asan: deps
	@cmake --preset asan >/dev/null
	cmake --build --preset asan -j$(JOBS)
	scripts/run-tests asan
test-tsan: deps
	@cmake --preset tsan >/dev/null
	cmake --build --preset tsan -j$(JOBS)
	scripts/run-tests tsan
test-slow: build
	scripts/run-tests dev slow
test-crash: build
	CRASH_EVENTS=$(CRASH_EVENTS) scripts/run-tests dev crash
test-airflow: build
	LINEAGED_TESTS_REQUIRE=airflow scripts/run-tests dev airflow
test-spark: build
	LINEAGED_TESTS_REQUIRE=spark scripts/run-tests dev spark
test-dbt: build
	LINEAGED_TESTS_REQUIRE=dbt scripts/run-tests dev dbt
fuzz:
	@scripts/install-deps build test lint
	@cmake --preset fuzz -DOL_FUZZ_SECONDS=$(FUZZ_SECONDS) -DOL_FUZZ_SEED=$(FUZZ_SEED) >/dev/null
	cmake --build --preset fuzz -j$(JOBS)
	ctest --preset fuzz -L fuzz -j2
lint:
	@scripts/install-deps build test lint
	@cmake --preset dev >/dev/null
	@cmake --build --preset dev --target generate >/dev/null
	scripts/lint
format:
	@git ls-files -- '*.c' '*.h' | xargs clang-format -i
bench:
	@scripts/install-deps build test
	@cmake --preset release -DOL_TESTS=ON >/dev/null
	cmake --build --preset release -j$(JOBS)
	scripts/bench
install: release
	cmake --install build/release --prefix $(PREFIX)
clean:
	rm -rf build demo-out
