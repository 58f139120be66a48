# Everything needs only Python 3.11 or newer and make. PORT=9000 make run moves the platform to another port.

PYTHON ?= $(shell for python in python3.11 python3.12 python3.13 python3; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && exit; done; echo python3)
IN_VENV = @$(PYTHON) config/bootstrap.py

.PHONY: help install run test lint bench clean

help:   ## what there is
	@sed -n 's/^\([a-z]*\): *## /  make \1\t/p' $(MAKEFILE_LIST)

install: ## the virtual environment, with the developers' tools; every other command makes it itself
	$(IN_VENV) --dev -c pass

run:    ## the whole platform with engines of its own; Ctrl-C stops it
	$(IN_VENV) -m config.run

test:   ## every test, on engines it starts itself; ARGS="tests/social -x" for some, ARGS="-n 4" on four cores
	$(IN_VENV) --dev -m pytest -n 3 --no-loadscope-reorder $(ARGS)

lint:   ## style, types, architecture, migrations, snapshots
	$(IN_VENV) --dev -m config.lint

bench:  ## every figure beside its limit
	$(IN_VENV) --dev -m benchmarks $(ARGS)

clean:  ## remove the virtual environment and caches; your data in var/ stay
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
