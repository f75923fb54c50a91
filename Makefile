# `make check` is what CI runs, and nothing else.
PYTHON ?= python3

.PHONY: check lint types layers fast test safety

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
	$(PYTHON) -m pytest -m "not slow and not model" -n 2

test:
	$(PYTHON) -m pytest -n 2

# The figures of SECURITY.md, printed by the runs themselves. `make check` runs a part of each in its tests.
safety:
	@echo "$$(date -u +%F) $$(git rev-parse --short HEAD) $$(uname -sr)"
	PYTHONPATH=tests/safety:tests $(PYTHON) tests/safety/test_crash_points.py
	PYTHONPATH=tests/safety:tests $(PYTHON) tests/safety/test_money.py
	PYTHONPATH=tests/safety:tests $(PYTHON) tests/safety/test_secrets.py
	PYTHONPATH=tests/safety:tests $(PYTHON) tests/safety/test_sandbox_battery.py
	PYTHONPATH=tests/safety:tests $(PYTHON) tests/safety/test_ordinary_work.py
	$(PYTHON) -m bench.safety.permissions
