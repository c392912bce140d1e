# Everything lives in .venv; nothing else on the machine is touched.
SHELL := /bin/bash
VENV := .venv
BIN := $(VENV)/bin
# The embedded database has wheels for these only; with MONGO_URI any newer Python will do.
PYTHONS := python3.13 python3.12 python3.11 python3
PYTEST_ARGS ?= -n auto

.PHONY: run test setup lint format bench discover token lock clean
.DELETE_ON_ERROR:

run: $(VENV)/run.stamp  ## serve on 0.0.0.0:5003, data in ./data
	@exec $(BIN)/gunicorn -c gunicorn.conf.py app:app

test: $(VENV)/dev.stamp  ## the whole suite, in parallel
	$(BIN)/python -m pytest $(PYTEST_ARGS)

setup: $(VENV)/dev.stamp  ## everything needed to run, test and develop

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/dev.stamp  ## side by side with the floor, FastAPI and Eve; writes docs/performance.md
	$(BIN)/python -m benchmarks

discover: $(VENV)/run.stamp  ## the instances on the local network: make discover ARGS="--json --wait 5"
	@$(BIN)/python -m session_service.discovery $(ARGS)

token: $(VENV)/run.stamp  ## a token to try the API with: make -s token USER_ID=alice NAME=小明
	@$(BIN)/flask --app app token $(or $(USER_ID),alice) $(if $(NAME),--name "$(NAME)")

lock: $(VENV)/dev.stamp  ## pin the newest versions that fit pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --upgrade --extra embedded --custom-compile-command 'make lock' pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --upgrade --extra embedded --extra llm --custom-compile-command 'make lock' -c requirements/run.txt \
	    pyproject.toml -o requirements/llm.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --upgrade --extra embedded --extra llm --group dev --custom-compile-command 'make lock' \
	    -c requirements/llm.txt pyproject.toml -o requirements/dev.txt

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@for python in $(PYTHONS); do \
	    if $$python -c 'import sys, os, venv, ensurepip; v = sys.version_info[:2]; sys.exit(not ((3, 11) <= v and (v < (3, 14) or os.environ.get("MONGO_URI"))))' 2>/dev/null; \
	    then echo "setting up $(VENV) with $$($$python --version)"; exec $$python -m venv --clear $(VENV); fi; \
	done; \
	echo "make: Python 3.11, 3.12 or 3.13 with its venv module is needed (Debian, Ubuntu: apt install python3-venv); with MONGO_URI any newer one will do" >&2; exit 1

$(VENV)/run.stamp: requirements/run.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@ $(VENV)/run.stamp
