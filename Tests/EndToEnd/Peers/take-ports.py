# Holds all ports of a range: take-ports FIRST LAST
import socket, sys, time
held = []
for port in range(int(sys.argv[1]), int(sys.argv[2]) + 1):
    held.append(socket.socket())
    held[-1].bind(("0.0.0.0", port))
print("taken", flush=True)
time.sleep(60)
