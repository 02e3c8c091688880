# Sends COUNT bytes and says how many came back, or how it ended: echo-client ADDRESS PORT COUNT
import socket, sys, threading
c = socket.create_connection((sys.argv[1], int(sys.argv[2])))
c.settimeout(3)
got = 0
def send():
    try:
        c.sendall(b'x' * int(sys.argv[3])); c.shutdown(socket.SHUT_WR)
    except OSError: pass
threading.Thread(target=send).start()
try:
    while b := c.recv(65536): got += len(b)
    print(got)
except TimeoutError: print('timeout')
except OSError: print('reset')
