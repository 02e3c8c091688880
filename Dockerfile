# Builds with the Swift toolchain, runs without it: no compiler and no Python in the result.
FROM docker.io/library/swift:6.3-bookworm AS build
RUN apt-get update -q && apt-get install -yq --no-install-recommends libpcap-dev libssh2-1-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY Package.swift ./
COPY Sources Sources
COPY Tests Tests
RUN swift build -c release --static-swift-stdlib --product sensor && strip -o /sensor "$(swift build -c release --static-swift-stdlib --show-bin-path)/sensor"

FROM docker.io/library/debian:trixie-slim
# libpcap and libssh2 are Debian's, so that its security updates reach them. The capability is permitted but not
# effective (+p): with +e not even `print-key` would start where NET_RAW is out of reach.
COPY --from=build /sensor /usr/bin/sensor
RUN export DEBIAN_FRONTEND=noninteractive \
    && apt-get update -q \
    && apt-get install -yq --no-install-recommends libpcap0.8t64 libssh2-1t64 tzdata libcap2-bin \
    && setcap cap_net_raw+p /usr/bin/sensor \
    && apt-get purge -yq --autoremove libcap2-bin \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/log/* \
    && useradd --system --no-create-home --home-dir /data --shell /usr/sbin/nologin sensor \
    && install -d -o sensor -g sensor -m 0750 /data /run/sensor
COPY entrypoint.sh /entrypoint.sh
ENTRYPOINT ["/entrypoint.sh"]
CMD ["run"]
STOPSIGNAL SIGTERM
