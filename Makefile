# Each target works from a fresh clone. `make` alone lists them.
SHELL := /bin/bash
SCENARIOS := ../shared/tools/supervision
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
BUILD := libpcap-dev libssh2-1-dev
TEST := openssh-server openssh-client iproute2 tcpreplay libcap2-bin supervisor faketime util-linux rclone python3-paramiko
PACKAGES = $(BUILD)

.PHONY: help packages test-packages build run test torture differential fuzz check format docs image clean

help: ## lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

packages:
	@scripts/install-packages $(BUILD)

test-packages:
	@scripts/install-packages $(BUILD) $(TEST)

build: packages ## builds the release binary, .build/release/sensor
	swift build -c release --static-swift-stdlib --product sensor

run: build ## records the default interface and delivers to ./drop until Ctrl-C, then counts
	@$(SUDO) scripts/run-here .build/release/sensor

test: test-packages check ## runs all tests; root and network namespaces are needed for the end-to-end ones
	swift build --build-tests
	$(SUDO) env "PATH=$$PATH" swift test --skip-build

torture: test-packages ## 200 kills under traffic, and of each kind under transfers (about 40 minutes)
	swift build --build-tests
	$(SUDO) env "PATH=$$PATH" SENSOR_TEST_KILLS=200 swift test --skip-build --filter CrashTests

differential: test-packages ## recorded scenarios of the real supervisord; SCENARIOS=DIR
	swift build
	$(SUDO) env "PATH=$$PATH" scripts/differential $(SCENARIOS)

fuzz: ## random bytes at the readers of foreign text, 60 s each
	scripts/fuzz

check: ## style and layering
	scripts/check-layers
	swift format lint --strict --recursive Sources Tests Package.swift

format: ## formats the sources in place
	swift format --in-place --recursive Sources Tests Package.swift

docs: packages ## writes the settings table into README.md
	SENSOR_RECORD=1 swift test --filter READMETableTests

image: ## builds the container image `sensor`
	docker build -t sensor .

clean: ## removes what was built, recorded and delivered here
	rm -rf .build drop data
