# make run   sets everything up on a fresh machine and starts the app
# make test  sets up what the tests need and runs them all
# make bench measures starting, loading, checking, decoding, saving, a large study and reporting
# make check looks at the code alone: lint and types
# make trials runs what is slow: kills, soak, races, attacks, all demo questions
# make attack tries every attempt to get in, to fill the machine and to tamper that is known

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check

# A stamp is named after the contents of the requirements, so a second run has nothing to do.
RUNTIME_STAMP := $(VENV)/.runtime-$(shell cksum < requirements.txt | cut -d' ' -f1)
DEV_STAMP := $(VENV)/.dev-$(shell cat requirements.txt requirements-dev.txt | cksum | cut -d' ' -f1)

.PHONY: run setup setup-dev browser check test trials bench attack lint types clean demo-models
.DEFAULT_GOAL := run

run: setup
	@$(BIN)/python app.py $(ARGS)

setup: $(RUNTIME_STAMP)

setup-dev: $(DEV_STAMP)

# pip is what venv makes last: where it is missing, the environment was never finished.
$(BIN)/pip:
	@command -v $(PYTHON) >/dev/null || \
	  { echo "MedChat needs Python 3.11 or newer, and there is no $(PYTHON) here."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "MedChat needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
	    "Name another one: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make a virtual environment. On Debian and Ubuntu:" \
	    "apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(RUNTIME_STAMP): | $(BIN)/pip
	@echo "Installing what MedChat needs into $(VENV); the first time takes some minutes."
	$(PIP) torch==2.13.0
	$(PIP) -r requirements.txt
	@rm -f $(VENV)/.runtime-*
	@touch $@

$(DEV_STAMP): $(RUNTIME_STAMP)
	$(PIP) -r requirements-dev.txt
	@rm -f $(VENV)/.dev-*
	@touch $@

browser: setup-dev
	@$(BIN)/python tests/fixtures/find_browser.py --install

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup-dev
	$(BIN)/mypy

check: lint types

# ARGS="-k chat" runs a part. Two workers; each file's tests stay together, with their server.
WORKERS ?= 2
test: setup-dev browser check
	@chromium="$$($(BIN)/python tests/fixtures/find_browser.py)" && \
	  MEDCHAT_CHROMIUM="$$chromium" $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile $(ARGS)

# Takes long. The attacks need nginx, caddy and openssl, and say so.
trials: setup-dev browser
	@chromium="$$($(BIN)/python tests/fixtures/find_browser.py)" && \
	  MEDCHAT_CHROMIUM="$$chromium" $(BIN)/python -m pytest -q -o python_files='trial_*.py' \
	  --durations=20 tests/trials $(ARGS)
	@$(MAKE) attack

# Some minutes, and 2 GB of room. The machine should have nothing else to do.
bench: setup-dev
	@PYTHONPATH=.:tests:tests/fixtures:tests/benchmarks $(BIN)/python tests/benchmarks/loading.py
	@PYTHONPATH=.:tests:tests/fixtures:tests/benchmarks $(BIN)/python tests/benchmarks/starting.py
	@PYTHONPATH=.:tests:tests/fixtures:tests/benchmarks $(BIN)/python tests/benchmarks/checking.py
	@PYTHONPATH=.:tests:tests/fixtures:tests/benchmarks $(BIN)/python tests/benchmarks/decoding.py
	@PYTHONPATH=.:tests:tests/fixtures:tests/benchmarks $(BIN)/python tests/benchmarks/saving.py
	@PYTHONPATH=.:tests:tests/fixtures:tests/benchmarks $(BIN)/python tests/benchmarks/large_study.py
	@PYTHONPATH=.:tests:tests/fixtures:tests/benchmarks $(BIN)/python tests/benchmarks/reporting.py

# Some minutes. Needs nginx, caddy and openssl, and says so.
attack: setup-dev browser
	@failed=; for script in tests/attacks/*.py; do \
	  echo "== $$script"; PYTHONPATH=.:tests:tests/fixtures:tests/benchmarks $(BIN)/python "$$script" || failed="$$failed $$script"; \
	done; [ -z "$$failed" ] || { echo "Failed:$$failed"; exit 1; }

# The pictures of README and docs.
screenshots: setup-dev browser
	@chromium="$$($(BIN)/python tests/fixtures/find_browser.py)" && MEDCHAT_CHROMIUM="$$chromium" \
	  PYTHONPATH=.:tests/fixtures $(BIN)/python tests/screenshots.py

# Leaves the environment and everything under data and build alone.
clean:
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# Trains the demonstration models from nothing (about an hour on two cores) into build/demo_models.
demo-models: setup
	$(BIN)/python -m medchat train-demo --output build/demo_models
