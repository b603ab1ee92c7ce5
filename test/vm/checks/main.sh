#!/bin/sh
# Runs the checks named by the arguments, in the virtual machine: main.sh docker
# apparmor …
checks=$(cd "$(dirname "$0")" && pwd)
export checks
. "$checks/lib.sh"
for part in "$@"; do . "$checks/$part.sh"; done
summary "$*"
