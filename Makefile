# netgen: everything that is done with it, by name. PIP_ARGS is passed on to pip, for an index
# of torch without CUDA, say: make PIP_ARGS="--extra-index-url https://download.pytorch.org/whl/cpu"
PYTHON ?= python3
PIP_ARGS ?=
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
INSTALLED := $(VENV)/installed
SOURCES := $(shell find generator templates configs starters -name '*.py' -o -name '*.jinja' -o -name '*.yaml' -o -name schema.json -o -name py.typed -o -path '*/assets/*') docs/language.md

.PHONY: baselines configs test test-all oracle fuzz fuzz-family levels figures test-import versions editor pictures golden bench bench-rivals docs lint types train vscode dist clean

baselines: $(INSTALLED)  ## set up, then generate and run LeNet and the MNIST net
	mkdir -p build
	$(BIN)/netgen build configs/lenet.yaml configs/mnist.yaml --output-dir build

configs: $(INSTALLED)  ## generate and run every spec that comes with netgen
	mkdir -p build
	$(BIN)/netgen build configs/*.yaml --output-dir build

test: $(INSTALLED)  ## the tests but for the slow ones, two at a time: in five minutes
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow" $(PYTEST_ARGS)

test-all: $(INSTALLED)  ## all tests, two at a time: in a quarter of an hour
	$(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

oracle: $(INSTALLED)  ## the rules against torch on over 20,000 random argument sets
	$(BIN)/python -m pytest tests/test_catalogue.py -k agrees --oracle 175

fuzz: $(INSTALLED)  ## 50,000 random and mutated specs: built or refused, in seconds
	$(BIN)/python -m tests.fuzz

fuzz-family: $(INSTALLED)  ## 20,000 random specs: each class with other arguments against --set
	$(BIN)/python -m tests.family

levels: $(INSTALLED)  ## which config passes which proof, into docs/; takes an hour
	$(BIN)/python -m tests.levels_table

figures: $(INSTALLED)  ## times and memory of every config on this machine's devices, into docs/
	$(BIN)/python -m tests.device_figures

test-import: $(INSTALLED)  ## torchvision's networks and others imported, into docs/; takes hours; NAMES="a b"
	$(BIN)/python -m tests.imports_table $(NAMES)

editor:  ## the editor of `netgen studio`, bundled anew from its parts; needs npm
	cd generator/studio/editor && npm ci --no-audit --no-fund && npm run bundle

versions: $(INSTALLED)  ## the tests with the oldest and newest torch, libraries and Pythons, into docs/; takes an hour
	$(PYTHON) -m venv build/tools
	build/tools/$(notdir $(BIN))/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/python -m tests.versions build/tools/$(notdir $(BIN))/uv $(NAMES)

train: baselines  ## LeNet learns to read 1,797 handwritten digits: in a minute
	$(BIN)/python examples/train.py

train-text: $(INSTALLED)  ## a generated transformer learns which package a sentence comes from: in a minute
	$(BIN)/netgen build configs/transformer_classifier.yaml --output-dir build
	$(BIN)/python examples/classify.py

pictures: $(INSTALLED)  ## the pictures of the documentation, drawn anew; needs Chromium
	$(BIN)/python -m tests.pictures

bench: $(INSTALLED)  ## netgen's speed and memory against their goals, into build/; takes ten minutes
	$(BIN)/python -m benchmarks

bench-rivals: $(INSTALLED)  ## other tools on the same networks, each in an environment of its own
	$(BIN)/python -m benchmarks.rivals

golden: $(INSTALLED)  ## write the expected files of the tests anew, to be reviewed in the diff
	$(BIN)/python -m pytest tests/test_golden.py tests/test_errors.py tests/test_diagnostics.py \
		tests/test_show.py tests/test_explain.py tests/test_schema.py tests/test_pages.py --renew

docs: $(INSTALLED)  ## the documentation as a site, into build/site; warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

lint: $(INSTALLED)  ## style of our own source
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED)  ## types of our own source on each system, as it is installed, of tests and benchmarks
	cd $(VENV) && for system in linux darwin win32; do \
		$(notdir $(BIN))/mypy --strict --platform $$system --cache-dir .mypy_cache/$$system --package torch_netgen || exit 1; done
	$(BIN)/mypy --strict tests benchmarks examples

vscode: $(INSTALLED)  ## the extension for VS Code, tested and packed: editors/vscode/netgen.vsix; needs npm
	cd editors/vscode && npm ci --no-audit --no-fund && NETGEN=$(abspath $(BIN))/netgen npm test && npm run pack

dist:  ## the wheel and the source archive, made and checked in an environment of their own
	rm -rf build/lib dist
	$(PYTHON) -m venv build/tools
	build/tools/$(notdir $(BIN))/python -m pip install --quiet --disable-pip-version-check build twine
	build/tools/$(notdir $(BIN))/python -m build --outdir dist
	build/tools/$(notdir $(BIN))/python -m twine check --strict dist/*

clean:
	rm -rf $(VENV) build dist *.egg-info

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(INSTALLED): $(BIN)/python pyproject.toml constraints.txt README.md $(SOURCES)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) \
		--constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) \
		--constraint constraints.txt '.[dev]'
	touch $@
