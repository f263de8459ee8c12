# Two commands do everything: `make demo` runs the product, `make test` checks it. Both make .venv when it is missing.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)

.PHONY: demo test soak bench docs clean

demo: $(VENV)/.core
	@$(BIN)/kobe demo --out demo

test: $(VENV)/.dev
	@$(BIN)/python -m tools.check

soak: $(VENV)/.dev
	@$(BIN)/python -m tools.soak

bench: $(VENV)/.bench
	@$(BIN)/python -m bench

docs: $(VENV)/.dev
	@$(BIN)/python -m tools.docs

$(BIN)/python:
	@echo "Creating $(VENV) with $$($(PYTHON) --version)"
	@if [ -n "$(UV)" ]; then uv venv -q --python $(PYTHON) $(VENV); else $(PYTHON) -m venv $(VENV) && \
	$(BIN)/python -m pip install -q --disable-pip-version-check --upgrade 'pip>=25.1'; fi  # the first that knows --group

# Imports are several times slower without byte code, so it is compiled at installation.
define install
	@echo "Installing $(1) (once)"
	@if [ -n "$(UV)" ]; then uv pip install -q --compile-bytecode --python $(BIN)/python $(1); \
	else $(BIN)/python -m pip install -q --disable-pip-version-check $(1); fi
	@touch $@
endef

$(VENV)/.core: $(BIN)/python pyproject.toml
	$(call install,-e .)

$(VENV)/.dev: $(VENV)/.core pyproject.toml
	$(call install,-e '.[massive$(comma)yahoo$(comma)pandas$(comma)dask$(comma)ray]' --group test)

$(VENV)/.bench: $(VENV)/.core pyproject.toml
	$(call install,-e '.[bench]')

comma := ,

clean:
	rm -rf $(VENV) demo
