# Each command sets up what it needs first: nothing to install by hand but Python 3.11 or newer, and make.
.DEFAULT_GOAL := help
.PHONY: help run test lint check bench look soak setup setup-dev

# The virtual environment's Python once it is there, else the first one on this machine that is new enough.
find_python = if test -x .venv/bin/python; then echo .venv/bin/python; else \
	for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && exit; done; \
	echo "Namjai needs Python 3.11 or newer. Install it (on Debian: apt-get install python3), then run make again." >&2; \
	echo false; fi
# -I -S: the set-up sees the standard library alone, and begins in a few hundredths of a second.
set_up = @python=$$($(find_python)); $$python -I -S commands/setup.py

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1|\2/p' Makefile | while IFS='|' read -r name does; do printf '%-12s %s\n' "$$name" "$$does"; done
	@echo
	@echo "PORT=8123 make run        another port"
	@echo "HOST=0.0.0.0 make run     let tablets on the same network in"
	@echo "NAMJAI_DEMO=0 make run    real work: starts empty, without demonstration data"

run: setup ## set up everything and start Namjai on http://127.0.0.1:8000
	@exec .venv/bin/namjai run

test: setup-dev ## set up and run all tests
	@.venv/bin/python -m pytest -n 2

lint: setup-dev ## style and types
	@.venv/bin/ruff check .
	@.venv/bin/mypy

check: lint test ## style and types, then the tests

bench: setup-dev ## measure; prints a table
	@.venv/bin/python tests/benchmarks/table.py

look: setup-dev ## pictures of every page and letter into var/look/
	@.venv/bin/python tests/look.py

soak: setup-dev ## a year of 10,000 submissions and every named fault; SEED=… tells it again, FAULT=… one of them
	@SEED="$(SEED)" FAULT="$(FAULT)" .venv/bin/python tests/soak/soak.py

setup:
	$(set_up)

setup-dev:
	$(set_up) --dev
