# Sends back what it hears: echo-server ADDRESS PORT
import socket, sys, threading
s = socket.create_server((sys.argv[1], int(sys.argv[2])))
def serve(c):
    try:
        while b := c.recv(65536): c.sendall(b)
    except OSError: pass
    c.close()
while True: threading.Thread(target=serve, args=[s.accept()[0]]).start()
