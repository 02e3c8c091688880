# Says something to whoever connects, without end: endless-words ADDRESS PORT
import socket
import sys

listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
while True:
    client = listener.accept()[0]
    try:
        while True:
            client.sendall(b"welcome\r\n" * 10000)
    except OSError:
        pass
