#!/bin/sh
# `docker run sensor` is `sensor run`; `docker run sensor print-key` is `sensor print-key`.
exec /usr/bin/sensor "$@"
