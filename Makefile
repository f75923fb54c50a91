# `make check` is what CI runs, and nothing else.
PYTHON ?= python3

.PHONY: check lint types layers fast test thorough safety safety-fast

check: lint types layers test

lint:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

types:
	$(PYTHON) -m mypy

layers:
	lint-imports

# The tests that need no model and take no more than a moment.
fast:
	$(PYTHON) -m pytest -m "not slow and not model" -n 3

test:
	$(PYTHON) -m pytest -m "not thorough" -n 3

# The long ones, most of which shorter ones show too.
thorough:
	$(PYTHON) -m pytest -m thorough

# The figures of SECURITY.md, printed by the runs that count them; `make safety-fast` runs a part of each.
safety:
	$(PYTHON) -m bench.safety.run

safety-fast:
	$(PYTHON) -m bench.safety.run --fast
