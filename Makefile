# Two commands matter: `make book` and `make test`. Each sets up .venv by itself.
PYTHON ?= python3
PROFILE ?= quick
BUILD ?= _build
VENV := .venv
comma := ,
BIN := $(VENV)/bin
# Options for pip or uv, for instance an index that has CPU-only builds of torch AND torchvision.
PIP_ARGS ?=
# Wheels only, as building takes minutes and compilers; these two have none, and are pure Python.
WHEELS = --only-binary :all: --no-binary connection-pool --no-binary airbench
# uv, where there is one, installs in seconds what takes pip minutes; the versions are the same.
ifneq ($(shell command -v uv 2> /dev/null),)
CREATE = uv venv --quiet --seed --allow-existing --python $(PYTHON)
INSTALL = uv pip install --quiet --python $(BIN)/python $(WHEELS) $(PIP_ARGS)
else
CREATE = $(PYTHON) -m venv
# Modules are compiled as they are first imported, as with uv: most never are, and all take half a minute.
INSTALL = $(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check $(WHEELS) $(PIP_ARGS)
endif
# Where jobs run (a folder of workflow/profiles: local, slurm, yours), and sweeps whose pages the book is to have.
ON ?= local
SWEEPS ?=
SNAKEMAKE = $(BIN)/snakemake --snakefile workflow/Snakefile --profile workflow/profiles/$(ON) \
	--config profile=$(PROFILE) build=$(BUILD) sweeps="$(SWEEPS)"
# In the order of tests/conftest.py; a worker that dies ends the run, as what is left of its file would wait for ever.
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0
NOTEBOOKS = notebooks/soft_labels.ipynb notebooks/magnitudes.ipynb # short ones; test-all executes all of them
BENCHMARKS = $(shell grep -l '^def main' benchmarks/*.py)
# Studies of chapters.yaml that the zoo has one seed of: what chapters and the laboratory open.
ZOO = core two_features feature_penalty
ENGINE := $(VENV)/$(if $(filter local,$(ON)),book,cluster).stamp

.PHONY: statements book plan sweep test test-all test-faults test-browser test-cluster lint format bench zoo publish repository clean help
help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

book: $(ENGINE) ## execute the notebooks and build the site at _build/html (PROFILE=quick)
	@$(SNAKEMAKE)
	@$(BIN)/python workflow/summary.py $(BUILD)/$(notdir $(basename $(PROFILE)))

plan: $(ENGINE) ## list what `make book` would do
	@$(SNAKEMAKE) --dry-run --quiet reason host

test: $(VENV)/test.stamp lint ## ruff, pyright, the fast tests, and two notebooks from end to end
	@$(PYTEST) -m "not slow" --durations 10 # where the seconds go: the ten slowest
	@export SOFTLAB_STORE=$$(mktemp -d) && trap 'rm -rf "$$SOFTLAB_STORE"' EXIT && \
		SOFTLAB_PROFILE=smoke SOFTLAB_RESULTS=$$SOFTLAB_STORE/results.json $(PYTEST) --nbval-lax --nbval-current-env $(NOTEBOOKS)

test-all: $(VENV)/test.stamp ## the slow ones: whole builds, kills, planted bugs, Colab, the pins on each Python
	@$(PYTEST) -m slow

test-faults: $(VENV)/test.stamp ## kills, full disks and several at once, longer than in test-all: KILLS=50 in numbers, record, verify
	@KILLS=$(or $(KILLS),50) $(PYTEST) -m slow tests/faults

test-browser: $(VENV)/test.stamp ## the pages in a browser; needs Chromium (SOFTLAB_SITE=DIR: the pages built there)
	@$(PYTEST) tests/browser -rs

test-cluster: $(VENV)/test.stamp $(VENV)/cluster.stamp ## a Slurm of one node on this machine; as root, with slurm-wlm and munge
	@$(BIN)/python -m pytest tests/cluster -rs

sweep: $(ENGINE) ## networks and notebooks over a grid of parameters: make sweep NAME=alpha (no NAME: list them)
	@$(BIN)/softbook sweep $(NAME) --profile $(PROFILE) --on $(ON)

lint: $(VENV)/test.stamp ## ruff: rules and format; lint-imports: what a room may import; pyright: types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache > $(VENV)/imports.txt || { cat $(VENV)/imports.txt; exit 1; }
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright

statements: $(VENV)/book.stamp ## write the numbers on record into the pages’ sentences, and name those that no longer hold
	@$(BIN)/python -m softbook.statements.pages

format: $(VENV)/test.stamp ## let ruff mend what it can, and strip the notebooks' outputs
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format . ; $(BIN)/nbstripout --keep-count --keep-id notebooks/*.ipynb

bench: $(VENV)/bench.stamp ## speed beside peers, and on a GPU if there is one; ends with one table
	@for file in $(BENCHMARKS); do $(BIN)/python $$file || exit 1; done
	@$(BIN)/python benchmarks/table.py

zoo: $(VENV)/book.stamp ## fill softbook/zoo, the networks that come along, from the store (after a change of what trains)
	@OMP_NUM_THREADS=1 $(BIN)/python tools/make_zoo.py quick softbook/zoo 5 $(ZOO)

publish: book ## leave the book at _build/publish, for any static host
	@$(BIN)/python tools/publish.py $(BUILD)/html $(BUILD)/publish

repository: ## write this repository's address into its files, for Colab: ADDRESS=https://github.com/OWNER/NAME
	@$(PYTHON) tools/set_repository.py "$(ADDRESS)"

clean: ## delete what `make book` made; never a trained run
	rm -rf $(BUILD)

# One environment; each stamp says which extras are in it. The book imports none: AutoAttack's numbers are on record.
$(VENV)/test.stamp: EXTRAS = [attacks,test,peers]
$(VENV)/bench.stamp: EXTRAS = [attacks,test,peers,bench]
$(VENV)/%.stamp: pyproject.toml softbook/pyproject.toml constraints.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed, not {sys.version.split()[0]}: make PYTHON=python3.12 ...")'
	@test -x $(BIN)/python || $(CREATE) $(VENV)
	@echo "installing softlab and softbook into $(VENV) (the first time this downloads torch: some minutes)"
	@$(BIN)/python -m pip uninstall --quiet --yes softlab-book softlab-book-assets 2> /dev/null || true # one held both, once
	@rm -rf softlab_book.egg-info # and left its name here
	@$(INSTALL) -c constraints.txt -e ".$(EXTRAS)" -e "./softbook[build$(if $(findstring cluster,$@),$(comma)cluster)]"
	@$(if $(findstring peers,$(EXTRAS)),$(INSTALL) --no-deps torchattacks==3.5.1) # it pins an old `requests`
	@touch $@
