# OpsKnight: `make run` starts everything, `make test` tests everything, `make help` lists the rest.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Old pips warn about packages without a pyproject.toml unless told to build them the new way.
PIP_INSTALL := $(BIN)/python -m pip --quiet --disable-pip-version-check install --use-pep517
# Checks must not touch the data of a running OpsKnight.
CHECK_HOME := OPSKNIGHT_HOME=$(CURDIR)/$(VENV)/check-home
# Where the environment forbids Python to keep what it compiles, each of the many processes of a run
# would compile all of our code again.
export PYTHONDONTWRITEBYTECODE :=
OURS := config opsknight realtime incidents notifications escalations tests bench manage.py

.DEFAULT_GOAL := help
.PHONY: help run demo test check check-format check-lint check-types check-imports \
	check-templates check-migrations format bench install install-dev

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: $(VENV)/installed ## Start everything and print the address (stop with Ctrl-C)
	@exec $(BIN)/python -m config.supervisor --with-parent

demo: $(VENV)/installed ## Load a believable company: teams, schedules, 30 days of incidents
	@$(BIN)/python -m config.command migrate --verbosity 0
	@$(BIN)/python -m config.command load_demo

test: $(VENV)/installed-dev ## Install what tests need and run them all, on all cores (args="-k door": some, one after another)
	$(BIN)/pytest $(or $(args),--numprocesses=auto)

bench: $(VENV)/installed-dev ## Print the figures that we promise (only=intake for one part)
	@$(BIN)/python -m bench $(only)

check: check-format check-lint check-types check-imports check-templates check-migrations ## All checks

check-format: $(VENV)/installed-dev
	$(BIN)/ruff format --check --quiet $(OURS)

check-lint: $(VENV)/installed-dev
	$(BIN)/ruff check --quiet $(OURS)

check-types: $(VENV)/installed-dev
	$(CHECK_HOME) $(BIN)/mypy

check-imports: $(VENV)/installed-dev
	$(BIN)/lint-imports --no-logo

check-templates: $(VENV)/installed-dev
	find $(OURS) -path '*/templates/*.html' -exec $(BIN)/djade --target-version 5.2 --check {} +

check-migrations: $(VENV)/installed-dev
	$(CHECK_HOME) DATABASE_URL= REDIS_URL= $(BIN)/python -m config.command makemigrations --check --dry-run

format: $(VENV)/installed-dev ## Put code and templates into our format
	$(BIN)/ruff format --quiet $(OURS)
	$(BIN)/ruff check --quiet --fix $(OURS)
	find $(OURS) -path '*/templates/*.html' -exec $(BIN)/djade --target-version 5.2 {} +

install: $(VENV)/installed ## Install what running needs
install-dev: $(VENV)/installed-dev ## Install what tests and checks need

# The environment, made again when this Python cannot use it (another machine, another version).
$(VENV)/python-ok:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "OpsKnight needs Python 3.11 or newer: install it, or name it with PYTHON=." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
		{ echo "Python lacks venv: run apt-get install python3-venv." >&2; exit 1; }
	@$(BIN)/python -c 'import pip' 2>/dev/null || \
		{ echo "Creating $(VENV)"; $(PYTHON) -m venv --clear $(VENV); }
	@touch $@

$(VENV)/installed: requirements.txt | $(VENV)/python-ok
	@echo "Installing requirements.txt into $(VENV)"
	@$(PIP_INSTALL) -r requirements.txt
	@touch $@

$(VENV)/installed-dev: requirements-dev.txt requirements.txt | $(VENV)/installed
	@echo "Installing requirements-dev.txt into $(VENV)"
	@$(PIP_INSTALL) -r requirements-dev.txt
	@touch $@
